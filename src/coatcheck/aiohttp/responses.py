"""The response to one request: with the headers it needs, and no longer than its session lives."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import web

from coatcheck.web.async_request_session import RequestSession
from coatcheck.web.streams import SESSION_ENDED, Stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coatcheck.core.session import Session
    from coatcheck.web.async_context import RequestContext
    from coatcheck.web.streams import OpenStreams
    from coatcheck.web.types import Headers

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WatchedResponse:
    """What stands between a handler and the server, from a request's beginning to the end of its response.

    Attributes:
        context: The request's session.
        begun: The response whose headers have been sent, if any.
    """

    __slots__ = (
        "_data",
        "_ending",
        "_owner",
        "_request",
        "_stream",
        "_streams",
        "_task",
        "_user_key",
        "_written",
        "begun",
        "context",
    )

    def __init__(
        self, request: web.Request, context: RequestContext, streams: OpenStreams, user_key: str | None
    ) -> None:
        """Attach to a request."""
        self._request = request
        self._streams = streams
        self._user_key = user_key
        self._task = asyncio.current_task()
        self._owner: tuple[Session, bytes] | None = None
        self._data: RequestSession | None = None
        self._written = False
        self._stream: Stream | None = None
        self._ending: asyncio.Task[None] | None = None
        self.context = context
        self.begun: web.StreamResponse | None = None

    # --- the session's data

    async def data(self) -> RequestSession:
        """Return the session's data as a mapping."""
        if self._data is None:
            data = RequestSession(self.context, self._user_key)
            await data.load()
            self._data = data
        return self._data

    async def _write(self) -> None:
        """Write what has changed in it, once."""
        if not self._written:
            self._written = True
            if self._data is not None:
                await self._data.commit()

    # --- the response

    async def of(self, handler: Handler) -> web.StreamResponse:
        """Return the handler's response; one that goes on, and is somebody's, is over by then."""
        try:
            response = await handler(self._request)
        except web.HTTPException:
            await self._write()  # a response as well: handlers redirect in this way
            raise
        except BaseException:
            self._written = True  # nothing is
            raise
        await self._write()
        if self._owner is not None and self.begun is None and _goes_on(response):
            # What the server would do next; here it can be ended.
            await response.prepare(self._request)
            await response.write_eof()
        return response

    async def begin(self, response: web.StreamResponse) -> None:
        """Add what the response must say, before its headers are sent."""
        await self._write()
        self.begun = response
        if self.context.due:
            await self.context.renew()
        if self.context.consulted:
            lines: Headers = [(name.encode(), value.encode("utf-8")) for name, value in response.headers.items()]
            self.context.finish(lines)
            response.headers.clear()
            response.headers.extend((name.decode(), value.decode("utf-8")) for name, value in lines)
        self._watch()

    # --- its end

    def belongs_to(self, session: Session, presented: bytes) -> None:
        """Note whose response this is, before it begins or in the middle of it."""
        self._owner = session, presented
        self._watch()

    def _watch(self) -> None:
        """Tie a response that goes on to its session."""
        if self._owner is None or self.begun is None or not _goes_on(self.begun):
            return
        if self._stream is not None:
            self._stream.belongs_to(*self._owner)
            return
        self._stream = Stream(*self._owner, self._end, lambda: self.context.changing)
        self._streams.add(self._stream)

    def _end(self) -> None:
        # In this order, all within the loop's next round: the end is sent, a stream's connection takes nothing more,
        # and only then the handler hears of it. One that goes on all the same reaches nobody.
        self._ending = asyncio.create_task(self.close(SESSION_ENDED))
        if self._request.transport is not None and not self.is_socket():
            asyncio.get_running_loop().call_soon(self._request.transport.close)
        if self._task is not None:
            self._task.cancel()

    async def close(self, code: int) -> None:
        """End the response, a WebSocket with a close code."""
        begun: Any = self.begun
        with suppress(ConnectionError):
            if self.is_socket():
                await begun.close(code=code)
            elif begun is not None:
                # Not with the method of a subclass, which would send its whole body.
                await web.StreamResponse.write_eof(begun)

    def is_socket(self) -> bool:
        """Tell whether the response is a WebSocket that is open, or was."""
        return isinstance(self.begun, web.WebSocketResponse)

    def is_over(self) -> bool:
        """Tell whether the session of a response that goes on has ended."""
        return self._stream is not None and self._stream.ended

    async def ended(self) -> web.StreamResponse:
        """Let the task go on that was cancelled to end the response, and return the response once that is done."""
        if self._task is not None:
            self._task.uncancel()
        if self._ending is not None:
            await self._ending
        return web.Response() if self.begun is None else self.begun

    def forget(self) -> None:
        """Watch no more."""
        self.context.on_session = None
        if self._stream is not None:
            self._streams.remove(self._stream)


def _goes_on(response: web.StreamResponse) -> bool:
    """Tell whether a response is more than a body that is complete already."""
    return not (isinstance(response, web.Response) and isinstance(response.body, bytes | bytearray | None))
