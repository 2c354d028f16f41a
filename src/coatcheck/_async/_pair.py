"""What asyncio does differently in more than words. Its twin for threads is `_sync/_pair.py`, by hand as well."""

from __future__ import annotations

import asyncio
import logging
from contextvars import Context
from typing import TYPE_CHECKING, Generic, TypeVar

from coatcheck.core.answers import LoaderFailed
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

K = TypeVar("K")
A = TypeVar("A")

FlightError = (Unavailable, LoaderFailed)
"""What those who wait for somebody else's read share with them."""


_log = logging.getLogger("coatcheck")


class AsyncFlights(Generic[K, A]):
    """Single-flight: however many callers want the same value, one of them reads it."""

    def __init__(self, patience: float | None = None) -> None:  # noqa: ARG002 - each read has a deadline of its own
        """Start with nothing under way."""
        self._flights: dict[K, asyncio.Future[A | Unavailable | LoaderFailed | None]] = {}

    def claim(self, key: K) -> asyncio.Future[A | Unavailable | LoaderFailed | None] | None:
        """Become the one who reads, who must call `end`: None. Or get the flight of who does already."""
        flight = self._flights.get(key)
        if flight is None:
            self._flights[key] = asyncio.get_running_loop().create_future()
        return flight

    def end(self, key: K, result: A | Unavailable | LoaderFailed | None) -> None:
        """Let the followers have what the leader has read, fail as it did, or go on without it: None."""
        flight = self._flights.pop(key)
        if not flight.done():
            flight.set_result(result)

    async def wait(self, flight: asyncio.Future[A | Unavailable | LoaderFailed | None]) -> A | None:
        """Wait for somebody else's read. What it brought may be older than the caller's wish.

        Returns:
            What was read; None when the reader was cancelled.

        Raises:
            Unavailable: The read failed.
            LoaderFailed: The loader did.
        """
        await asyncio.wait([flight])  # not the future itself: a follower's cancellation must not be everyone's
        result = flight.result()
        if isinstance(result, Unavailable):
            raise Unavailable(str(result), retry_after=result.retry_after) from result
        if isinstance(result, LoaderFailed):
            raise LoaderFailed(result.error) from result
        return result


class AsyncLock:
    """Mutual exclusion between tasks."""

    def __init__(self) -> None:
        """Start unlocked."""
        self._lock = asyncio.Lock()

    @property
    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self._lock.locked()

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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, seconds: float) -> None:
        """Run the job in so many seconds, unless that is arranged already."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # asked from a thread; the next one to ask in the loop arranges it
        if self._handle is None or self._loop is not loop:
            self._loop = loop
            # In no request's context, which it would keep alive.
            self._handle = loop.call_later(seconds, self._fire, context=Context())

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


class AsyncRepeater:
    """Does a job over and over in the background, until it is stopped. The job itself waits between its rounds."""

    slice = 3600.0
    """Seconds a round may wait; a task can be stopped in the middle of one."""

    def __init__(self, job: Callable[[], Awaitable[object]]) -> None:
        """Keep the job."""
        self._job = job
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless it has begun already."""
        if self._task is None or self._task.get_loop() is not asyncio.get_running_loop():
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())

    def start_in_child(self) -> None:
        """Do nothing: a process that was just forked has no event loop yet."""

    async def _run(self) -> None:
        while True:
            try:
                await self._job()
            except Exception:  # noqa: BLE001 - a round that failed must not be the last one
                _log.exception("coatcheck.background_failed")
                await asyncio.sleep(1)

    async def stop(self) -> None:
        """Stop, in the middle of a round too."""
        task, self._task = self._task, None
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            while not task.done():
                task.cancel()  # again, because a driver may swallow one that comes together with its answer
                await asyncio.wait([task], timeout=0.1)


async_sleep = asyncio.sleep
