"""The one trust boundary: a pure ASGI middleware for HTTP and WebSocket."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from coatcheck.actors import request_begins, request_ends
from coatcheck.asgi.context import SCOPE_KEY
from coatcheck.asgi.lifespan import Lifespan
from coatcheck.asgi.watched import WatchedResponse, WatchedSocket
from coatcheck.core.cross_origin import SAFE_METHODS
from coatcheck.errors import Unavailable
from coatcheck.web.async_authority import keeps_trail
from coatcheck.web.async_context import RequestContext
from coatcheck.web.async_device_endpoints import async_device_answer, async_devices_of, is_device_endpoint
from coatcheck.web.async_proof_gate import async_proofs_of
from coatcheck.web.cross_origin import refusal
from coatcheck.web.pages import ANSWERED, answer_to, cross_origin_problem, problem_of
from coatcheck.web.settings import WebSettings
from coatcheck.web.streams import SESSION_ENDED, TRY_AGAIN_LATER, OpenStreams

if TYPE_CHECKING:
    from contextvars import Token

    from coatcheck.actors import Acting, Actor
    from coatcheck.asgi.types import App, Receive, Scope, Send
    from coatcheck.web.async_authority import Authority
    from coatcheck.web.pages import Answer
    from coatcheck.web.streams import Stream

_POLICY_VIOLATION = 1008


class SessionMiddleware:
    """Attaches the session to each request, refuses cross-origin requests, and answers 401, 403 and 503.

    Opens the sessions when the server starts and closes them when it stops.
    """

    def __init__(self, app: App, /, sessions: Authority, **settings: Any) -> None:
        """Wrap an application.

        Args:
            app: The application.
            sessions: Where sessions are validated: `AsyncSessions`, or `AsyncProviderSessions`.
            **settings: The fields of `WebSettings`, such as `cookie` or `bearer`.
        """
        self.app = app
        self.sessions = sessions
        self.settings = WebSettings(**settings)
        transport = sessions.transport(self.settings.cookie.name, bearer=self.settings.bearer)
        self.transport, self._proofs = async_proofs_of(sessions, self.settings, transport)
        self.devices = async_devices_of(sessions, self.settings)
        self.streams = OpenStreams(sessions, self.settings.stream_check_every.total_seconds())
        self._keeps_trail = keeps_trail(sessions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        kind = scope["type"]
        if kind != "http":
            serve = {"websocket": self._websocket, "lifespan": self._lifespan}.get(kind, self.app)
            await serve(scope, receive, send)
            return
        context = scope[SCOPE_KEY] = self._context(scope)
        if scope["method"] not in SAFE_METHODS and (reason := refusal(scope, context)) is not None:
            await _respond(send, cross_origin_problem(reason))
            return
        response = WatchedResponse(context, send, self.streams)
        context.on_session = response.belongs_to
        before = request_begins(context) if self._keeps_trail else None
        try:
            if self.devices is not None and is_device_endpoint(self.devices, scope):
                await _respond(response, await async_device_answer(self.devices, scope, context))
                return
            await self.app(scope, receive, response)
        except ANSWERED as error:
            if response.started:
                raise
            await _respond(response, answer_to(error, scope, context))
        except asyncio.CancelledError:
            if not response.is_over():
                raise
        finally:
            context.on_session = None
            if before is not None or response.stream is not None:
                self._let_go(before, response.stream)
        if response.is_over():
            response.uncancel()
            await response.cut()

    def _let_go(self, before: Token[Actor | Acting] | None, stream: Stream | None) -> None:
        if before is not None:
            request_ends(before)
        if stream is not None:
            self.streams.remove(stream)

    def _context(self, scope: Scope) -> RequestContext:
        return RequestContext(scope, self.sessions, self.settings, self.transport, self.devices, proofs=self._proofs)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Lifespan(self.sessions, self.streams, receive, send).run(self.app, scope)

    # --- WebSocket

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = scope[SCOPE_KEY] = self._context(scope)
        if (reason := refusal(scope, context)) is not None:
            await _deny(scope, send, cross_origin_problem(reason), _POLICY_VIOLATION)
            return
        socket = WatchedSocket(context, send, self.streams)
        context.on_session = socket.belongs_to
        # The application has a task of its own, so that its session's end can interrupt whatever it waits for.
        before = request_begins(context)  # which the task begins with
        task = asyncio.ensure_future(self.app(scope, receive, socket))
        request_ends(before)
        try:
            await asyncio.wait([task, socket.over], return_when=asyncio.FIRST_COMPLETED)
            if socket.over.done():
                # Closed at once, and not when the application has done with its cancellation.
                task.cancel()
                await socket.close_once(SESSION_ENDED)
        finally:
            context.on_session = None
            if socket.stream is not None:
                self.streams.remove(socket.stream)
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
        if socket.over.done():
            with suppress(asyncio.CancelledError):
                task.result()
            return
        await _websocket_result(task, scope, socket, context)


async def _deny(scope: Scope, send: Send, answer: Answer, code: int) -> None:
    """Refuse a WebSocket handshake: with a full answer where the server can send one, which all but old ones can."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": code, "reason": ""})
        return
    status, headers, body = answer
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


async def _websocket_result(
    task: asyncio.Future[None], scope: Scope, socket: WatchedSocket, context: RequestContext
) -> None:
    """Pass on how the application ended; a missing session or store is an answer, not a crash."""
    try:
        task.result()
    except ANSWERED as error:
        unavailable = isinstance(error, Unavailable)
        if socket.accepted:
            await socket.close_once(TRY_AGAIN_LATER if unavailable else SESSION_ENDED)
        else:
            code = TRY_AGAIN_LATER if unavailable else _POLICY_VIOLATION
            await _deny(scope, socket, problem_of(error, context), code)


async def _respond(send: Send, answer: Answer) -> None:
    status, headers, body = answer
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
