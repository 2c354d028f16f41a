"""Reads from a streaming replica, for asyncio. The one for threads is generated from it."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from coatcheck.errors import CoatcheckError

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.stores.base import Reading
    from coatcheck.stores.operations import Operation
    from coatcheck.stores.postgresql.async_connections import AsyncConnections

_REST = 1.0
"""For so many seconds a replica that did not answer is left alone: the primary answers instead."""


class AsyncReplica:
    """A replica that is asked where there is one and it answers, and is never needed."""

    def __init__(self, connections: AsyncConnections | None) -> None:
        """Wire it; nothing is connected yet. None stands for no replica."""
        self._connections = connections
        self._resting_until = 0.0

    async def read(self, make: Callable[[], Operation[Reading]]) -> Reading | None:
        """Run a reading operation there; None if it did not answer."""
        if self._connections is None or monotonic() < self._resting_until:
            return None
        try:
            return await self._connections.single(make)
        except CoatcheckError:
            self._resting_until = monotonic() + _REST
            return None

    async def aclose(self) -> None:
        """Close its connections."""
        if self._connections is not None:
            await self._connections.drain()
