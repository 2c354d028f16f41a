"""What wakes the poller, for asyncio: a connection that listens. The one for threads is generated from it.

It proves nothing. What it misses, because its connection was cut or leads nowhere, costs at most the lease.
"""

from __future__ import annotations

import random
from time import monotonic
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from coatcheck.bells import AsyncBell
from coatcheck.fork import after_fork
from coatcheck.stores.postgresql.async_connections import inherited

if TYPE_CHECKING:
    from coatcheck.stores.postgresql.async_connections import AsyncBounded, AsyncConnections

_SILENCE = 10.0
"""After so many seconds without a word the connection is asked whether it is still there."""

_PATIENCE = 2.0
_SHORTEST, _LONGEST = 0.2, 15.0
"""Seconds between two attempts to connect."""


class AsyncListener:
    """One connection of a process that hears when the log has grown, however many wait for it."""

    def __init__(self, connections: AsyncConnections, channel: str) -> None:
        """Wire it; nothing is connected yet."""
        self._connections = connections
        self._channel = channel
        self.forked()
        after_fork(self)

    def forked(self) -> None:
        """Start anew; the parent's connection is the parent's."""
        inherited.append(getattr(self, "_connection", None))
        self._bell = AsyncBell()
        self._connection: AsyncBounded | None = None
        self._listening = False
        self._pause = 0.0
        self._next_attempt = 0.0
        self._heard = 0.0

    @property
    def listens(self) -> bool | None:
        """Whether a connection is there to hear something; None before the first was wanted."""
        return None if self._heard == 0.0 and not self._next_attempt else self._connection is not None

    async def news(self, seen: int, seconds: float) -> int:
        """Wait for a notification, or so many seconds; returns the number of the last one."""
        if self._bell.rung != seen:
            return self._bell.rung
        if self._listening:
            return await self._bell.wait(seen, seconds)
        self._listening = True
        try:
            await self._listen(seen, seconds)
        finally:
            self._listening = False
        return self._bell.rung

    async def _listen(self, seen: int, seconds: float) -> None:
        try:
            if self._connection is not None:
                await self._heed(seconds)
            elif not await self._connected():
                await self._bell.wait(seen, seconds)
        except psycopg.Error:
            await self.aclose()
            self._bell.ring()  # something may have been said that nobody heard

    async def _heed(self, seconds: float) -> None:
        connection = self._connection
        if connection is None:
            return
        async for _ in connection.notifies(timeout=seconds, stop_after=1):
            self._heard = monotonic()
            self._bell.ring()
        if monotonic() - self._heard > _SILENCE:
            connection.allow(_PATIENCE)
            await connection.rows("SELECT 1", {})
            self._heard = monotonic()

    async def _connected(self) -> bool:
        if monotonic() < self._next_attempt:
            return False
        try:
            connection = await self._listening_connection()
        except psycopg.Error:
            # Apart from each other, so that a restarted server does not meet all workers at once.
            self._pause = min(max(self._pause * 2, _SHORTEST), _LONGEST)
            self._next_attempt = monotonic() + self._pause * random.uniform(0.5, 1.5)  # noqa: S311
            return False
        self._pause = 0.0
        self._heard = monotonic()
        self._connection = connection
        self._bell.ring()  # listen first, then look: what was written before is in the log
        return True

    async def _listening_connection(self) -> AsyncBounded:
        connection = await self._connections.connect()
        try:
            connection.allow(_PATIENCE)
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
        except BaseException:
            await connection.close()
            raise
        return connection

    async def aclose(self) -> None:
        """Stop listening."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
