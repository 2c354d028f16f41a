# Generated from stores/postgresql/async_connections.py by tools/generate_sync.py: edit that, run `make generate`.
"""Connections to PostgreSQL for threads. Generated from the asyncio side.

Drivers report neither a stopped server nor a connection that leads nowhere, so every wait has an end here, and a
connection that was given up on is closed and never used again.
"""

from __future__ import annotations

import random
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg import Connection, Cursor, IsolationLevel
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.rows import TupleRow, tuple_row

from coatcheck.fork import after_fork
from coatcheck.stores.postgresql.errors import RETRIED, UNPREPARED, code_of, translated
from coatcheck.stores.postgresql.waiting import Mutex, Slots, sleep
from coatcheck.stores.postgresql.wire import SHORTEST, hosts_of, is_direct, on_wire, seems_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from psycopg.abc import PQGen

    from coatcheck.stores.operations import Operation, Row

T = TypeVar("T")

_ATTEMPTS = 3

inherited: list[object] = []
"""Connections of a parent process, kept so that nothing closes them: the parent goes on using them."""


class Bounded(Connection[TupleRow]):
    """A connection whose every wait has an end."""

    _end = 0.0
    _cursor: Cursor[TupleRow] | None = None

    def allow(self, seconds: float) -> None:
        """Let everything from now on take so long together."""
        self._end = monotonic() + seconds

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server, and close the connection when the wait ends in the middle of a statement."""
        try:
            return super().wait(gen, interval, max(0.0, self._end - monotonic()) if timeout is None else timeout)
        except BaseException:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """Run one statement and fetch all of it."""
        # One cursor for all statements: a new one for each costs as much as the rest of what the driver does.
        if self._cursor is None:
            self._cursor = self.cursor()
        cursor = self._cursor.execute(on_wire(sql), parameters or None)
        result = cursor.pgresult  # `description` would make an object of every column
        return cursor.fetchall() if result is not None and result.status == ExecStatus.TUPLES_OK else ()


def run(operation: Operation[T], connection: Bounded) -> T:
    """Run an operation's statements one after another."""
    try:
        statement = next(operation)
        while True:
            statement = operation.send(connection.rows(statement.sql, statement.parameters))
    except StopIteration as end:
        result: T = end.value
        return result


class Connections:
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
        self._idle: list[Bounded] = []
        self._lent: set[Bounded] = set()
        self._slots = Slots(self._size)

    @property
    def count(self) -> int:
        """How many connections there are."""
        return len(self._idle) + len(self._lent)

    @property
    def idle(self) -> int:
        """How many connections wait for work."""
        return len(self._idle)

    def connect(self, seconds: float | None = None) -> Bounded:
        """Return a new connection, which the caller must close.

        Args:
            seconds: How long connecting and what follows may take; None for the usual time.
        """
        seconds = self.timeout if seconds is None else seconds
        end = monotonic() + seconds
        connection = Bounded.connect(
            self._info,
            autocommit=True,
            row_factory=tuple_row,
            prepare_threshold=None,
            connect_timeout=max(SHORTEST, ceil(seconds / self._hosts)),
        )
        connection.allow(end - monotonic())
        connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
        if self._prepare and self._is_direct(connection):
            connection.prepare_threshold = 0
        return connection

    def _is_direct(self, connection: Bounded) -> bool:
        """Tell whether the server itself is at the other end.

        A pooler that hands out sessions by the transaction would run, under the name of our prepared statement, what
        another client has prepared under the same name. It need not even be an error.
        """
        try:
            return is_direct(connection.pgconn, connection.rows("SELECT pg_backend_pid()", {}))
        except BaseException:
            connection.close()
            raise

    def single(self, make: Callable[[], Operation[T]], *, reads: bool = False, seconds: float | None = None) -> T:
        """Run an operation whose statements need no common transaction.

        Args:
            make: Makes the operation, anew for each attempt.
            reads: Whether it only reads, and so may be tried again on another connection when one breaks.
            seconds: How long it may take; None for the usual time.
        """
        return self._tried(make, run, reads=reads, seconds=seconds)

    def transaction(self, make: Callable[[], Operation[T]], *, seconds: float | None = None) -> T:
        """Run an operation in a transaction of its own, again if it lost against another one."""
        return self._tried(make, _in_transaction, reads=False, seconds=seconds)

    def _tried(
        self, make: Callable[[], Operation[T]], run: Callable[..., Any], *, reads: bool, seconds: float | None
    ) -> T:
        end = monotonic() + (self.timeout if seconds is None else seconds)
        for attempt in range(1, _ATTEMPTS + 1):
            connection: Bounded | None = None
            with translated():
                self._slots.acquire(end - monotonic())
                try:
                    connection = self._taken(end)
                    self._lent.add(connection)
                    # The first try of a read leaves time for a second one, on a connection that is new.
                    left = end - monotonic()
                    connection.allow(left / 2 if reads and attempt == 1 else left)
                    result: T = run(make(), connection)
                except psycopg.Error as error:
                    if attempt == _ATTEMPTS or not self._worth_another(error, connection, reads=reads):
                        raise
                else:
                    return result
                finally:
                    self._returned(connection)
                    self._slots.release()
        raise AssertionError  # the last attempt returns or raises

    def _worth_another(self, error: psycopg.Error, connection: Bounded | None, *, reads: bool) -> bool:
        code = code_of(error)
        if code in RETRIED:
            sleep(random.uniform(0.001, 0.02))  # noqa: S311 - so that the two do not meet again
            return True
        if code in UNPREPARED and self._prepare:
            self._prepare = False
            self.drain()
            return True
        if connection is not None and connection.closed:
            self.drain()  # what broke one has probably broken all
            return reads
        return False

    def _taken(self, end: float) -> Bounded:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self.connect(end - monotonic())
            if seems_alive(connection.pgconn):
                return connection
            connection.close()

    def _returned(self, connection: Bounded | None) -> None:
        if connection is None:
            return
        if connection not in self._lent or connection.pgconn.transaction_status != TransactionStatus.IDLE:
            connection.close()
        else:
            self._idle.append(connection)
        self._lent.discard(connection)

    def drain(self) -> None:
        """Close the connections that wait for work, and each that is at work when it comes back."""
        self._lent.clear()
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def _in_transaction(operation: Operation[T], connection: Bounded) -> T:
    with connection.transaction():
        return run(operation, connection)


class Reserved:
    """One connection for the polls alone, so that no number of reads can be in their way."""

    def __init__(self, connections: Connections, *, patience: float) -> None:
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
        self._connection: Bounded | None = None
        self._mutex = Mutex()

    def ask(self, make: Callable[[], Operation[T]]) -> T:
        """Run a reading operation; if the connection is broken or leads nowhere, once more on a new one."""
        with self._mutex:
            return self._asked(make)

    def _asked(self, make: Callable[[], Operation[T]]) -> T:
        begun = monotonic()
        with translated():
            if self._connection is not None and seems_alive(self._connection.pgconn):
                self._connection.allow(self._patience)
                try:
                    return run(make(), self._connection)
                except psycopg.Error as error:
                    if not self._connection.closed and code_of(error) not in UNPREPARED:
                        raise
            return run(make(), self._renewed(begun))

    def _renewed(self, begun: float) -> Bounded:
        self._dropped()
        self._connection = self._connections.connect(begun + self._connections.timeout - monotonic())
        return self._connection

    def _dropped(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Close the connection; the next question makes another."""
        with self._mutex:
            self._dropped()
