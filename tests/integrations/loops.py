"""The suite's sites in frameworks for event loops."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

from litestar import Litestar
from litestar import Request as LitestarRequest
from litestar import WebSocket as LitestarSocket
from litestar import route as litestar_route
from litestar import websocket as litestar_websocket
from litestar.params import FromPath  # noqa: TC002 - Litestar reads annotations at run time
from litestar.response import Stream as LitestarStream
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from coatcheck import AsyncSessions
from coatcheck import litestar as with_litestar
from coatcheck import starlette as with_starlette
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.testing import AsyncFaultyStore
from coatcheck.testing.servers import ASGIServer
from tests.integrations.sites import BEAT, LOOKS, SETTINGS, SQLiteSite

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from coatcheck import Session
    from coatcheck.testing.browsers import Server


class AsyncSite(SQLiteSite):
    """What the sites for event loops have in common; their browsers bring no lifespan."""

    def in_a_loop(self, app: Any) -> Server:
        """Serve an ASGI application, whose sessions end before its loop does."""
        server = self.stack.enter_context(ASGIServer(app))
        self.stack.callback(lambda: server.run(self.sessions_.aclose()))
        return server

    def make_sessions(self) -> AsyncSessions:
        """Return the sessions to serve."""
        self.store = AsyncFaultyStore(AsyncSQLiteStore(self.path, clock=self.how.get("clock")))
        self.sessions_ = sessions = AsyncSessions(self.store, **self.how)
        return sessions

    async def act(self, request: Any, verbs: Any, session: Any, path: list[str]) -> Any:
        """Do what a path asks for, with a framework's verbs and its mapping of the session's data."""
        match path:
            case ["look", way]:
                return {"seen": repr(LOOKS[way](session))}
            case ["all"]:
                return dict(session)
            case ["sign-in" | "end" as way, user]:
                signs_in = way == "sign-in"
                await (
                    verbs.sign_in(request, user, data={"user": user}) if signs_in else self.sessions_.revoke_user(user)
                )
            case ["step-up"]:
                await verbs.rotate(request, reauthenticated=True)
            case ["privileges"]:
                await verbs.rotate(request)
            case ["sign-out"]:
                await verbs.sign_out(request)
            case ["clear"]:
                session.clear()
            case ["set", key, value]:
                session[key] = value
            case ["hold", key, value]:
                dict(session)
                await asyncio.to_thread(self.pause.wait)
                session[key] = value
        return {}


async def beats(session: Session, *, silent: bool) -> AsyncIterator[bytes]:
    """Yield who it is, and then go on without an end."""
    yield (session.user_id or "").encode()
    while True:
        await (asyncio.Event().wait() if silent else asyncio.sleep(BEAT))
        yield b"."


class StarletteSite(AsyncSite):
    """The site in Starlette, with `request.session` and the verbs."""

    def serve(self) -> Server:
        async def view(request: Request) -> JSONResponse:
            path = request.url.path.strip("/").split("/")
            return JSONResponse(await self.act(request, with_starlette, request.session, path))

        async def stream(request: Request) -> StreamingResponse:
            session = await with_starlette.require_session(request)
            return StreamingResponse(beats(session, silent=request.url.path == "/silence"))

        async def socket(websocket: WebSocket) -> None:
            await with_starlette.require_session(websocket)
            await websocket.accept()
            async for text in websocket.iter_text():
                await websocket.send_text(text)

        boundary = Middleware(with_starlette.SessionMiddleware, sessions=self.make_sessions(), **SETTINGS)
        app = Starlette(
            routes=[
                Route("/stream", stream),
                Route("/silence", stream),
                WebSocketRoute("/socket", socket),
                Route("/{path:path}", view, methods=["GET", "POST"]),
            ],
            middleware=[boundary, Middleware(with_starlette.RequestSessionMiddleware)],
        )
        return self.in_a_loop(app)


class LitestarSite(AsyncSite):
    """The site in Litestar, with `request.session` and the verbs."""

    def serve(self) -> Server:
        @litestar_route("/{path:path}", http_method=["GET", "POST"], status_code=200)
        async def view(request: LitestarRequest[Any, Any, Any], path: FromPath[str]) -> dict[str, Any]:
            answer = await self.act(request, with_litestar, request.session, path.strip("/").split("/"))
            return cast("dict[str, Any]", json.loads(json.dumps(answer)))

        @litestar_route(["/stream", "/silence"], http_method="GET")
        async def stream(
            request: LitestarRequest[Any, Any, Any], session: with_litestar.CurrentSession
        ) -> LitestarStream:
            return LitestarStream(beats(session, silent=request.url.path == "/silence"))

        @litestar_websocket("/socket", guards=[with_litestar.requires_session])
        async def socket(socket: LitestarSocket[Any, Any, Any]) -> None:
            await socket.accept()
            async for text in socket.iter_data("text"):
                await socket.send_text(text)

        plugin = with_litestar.CoatcheckPlugin(self.make_sessions(), **SETTINGS)
        return self.in_a_loop(Litestar([view, stream, socket], plugins=[plugin]))
