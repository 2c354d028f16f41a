"""Where the store's writes run without asyncio. Its twin is `_async_threads.py`, written by hand as well."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from coatcheck.stores.sqlite import connections

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.stores.operations import Operation
    from coatcheck.stores.sqlite.database import Database

T = TypeVar("T")

sleep = time.sleep


class Threads:
    """The caller's own thread does everything."""

    def __init__(self, database: Database) -> None:
        """Keep the database."""
        self._database = database

    def write(self, operation: Operation[T], connection: Any = None) -> T:
        """Run an operation in a transaction of its own, or in the caller's."""
        if connection is None:
            return self._database.write(operation)
        return connections.run_inside(operation, connection, self._database.path)

    def read(self, operation: Operation[T], connection: Any = None) -> T:
        """Run an operation that only reads, here and now, or on the caller's connection."""
        if connection is None:
            return self._database.read(operation)
        return connections.read_inside(operation, connection, self._database.path)

    def read_at_length(self, operation: Operation[T], connection: Any = None) -> T:
        """Run an operation that may read every row; here that is nobody else's time."""
        return self.read(operation, connection)

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function."""
        return function(*arguments)

    def close(self) -> None:
        """Do nothing: there is no thread to end."""
