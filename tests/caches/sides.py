"""One test for both sides: the tier for threads behind the face of the one for asyncio."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from coatcheck.core.settings import SharedCacheSettings
from coatcheck.testing import AsyncMemoryCache, ManualClock, MemoryCache
from tests.caches.copies import EPOCH, KEY, MINUTE, SECRET, async_tier, places, tier

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


class Side:
    """A tier over a cache in memory, and a clock that only a test moves.

    Args:
        name: "asyncio" or "threads".
        cache: A cache to share with another one.
        secrets: The keys of the seals.
    """

    def __init__(self, name: str, cache: Any = None, *, secrets: Sequence[bytes] = SECRET, **settings: Any) -> None:
        self.name = name
        self._secrets = secrets
        self.clock = ManualClock()
        self.settings = SharedCacheSettings(**settings)
        waits = name == "asyncio"
        self._waits = waits
        kinds: Any = (AsyncMemoryCache, async_tier) if waits else (MemoryCache, tier)
        self.cache: Any = cache if cache is not None else kinds[0](clock=self.clock)
        self.tier: Any = kinds[1](self.cache, self.clock, **settings)

    async def do(self, call: Any, *args: Any) -> Any:
        """Call something of the cache or the tier, and wait for it where one waits."""
        answer = call(*args)
        return await answer if self._waits else answer

    async def get(self, epoch: str = EPOCH, key: bytes = KEY) -> bytes | None:
        copy: bytes | None = await self.do(self.tier.get, places(key, epoch, self._secrets))
        return copy

    async def put(self, copy: bytes, *, epoch: str = EPOCH, key: bytes = KEY, ttl_ns: int = MINUTE) -> None:
        """Put a copy there, and wait until it has arrived or is dropped."""
        self.tier.put(places(key, epoch, self._secrets)[0], copy, ttl_ns)
        await self.settle()

    async def settle(self) -> None:
        errands = self.tier._errands
        await self.do(errands.aclose if self._waits else errands.close)

    async def break_it(self) -> None:
        """Let so many gets fail that the breaker opens."""
        self.cache.fail("get")
        for _ in range(self.settings.failures):
            assert await self.get() is None
        assert not self.tier.available


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the names of what was logged."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
