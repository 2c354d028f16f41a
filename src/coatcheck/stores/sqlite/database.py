"""Connections to one SQLite file: a private reader for each thread, one writer for the process.

Traps, each found by breaking a version without it:

- `PRAGMA data_version` says whether *another* connection has committed, and stands still inside a transaction
  or behind a half-read cursor. So readers belong to one thread, run in autocommit, and fetch every row.
- Its values can be compared only on one connection, so each reader keeps its own last one.
- A connection follows its file, not its name: after a restore by `mv` it would read the old file for ever. The
  name's device and inode are compared at every look.
- SQLite's locks belong to the process and do not survive a fork, but its note of holding them does: a connection
  that a child opens while an inherited one is there takes no lock at all, and the next process to close the file
  deletes the log under its feet. So every connection is closed before a fork, and made anew when it is needed.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from coatcheck.core.refusals import refuse
from coatcheck.errors import DataError, SchemaError, Unavailable
from coatcheck.fork import after_fork, around_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from coatcheck.stores.operations import Operation, Row

T = TypeVar("T")

OLDEST_SQLITE = (3, 38, 0)
"""The first with `unixepoch()` and the `->>` operator."""

_stat = os.stat


_RECONNECTED = 1 << 40


class Reader:
    """One thread's connection for reading, never inside a transaction."""

    __slots__ = (
        "__weakref__",
        "_busy_timeout",
        "_cursor",
        "_life",
        "_path",
        "cursor",
        "device",
        "inode",
        "lock",
        "polled",
    )

    def __init__(self, path: str, busy_timeout: float) -> None:
        """Connect, and note which file the name led to."""
        self._path = path
        self._busy_timeout = busy_timeout
        self._life = 0
        self.lock = threading.Lock()
        self.polled: int | None = None
        self.cursor: object = None
        self._cursor: sqlite3.Cursor | None = None
        self._connected()

    def _connected(self) -> sqlite3.Cursor:
        if self._cursor is None:
            status = _status(self._path)
            self._cursor = connect(self._path, self._busy_timeout).cursor()
            self.device = status.st_dev
            self.inode = status.st_ino
        return self._cursor

    def __del__(self) -> None:
        """Close with the thread that owned it."""
        with suppress(AttributeError):
            self.disconnect()

    def disconnect(self) -> None:
        """Close the connection; the next use makes another. To be called with the lock, or by the owner."""
        if self._cursor is not None:
            self._cursor.connection.close()
            self._cursor = None
            self._life += _RECONNECTED  # the numbers of two connections must never be taken for each other's

    def version(self) -> int:
        """Return a number that differs after another connection has committed."""
        with self.lock:
            cursor = self._cursor or self._connected()
            number: int = cursor.execute("PRAGMA data_version").fetchall()[0][0]
            return number + self._life

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        """Run one statement and fetch all of it."""
        with self.lock:
            return self._connected().execute(sql, parameters).fetchall()


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
        self._file = os.fsencode(path)  # what `stat` would make of it each time
        self._busy_timeout = busy_timeout
        self._foreign_keys = foreign_keys
        self._forget()
        after_fork(self)
        around_fork(self)

    def _forget(self) -> None:
        self.generation = object()
        self._local = threading.local()
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()
        self._writer: sqlite3.Connection | None = None
        self._writes_to: tuple[int, int] | None = None
        self._write_lock = threading.Lock()
        self._readers_lock = threading.Lock()
        self._held: list[threading.Lock] = []

    def forking(self) -> None:
        """Close every connection, and let nobody make one until the fork is over."""
        self._hold(self._write_lock, self._disconnect_writer)
        self._hold(self._readers_lock)
        for reader in list(self._readers):
            self._hold(reader.lock, reader.disconnect)

    def _hold(self, lock: threading.Lock, then: Callable[[], None] | None = None) -> None:
        # With a limit: whoever forks in the middle of a statement of its own must not wait for itself.
        if lock.acquire(timeout=self._busy_timeout + 1):
            self._held.append(lock)
            if then is not None:
                then()

    def resumed(self) -> None:
        """Go on in the parent."""
        held, self._held = self._held, []
        for lock in held:
            lock.release()

    def forked(self) -> None:
        """Go on in the child, with new locks and without a connection."""
        _inherited.append((list(self._readers), self._writer, self._local))  # what could not be closed stays open
        self._forget()

    def unchanged(self, cursor: object) -> bool:
        """Tell whether no connection has committed anything since this thread's last poll, which led to this cursor.

        The cursor says whose poll that was: of two caches over one database, each has to learn what the log says.
        """
        try:
            reader: Reader = self._local.reader
            status = _stat(self._file)
            if status.st_ino != reader.inode or status.st_dev != reader.device:
                return False
            # Nearly always it is the very same object, which is quicker to see than that two are equal.
            return (reader.cursor is cursor or reader.cursor == cursor) and reader.polled == reader.version()
        except (AttributeError, OSError, sqlite3.Error, Unavailable):
            return False

    def reader(self) -> Reader:
        """Return this thread's reader of the file that the name leads to now."""
        reader: Reader | None = getattr(self._local, "reader", None)
        if reader is not None:
            status = _status(self.path)
            if status.st_ino == reader.inode and status.st_dev == reader.device:
                return reader
            with reader.lock:
                reader.disconnect()
        with self._readers_lock:
            self._local.reader = reader = Reader(self.path, min(self._busy_timeout, 1.0))
            self._readers.add(reader)
        return reader

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
            try:
                writer.execute("BEGIN IMMEDIATE")
                result = run(operation, writer)
                writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    writer.execute("ROLLBACK")
                if writer.in_transaction:
                    self._disconnect_writer()
                raise
            return result

    def _fresh_writer(self) -> sqlite3.Connection:
        status = _status(self.path)
        current = (status.st_dev, status.st_ino)
        if self._writer is not None and self._writes_to != current:
            self._disconnect_writer()
        if self._writer is None:
            self._writer = connect(self.path, self._busy_timeout, foreign_keys=self._foreign_keys)
            self._writes_to = current
        return self._writer

    def _disconnect_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def close(self) -> None:
        """Close every connection of this process."""
        with self._write_lock, self._readers_lock:
            for reader in list(self._readers):
                with reader.lock:
                    reader.disconnect()
            self._disconnect_writer()
            self._readers, self._local = weakref.WeakSet(), threading.local()


