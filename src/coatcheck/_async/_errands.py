"""What the shared tier does differently with asyncio. Its twin for threads is `_sync/_errands.py`, by hand as well."""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coatcheck.clock import Clock


class AsyncDeadline:
    """Ends what is under way after so many nanoseconds, with a TimeoutError.

    Attributes:
        missed: Whether it took longer.
    """

    missed = False

    def __init__(self, nanoseconds: int, clock: Clock) -> None:  # noqa: ARG002 - the event loop has its own
        """Set the time; it runs from the entry on."""
        self._timeout = asyncio.timeout(nanoseconds / 1e9)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.missed = self._timeout.expired()
        await self._timeout.__aexit__(*exception)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class AsyncErrands:
    """Small jobs for which nobody waits: a few at once, and not too many waiting."""

    def __init__(self, *, at_once: int, most: int) -> None:
        """Set how many may run, and how many may wait."""
        self._at_once = at_once
        self._most = most
        self._jobs: deque[Callable[[], Awaitable[None]]] = deque()
        self._runners: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly

    def run(self, job: Callable[[], Awaitable[None]]) -> bool:
        """Run a job when its turn has come; False when too many wait, or there is no event loop to run it in."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        if len(self._jobs) >= self._most:
            return False
        self._jobs.append(job)
        if len(self._runners) >= self._at_once:
            self._forget_those_of_closed_loops()
        if len(self._runners) < self._at_once:
            # Not in the context of a request: what it runs later is other requests'.
            runner = loop.create_task(self._run(), context=Context())
            self._runners.add(runner)
            runner.add_done_callback(self._runners.discard)
        return True

    def _forget_those_of_closed_loops(self) -> None:
        self._runners.difference_update([runner for runner in self._runners if runner.get_loop().is_closed()])

    async def _run(self) -> None:
        this = asyncio.current_task()
        try:
            while self._jobs:
                await self._jobs.popleft()()
        finally:
            # At once, and not when the event loop tells that this task is done: a job that came between would wait.
            self._runners.difference_update([runner for runner in self._runners if runner is this])

    async def aclose(self) -> None:
        """Wait until everything is done."""
        loop = asyncio.get_running_loop()
        while running := [runner for runner in self._runners if runner.get_loop() is loop and not runner.done()]:
            await asyncio.wait(running)


class AsyncJobs(AsyncErrands):
    """Jobs for which nobody waits and that may take long."""
