"""The suite's site in aiohttp, on a server of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from coatcheck import aiohttp as with_aiohttp
from coatcheck.testing.servers import ListeningServer, LoopThread
from tests.integrations.loops import AsyncSite, beats
from tests.integrations.sites import SETTINGS

if TYPE_CHECKING:
    from coatcheck.testing.browsers import Server


class AiohttpSite(AsyncSite):
    """The site with `get_session`, the verbs and the decorators."""

    def serve(self) -> Server:
        app = web.Application()
        with_aiohttp.setup(app, self.make_sessions(), **SETTINGS)
        self.route(app)
        thread = self.stack.enter_context(LoopThread())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        port = thread.run(_listening(runner))
        self.stack.callback(lambda: thread.run(runner.cleanup()))
        return ListeningServer("127.0.0.1", port)

    def route(self, app: web.Application) -> None:
        """Have the application answer what the suite asks for."""
        for path, handler in {
            "/stream": _stream,
            "/silence": _stream,
            "/socket": _socket,
            "/plain": _plain,
            "/{path:.*}": self._act,
        }.items():
            app.router.add_route("*", path, handler)

    async def _act(self, request: web.Request) -> web.Response:
        session = await with_aiohttp.get_session(request)
        path = request.match_info["path"].split("/")
        return web.json_response(await self.act(request, with_aiohttp, session, path))


async def _listening(runner: web.AppRunner) -> int:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port: int = runner.addresses[0][1]
    return port


async def _plain(_: web.Request) -> web.Response:
    return web.Response(text="plain")


@with_aiohttp.login_required
async def _stream(request: web.Request) -> web.StreamResponse:
    session = await with_aiohttp.require_session(request)
    response = web.StreamResponse()
    await response.prepare(request)
    async for part in beats(session, silent=request.path == "/silence"):
        await response.write(part)
    return response


@with_aiohttp.login_required
async def _socket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket
