# Generated from caches/async_protocol.py by tools/generate_sync.py: edit that, run `make generate`.
"""The border between the shells and the shared caches: what a cache promises, which is little.

It may lose what it was given at any time, and return what was put there earlier; the coherence rule and the seal on
every copy make up for it. It must not return what was put under another key: the seal would refuse it, as a miss.
"""

from __future__ import annotations

from typing import Protocol


class SharedCache(Protocol):
    """A map from bytes to bytes between the workers, for threads.

    Every call may raise `Unavailable`: the cache cannot answer. Nothing may be waited for without a bound.
    """

    @property
    def adds(self) -> bool:
        """Whether `add` tells who came first. One that cannot is never asked, and every worker loads for itself."""
        ...

    def open(self) -> None:
        """Connect, and find out whether the cache can be read and written.

        Raises:
            ConfigurationError: It never will: a wrong password, say.
            Unavailable: It is away, and may come back by itself.
        """
        ...

    def close(self) -> None:
        """Close every connection this process has made."""
        ...

    def ping(self) -> None:
        """Raise nothing if the cache answers."""
        ...

    def get(self, key: bytes) -> bytes | None:
        """Return what was put under this key; None when there is nothing, or its time is over."""
        ...

    def add(self, key: bytes, value: bytes, ttl_ms: int) -> bool:
        """Keep a value as `put` does, unless there is one under this key; returns whether there was none."""
        ...

    def remove(self, key: bytes) -> None:
        """Forget what was put under this key."""
        ...

    def put(self, key: bytes, value: bytes, ttl_ms: int) -> None:
        """Keep a value for so many milliseconds, one or more, in the place of what was there."""
        ...
