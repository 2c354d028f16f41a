"""A store in memory, for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.clock import SystemClock
from coatcheck.core.fleet import MINUTE, PAUSE, WorkerRow, WorkerRows, probe_subject
from coatcheck.stores.base import SESSION, Capabilities
from coatcheck.testing._async_memory.changes import AsyncMemoryChanges
from coatcheck.testing._async_memory.endings import AsyncMemoryEndings

if TYPE_CHECKING:
    from coatcheck.clock import Clock


class AsyncMemoryStore(AsyncMemoryChanges, AsyncMemoryEndings):
    """Sessions in a dictionary: for tests, and as the plainest example of what a store promises.

    Its readers ask once in a lease, and a revoked session may be accepted for so long, unless it is told to wake them
    when the log has grown. Any number of `AsyncSessions` may share one, as workers do;
    closing it keeps what is in it.
    """

    capabilities = Capabilities(
        transactions=False,
        exact_limits=True,
        listing=True,
        log=True,
        users_table=False,
        notices_changes=False,
        retires=True,
        devices=True,
        impersonates=True,
        kinds=True,
        searching=True,
        audits=True,
        spends=True,
        numbers=True,
    )

    def __init__(self, *, clock: Clock | None = None, pushes_changes: bool = False) -> None:
        """Start empty, with a log of its own.

        Args:
            clock: Where the time comes from.
            pushes_changes: Whether its readers are woken when the log has grown, as a server would.
        """
        super().__init__(clock or SystemClock())
        self.capabilities = self.capabilities._replace(pushes_changes=pushes_changes)

    async def spend(self, name: bytes, lifetime: int) -> bool:
        """Note that something is used up, for so many microseconds; False when it was already."""
        async with self._lock:
            now = self._clock.now() // 1000
            self._spent = {spent: end for spent, end in self._spent.items() if end > now}
            if name in self._spent:
                return False
            self._spent[name] = now + lifetime
            return True

    async def report(self, worker: str, report: str) -> bool:
        """Note what a worker tells of itself; returns whether it is to write the next probe."""
        async with self._lock:
            now = self._now()
            key = worker, now // MINUTE
            before = self._workers.get(key)
            due = now - self._probed_at >= PAUSE
            active = None if before is None else before.active
            if due:
                self._probed_at = now
                active = len(self._live(SESSION))
            self._workers[key] = WorkerRow(*key, now, active, report)
            self._forget_workers()
            return due

    async def probe(self) -> None:
        """Write a log entry that says when it was written."""
        async with self._lock:
            self._note(probe_subject(self._now()))

    async def reports(self) -> WorkerRows:
        """Read what all workers have told, and the time."""
        async with self._lock:
            return WorkerRows(self._now(), tuple(row for _, row in sorted(self._workers.items())))
