# Generated from stores/postgresql/async_callers.py by tools/generate_sync.py: edit that, run `make generate`.
"""The caller's own connection for threads: an operation runs within its transaction. Generated from the asyncio side.

A psycopg connection is used as it is. What SQLAlchemy wraps runs through SQLAlchemy, whichever driver is behind it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from psycopg import Connection
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from coatcheck.errors import ConfigurationError, TransactionRequired
from coatcheck.stores.postgresql.errors import translated
from coatcheck.stores.postgresql.wire import on_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from coatcheck.stores.operations import Operation, Row

    Execute = Callable[[str, Mapping[str, Any]], Sequence[Row]]

T = TypeVar("T")

_HOW = "begin a transaction on the connection before it is handed in, so that the call commits or vanishes with it"


def run_inside(operation: Operation[T], connection: Any) -> T:
    """Run an operation in the caller's transaction; if it fails, only its own part is undone.

    Raises:
        TransactionRequired: There is no transaction.
        ConfigurationError: It is no connection to PostgreSQL that is known here.
    """
    execute = _executor(connection)
    with translated():
        execute("SAVEPOINT coatcheck", {})
        try:
            result = _run(operation, execute)
        except BaseException:
            execute("ROLLBACK TO SAVEPOINT coatcheck", {})
            raise
        execute("RELEASE SAVEPOINT coatcheck", {})
        return result


def _run(operation: Operation[T], execute: Execute) -> T:
    try:
        statement = next(operation)
        while True:
            statement = operation.send(execute(statement.sql, statement.parameters))
    except StopIteration as end:
        result: T = end.value
        return result


def _executor(connection: Any) -> Execute:
    """Return how a statement runs on a caller's connection."""
    if _is_sqlalchemys(connection):
        return _through_sqlalchemy(connection)
    if hasattr(connection, "ensure_connection"):  # Django
        connection.ensure_connection()
        connection = connection.connection
    if not _is_psycopgs(connection):
        kind = f"{type(connection).__module__}.{type(connection).__qualname__}"
        what = f"a psycopg {Connection.__name__}, or SQLAlchemy's of the same kind, to this database"
        msg = f"connection={kind} is not possible: hand in {what}"
        raise ConfigurationError(msg)
    if connection.autocommit and connection.pgconn.transaction_status == TransactionStatus.IDLE:
        raise TransactionRequired(_HOW)
    return lambda sql, parameters: _through_psycopg(connection, sql, parameters)


def _is_psycopgs(connection: object) -> bool:
    return isinstance(connection, Connection)


def _through_psycopg(connection: Connection[Any], sql: str, parameters: Mapping[str, Any]) -> Sequence[Row]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(on_wire(sql), parameters or None)
        return cursor.fetchall() if cursor.description else ()


def _is_sqlalchemys(connection: Any) -> bool:
    ours = any(kind.__module__.startswith("sqlalchemy.") for kind in type(connection).__mro__)
    return ours and hasattr(connection, "run_sync") is ASYNC and hasattr(connection, "in_transaction")


ASYNC = False


def _through_sqlalchemy(connection: Any) -> Execute:
    if hasattr(connection, "flush"):  # a session, which begins a transaction by itself
        connection.flush()
    elif not connection.in_transaction():
        raise TransactionRequired(_HOW)

    def execute(sql: str, parameters: Mapping[str, Any]) -> Sequence[Row]:
        result = connection.execute(_text(sql), dict(parameters))
        return [tuple(row) for row in result.all()] if result.returns_rows else ()

    return execute


@cache
def _text(sql: str) -> Any:
    from sqlalchemy import text  # noqa: PLC0415 - only for those who have handed in something of it

    return text(sql)
