"""The one trust boundary: a pure ASGI middleware for HTTP and WebSocket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from coatcheck.asgi.context import SCOPE_KEY, RequestContext
from coatcheck.asgi.pages import ANSWERED, answer_to, problem
from coatcheck.asgi.settings import WebSettings
from coatcheck.asgi.streams import OpenStreams, Stream
from coatcheck.core.cross_origin import SAFE_METHODS, CrossOriginRequest
from coatcheck.core.session import Session
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from coatcheck._async.sessions import AsyncSessions
    from coatcheck.asgi.pages import Answer
    from coatcheck.asgi.types import App, Message, Receive, Scope, Send

SESSION_ENDED = 4001
"""The WebSocket close code that tells a client that its session has ended; reconnecting is of no use."""

_POLICY_VIOLATION = 1008
_TRY_AGAIN_LATER = 1013


class SessionMiddleware:
    """Attaches the session to each request, refuses cross-origin requests, and answers 401, 403 and 503.

    Opens the sessions when the server starts and closes them when it stops.
    """

    def __init__(self, app: App, sessions: AsyncSessions, **settings: Any) -> None:
        """Wrap an application.

        Args:
            app: The application.
            sessions: Where sessions are validated.
            **settings: The fields of `WebSettings`, such as `cookie` or `bearer`.
        """
        self.app = app
        self.sessions = sessions
        self.settings = WebSettings(**settings)
        self.streams = OpenStreams(sessions, self.settings.stream_check_every.total_seconds())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            await self._websocket(scope, receive, send)
        elif kind == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    # --- HTTP

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = scope[SCOPE_KEY] = RequestContext(scope, self.sessions, self.settings)
        if scope["method"] not in SAFE_METHODS and (reason := self._cross_origin(scope, context)) is not None:
            await _respond(send, problem(403, "Cross-origin request refused", reason=reason))
            return
        response = _Response(context, send, self.streams)
        try:
            await self.app(scope, receive, response)
        except ANSWERED as error:
            if response.started:
                raise
            await _respond(response, answer_to(error, scope, context))
        except asyncio.CancelledError:
            if response.stream is None or not response.stream.ended:
                raise
            await response.cut()
        finally:
            if response.stream is not None:
                self.streams.remove(response.stream)

    def _cross_origin(self, scope: Scope, context: RequestContext) -> str | None:
        websocket = scope["type"] == "websocket"
        return self.settings.cross_origin.refusal(
            CrossOriginRequest(
                method="GET" if websocket else scope["method"],
                path=scope["path"],
                scheme=scope.get("scheme", "http"),
                host=context.header_lines(b"host"),
                origin=context.header_lines(b"origin"),
                sec_fetch_site=context.header_lines(b"sec-fetch-site"),
                has_session_cookie=context.has_session_cookie(),
                websocket=websocket,
            )
        )

    # --- WebSocket

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = scope[SCOPE_KEY] = RequestContext(scope, self.sessions, self.settings)
        if self._cross_origin(scope, context) is not None:
            await _refuse(receive, send, _POLICY_VIOLATION)
            return
        socket = _Socket(context, send)
        # The application has a task of its own, so that its session's end can interrupt whatever it waits for.
        task = asyncio.ensure_future(self.app(scope, receive, socket))
        socket.streams, socket.task = self.streams, task
        try:
            await asyncio.wait([task])
        finally:
            if socket.stream is not None:
                self.streams.remove(socket.stream)
            task.cancel()
        if socket.stream is not None and socket.stream.ended:
            await socket.close_once(SESSION_ENDED)
            return
        await _websocket_result(task, socket, receive)

    # --- lifespan

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def opening() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.sessions.open()
                except Exception as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    raise
            return message

        try:
            await self.app(scope, opening, send)
        finally:
            await self.streams.close()
            await self.sessions.aclose()


class _Response:
    """The `send` of one HTTP request: adds headers when the response starts, and notices streams."""

    __slots__ = ("_context", "_send", "_streams", "_task", "started", "stream")

    def __init__(self, context: RequestContext, send: Send, streams: OpenStreams) -> None:
        self._context = context
        self._send = send
        self._streams = streams
        self._task = asyncio.current_task()
        self.started = False
        self.stream: Stream | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            if self._context.consulted:
                headers = message["headers"] = list(message.get("headers", ()))
                self._context.finish(headers)
        elif message.get("more_body") and self.stream is None and self._context.consulted:
            await self._watch()
        await self._send(message)

    async def _watch(self) -> None:
        """Tie a streaming response to the session it was asked for with."""
        session = await self._context.session()
        if isinstance(session, Session) and self._task is not None:
            self.stream = Stream(session, self._task.cancel)
            self._streams.add(self.stream)

    async def cut(self) -> None:
        """End a streaming response whose session has ended; the task goes on."""
        if self._task is not None:
            self._task.uncancel()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class _Socket:
    """The `send` of one WebSocket: ties it to its session once it is accepted, and closes it once."""

    __slots__ = ("_context", "_send", "accepted", "closed", "stream", "streams", "task")

    def __init__(self, context: RequestContext, send: Send) -> None:
        self._context = context
        self._send = send
        self.accepted = False
        self.closed = False
        self.stream: Stream | None = None
        self.streams: OpenStreams | None = None
        self.task: asyncio.Future[None] | None = None

    async def __call__(self, message: Message) -> None:
        if self.stream is not None and self.stream.ended:
            return  # nothing more reaches a client whose session has ended
        kind = message["type"]
        if kind in {"websocket.accept", "websocket.http.response.start"} and self._context.consulted:
            headers = message["headers"] = list(message.get("headers", ()))
            self._context.finish(headers)
        await self._send(message)
        if kind == "websocket.accept":
            self.accepted = True
            await self._watch()
        elif kind == "websocket.close":
            self.closed = True

    async def _watch(self) -> None:
        if not self._context.consulted or self.streams is None or self.task is None:
            return
        session = await self._context.session()
        if isinstance(session, Session):
            self.stream = Stream(session, self.task.cancel)
            self.streams.add(self.stream)

    async def close_once(self, code: int) -> None:
        """Close the socket, unless it is closed already."""
        if not self.closed:
            self.closed = True
            await self._send({"type": "websocket.close", "code": code, "reason": ""})


async def _websocket_result(task: asyncio.Future[None], socket: _Socket, receive: Receive) -> None:
    """Pass on how the application ended; a missing session or store is a close code, not a crash."""
    try:
        task.result()
    except ANSWERED as error:
        code = _TRY_AGAIN_LATER if isinstance(error, Unavailable) else SESSION_ENDED
        if not socket.accepted:
            await receive()
            code = _TRY_AGAIN_LATER if isinstance(error, Unavailable) else _POLICY_VIOLATION
        await socket.close_once(code)


async def _refuse(receive: Receive, send: Send, code: int) -> None:
    await receive()
    await send({"type": "websocket.close", "code": code, "reason": ""})


async def _respond(send: Send, answer: Answer) -> None:
    status, headers, body = answer
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
