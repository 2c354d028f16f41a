"""Where the asyncio store's writes run. Its twin for threads is `_threads.py`, written by hand as well."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from coatcheck.stores.sqlite import connections

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.stores.operations import Operation
    from coatcheck.stores.sqlite.database import Database

T = TypeVar("T")

async_sleep = asyncio.sleep


class AsyncThreads:
    """One thread for writing, because a commit waits for the disk, and SQLite has one writer anyway."""

    def __init__(self, database: Database) -> None:
        """Keep the database; the thread starts with the first write."""
        self._database = database
        self._executor: ThreadPoolExecutor | None = None
        self._generation: object = None

    async def write(self, operation: Operation[T], connection: Any = None) -> T:
        """Run an operation in a transaction of its own, or in the caller's."""
        if connection is None:
            return await self.call(lambda: self._database.write(operation))
        return await self._inside(connections.run_inside, operation, connection)

    async def read(self, operation: Operation[T], connection: Any = None) -> T:
        """Run an operation that only reads, here and now, or on the caller's connection."""
        if connection is None:
            return self._database.read(operation)
        return await self._inside(connections.read_inside, operation, connection)

    async def read_at_length(self, operation: Operation[T], connection: Any = None) -> T:
        """Run an operation that may read every row: in a thread, beside those that write."""
        if connection is None:
            return await asyncio.to_thread(self._database.read, operation)
        return await self.read(operation, connection)

    async def _inside(
        self, function: Callable[[Operation[T], Any, str], T], operation: Operation[T], connection: Any
    ) -> T:
        driver = await _driver_connection(connection)
        if driver is None:
            return function(operation, connection, self._database.path)
        # All statements in one visit to the driver's thread: a task cancelled between two of them would leave a
        # cursor half-read, and then SQLite refuses the caller's commit.
        result: T = await driver._execute(function, operation, driver._conn, self._database.path)  # noqa: SLF001
        return result

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function in the writing thread."""
        # Threads do not survive a fork; the database then is of a new generation.
        if self._executor is None or self._generation is not self._database.generation:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="coatcheck-sqlite")
            self._generation = self._database.generation
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    async def close(self) -> None:
        """End the thread after what it still has to do."""
        if self._executor is not None:
            await asyncio.to_thread(self._executor.shutdown)
            self._executor = None


async def _driver_connection(connection: Any) -> Any:
    """Return the aiosqlite connection behind what was handed in, or None for a plain one."""
    # A SQLAlchemy AsyncSession. An AsyncConnection has no `flush`, and even asking for its `connection` raises.
    if hasattr(connection, "run_sync") and hasattr(connection, "flush"):
        await connection.flush()
        connection = await connection.connection()
    if hasattr(connection, "get_raw_connection"):  # a SQLAlchemy AsyncConnection
        connections.require(in_transaction=connection.in_transaction())
        connection = (await connection.get_raw_connection()).driver_connection
    return connection if type(connection).__module__.startswith("aiosqlite") else None
