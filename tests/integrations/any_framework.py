"""The suite's sites in frameworks that have no module of their own, as the page about them says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import falcon
import quart

from coatcheck import asgi, wsgi
from coatcheck.testing.servers import WSGIServer
from tests.integrations.loops import AsyncSite, beats
from tests.integrations.sites import LOOKS, SETTINGS
from tests.integrations.threads import ThreadedSite
from tests.integrations.threads import beats as threaded_beats

if TYPE_CHECKING:
    from coatcheck.testing.browsers import Server


class Contexts:
    """The verbs of a context, as those of a framework's module."""

    async def sign_in(self, request: Any, user: str, data: Any) -> None:
        await asgi.context_of(request.scope).sign_in(user, data=data)

    async def rotate(self, request: Any, *, reauthenticated: bool = False) -> None:
        await asgi.context_of(request.scope).rotate(reauthenticated=reauthenticated)

    async def sign_out(self, request: Any) -> None:
        await asgi.context_of(request.scope).sign_out()


class QuartSite(AsyncSite):
    """The site in Quart, behind the ASGI middleware."""

    def serve(self) -> Server:
        app = quart.Quart("contract")
        served: Any = app  # whose scopes have types of their own
        inside = asgi.RequestSessionMiddleware(served.asgi_app)
        served.asgi_app = asgi.SessionMiddleware(inside, self.make_sessions(), **SETTINGS)

        @app.route("/<path:path>", methods=["GET", "POST"])
        async def view(path: str) -> Any:
            session = asgi.request_session(quart.request.scope)
            return await self.act(quart.request, Contexts(), session, path.split("/"))

        @app.get("/plain")
        async def plain() -> str:
            return "plain"

        @app.get("/stream")
        @app.get("/silence")
        async def stream() -> Any:
            session = await asgi.context_of(quart.request.scope).require()
            response = await quart.make_response(beats(session, silent=quart.request.path == "/silence"))
            response.timeout = None  # type: ignore[union-attr]
            return response

        @app.websocket("/socket")
        async def socket() -> None:
            await asgi.context_of(quart.websocket.scope).require()
            await quart.websocket.accept()
            while True:
                await quart.websocket.send(await quart.websocket.receive())

        for error in asgi.ANSWERED:
            app.register_error_handler(error, _refused)
        return self.in_a_loop(app)


async def _refused(error: Exception) -> Any:
    return asgi.answered(error, (quart.request if quart.has_request_context() else quart.websocket).scope)


class FalconSite(ThreadedSite):
    """The site in Falcon, behind the WSGI middleware."""

    def serve(self) -> Server:
        app = falcon.App()
        for error in wsgi.ANSWERED:
            app.add_error_handler(error, _answer)
        app.add_sink(self._act, "/")
        app.add_sink(self._end, "/end")
        app.add_sink(_plain, "/plain")
        app.add_sink(_stream, "/stream")
        inside = wsgi.RequestSessionMiddleware(app)
        return WSGIServer(wsgi.SessionMiddleware(inside, self.make_sessions(), **SETTINGS))

    def _end(self, req: falcon.Request, resp: falcon.Response, **_: Any) -> None:
        wsgi.context_of(req.env).require()
        resp.media = {"ended": self.sessions_.revoke_user(req.path.rpartition("/")[2])}

    def _act(self, req: falcon.Request, resp: falcon.Response, **_: Any) -> None:
        context, session = wsgi.context_of(req.env), wsgi.request_session(req.env)
        resp.media = {}
        match req.path.strip("/").split("/"):
            case ["look", way]:
                resp.media = {"seen": repr(LOOKS[way](session))}
            case ["all"]:
                resp.media = dict(session)
            case ["sign-in", user]:
                context.sign_in(user, data={"user": user})
            case ["step-up"]:
                context.rotate(reauthenticated=True)
            case ["privileges"]:
                context.rotate()
            case ["sign-out"]:
                context.sign_out()
            case ["clear"]:
                session.clear()
            case ["set", key, value]:
                session[key] = value
            case ["hold", key, value]:
                dict(session)
                self.pause.wait()
                session[key] = value


def _plain(req: falcon.Request, resp: falcon.Response, **_: Any) -> None:
    resp.text = "plain"


def _stream(req: falcon.Request, resp: falcon.Response, **_: Any) -> None:
    resp.stream = threaded_beats(wsgi.context_of(req.env).require())


def _answer(req: falcon.Request, resp: falcon.Response, error: Exception, _: Any) -> None:
    resp.data, resp.status, headers = wsgi.answered(error, req.env)
    resp.set_headers(headers)
