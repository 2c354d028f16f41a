# Generated from stores/postgresql/async_replica.py by tools/generate_sync.py: edit that, run `make generate`.
"""Reads from a streaming replica, for threads. Generated from the asyncio side."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from coatcheck.errors import CoatcheckError

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.stores.base import Reading
    from coatcheck.stores.operations import Operation
    from coatcheck.stores.postgresql.connections import Connections

_REST = 1.0
"""For so many seconds a replica that did not answer is left alone: the primary answers instead."""


class Replica:
    """A replica that is asked where there is one and it answers, and is never needed."""

    def __init__(self, connections: Connections | None) -> None:
        """Wire it; nothing is connected yet. None stands for no replica."""
        self._connections = connections
        self._resting_until = 0.0

    def read(self, make: Callable[[], Operation[Reading]]) -> Reading | None:
        """Run a reading operation there; None if it did not answer."""
        if self._connections is None or monotonic() < self._resting_until:
            return None
        try:
            return self._connections.single(make)
        except CoatcheckError:
            self._resting_until = monotonic() + _REST
            return None

    def close(self) -> None:
        """Close its connections."""
        if self._connections is not None:
            self._connections.drain()
