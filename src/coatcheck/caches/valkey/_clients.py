"""How a cache talks to its server, with threads. Its twin for asyncio is `_async_clients.py`, by hand as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck.valkey_urls import client

if TYPE_CHECKING:
    import redis


class Clients:
    """The client of this process."""

    def __init__(self, url: str, *, timeout: float, max_connections: int) -> None:
        """Keep the settings; nothing is connected yet."""
        self._timeout = timeout
        self._max_connections = max_connections
        self._url = url
        self._client: redis.Redis | redis.RedisCluster | None = None

    def get(self) -> Any:  # what redis-py says of its types is of no use
        """Return the client. Two threads that come first may make one each, and one of them is forgotten.

        Raises:
            redis.RedisError: A cluster cannot be reached.
        """
        found = self._client
        if found is None:
            found = self._client = client(self._url, timeout=self._timeout, max_connections=self._max_connections)
        return found

    def value(self, name: bytes) -> Any:
        """Return what the server has under a name."""
        return self.get().execute_command("GET", name)

    def forked(self) -> None:
        """Leave the client to the parent; it has noticed the fork, and closes no socket that is not its own."""
        self._client = None

    def close(self) -> None:
        """Close the connections."""
        found, self._client = self._client, None
        if found is not None:
            found.close()
