"""Open WebSockets and streaming responses end with their session, on whatever process they live."""

from __future__ import annotations

import asyncio
import logging
from contextvars import Context
from typing import TYPE_CHECKING, Final

from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.core.session import Session
    from coatcheck.web.async_authority import Authority

SESSION_ENDED: Final = 4001
"""The WebSocket close code that tells a client that its session has ended; reconnecting is of no use."""

TRY_AGAIN_LATER: Final = 1013
"""The WebSocket close code that tells a client that nobody knows at the moment whose session it is (RFC 6455)."""

_log = logging.getLogger("coatcheck")


class Stream:
    """One open connection, the session and the token it was opened with, and how to end it."""

    __slots__ = ("_end", "ended", "held", "presented", "session")

    def __init__(self, session: Session, presented: bytes, end: Callable[[], object], held: Callable[[], bool]) -> None:
        """Keep them, the function that ends the connection, and one that says that it must not end just now."""
        self.held = held
        self.session = session
        self.presented = presented
        self._end = end
        self.ended = False

    def belongs_to(self, session: Session, presented: bytes) -> None:
        """Go on with another session, or the same under another token."""
        self.session = session
        self.presented = presented

    def end(self) -> None:
        """End the connection, once."""
        if not self.ended:
            self.ended = True
            self._end()


class OpenStreams:
    """All open connections of one process, and the task that validates them while there are any."""

    def __init__(self, sessions: Authority, check_every: float) -> None:
        """Set the pace: a revoked session's connections end within `check_every` seconds and one validation."""
        self._sessions = sessions
        self._check_every = check_every
        self._streams: set[Stream] = set()
        self._watcher: asyncio.Task[None] | None = None

    def add(self, stream: Stream) -> None:
        """Watch a connection."""
        self._streams.add(stream)
        if self._watcher is None or self._watcher.done():
            # In no request's context, which it would keep alive.
            self._watcher = asyncio.get_running_loop().create_task(self._watch(), context=Context())

    def remove(self, stream: Stream) -> None:
        """Forget a connection that has closed."""
        self._streams.discard(stream)

    def __len__(self) -> int:
        return len(self._streams)

    async def _watch(self) -> None:
        while self._streams:
            await asyncio.sleep(self._check_every)
            for stream in list(self._streams):
                await self._check(stream)

    async def _check(self, stream: Stream) -> None:
        session = stream.session
        try:
            answer = await self._sessions.recheck(session, stream.presented)
        except Unavailable as error:
            # An outage is no sign-out: the connection stays until somebody can tell.
            _log.warning("coatcheck.stream_unchecked", extra={"reason": str(error)})
            return
        except Exception:  # noqa: BLE001 - one that cannot be checked must not keep the others from being checked
            _log.exception("coatcheck.stream_unchecked", extra={"session_id": session.id})
            return
        if stream.session is not session or stream.held():
            return  # it belongs to another by now, or is about to
        if answer:
            stream.session = answer
        else:
            stream.end()

    async def close(self) -> None:
        """Stop watching."""
        self._streams.clear()
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
            self._watcher = None
