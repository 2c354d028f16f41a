"""Which sessions a command is about: those of a store URL, or those of an application."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from coatcheck._async.sessions import AsyncSessions
from coatcheck._sync.sessions import Sessions
from coatcheck.asgi.middleware import SessionMiddleware
from coatcheck.asgi.settings import WebSettings
from coatcheck.cli.environment import FromEnvironment
from coatcheck.errors import ConfigurationError, SchemaError
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.stores.users import UsersTable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator

    from coatcheck.stores.protocol import Store

_DEEPEST = 50


class Target(NamedTuple):
    """What a command is about.

    Attributes:
        origin: Where the configuration comes from, in words.
        sessions: The sessions as configured.
        web: How they travel over HTTP.
    """

    origin: str
    sessions: AsyncSessions | Sessions
    web: WebSettings


def target_of(arguments: argparse.Namespace) -> Target:
    """Return what the arguments name; the command line counts for more than the environment.

    Raises:
        ConfigurationError: They name nothing, too much, or something that cannot be used.
    """
    store, app = arguments.store, arguments.app
    if store and app and isinstance(store, FromEnvironment) == isinstance(app, FromEnvironment):
        msg = "--store and --app (COATCHECK_STORE and COATCHECK_APP) both name a database: give one of them"
        raise ConfigurationError(msg)
    if app and not (store and isinstance(app, FromEnvironment)):
        return _application(app)
    if store:
        table = arguments.users_table
        users = UsersTable(table=table) if table else None
        return Target("defaults, on the database of --store", Sessions(store, users=users), WebSettings())
    msg = "no database is named: give --store sqlite:///app.db (or COATCHECK_STORE), or --app module:attribute"
    raise ConfigurationError(msg)


def store_of(target: Target) -> Store:
    """Return a store for threads that does not migrate by itself.

    Raises:
        ConfigurationError: The application's store has no side for threads.
    """
    store = target.sessions.store
    if isinstance(store, (AsyncSQLiteStore, SQLiteStore)):
        return SQLiteStore(store.path, users=store.users, migrate=False)
    if isinstance(target.sessions, Sessions):
        return target.sessions.store
    msg = f"{type(store).__name__} works with asyncio only: use --store"
    raise ConfigurationError(msg)


@contextmanager
def opened(arguments: argparse.Namespace) -> Generator[Sessions]:
    """Give the sessions to work with, on a store that has been found in order.

    Raises:
        SchemaError: It is not in order; the message says what to do.
    """
    store = store_of(target_of(arguments))
    try:
        problems = store.problems()
        if problems:
            raise SchemaError(f"the database is not ready: {'; '.join(problems)}")
        yield Sessions(store)
    finally:
        store.close()


# --- applications


def _application(name: str) -> Target:
    found = _imported(name)
    for _ in range(_DEEPEST):
        if isinstance(found, (AsyncSessions, Sessions)):
            return Target(f"the sessions {name}, with default settings for HTTP", found, WebSettings())
        middleware = _middleware_of(found)
        if middleware is not None:
            return Target(f"the application {name}", middleware.sessions, middleware.settings)
        if (inner := getattr(found, "app", None)) is None:
            break
        found = inner
    msg = f"app={name!r} is not possible: it is neither sessions nor an application behind SessionMiddleware"
    raise ConfigurationError(msg)


def _middleware_of(found: Any) -> SessionMiddleware | None:
    """Return the middleware itself, or the one that a Starlette application will put in front of itself."""
    if isinstance(found, SessionMiddleware):
        return found
    for entry in getattr(found, "user_middleware", ()):
        if isinstance(entry.cls, type) and issubclass(entry.cls, SessionMiddleware):
            return entry.cls(found, *entry.args, **entry.kwargs)
    return None


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
