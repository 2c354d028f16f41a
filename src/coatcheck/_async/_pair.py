"""What asyncio does differently in more than words. Its twin for threads is `_sync/_pair.py`, by hand as well."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class AsyncFlights:
    """Single-flight: however many callers want the same value, one of them reads it."""

    def __init__(self) -> None:
        """Start with nothing under way."""
        self._flights: dict[bytes, asyncio.Future[Unavailable | None]] = {}

    def claim(self, key: bytes) -> asyncio.Future[Unavailable | None] | None:
        """Become the one who reads, who must call `end`: None. Or get the flight of who does already."""
        flight = self._flights.get(key)
        if flight is None:
            self._flights[key] = asyncio.get_running_loop().create_future()
        return flight

    def end(self, key: bytes, error: Unavailable | None = None) -> None:
        """Let the followers go on, or fail as the leader did."""
        flight = self._flights.pop(key)
        if not flight.done():
            flight.set_result(error)

    async def wait(self, flight: asyncio.Future[Unavailable | None]) -> None:
        """Wait for somebody else's read. What it brought may be older than the caller's wish.

        Raises:
            Unavailable: The read failed.
        """
        await asyncio.wait([flight])  # not the future itself: a follower's cancellation must not be everyone's
        error = flight.result()
        if error is not None:
            raise Unavailable(str(error), retry_after=error.retry_after) from error


class AsyncLock:
    """Mutual exclusion between tasks."""

    def __init__(self) -> None:
        """Start unlocked."""
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


class AsyncTimer:
    """Runs a job once, a while after it was first asked for, in the background."""

    def __init__(self, job: Callable[[], Awaitable[object]]) -> None:
        """Keep the job."""
        self._job = job
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, seconds: float) -> None:
        """Run the job in so many seconds, unless that is arranged already."""
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(seconds, self._fire)

    def _fire(self) -> None:
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        self._handle = None
        await self._job()

    async def stop(self) -> None:
        """Forget what is arranged, and wait for what runs."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._task is not None:
            await asyncio.wait([self._task])
            self._task = None
