"""What an application sends: with the headers it needs, and no longer than its session lives."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

from coatcheck.web.pages import ANSWERED
from coatcheck.web.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from coatcheck.asgi.types import Message, Send
    from coatcheck.core.session import Session
    from coatcheck.web.async_context import RequestContext
    from coatcheck.web.streams import OpenStreams


_SERVER_ERROR: Final = 500


class WatchedResponse:
    """The `send` of one HTTP request: adds headers when the response starts, and notices streams."""

    __slots__ = ("_context", "_finished", "_owner", "_send", "_streaming", "_streams", "_task", "started", "stream")

    def __init__(self, context: RequestContext, send: Send, streams: OpenStreams) -> None:
        """Stand between the application and the server's `send`."""
        self._context = context
        self._send = send
        self._streams = streams
        self._task = asyncio.current_task()
        self._owner: tuple[Session, bytes] | None = None
        self._finished = False
        self.started = False
        self._streaming = False
        self.stream: Stream | None = None

    def __call__(self, message: Message) -> Awaitable[None]:
        """Pass on one message."""
        # No coroutine of its own: a request has at least two messages, and has nothing to wait for here.
        if self.stream is not None and self.stream.ended:
            return self.cut()  # an application that goes on in spite of its cancellation
        kind = message["type"]
        if kind == "http.response.start":
            if message["status"] == _SERVER_ERROR and isinstance(error := sys.exc_info()[1], ANSWERED):
                raise error  # a mounted application makes a 500 of whatever leaves its handlers
            self.started = True
            if self._context.due:
                return self._renewed(message)
            self._finish(message)
        elif kind == "http.response.body":
            more = message.get("more_body", False)
            self._finished = not more
            if more and not self._streaming:
                self._streaming = True
                self._watch()
        return self._send(message)

    def _finish(self, message: Message) -> None:
        if self._context.consulted:
            headers = message["headers"] = list(message.get("headers", ()))
            self._context.finish(headers)

    async def _renewed(self, message: Message) -> None:
        await self._context.renew()
        self._finish(message)
        await self._send(message)

    def belongs_to(self, session: Session, presented: bytes) -> None:
        """Note whose response this is, before it starts or in the middle of it."""
        self._owner = session, presented
        if self._streaming:
            self._watch()

    def _watch(self) -> None:
        """Tie a streaming response to its session."""
        if self._owner is None or self._task is None:
            return
        if self.stream is not None:
            self.stream.belongs_to(*self._owner)
            return
        self.stream = Stream(*self._owner, self._task.cancel, lambda: self._context.changing)
        self._streams.add(self.stream)

    def is_over(self) -> bool:
        """Tell whether the session of a streaming response has ended."""
        return self.stream is not None and self.stream.ended

    def uncancel(self) -> None:
        """Let the task go on that was cancelled to end the stream."""
        if self._task is not None:
            self._task.uncancel()

    async def cut(self) -> None:
        """End the response, unless it is complete already."""
        if not self._finished:
            self._finished = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class WatchedSocket:
    """The `send` of one WebSocket: ties it to its session once it is accepted, and closes it once."""

    __slots__ = ("_closed", "_context", "_owner", "_send", "_streams", "accepted", "over", "stream")

    def __init__(self, context: RequestContext, send: Send, streams: OpenStreams) -> None:
        """Stand between the application and the server's `send`."""
        self._context = context
        self._send = send
        self._streams = streams
        self._owner: tuple[Session, bytes] | None = None
        self._closed = False
        self.accepted = False
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stream: Stream | None = None

    async def __call__(self, message: Message) -> None:
        """Pass on one message."""
        if self.over.done():
            return  # nothing more reaches a client whose session has ended
        kind = message["type"]
        if kind in {"websocket.accept", "websocket.http.response.start"} and self._context.consulted:
            if self._context.due:
                await self._context.renew()
            headers = message["headers"] = list(message.get("headers", ()))
            self._context.finish(headers)
        await self._send(message)
        if kind == "websocket.accept":
            self.accepted = True
            self._watch()
        elif kind == "websocket.close":
            self._closed = True

    def belongs_to(self, session: Session, presented: bytes) -> None:
        """Note whose socket this is, before it is accepted or later."""
        self._owner = session, presented
        self._watch()

    def _watch(self) -> None:
        if not self.accepted or self._owner is None:
            return
        if self.stream is not None:
            self.stream.belongs_to(*self._owner)
            return
        self.stream = Stream(*self._owner, lambda: self.over.set_result(None), lambda: self._context.changing)
        self._streams.add(self.stream)

    async def close_once(self, code: int) -> None:
        """Close the socket, unless it is closed already."""
        if not self._closed:
            self._closed = True
            await self._send({"type": "websocket.close", "code": code, "reason": ""})
