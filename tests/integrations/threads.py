"""The suite's sites in frameworks for threads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import flask
from flask import Flask

from coatcheck import Sessions
from coatcheck import flask as with_flask
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import FaultyStore
from coatcheck.testing.servers import WSGIServer
from tests.integrations.sites import BEAT, LOOKS, SETTINGS, SQLiteSite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coatcheck import Session
    from coatcheck.testing.browsers import Server


class ThreadedSite(SQLiteSite):
    """What the sites for threads have in common."""

    def make_sessions(self) -> Sessions:
        """Return the sessions to serve."""
        self.store = FaultyStore(SQLiteStore(self.path, clock=self.how.get("clock")))
        self.sessions_ = sessions = Sessions(self.store, **self.how)
        self.stack.callback(sessions.close)
        return sessions


def beats(session: Session) -> Iterator[bytes]:
    """Yield who it is, and then something again and again."""
    yield (session.user_id or "").encode()
    while True:
        time.sleep(BEAT)
        yield b"."


class FlaskSite(ThreadedSite):
    """The site in Flask, with `flask.session` and the verbs."""

    def serve(self) -> Server:
        app = Flask("contract")
        with_flask.Coatcheck(app, self.make_sessions(), **SETTINGS)
        rules: dict[str, Callable[..., Any]] = {
            "/plain": dict,
            "/look/<way>": lambda way: {"seen": repr(LOOKS[way](flask.session))},
            "/all": lambda: dict(flask.session),
            "/sign-in/<user>": lambda user: {"user": with_flask.sign_in(user, data={"user": user}).user_id},
            "/step-up": lambda: _done(with_flask.rotate(reauthenticated=True)),
            "/privileges": lambda: _done(with_flask.rotate()),
            "/sign-out": lambda: _done(with_flask.sign_out()),  # type: ignore[func-returns-value]
            "/clear": lambda: _done(flask.session.clear()),  # type: ignore[func-returns-value]
            "/end/<user>": lambda user: {"ended": self.sessions_.revoke_user(user)},
            "/set/<key>/<value>": lambda key, value: _done(flask.session.update({key: value})),
            "/hold/<key>/<value>": self._hold,
            "/stream": with_flask.login_required(_stream),
        }
        for rule, view in rules.items():
            app.add_url_rule(rule, rule, view, methods=["GET", "POST"])
        return WSGIServer(app)

    def _hold(self, key: str, value: str) -> Any:
        dict(flask.session)
        self.pause.wait()
        flask.session[key] = value
        return {}


def _stream() -> flask.Response:
    return flask.Response(beats(with_flask.current_session._get_current_object()))  # type: ignore[attr-defined]


def _done(_: object) -> dict[str, Any]:
    return {}
