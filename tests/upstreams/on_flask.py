"""A plugin for pytest: every Flask application of the tests has our extension, with what Flask's own settings say."""

from __future__ import annotations

import itertools
import os
from typing import Any

import flask
import pytest
from _pytest import monkeypatch
from flask.sessions import SecureCookieSessionInterface

from coatcheck import CookieSettings, CrossOriginPolicy, Policy, Sessions
from coatcheck.flask import Coatcheck
from coatcheck.web.settings import WebSettings
from coatcheck.wsgi import SessionMiddleware

_folder = os.environ["FOLDER"]
_numbers = itertools.count()
_open: list[Sessions] = []
_theirs = flask.Flask.__init__


class _ByConfiguration(SessionMiddleware):
    """The middleware, with the cookie that Flask's settings describe now; the tests change them between requests."""

    flask: flask.Flask

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.refresh()
        return super().__call__(environ, start_response)

    def attach(self, environ: Any, scope: Any) -> Any:
        self.refresh()
        return super().attach(environ, scope)

    def refresh(self) -> None:
        app, config = self.flask, self.flask.config
        interface = app.session_interface
        same_site: Any = (interface.get_cookie_samesite(app) or "lax").lower()
        cookie = CookieSettings(
            name=interface.get_cookie_name(app),
            path=interface.get_cookie_path(app),
            domain=(interface.get_cookie_domain(app) or "").removeprefix(".") or None,
            secure=interface.get_cookie_secure(app),
            http_only=interface.get_cookie_httponly(app),
            same_site=same_site,
            persistent=bool(config.get("SESSION_PERMANENT")),
        )
        # Their client says neither Sec-Fetch-Site nor Origin, which no browser does.
        self.settings = WebSettings(cookie=cookie, cross_origin=CrossOriginPolicy(allow_missing=True))
        self._transport = self.sessions.transport(cookie.name, bearer=False)


def _begin(self: flask.Flask, *arguments: Any, **settings: Any) -> None:
    _theirs(self, *arguments, **settings)
    if type(self).session_interface.__class__ is not SecureCookieSessionInterface:
        return  # the test is about an interface that it brings
    sessions = Sessions(f"sqlite:///{_folder}/{next(_numbers)}.db", policy=Policy())
    _open.append(sessions)
    Coatcheck(self, sessions)
    middleware: Any = self.wsgi_app
    middleware.__class__ = _ByConfiguration
    middleware.flask = self


@pytest.fixture(autouse=True)
def _closed() -> Any:
    yield
    while _open:
        _open.pop().close()


# Where their conftest looks for it, as in the pytest of their release.
vars(monkeypatch).setdefault("notset", getattr(monkeypatch, "NOTSET", None))
flask.Flask.__init__ = _begin  # type: ignore[method-assign]
