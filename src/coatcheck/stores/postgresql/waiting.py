"""Waiting with an end, for asyncio and for threads."""

from __future__ import annotations

import asyncio
import threading
import time

from coatcheck.errors import Unavailable

async_sleep = asyncio.sleep
sleep = time.sleep
AsyncMutex = asyncio.Lock
Mutex = threading.Lock


class AsyncSlots:
    """So many may pass at once; the others wait, but not for ever."""

    def __init__(self, count: int) -> None:
        """Set how many."""
        self._count = count
        self._semaphore = asyncio.Semaphore(count)

    async def acquire(self, seconds: float) -> None:
        """Pass, or raise Unavailable when nobody has left in time."""
        if not self._semaphore.locked():
            await self._semaphore.acquire()  # does not wait, and costs no timer
            return
        try:
            async with asyncio.timeout(seconds):
                await self._semaphore.acquire()
        except TimeoutError:
            msg = f"all {self._count} connections to the database were busy for {seconds} s"
            raise Unavailable(msg) from None

    def release(self) -> None:
        """Leave."""
        self._semaphore.release()


class Slots:
    """So many may pass at once; the others wait, but not for ever."""

    def __init__(self, count: int) -> None:
        """Set how many."""
        self._count = count
        self._semaphore = threading.Semaphore(count)

    def acquire(self, seconds: float) -> None:
        """Pass, or raise Unavailable when nobody has left in time."""
        if not self._semaphore.acquire(timeout=seconds):
            msg = f"all {self._count} connections to the database were busy for {seconds} s"
            raise Unavailable(msg)

    def release(self) -> None:
        """Leave."""
        self._semaphore.release()
