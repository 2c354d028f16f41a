"""What asyncio does differently in more than words. Its twin for threads is `_pair.py`, by hand as well."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

T = TypeVar("T")

DEADLINE = 20.0
"""After so many seconds what has not happened will not: the test fails instead of hanging."""


class AsyncGate:
    """A place where calls wait until a test lets them pass."""

    def __init__(self) -> None:
        """Start closed."""
        self._open = asyncio.Event()
        self._arrived = asyncio.Condition()
        self._count = 0

    async def wait(self) -> None:
        """Wait until the gate is open."""
        async with self._arrived:
            self._count += 1
            self._arrived.notify_all()
        await self._open.wait()

    async def reached(self, calls: int = 1) -> None:
        """Wait until so many calls have come to the gate.

        Raises:
            TimeoutError: They do not come.
        """
        async with self._arrived, asyncio.timeout(DEADLINE):
            await self._arrived.wait_for(lambda: self._count >= calls)

    def release(self) -> None:
        """Let every call pass, now and later."""
        self._open.set()


async def async_together(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Run all calls at once, as tasks, and return what they return; the first error is raised."""
    return await asyncio.gather(*(call() for call in calls))