def _status(path: str) -> os.stat_result:
    try:
        return _stat(path)
    except OSError as error:
        msg = f"the database {path} cannot be found: {error.strerror}"
        raise Unavailable(msg) from error


def connect(path: str, busy_timeout: float, *, foreign_keys: bool = False, create: bool = False) -> sqlite3.Connection:
    """Open a connection in autocommit mode that may be handed between threads."""
    # A file that has gone must stay gone: an empty one in its place would answer that nobody is signed in.
    uri = f"{Path(path).absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
    connection = sqlite3.connect(uri, uri=True, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        if foreign_keys:
            connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        connection.close()
        raise
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
    except UnicodeEncodeError as error:
        msg = f"text with half of a surrogate pair cannot be stored: {error.reason}"
        raise DataError(msg) from None
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
        refuse("database", path, "every connection would see a database of its own; name a file")
    if "\0" in path:
        refuse("database", path, "no file's name has a NUL character; name another file")
    if not file.parent.is_dir():
        refuse("database", path, f"the folder {file.parent} does not exist; create it")
    if file.is_dir():
        refuse("database", path, "this is a folder; name a file in it")
    if file.exists() and not os.access(file, os.R_OK | os.W_OK):
        refuse("database", path, "the file cannot be read and written by this user; change its owner or mode")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        refuse("database", path, f"SQLite keeps its -wal file beside the database, and {file.parent} cannot be written")
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        refuse(
            "database",
            path,
            f"Python is linked to SQLite {sqlite3.sqlite_version}; version {oldest} or newer is needed",
        )


_inherited: list[object] = []
