"""Connections to PostgreSQL for asyncio. Those for threads are generated from it.

Drivers report neither a stopped server nor a connection that leads nowhere, so every wait has an end here, and a
connection that was given up on is closed and never used again.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow, tuple_row

from coatcheck.fork import after_fork
from coatcheck.stores.postgresql.errors import RETRIED, UNPREPARED, code_of, translated
from coatcheck.stores.postgresql.waiting import AsyncMutex, AsyncSlots, async_sleep
from coatcheck.stores.postgresql.wire import on_wire, seems_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from psycopg.abc import PQGen

    from coatcheck.stores.operations import Operation, Row

T = TypeVar("T")

_ATTEMPTS = 3


class AsyncBounded(AsyncConnection[TupleRow]):
    """A connection whose every wait has an end."""

    patience = 5.0
    """Seconds a statement may take."""

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server, and close the connection when the wait ends in the middle of a statement."""
        try:
            return await super().wait(gen, interval, self.patience if timeout is None else timeout)
        except BaseException:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise

    async def rows(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """Run one statement and fetch all of it."""
        cursor = await self.execute(on_wire(sql), parameters or None)
        return await cursor.fetchall() if cursor.description else ()


async def async_run(operation: Operation[T], connection: AsyncBounded) -> T:
    """Run an operation's statements one after another."""
    try:
        statement = next(operation)
        while True:
            statement = operation.send(await connection.rows(statement.sql, statement.parameters))
    except StopIteration as end:
        result: T = end.value
        return result


class AsyncConnections:
    """A process's connections to one server: at most so many, made when they are needed, the last used first.

    Made for two things that a general pool does otherwise: who cannot connect learns it at once and not after a
    time in a queue, and after an outage the first who asks connects, whatever was tried and failed before.
    """

    def __init__(self, info: str, *, size: int, timeout: float, prepare: bool) -> None:
        """Name the server; nothing is connected yet.

        Args:
            info: What to connect to.
            size: How many connections there may be.
            timeout: How many seconds a statement, and a wait for a free connection, may take.
            prepare: Whether statements are prepared, which a pooler between may not allow.
        """
        self._info = info
        self._size = size
        self._timeout = timeout
        self._prepare = prepare
        self.forked()
        after_fork(self)

    def forked(self) -> None:
        """Start anew; the parent's connections are the parent's."""
        self._idle: list[AsyncBounded] = []
        self._busy = 0
        self._slots = AsyncSlots(self._size)

    @property
    def count(self) -> int:
        """How many connections there are."""
        return len(self._idle) + self._busy

    @property
    def idle(self) -> int:
        """How many connections wait for work."""
        return len(self._idle)

    async def connect(self) -> AsyncBounded:
        """Return a new connection, which the caller must close."""
        connection = await AsyncBounded.connect(
            self._info, autocommit=True, row_factory=tuple_row, prepare_threshold=0 if self._prepare else None
        )
        connection.patience = self._timeout
        return connection

    async def single(self, make: Callable[[], Operation[T]], *, reads: bool = False) -> T:
        """Run an operation whose statements need no common transaction.

        Args:
            make: Makes the operation, anew for each attempt.
            reads: Whether it only reads, and so may be tried again on another connection when one breaks.
        """
        return await self._tried(make, async_run, reads=reads)

    async def transaction(self, make: Callable[[], Operation[T]]) -> T:
        """Run an operation in a transaction of its own, again if it lost against another one."""
        return await self._tried(make, _in_transaction, reads=False)

    async def _tried(self, make: Callable[[], Operation[T]], run: Callable[..., Any], *, reads: bool) -> T:
        for attempt in range(1, _ATTEMPTS + 1):
            connection: AsyncBounded | None = None
            with translated():
                await self._slots.acquire(self._timeout)
                self._busy += 1
                try:
                    connection = await self._taken()
                    # The first try of a read leaves time for a second one, on a connection that is new.
                    connection.patience = self._timeout / 2 if reads and attempt == 1 else self._timeout
                    result: T = await run(make(), connection)
                except psycopg.Error as error:
                    if attempt == _ATTEMPTS or not await self._worth_another(error, connection, reads=reads):
                        raise
                else:
                    return result
                finally:
                    self._busy -= 1
                    await self._returned(connection)
                    self._slots.release()
        raise AssertionError  # the last attempt returns or raises

    async def _worth_another(self, error: psycopg.Error, connection: AsyncBounded | None, *, reads: bool) -> bool:
        code = code_of(error)
        if code in RETRIED:
            await async_sleep(random.uniform(0.001, 0.02))  # noqa: S311 - so that the two do not meet again
            return True
        if code in UNPREPARED and self._prepare:
            self._prepare = False
            await self.drain()
            return True
        if reads and connection is not None and connection.closed:
            await self.drain()  # what broke one has probably broken all
            return True
        return False

    async def _taken(self) -> AsyncBounded:
        while self._idle:
            connection = self._idle.pop()
            if seems_alive(connection.pgconn):
                return connection
            await connection.close()
        return await self.connect()

    async def _returned(self, connection: AsyncBounded | None) -> None:
        if connection is None:
            return
        if connection.closed or connection.pgconn.transaction_status != TransactionStatus.IDLE:
            await connection.close()
        else:
            self._idle.append(connection)

    async def drain(self) -> None:
        """Close the connections that wait for work."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()


async def _in_transaction(operation: Operation[T], connection: AsyncBounded) -> T:
    async with connection.transaction():
        return await async_run(operation, connection)


class AsyncReserved:
    """One connection for the polls alone, so that no number of reads can be in their way."""

    def __init__(self, connections: AsyncConnections, *, patience: float) -> None:
        """Wire it; nothing is connected yet.

        Args:
            connections: Where it is made.
            patience: How many seconds an existing connection has to answer before a new one is tried.
        """
        self._connections = connections
        self._patience = patience
        self.forked()
        after_fork(self)

    def forked(self) -> None:
        """Start anew; the parent's connection is the parent's."""
        self._connection: AsyncBounded | None = None
        self._mutex = AsyncMutex()

    async def ask(self, make: Callable[[], Operation[T]]) -> T:
        """Run a reading operation; if the connection is broken or leads nowhere, once more on a new one."""
        async with self._mutex:
            return await self._asked(make)

    async def _asked(self, make: Callable[[], Operation[T]]) -> T:
        with translated():
            if self._connection is not None and seems_alive(self._connection.pgconn):
                self._connection.patience = self._patience
                try:
                    return await async_run(make(), self._connection)
                except psycopg.Error as error:
                    if not self._connection.closed and code_of(error) not in UNPREPARED:
                        raise
            return await async_run(make(), await self._renewed())

    async def _renewed(self) -> AsyncBounded:
        await self._dropped()
        self._connection = await self._connections.connect()
        return self._connection

    async def _dropped(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def aclose(self) -> None:
        """Close the connection; the next question makes another."""
        async with self._mutex:
            await self._dropped()
