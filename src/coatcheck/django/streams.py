"""Streaming responses end with their session."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from coatcheck.django.running import running
from coatcheck.web.settings import WebSettings
from coatcheck.web.streams import OpenStreams, Stream
from coatcheck.wsgi.body import WatchedBody

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from coatcheck._async.sessions import AsyncSessions
    from coatcheck.core.session import Session

_CHECK_EVERY: Final = WebSettings().stream_check_every.total_seconds()

_open: WeakKeyDictionary[AsyncSessions, OpenStreams] = WeakKeyDictionary()  # those of each event loop


def end_with(session: Session, response: Any) -> None:
    """Have a streaming response end with a session: in an event loop at once, in a thread before its next part."""
    parts = response.streaming_content
    if response.is_async:
        response.streaming_content = _watched(parts, session)
    else:
        response.streaming_content = _watched_by_threads(parts, session)


def _watched_by_threads(parts: Iterable[bytes], session: Session) -> Iterator[bytes]:
    # The store is opened by whoever iterates: the middleware may run in an event loop, which that would block.
    yield from WatchedBody(parts, running.sessions(), session, b"", _CHECK_EVERY)


async def _watched(parts: AsyncIterator[bytes], session: Session) -> AsyncIterator[bytes]:
    sessions = await running.async_sessions()
    streams = _open.setdefault(sessions, OpenStreams(sessions, _CHECK_EVERY))
    waiting: asyncio.Task[Any] | None = None

    def end() -> None:
        if waiting is not None:
            waiting.cancel()

    stream = Stream(session, b"", end, held=lambda: False)
    streams.add(stream)
    try:
        while not stream.ended:
            # Only while it waits for the view: to interrupt the server, which may be sending, is not ours.
            waiting = asyncio.current_task()
            part = await anext(parts, None)
            waiting = None
            if part is None or stream.ended:
                return
            yield part
    except asyncio.CancelledError:
        if not stream.ended or waiting is None:
            raise
        waiting.uncancel()
    finally:
        streams.remove(stream)
