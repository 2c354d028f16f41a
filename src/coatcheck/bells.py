"""Waking those who wait for news, for asyncio and for threads."""

from __future__ import annotations

import asyncio
import threading


class AsyncBell:
    """Wakes all who wait for news, and counts how often there was some."""

    def __init__(self) -> None:
        """Start silent."""
        self.rung = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake everybody."""
        self.rung += 1
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, seen: int, seconds: float) -> int:
        """Wait until it has rung since it had rung `seen` times, or so many seconds; returns how often it has."""
        if self.rung == seen:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await asyncio.wait([waiter], timeout=seconds)
            finally:
                self._waiting.discard(waiter)
        return self.rung


class Bell:
    """Wakes all who wait for news, and counts how often there was some."""

    def __init__(self) -> None:
        """Start silent."""
        self.rung = 0
        self._condition = threading.Condition()

    def ring(self) -> None:
        """Wake everybody."""
        with self._condition:
            self.rung += 1
            self._condition.notify_all()

    def wait(self, seen: int, seconds: float) -> int:
        """Wait until it has rung since it had rung `seen` times, or so many seconds; returns how often it has."""
        with self._condition:
            self._condition.wait_for(lambda: self.rung != seen, seconds)
            return self.rung
