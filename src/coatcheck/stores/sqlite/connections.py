"""The caller's own connection: found behind what an ORM wraps around it, and used inside its transaction."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from coatcheck.errors import ConfigurationError, TransactionRequired
from coatcheck.stores.sqlite.database import run, translated

if TYPE_CHECKING:
    from coatcheck.stores.operations import Operation

T = TypeVar("T")


def unwrapped(connection: Any) -> sqlite3.Connection:
    """Return the sqlite3 connection of a sqlite3, SQLAlchemy or Django connection, or a SQLAlchemy session.

    Raises:
        ConfigurationError: It is none of these.
        TransactionRequired: It is a SQLAlchemy connection on which no transaction was begun.
    """
    if isinstance(connection, sqlite3.Connection):
        return connection
    if hasattr(connection, "flush") and hasattr(connection, "get_bind"):  # a SQLAlchemy Session
        connection.flush()
        connection = connection.connection()
    if hasattr(connection, "exec_driver_sql"):  # a SQLAlchemy Connection
        require(in_transaction=connection.in_transaction())
        return _sqlite(connection.connection.driver_connection)
    if hasattr(connection, "ensure_connection"):  # Django
        connection.ensure_connection()
        return _sqlite(connection.connection)
    return _sqlite(connection)


_HOW = "begin a transaction on the connection before it is handed in, so that the call commits or vanishes with it"


def _sqlite(connection: Any) -> sqlite3.Connection:
    if not isinstance(connection, sqlite3.Connection):
        kind = f"{type(connection).__module__}.{type(connection).__qualname__}"
        msg = (
            f"connection={kind} is not possible: hand in a connection of sqlite3, SQLAlchemy or Django to this database"
        )
        raise ConfigurationError(msg)
    return connection


def require(*, in_transaction: bool) -> None:
    """Refuse a connection on which no transaction was begun."""
    if not in_transaction:
        raise TransactionRequired(_HOW)


def require_transaction(isolation_level: str | None) -> None:
    """Refuse autocommit mode, in which every statement would commit by itself."""
    require(in_transaction=isolation_level is not None)


def _begin(connection: sqlite3.Connection) -> None:
    """Make sure that a transaction is open, as the driver would at the first write."""
    if connection.in_transaction:
        return
    require_transaction(None if getattr(connection, "autocommit", None) is True else connection.isolation_level)
    connection.execute("BEGIN IMMEDIATE")


def run_inside(operation: Operation[T], connection: Any, path: str) -> T:
    """Run an operation in the caller's transaction; if it fails, only its own part is undone.

    Raises:
        TransactionRequired: There is no transaction, and the driver would not begin one.
    """
    raw = unwrapped(connection)
    with translated(path):
        _begin(raw)
        raw.execute("SAVEPOINT coatcheck")
        try:
            result = run(operation, raw)
        except BaseException:
            # Some errors end the whole transaction; then there is no savepoint, and the error itself matters more.
            with suppress(sqlite3.Error):
                raw.execute("ROLLBACK TO coatcheck")
                raw.execute("RELEASE coatcheck")
            raise
        raw.execute("RELEASE coatcheck")
        return result


def read_inside(operation: Operation[T], connection: Any, path: str) -> T:
    """Run a reading operation on the caller's connection, which may see what is not committed."""
    with translated(path):
        return run(operation, unwrapped(connection))
