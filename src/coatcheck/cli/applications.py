"""The sessions of an application, and how they travel: found in whatever has our boundary around it."""

from __future__ import annotations

import sys
from importlib import import_module
from inspect import isroutine
from typing import TYPE_CHECKING, Any

from coatcheck._async.provider_sessions import AsyncProviderSessions
from coatcheck._async.sessions import AsyncSessions
from coatcheck._sync.provider_sessions import ProviderSessions
from coatcheck._sync.sessions import Sessions
from coatcheck.asgi.middleware import SessionMiddleware
from coatcheck.errors import ConfigurationError
from coatcheck.web.settings import WebSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck.describe import AnySessions

_SESSIONS = (AsyncSessions, Sessions, AsyncProviderSessions, ProviderSessions)
_DEEPEST = 50
_INSIDE = ("app", "application", "wsgi_app", "asgi_app")
"""Where middleware and frameworks keep the application inside."""


def application(name: str) -> tuple[str, AnySessions, WebSettings]:
    """Return what `module:attribute` names, in words, its sessions, and how they travel over HTTP.

    Raises:
        ConfigurationError: It cannot be imported, or nothing of ours is in it; the message says what was found.
    """
    looked_at: list[Any] = []
    found = _imported(name)
    while found is not None and len(looked_at) < _DEEPEST:
        if isinstance(found, _SESSIONS):
            return f"the sessions {name}, with default settings for HTTP", found, WebSettings()
        for boundary in _boundaries(found):
            return f"the application {name}", boundary.sessions, boundary.settings
        looked_at.append(found)
        found = next((inside for word in _INSIDE if (inside := getattr(found, word, None)) is not None), None)
    raise ConfigurationError(f"app={name!r} is not possible: {_nothing_in(looked_at)}")


def _boundaries(found: Any) -> Iterator[Any]:
    """Yield whatever there has sessions and settings for HTTP, without knowing the frameworks."""
    candidates = [
        found,  # SessionMiddleware, under ASGI or WSGI
        *(getattr(plugin, "boundary", None) for plugin in _listed(found, "plugins")),  # Litestar
        *(getattr(middleware, "__self__", None) for middleware in _listed(found, "middlewares")),  # aiohttp
    ]
    yield from (each for each in candidates if _is_boundary(each))
    for entry in _listed(found, "user_middleware"):  # Starlette, which makes them with the first request
        if isinstance(entry.cls, type) and issubclass(entry.cls, SessionMiddleware):
            yield entry.cls(found, *entry.args, **entry.kwargs)


def _listed(found: Any, name: str) -> Iterator[Any]:
    try:
        yield from getattr(found, name, ())
    except TypeError:
        return  # something else under that name


def _is_boundary(candidate: Any) -> bool:
    settings, sessions = getattr(candidate, "settings", None), getattr(candidate, "sessions", None)
    return isinstance(settings, WebSettings) and isinstance(sessions, _SESSIONS)


def _nothing_in(looked_at: list[Any]) -> str:
    """Say what was found instead, and what to do."""
    first, last = looked_at[0], looked_at[-1]
    if type(first).__module__.startswith("django."):
        return "it is an application of Django, whose sessions are in its settings: run `manage.py check`"
    if isroutine(first):
        return f"{first.__name__} is a function, which is not called: name the application that it returns"
    kinds = [f"{type(each).__module__}.{type(each).__qualname__}" for each in looked_at]
    inside = f", and last in it {kinds[-1]}" if last is not first and not isroutine(last) else ""
    neither = "it is neither sessions nor an application behind SessionMiddleware"
    others = (
        "Coatcheck(app, sessions) for Flask, CoatcheckPlugin(sessions) for Litestar, setup(app, sessions) for aiohttp"
    )
    return f"{neither}; found {kinds[0]}{inside}: wrap it, or use {others}"


def _imported(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        msg = f"app={name!r} is not possible: use 'module:attribute', such as 'shop.main:app'"
        raise ConfigurationError(msg)
    if "" not in sys.path:
        sys.path.insert(0, "")  # the folder it is called from, as servers do
    try:
        found: Any = import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:
        msg = f"app={name!r} cannot be imported: {type(error).__name__}: {error}"
        raise ConfigurationError(msg) from error
    return found
