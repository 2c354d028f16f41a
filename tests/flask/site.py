"""A Flask application with every verb as a route, its store, and browsers for it."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import flask
from flask import Flask, jsonify, request, stream_with_context

from coatcheck import Policy, Sessions
from coatcheck.flask import (
    Coatcheck,
    current_session,
    fresh_required,
    login_required,
    revoke_others,
    rotate,
    sign_in,
    sign_out,
)
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import FaultyStore, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from werkzeug.test import Client, TestResponse

COOKIE = "__Host-session"
DEADLINE = 30.0


class Site:
    """The application, and what a test does to it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = ManualClock()
        self.store = FaultyStore(SQLiteStore(str(folder / "app.db"), clock=self.clock))
        self.sessions = Sessions(self.store, policy=Policy(carry_over=("basket",)), clock=self.clock)
        self.do: Callable[[Any], Any] = dict
        self.gate = threading.Event()
        self.arrived = threading.Event()
        self.parts: Iterator[str] = iter(())
        self.app = Flask("site")
        self.app.testing = True
        Coatcheck(self.app, self.sessions, **{"user_key": "user_id", **settings})
        self._routes()

    def _routes(self) -> None:
        self._route_reading(self.app)
        self._route_changing(self.app)
        self._route_waiting(self.app)

    def _route_reading(self, app: Flask) -> None:

        @app.get("/")
        def does() -> Any:
            answer = self.do(flask.session)
            return jsonify(answer if isinstance(answer, (dict, bool, int, str, list)) else None)

        @app.get("/public")
        def public() -> Any:
            return "public"

        @app.get("/who")
        def who() -> Any:
            return jsonify(getattr(current_session, "user_id", None))

        @app.get("/private")
        @login_required
        def private() -> Any:
            return jsonify(current_session.user_id)

        @app.get("/private-async")
        @login_required
        async def private_async() -> Any:
            return jsonify(current_session.user_id)

        @app.route("/fresh", methods=["GET", "POST"])
        @fresh_required(within=timedelta(minutes=5), grace=timedelta(minutes=10))
        def fresh() -> Any:
            return jsonify(current_session.user_id)

    def _route_changing(self, app: Flask) -> None:
        @app.post("/in")
        def enter() -> Any:
            sign_in(request.args.get("user", "ada"), data={"role": "new"})
            flask.session["later"] = 1
            return jsonify({})

        @app.post("/out")
        def leave() -> Any:
            sign_out()
            return jsonify({})

        @app.post("/rotate")
        def turn() -> Any:
            return jsonify(rotate(reauthenticated=True).user_id)

        @app.post("/others")
        def others() -> Any:
            return jsonify(revoke_others())

    def _route_waiting(self, app: Flask) -> None:
        @app.post("/slow")
        def slow() -> Any:
            dict(flask.session)
            self.arrived.set()
            assert self.gate.wait(DEADLINE)
            flask.session.update(request.get_json())
            return jsonify({})

        @app.get("/stream")
        @login_required
        def stream() -> Any:
            return app.response_class(stream_with_context(self.parts), mimetype="text/event-stream")

    def browser(self) -> Browser:
        return Browser(self.app.test_client())

    def asks(self, browser: Browser, do: Callable[[Any], Any]) -> Any:
        self.do = do
        return browser.get("/").get_json()


class Browser:
    """One browser, over https; its own pages' requests say that they are."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, base_url="https://site.example", **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        headers = {"Sec-Fetch-Site": "same-origin", **options.pop("headers", {})}
        return self.client.post(path, base_url="https://site.example", headers=headers, **options)

    @property
    def token(self) -> str:
        found = self.client.get_cookie(COOKIE, "site.example")
        return found.value if found else ""

    @token.setter
    def token(self, value: str) -> None:
        self.client.set_cookie(COOKIE, value, domain="site.example", secure=True)


def vary_of(response: TestResponse) -> set[str]:
    return {part.strip().lower() for line in response.headers.getlist("Vary") for part in line.split(",")}
