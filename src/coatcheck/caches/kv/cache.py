"""A shared cache in a KV namespace."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Final

from coatcheck.clock import SystemClock
from coatcheck.errors import ConfigurationError
from coatcheck.kv_namespaces import LARGEST, Namespace

if TYPE_CHECKING:
    from coatcheck.clock import Clock

_VERSION: Final = b"\x01"
_HEADER: Final = 9
_MILLISECOND: Final = 1_000_000


class AsyncKVCache:
    """Copies in KV, between the isolates of a Worker.

    KV may return what was there a minute ago. That is harmless: a copy says where the log stood when it was read, and
    the log of D1 says whether it is outdated. Nobody can tell in KV who came first, so every isolate loads for itself.

    Each value: a version, its end in milliseconds since the epoch (8 octets), and what was put.
    """

    adds = False

    def __init__(self, namespace: Any, *, prefix: str = "coatcheck:cache:", clock: Clock | None = None) -> None:
        """Take the binding; nothing is asked yet.

        Args:
            namespace: The binding: `env.SESSIONS`.
            prefix: What the names of all our keys begin with, so that a namespace can be shared (rule S6).
            clock: Where the time comes from; for tests.

        Raises:
            ConfigurationError: It is no KV binding, or the prefix is not possible.
        """
        self.kv = Namespace(namespace, prefix=prefix)
        self._now = (clock or SystemClock()).now

    async def open(self) -> None:
        """Find out whether KV answers.

        Raises:
            Unavailable: It does not.
        """
        await self.ping()

    async def aclose(self) -> None:
        """Do nothing: a binding has no connection to close."""

    async def ping(self) -> None:
        """Raise nothing if KV answers."""
        await self.kv.get("ping")

    async def get(self, key: bytes) -> bytes | None:
        """Return what was put under this key, or None."""
        found = await self.kv.get(_name(key))
        if found is None or found[:1] != _VERSION or len(found) < _HEADER:
            return None
        # KV keeps everything for a minute at least, and this place may have read it long ago.
        if int.from_bytes(found[1:_HEADER]) <= self._now() // _MILLISECOND:
            return None
        return found[_HEADER:]

    async def put(self, key: bytes, value: bytes, ttl_ms: int) -> None:
        """Keep a value for so many milliseconds; one that is too long for KV, or comes too soon, is not kept."""
        if len(value) + _HEADER <= LARGEST:
            await self.replace(key, value, ttl_ms)

    async def replace(self, key: bytes, value: bytes, ttl_ms: int) -> bool:
        """Keep a value for so many milliseconds; False when KV has not taken it, as somebody writes this key just now.

        Raises:
            Unavailable: KV could not answer, or the value is too long for it.
        """
        end = self._now() // _MILLISECOND + ttl_ms
        return await self.kv.put(_name(key), _VERSION + end.to_bytes(8) + value, ttl_ms)

    async def remove(self, key: bytes) -> None:
        """Forget what was put under this key."""
        await self.kv.remove(_name(key))

    async def add(self, key: bytes, value: bytes, ttl_ms: int) -> bool:
        """Refuse: KV cannot tell who came first.

        Raises:
            ConfigurationError: Always.
        """
        msg = f"adding {len(value)} bytes for {ttl_ms} ms under a key of {len(key)} is not possible: KV has no lock"
        raise ConfigurationError(msg)


def _name(key: bytes) -> str:
    # Any bytes; and no name is "." or "..", which KV refuses.
    return urlsafe_b64encode(key).decode() + "="
