"""The proof may end at any moment of a call."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from coatcheck import AsyncCache
from coatcheck.testing import AsyncMemoryStore

LEASE = 2_000_000_000
LOOKS = 60
"""More looks at the clock than twenty callers take from the end of the load on."""


class Jumping:
    """A clock that stands still, and jumps over the end of the lease at the n-th look from a moment on."""

    def __init__(self) -> None:
        self.time = 10**12
        self.left: int | None = None

    def now(self) -> int:
        return self.time

    def monotonic(self) -> int:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.time, self.left = self.time + LEASE, None
        return self.time


@pytest.mark.anyio
@pytest.mark.parametrize("look", range(LOOKS))
async def test_N4_a_proof_that_ends_between_two_looks_causes_no_second_load(look: int) -> None:
    """Who waited for a load finds its value, though the lease ends just before they look for it."""
    clock, gate = Jumping(), asyncio.Event()
    started, loads = asyncio.Event(), 0

    async def load() -> int:
        nonlocal loads
        loads += 1
        started.set()
        await gate.wait()
        return loads

    async with AsyncCache(AsyncMemoryStore(clock=clock), clock=clock) as cache:
        calls = [asyncio.ensure_future(cache.get_or_load("key", load, ttl=timedelta(hours=1))) for _ in range(20)]
        await started.wait()
        await asyncio.sleep(0)
        gate.set()
        clock.left = look
        assert set(await asyncio.gather(*calls)) == {1}
