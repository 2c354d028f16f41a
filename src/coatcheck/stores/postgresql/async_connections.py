"""Connections to PostgreSQL for asyncio. Those for threads are generated from it.

Drivers report neither a stopped server nor a connection that leads nowhere, so every wait has an end here, and a
connection that was given up on is closed and never used again.
"""

from __future__ import annotations

import random
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncCursor, IsolationLevel
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.rows import TupleRow, tuple_row

from coatcheck.fork import after_fork
from coatcheck.stores.postgresql.errors import RETRIED, UNPREPARED, code_of, translated
from coatcheck.stores.postgresql.waiting import AsyncMutex, AsyncSlots, async_sleep
from coatcheck.stores.postgresql.wire import SHORTEST, hosts_of, is_direct, on_wire, seems_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from psycopg.abc import PQGen

    from coatcheck.stores.operations import Operation, Row

T = TypeVar("T")

_ATTEMPTS = 3

inherited: list[object] = []
"""Connections of a parent process, kept so that nothing closes them: the parent goes on using them."""


class AsyncBounded(AsyncConnection[TupleRow]):
    """A connection whose every wait has an end."""

    _end = 0.0
    _cursor: AsyncCursor[TupleRow] | None = None

    def allow(self, seconds: float) -> None:
        """Let everything from now on take so long together."""
        self._end = monotonic() + seconds

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server, and close the connection when the wait ends in the middle of a statement."""
        try:
            return await super().wait(gen, interval, max(0.0, self._end - monotonic()) if timeout is None else timeout)
        except BaseException:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise

    async def rows(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """Run one statement and fetch all of it."""
        # One cursor for all statements: a new one for each costs as much as the rest of what the driver does.
        if self._cursor is None:
            self._cursor = self.cursor()
        cursor = await self._cursor.execute(on_wire(sql), parameters or None)
        result = cursor.pgresult  # `description` would make an object of every column
        return await cursor.fetchall() if result is not None and result.status == ExecStatus.TUPLES_OK else ()


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
        self._hosts = hosts_of(info)
        self._size = size
        self.timeout = timeout
        self._prepare = prepare
        self.forked()
        after_fork(self)

    def forked(self) -> None:
        """Start anew; the parent's connections are the parent's."""
        inherited.append(getattr(self, "_idle", ()))
        self._idle: list[AsyncBounded] = []
        self._lent: set[AsyncBounded] = set()
        self._slots = AsyncSlots(self._size)

    @property
    def count(self) -> int:
        """How many connections there are."""
        return len(self._idle) + len(self._lent)

    @property
    def idle(self) -> int:
        """How many connections wait for work."""
        return len(self._idle)

    async def connect(self, seconds: float | None = None) -> AsyncBounded:
        """Return a new connection, which the caller must close.

        Args:
            seconds: How long connecting and what follows may take; None for the usual time.
        """
        seconds = self.timeout if seconds is None else seconds
        end = monotonic() + seconds
        connection = await AsyncBounded.connect(
            self._info,
            autocommit=True,
            row_factory=tuple_row,
            prepare_threshold=None,
            connect_timeout=max(SHORTEST, ceil(seconds / self._hosts)),
        )
        connection.allow(end - monotonic())
        await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
        if self._prepare and await self._is_direct(connection):
            connection.prepare_threshold = 0
        return connection

    async def _is_direct(self, connection: AsyncBounded) -> bool:
        """Tell whether the server itself is at the other end.

        A pooler that hands out sessions by the transaction would run, under the name of our prepared statement, what
        another client has prepared under the same name. It need not even be an error.
        """
        try:
            return is_direct(connection.pgconn, await connection.rows("SELECT pg_backend_pid()", {}))
        except BaseException:
            await connection.close()
            raise

    async def single(self, make: Callable[[], Operation[T]], *, reads: bool = False, seconds: float | None = None) -> T:
        """Run an operation whose statements need no common transaction.

        Args:
            make: Makes the operation, anew for each attempt.
            reads: Whether it only reads, and so may be tried again on another connection when one breaks.
            seconds: How long it may take; None for the usual time.
        """
        return await self._tried(make, async_run, reads=reads, seconds=seconds)

    async def transaction(self, make: Callable[[], Operation[T]], *, seconds: float | None = None) -> T:
        """Run an operation in a transaction of its own, again if it lost against another one."""
        return await self._tried(make, _in_transaction, reads=False, seconds=seconds)

    async def _tried(
        self, make: Callable[[], Operation[T]], run: Callable[..., Any], *, reads: bool, seconds: float | None
    ) -> T:
        end = monotonic() + (self.timeout if seconds is None else seconds)
        for attempt in range(1, _ATTEMPTS + 1):
            connection: AsyncBounded | None = None
            with translated():
                await self._slots.acquire(end - monotonic())
                try:
                    connection = await self._taken(end)
                    self._lent.add(connection)
                    # The first try of a read leaves time for a second one, on a connection that is new.
                    left = end - monotonic()
                    connection.allow(left / 2 if reads and attempt == 1 else left)
                    result: T = await run(make(), connection)
                except psycopg.Error as error:
                    if attempt == _ATTEMPTS or not await self._worth_another(error, connection, reads=reads):
                        raise
                else:
                    return result
                finally:
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
        if connection is not None and connection.closed:
            await self.drain()  # what broke one has probably broken all
            return reads
        return False

    async def _taken(self, end: float) -> AsyncBounded:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return await self.connect(end - monotonic())
            if seems_alive(connection.pgconn):
                return connection
            await connection.close()

    async def _returned(self, connection: AsyncBounded | None) -> None:
        if connection is None:
            return
        if connection not in self._lent or connection.pgconn.transaction_status != TransactionStatus.IDLE:
            await connection.close()
        else:
            self._idle.append(connection)
        self._lent.discard(connection)

    async def drain(self) -> None:
        """Close the connections that wait for work, and each that is at work when it comes back."""
        self._lent.clear()
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
        inherited.append(getattr(self, "_connection", None))
        self._connection: AsyncBounded | None = None
        self._mutex = AsyncMutex()

    async def ask(self, make: Callable[[], Operation[T]]) -> T:
        """Run a reading operation; if the connection is broken or leads nowhere, once more on a new one."""
        async with self._mutex:
            return await self._asked(make)

    async def _asked(self, make: Callable[[], Operation[T]]) -> T:
        begun = monotonic()
        with translated():
            if self._connection is not None and seems_alive(self._connection.pgconn):
                self._connection.allow(self._patience)
                try:
                    return await async_run(make(), self._connection)
                except psycopg.Error as error:
                    if not self._connection.closed and code_of(error) not in UNPREPARED:
                        raise
            return await async_run(make(), await self._renewed(begun))

    async def _renewed(self, begun: float) -> AsyncBounded:
        await self._dropped()
        self._connection = await self._connections.connect(begun + self._connections.timeout - monotonic())
        return self._connection

    async def _dropped(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def aclose(self) -> None:
        """Close the connection; the next question makes another."""
        async with self._mutex:
            await self._dropped()
