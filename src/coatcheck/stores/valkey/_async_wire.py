"""The asyncio store's way to its server. Its twin for threads is `_wire.py`, written by hand as well."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as Broken
from redis.exceptions import NoScriptError

from coatcheck.stores.valkey.failures import FAILURES, unavailable
from coatcheck.valkey_urls import async_client, parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.stores.valkey.scripts import Script

_inherited: list[Any] = []
"""Clients of a parent process: closing one, as forgetting it does, would reach into the parent's event loop."""


class AsyncWire:
    """A client for each process and event loop, whose every call ends within the timeout."""

    def __init__(self, url: str, *, timeout: float, max_connections: int) -> None:
        """Check the URL; nothing is connected yet."""
        self.clustered = parsed(url).kind == "cluster"
        self._url = url
        self._timeout = timeout
        self._max_connections = max_connections
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, script: Script, key: str, *arguments: str | bytes | int) -> Any:
        """Run a script, which the server remembers after the first time, and after each restart.

        Raises:
            Unavailable: The server could not answer; whether it has done it nobody knows.
        """
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    return await self._evaluated(script, key, arguments)
                except Broken:
                    if not script.repeatable:
                        raise
                # The server may have been restarted since the connection was used, and the others with it.
                await self.renew()
                return await self._evaluated(script, key, arguments)
        except FAILURES as error:
            raise unavailable(error) from error

    async def _evaluated(self, script: Script, key: str, arguments: Sequence[str | bytes | int]) -> Any:
        client = self._connected()
        try:
            return await client.execute_command("EVALSHA", script.sha, 1, key, *arguments)
        except NoScriptError:
            return await client.execute_command("EVAL", script.text, 1, key, *arguments)

    async def together(self, packet: bytes, answers: int) -> list[Any]:
        """Send commands that change nothing, in the protocol's own words, and return their answers.

        On the connection itself, for the client's pipelines cost several times what the server takes. A cluster has
        no such connection.

        Raises:
            Unavailable: The server could not answer.
        """
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    return await self._answers(packet, answers)
                except Broken:
                    await self.renew()  # as in `run`
                return await self._answers(packet, answers)
        except FAILURES as error:
            raise unavailable(error) from error

    async def _answers(self, packet: bytes, answers: int) -> list[Any]:
        pool = self._connected().connection_pool
        connection = await pool.get_connection()
        try:
            await connection.send_packed_command([packet])
            # No deadline for each of them: all together have one.
            return [await connection.read_response(timeout=inf) for _ in range(answers)]
        except BaseException:
            await connection.disconnect(nowait=True)  # an answer that nobody has read must not become another's
            raise
        finally:
            await pool.release(connection)

    async def command(self, key: str, *words: str | int) -> Any:
        """Send a command to the server that has the key.

        Raises:
            Unavailable: The server could not answer.
        """
        try:
            async with asyncio.timeout(self._timeout):
                client = self._connected()
                if not self.clustered:
                    return await client.execute_command(*words)
                await client.initialize()
                return await client.execute_command(*words, target_nodes=client.get_node_from_key(key))
        except FAILURES as error:
            raise unavailable(error) from error

    async def renew(self) -> None:
        """Drop the connections that nobody uses: they may lead to a server that is the master no more."""
        if self._client is not None and not self.clustered:
            await self._client.connection_pool.disconnect(inuse_connections=False)

    async def close(self) -> None:
        """Close every connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def count(self) -> tuple[int, int]:
        """Return how many connections there are, and how many of them nobody uses; zeros where that is not known."""
        if self._client is None or self.clustered:
            return 0, 0
        pool = self._client.connection_pool
        idle, busy = pool._available_connections, pool._in_use_connections  # noqa: SLF001 - nothing else tells
        return len(idle) + len(busy), len(idle)

    def forked(self) -> None:
        """Leave the parent's connections alone."""
        if self._client is not None:
            _inherited.append(self._client)
        self._client = None

    def _connected(self) -> Any:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client = async_client(self._url, timeout=self._timeout, max_connections=self._max_connections)
            self._loop = loop
        return self._client
