"""The contract's site in each framework, on a store of its own that can be away."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, cast

import flask
from flask import Flask
from litestar import Litestar
from litestar import Request as LitestarRequest
from litestar import route as litestar_route
from litestar.params import FromPath  # noqa: TC002 - Litestar reads annotations at run time
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from coatcheck import AsyncSessions, CookieSettings, Sessions
from coatcheck import flask as with_flask
from coatcheck import litestar as with_litestar
from coatcheck import starlette as with_starlette
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.testing import AsyncFaultyStore, FaultyStore
from tests.integrations.contract import FragileSite
from tests.integrations.drivers import ASGIServer, Browser, WSGIServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request

    from tests.integrations.drivers import Server

LOOKS: dict[str, Callable[[Any], object]] = {
    "get": lambda session: session.get("a"),
    "in": lambda session: "a" in session,
    "len": len,
    "bool": bool,
    "iteration": list,
}
COOKIE = CookieSettings(name="session", secure=False)
"""Over plain http, as the contract's browser asks."""


class SQLiteSite(FragileSite):
    """A site on SQLite behind faults that are ordered."""

    cookie = COOKIE.name
    ways = tuple(LOOKS)

    def __init__(self, folder: Path, **how: Any) -> None:
        """Name the database, and say what the sessions are to be told."""
        self._how = how
        self.path = str(folder / "site.db")
        self.held = threading.Semaphore(0)
        self.release = threading.Semaphore(0)
        self.store: Any = None
        self.sessions_: Any = None
        self._stack = ExitStack()
        SQLiteStore(self.path).migrate()
        self._server = self._serve()

    def _serve(self) -> Server:
        raise NotImplementedError

    def close(self) -> None:
        """End what serves it."""
        self._stack.close()

    def browser(self) -> Browser:
        return Browser(self._server)

    def sessions(self) -> int:
        with closing(sqlite3.connect(self.path)) as connection:
            return int(connection.execute("SELECT count(*) FROM coatcheck_sessions").fetchall()[0][0])

    def contents(self) -> str:
        with closing(sqlite3.connect(self.path)) as connection:
            return "\n".join(connection.iterdump())

    @contextmanager
    def outage(self) -> Iterator[None]:
        self.sessions_.forked()  # nothing is in memory any more
        self.store.fail("poll", "read", "create", "save", "rotate", "revoke", "find")
        try:
            yield
        finally:
            self.store.heal()

    async def hold(self) -> None:
        """Wait in the middle of a request."""
        self.held.release()
        await asyncio.to_thread(self.release.acquire)


def _done(_: object) -> dict[str, Any]:
    return {}


class FlaskSite(SQLiteSite):
    """The site in Flask, with `flask.session` and the verbs."""

    def _serve(self) -> Server:
        self.store = FaultyStore(SQLiteStore(self.path, clock=self._how.get("clock")))
        self.sessions_ = Sessions(self.store, **self._how)
        self._stack.callback(self.sessions_.close)
        app = Flask("contract")
        with_flask.Coatcheck(app, self.sessions_, cookie=COOKIE)
        rules: dict[str, Callable[..., Any]] = {
            "/plain": dict,
            "/look/<way>": lambda way: {"seen": repr(LOOKS[way](flask.session))},
            "/all": self._all,
            "/sign-in/<user>": lambda user: {"user": with_flask.sign_in(user, data={"user": user}).user_id},
            "/sign-out": self._sign_out,
            "/clear": self._clear,
            "/set/<key>/<value>": lambda key, value: _done(flask.session.update({key: value})),
            "/hold/<key>/<value>": self._hold,
        }
        for rule, view in rules.items():
            app.add_url_rule(rule, rule, view, methods=["GET", "POST"])
        return WSGIServer(app)

    def _sign_out(self) -> Any:
        with_flask.sign_out()
        return {}

    def _clear(self) -> Any:
        flask.session.clear()
        return {}

    def _all(self) -> Any:
        return dict(flask.session)

    def _hold(self, key: str, value: str) -> Any:
        dict(flask.session)
        self.held.release()
        self.release.acquire()
        flask.session[key] = value
        return {}


class AsyncSite(SQLiteSite):
    """What the sites for event loops have in common; their browsers bring no lifespan."""

    def _in_a_loop(self, app: Any) -> Server:
        server = self._stack.enter_context(ASGIServer(app))
        self._stack.callback(lambda: asyncio.run_coroutine_threadsafe(self.sessions_.aclose(), server._loop).result())
        return server

    def _sessions(self) -> AsyncSessions:
        self.store = AsyncFaultyStore(AsyncSQLiteStore(self.path, clock=self._how.get("clock")))
        self.sessions_ = sessions = AsyncSessions(self.store, **self._how)
        return sessions

    async def act(self, request: Any, verbs: Any, path: list[str]) -> Any:
        """Do what a path asks for."""
        match path:
            case ["look", way]:
                return {"seen": repr(LOOKS[way](request.session))}
            case ["all"]:
                return dict(request.session)
            case ["sign-in", user]:
                await verbs.sign_in(request, user, data={"user": user})
            case ["sign-out"]:
                await verbs.sign_out(request)
            case ["clear"]:
                request.session.clear()
            case ["set", key, value]:
                request.session[key] = value
            case ["hold", key, value]:
                dict(request.session)
                await self.hold()
                request.session[key] = value
        return {}


class StarletteSite(AsyncSite):
    """The site in Starlette, with `request.session` and the verbs."""

    def _serve(self) -> Server:
        async def view(request: Request) -> JSONResponse:
            return JSONResponse(await self.act(request, with_starlette, request.url.path.strip("/").split("/")))

        boundary = Middleware(with_starlette.SessionMiddleware, sessions=self._sessions(), cookie=COOKIE)
        app = Starlette(
            routes=[Route("/{path:path}", view, methods=["GET", "POST"])],
            middleware=[boundary, Middleware(with_starlette.RequestSessionMiddleware)],
        )
        return self._in_a_loop(app)


class LitestarSite(AsyncSite):
    """The site in Litestar, with `request.session` and the verbs."""

    def _serve(self) -> Server:
        @litestar_route("/{path:path}", http_method=["GET", "POST"], status_code=200)
        async def view(request: LitestarRequest[Any, Any, Any], path: FromPath[str]) -> dict[str, Any]:
            answer = await self.act(request, with_litestar, path.strip("/").split("/"))
            return cast("dict[str, Any]", json.loads(json.dumps(answer)))

        app = Litestar([view], plugins=[with_litestar.CoatcheckPlugin(self._sessions(), cookie=COOKIE)])
        return self._in_a_loop(app)
