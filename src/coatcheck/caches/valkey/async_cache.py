"""A shared cache in Valkey or Redis, for asyncio."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisClusterException, ResponseError

from coatcheck.caches.valkey._async_clients import AsyncClients
from coatcheck.errors import ConfigurationError, Unavailable
from coatcheck.fork import after_fork
from coatcheck.valkey_urls import parsed

_FAILURES = (redis.RedisError, RedisClusterException, OSError)
_FIX = "its URL needs a user who may SET, GET, DEL, PING and, for a database other than 0, SELECT, with keys {prefix!r}"


class AsyncValkeyCache:
    """Copies in Valkey or Redis, each a string with a time to live.

    Any eviction policy will do: what is missing is read from the store. In a cluster the copies spread over all nodes.
    """

    adds = True

    def __init__(
        self,
        url: str,
        *,
        timeout: timedelta = timedelta(milliseconds=50),
        prefix: str = "coatcheck:cache:",
        max_connections: int = 32,
    ) -> None:
        """Name the server; nothing is connected yet.

        Args:
            url: Such as `valkey://user:password@host:6379/0`; see `coatcheck.valkey_urls`.
            timeout: How long to wait for a connection to become free, for connecting, and for each answer; a new
                connection asks for one or two before it is of use.
            prefix: What the names of all our keys begin with, so that a server can be shared (rule S6).
            max_connections: How many connections a process may have.

        Raises:
            ConfigurationError: The URL is wrong; the message shows nothing of it but the scheme.
        """
        parsed(url)
        self._prefix = prefix
        self._name = prefix.encode()
        self._clients = AsyncClients(url, timeout=timeout.total_seconds(), max_connections=max_connections)
        after_fork(self)

    def forked(self) -> None:
        """Drop the connections of the parent process."""
        self._clients.forked()

    async def open(self) -> None:
        """Connect, and find out whether we may read and write.

        Raises:
            ConfigurationError: The server refuses the user, the password or the number of the database.
            Unavailable: It is away.
        """
        try:
            await self.ping()
            await self.put(b"", b"", 1)
            await self.get(b"")
            await self.remove(b"")
        except Unavailable as error:
            cause = error.__cause__
            if isinstance(cause, (AuthenticationError, NoPermissionError)):
                msg = f"the shared cache refuses us ({cause}): {_FIX.format(prefix=self._prefix + '*')}"
                raise ConfigurationError(msg) from cause
            if isinstance(cause, ResponseError) and "DB index" in str(cause):
                msg = f"the shared cache has no such database ({cause}): correct the number at the end of its URL"
                raise ConfigurationError(msg) from cause
            raise

    async def aclose(self) -> None:
        """Close every connection this process has made."""
        await self._clients.aclose()

    async def ping(self) -> None:
        """Raise nothing if the server answers."""
        await self._call("PING")

    async def get(self, key: bytes) -> bytes | None:
        """Return what was put under this key, or None."""
        try:
            value: bytes | None = await self._clients.value(self._name + key)
        except _FAILURES as error:
            if "WRONGTYPE" in str(error):
                return None  # somebody else's, and our next copy takes its place
            raise _unavailable(error) from error
        return value

    async def add(self, key: bytes, value: bytes, ttl_ms: int) -> bool:
        """Keep a value unless there is one; returns whether there was none."""
        return bool(await self._call("SET", self._name + key, value, "PX", ttl_ms, "NX"))

    async def remove(self, key: bytes) -> None:
        """Forget what was put under this key."""
        await self._call("DEL", self._name + key)

    async def put(self, key: bytes, value: bytes, ttl_ms: int) -> None:
        """Keep a value for so many milliseconds."""
        await self._call("SET", self._name + key, value, "PX", ttl_ms)

    async def _call(self, *command: Any) -> Any:
        try:
            return await self._clients.get().execute_command(*command)
        except _FAILURES as error:
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> Unavailable:
    # The name of the error and no more: a server's text may quote what it was sent.
    return Unavailable(f"the shared cache does not answer: {type(error).__name__}")
