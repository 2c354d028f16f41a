"""Connections to one SQLite file: a private reader for each thread, one writer for the process.

Traps, each found by breaking a version without it:

- `PRAGMA data_version` says whether *another* connection has committed, and stands still inside a transaction
  or behind a half-read cursor. So readers belong to one thread, run in autocommit, and fetch every row.
- Its values can be compared only on one connection, so each reader keeps its own last one.
- A connection follows its file, not its name: after a restore by `mv` it would read the old file for ever. The
  name's device and inode are compared at every look.
- SQLite's locks belong to the process and do not survive a fork; a child must not even close what it inherited.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from coatcheck.errors import ConfigurationError, DataError, SchemaError, Unavailable
from coatcheck.fork import after_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from coatcheck.stores.sqlite.operations import Operation, Row

T = TypeVar("T")

OLDEST_SQLITE = (3, 38, 0)
"""The first with `unixepoch()` and the `->>` operator."""

_stat = os.stat


class Reader:
    """One thread's connection for reading, never inside a transaction."""

    __slots__ = ("__weakref__", "_cursor", "connection", "cursor", "device", "inode", "polled")

    def __init__(self, path: str, busy_timeout: float) -> None:
        """Connect, and note which file the name led to."""
        status = _stat(path)
        self.connection = connect(path, busy_timeout)
        self._cursor = self.connection.cursor()
        self.device = status.st_dev
        self.inode = status.st_ino
        self.polled: int | None = None
        self.cursor: object = None

    def __del__(self) -> None:
        """Close with the thread that owned it."""
        with suppress(AttributeError):
            self.connection.close()

    def version(self) -> int:
        """Return a number that differs after another connection has committed."""
        version: int = self._cursor.execute("PRAGMA data_version").fetchall()[0][0]
        return version

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        """Run one statement and fetch all of it."""
        return self._cursor.execute(sql, parameters).fetchall()


class Database:
    """One SQLite file, as one process uses it."""

    def __init__(self, path: str, *, busy_timeout: float, foreign_keys: bool) -> None:
        """Name the file; nothing is opened yet.

        Args:
            path: The file.
            busy_timeout: How many seconds a writer waits for another process's write to end.
            foreign_keys: Whether the writer enforces foreign keys.
        """
        self.path = path
        self._busy_timeout = busy_timeout
        self._foreign_keys = foreign_keys
        self._forget()
        after_fork(self)

    def _forget(self) -> None:
        self.generation = object()
        self._local = threading.local()
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()
        self._writer: sqlite3.Connection | None = None
        self._writes_to: tuple[int, int] | None = None
        self._write_lock = threading.Lock()

    def forked(self) -> None:
        """Leave the parent's connections alone and start with none."""
        _inherited.append((list(self._readers), self._writer, self._local))
        self._forget()

    def unchanged(self, cursor: object) -> bool:
        """Tell whether no connection has committed anything since this thread's last poll, which led to this cursor.

        The cursor says whose poll that was: of two caches over one database, each has to learn what the log says.
        """
        try:
            reader: Reader = self._local.reader
            status = _stat(self.path)
        except (AttributeError, OSError):
            return False
        if status.st_ino != reader.inode or status.st_dev != reader.device:
            return False
        return reader.cursor == cursor and reader.polled == reader.version()

    def reader(self) -> Reader:
        """Return this thread's reader of the file that the name leads to now."""
        reader: Reader | None = getattr(self._local, "reader", None)
        if reader is not None:
            status = self._status()
            if status.st_ino == reader.inode and status.st_dev == reader.device:
                return reader
            self._drop(reader)
        self._status()
        self._local.reader = reader = Reader(self.path, min(self._busy_timeout, 1.0))
        self._readers.add(reader)
        return reader

    def _status(self) -> os.stat_result:
        try:
            return _stat(self.path)
        except OSError as error:
            msg = f"the database {self.path} cannot be found: {error.strerror}"
            raise Unavailable(msg) from error

    def _drop(self, reader: Reader) -> None:
        self._readers.discard(reader)
        reader.connection.close()

    @property
    def identity(self) -> str:
        """Name the file that this thread reads, for the log's epoch."""
        reader = self.reader()
        return f"{reader.device}:{reader.inode}"

    def read(self, operation: Operation[T]) -> T:
        """Run an operation that only reads, on this thread's reader."""
        with translated(self.path):
            reader = self.reader()
            return _drive(operation, reader.rows)

    def write(self, operation: Operation[T]) -> T:
        """Run an operation in a transaction of its own: all of it happens, or nothing."""
        with self._write_lock, translated(self.path):
            writer = self._fresh_writer()
            writer.execute("BEGIN IMMEDIATE")
            try:
                result = run(operation, writer)
                writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    writer.execute("ROLLBACK")
                raise
            return result

    def _fresh_writer(self) -> sqlite3.Connection:
        status = self._status()
        current = (status.st_dev, status.st_ino)
        if self._writer is not None and self._writes_to != current:
            self._writer.close()
            self._writer = None
        if self._writer is None:
            self._writer = connect(self.path, self._busy_timeout, foreign_keys=self._foreign_keys)
            self._writes_to = current
        return self._writer

    def close(self) -> None:
        """Close every connection of this process."""
        with self._write_lock:
            for reader in list(self._readers):
                reader.connection.close()
            if self._writer is not None:
                self._writer.close()
            self._readers, self._writer, self._local = weakref.WeakSet(), None, threading.local()


