"""Where the asyncio store's writes run. Its twin for threads is `_threads.py`, written by hand as well."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from coatcheck.stores.sqlite import connections
from coatcheck.stores.sqlite.database import translated

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.stores.sqlite.database import Database
    from coatcheck.stores.sqlite.operations import Operation

T = TypeVar("T")


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
        driver = await _driver_connection(connection)
        if driver is None:
            return connections.run_inside(operation, connection, self._database.path)
        with translated(self._database.path):
            return await _run_inside(operation, driver)

    async def read(self, operation: Operation[T], connection: Any = None) -> T:
        """Run an operation that only reads, here and now, or on the caller's connection."""
        if connection is None:
            return self._database.read(operation)
        driver = await _driver_connection(connection)
        if driver is None:
            return connections.read_inside(operation, connection, self._database.path)
        with translated(self._database.path):
            return await _drive(operation, driver)

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


async def _run_inside(operation: Operation[T], driver: Any) -> T:
    if not driver.in_transaction:
        connections.require_transaction(driver.isolation_level)
        await driver.execute("BEGIN IMMEDIATE")
    await driver.execute("SAVEPOINT coatcheck")
    try:
        return await _drive(operation, driver)
    except BaseException:
        await driver.execute("ROLLBACK TO coatcheck")
        raise
    finally:
        await driver.execute("RELEASE coatcheck")


async def _driver_connection(connection: Any) -> Any:
    """Return the aiosqlite connection behind what was handed in, or None for a plain one."""
    if hasattr(connection, "run_sync") and hasattr(connection, "connection"):  # a SQLAlchemy AsyncSession
        await connection.flush()
        connection = await connection.connection()
    if hasattr(connection, "get_raw_connection"):  # a SQLAlchemy AsyncConnection
        connections.require(in_transaction=connection.in_transaction())
        connection = (await connection.get_raw_connection()).driver_connection
    return connection if type(connection).__module__.startswith("aiosqlite") else None


async def _drive(operation: Operation[T], driver: Any) -> T:
    rows: Any = ()
    try:
        statement = next(operation)
        while True:
            cursor = await driver.execute(*statement)
            rows = [tuple(row) for row in await cursor.fetchall()]
            await cursor.close()
            statement = operation.send(rows)
    except StopIteration as done:
        result: T = done.value
        return result
