"""Reading from the store in memory, for asyncio: sessions, and the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck._async._pair import AsyncLock
from coatcheck.bells import AsyncBell
from coatcheck.core.coherence import LogPage
from coatcheck.core.successors import Retired
from coatcheck.errors import ConfigurationError
from coatcheck.stores.base import Vitals
from coatcheck.testing._memory_tables import MemoryTables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.clock import Clock
    from coatcheck.stores.base import Reading


class AsyncMemoryBase(MemoryTables):
    """The lock, and what is read under it."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self._lock = AsyncLock()
        self._bell = AsyncBell()
        super().__init__(clock, self._bell.ring)

    async def open(self) -> None:
        """Do nothing: there is nothing to connect to."""

    async def aclose(self) -> None:
        """Do nothing: others may use it still."""

    async def migrate(self) -> Sequence[str]:
        """Do nothing: there are no tables."""
        return ()

    async def problems(self) -> Sequence[str]:
        """Find no problem."""
        return ()

    def vitals(self) -> Vitals:
        """Tell nothing: there are no connections."""
        return Vitals()

    def unchanged(self, cursor: Any) -> bool:  # noqa: ARG002 - nothing here can tell
        """Leave it to the lease."""
        return True

    async def news(self, seen: int, seconds: float) -> int:
        """Wait until the log has grown."""
        return await self._bell.wait(seen, seconds)

    async def read(self, token_hash: bytes, *, connection: Any = None) -> Reading:
        """Read the session with this token hash, and where the log stands."""
        refuse(connection)
        async with self._lock:
            row = self._rows.get(self._current(token_hash))
            successor = self._retired.get(token_hash)
            since = max(
                (each.since for each in self._retired.values() if row and each.session_id == row.id), default=None
            )
            retired = None if successor is None else Retired(successor.session_id, successor.until)
            return self._reading(row)._replace(since=since, retired=retired)

    async def read_nearby(self, token_hash: bytes) -> Reading | None:  # noqa: ARG002 - there is no replica
        """Have no answer: there is no replica."""
        return None

    async def find(self, session_id: str) -> Reading:
        """Read a session by its public id."""
        async with self._lock:
            key = self._key_of(session_id)
            return self._reading(None if key is None else self._rows[key])

    async def poll(self, cursor: Any) -> LogPage:
        """Read the log from a cursor on: epoch and next position."""
        async with self._lock:
            epoch, first = (self._epoch, 0) if cursor is None else cursor
            resumed = epoch == self._epoch
            entries = tuple(entry for entry, _ in self._log if resumed and entry.position >= first)
            end = (self._epoch, self._position)
            return LogPage(self._epoch, self._floor, entries, end, self._clock.now(), resumed, self._position)


def refuse(connection: Any) -> None:
    """Refuse a caller's connection.

    Raises:
        ConfigurationError: There is one.
    """
    if connection is not None:
        raise ConfigurationError("connection= is not possible: a store in memory has no transactions to join")