def connect(path: str, busy_timeout: float, *, foreign_keys: bool = False) -> sqlite3.Connection:
    """Open a connection in autocommit mode that may be handed between threads."""
    connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    if foreign_keys:
        connection.execute("PRAGMA foreign_keys = ON")
    return connection


def run(operation: Operation[T], connection: sqlite3.Connection) -> T:
    """Run an operation's statements on a connection."""
    cursor = connection.cursor()
    cursor.row_factory = None  # a caller's own factory may return anything

    def rows(sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        return cursor.execute(sql, parameters).fetchall()

    return _drive(operation, rows)


def _drive(operation: Operation[T], execute: Callable[[str, Mapping[str, Any]], Sequence[Row]]) -> T:
    rows: Sequence[Row] = ()
    try:
        statement = next(operation)
        while True:
            try:
                rows = execute(*statement)
            except sqlite3.Error as error:
                operation.throw(error)
            statement = operation.send(rows)
    except StopIteration as done:
        result: T = done.value
        return result


@contextmanager
def translated(path: str) -> Generator[None]:
    """Raise the driver's errors as ours, with the driver's as the cause."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        msg = f"the database {path} refused the row: {error}; is there a user of that id?"
        raise DataError(msg) from error
    except sqlite3.OperationalError as error:
        if "no such table" in str(error) or "no such column" in str(error):
            msg = f"the database {path} has no coatcheck tables of this release ({error}); run `coatcheck migrate`"
            raise SchemaError(msg) from error
        msg = f"the database {path} did not answer: {error}"
        raise Unavailable(msg) from error
    except sqlite3.DatabaseError as error:
        msg = f"the database {path} is damaged or no SQLite database: {error}"
        raise Unavailable(msg) from error


def check_file(path: str) -> None:
    """Refuse a file that can never work, with the reason and the fix.

    Raises:
        ConfigurationError: The folder is missing, or the file or folder cannot be written.
    """
    file = Path(path)
    if path in {"", ":memory:"} or path.startswith("file:"):
        _refuse(path, "every connection would see a database of its own; name a file")
    if not file.parent.is_dir():
        _refuse(path, f"the folder {file.parent} does not exist; create it")
    if file.is_dir():
        _refuse(path, "this is a folder; name a file in it")
    if file.exists() and not os.access(file, os.R_OK | os.W_OK):
        _refuse(path, "the file cannot be read and written by this user; change its owner or mode")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        _refuse(path, f"SQLite keeps its -wal file beside the database, and {file.parent} cannot be written")
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        _refuse(path, f"Python is linked to SQLite {sqlite3.sqlite_version}; version {oldest} or newer is needed")


def _refuse(path: str, fix: str) -> None:
    msg = f"database={path!r} is not possible: {fix}"
    raise ConfigurationError(msg)


_inherited: list[object] = []
