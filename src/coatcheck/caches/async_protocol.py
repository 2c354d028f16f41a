"""The border between the shells and the shared caches: what a cache promises, which is little.

It may lose what it was given at any time, and return what was put there earlier; the coherence rule and the seal on
every copy make up for it. It must not return what was put under another key: the seal would refuse it, as a miss.
"""

from __future__ import annotations

from typing import Protocol


class AsyncSharedCache(Protocol):
    """A map from bytes to bytes between the workers, for asyncio.

    Every call may raise `Unavailable`: the cache cannot answer. Nothing may be waited for without a bound.
    """

    @property
    def adds(self) -> bool:
        """Whether `add` tells who came first. One that cannot is never asked, and every worker loads for itself."""
        ...

    async def open(self) -> None:
        """Connect, and find out whether the cache can be read and written.

        Raises:
            ConfigurationError: It never will: a wrong password, say.
            Unavailable: It is away, and may come back by itself.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection this process has made."""
        ...

    async def ping(self) -> None:
        """Raise nothing if the cache answers."""
        ...

    async def get(self, key: bytes) -> bytes | None:
        """Return what was put under this key; None when there is nothing, or its time is over."""
        ...

    async def add(self, key: bytes, value: bytes, ttl_ms: int) -> bool:
        """Keep a value as `put` does, unless there is one under this key; returns whether there was none."""
        ...

    async def remove(self, key: bytes) -> None:
        """Forget what was put under this key."""
        ...

    async def put(self, key: bytes, value: bytes, ttl_ms: int) -> None:
        """Keep a value for so many milliseconds, one or more, in the place of what was there."""
        ...
