"""Hands on the database from outside: other connections, the sqlite3 shell, and what is in the tables."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coatcheck import NotSignedIn, Session, UsersTable
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import FaultyStore
from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck import Sessions, Token

USERS = UsersTable()

USERS_SQL = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT UNIQUE, role TEXT, note TEXT)"


@contextmanager
def plain(path: str, *, foreign_keys: bool = False) -> Iterator[sqlite3.Connection]:
    """Connect as any other program would, in autocommit mode."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)) as connection:
        if foreign_keys:
            connection.execute("PRAGMA foreign_keys = ON")
        yield connection


def run(path: str, sql: str, values: Any = (), *, foreign_keys: bool = False) -> list[Any]:
    """Run one statement on a connection of its own."""
    with plain(path, foreign_keys=foreign_keys) as connection:
        return connection.execute(sql, values).fetchall()


def shell(path: str, *commands: str) -> str:
    """Type commands into the sqlite3 shell."""
    program = shutil.which("sqlite3")
    if program is None:
        missing("the sqlite3 shell is not installed")
    done = subprocess.run([program, "-bail", path, *commands], capture_output=True, text=True, check=True)
    return done.stdout


def dump(path: str) -> dict[str, list[Any]]:
    """Return everything that is committed, of coatcheck and of the application, but the numbers of SQLite's own."""
    with plain(path) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
        tables = [name for (name,) in names if not name.startswith("sqlite_")]
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}  # noqa: S608


def make_users(path: str, *, count: int = 3, extra: str = "") -> None:
    """Create the application's users table, with users 1 to `count`."""
    with plain(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"{USERS_SQL};{extra}")
        for number in range(1, count + 1):
            values = (number, f"Name {number}", f"u{number}@example.org")
            connection.execute("INSERT INTO users (id, name, email) VALUES (?, ?, ?)", values)


def cached(sessions: Sessions, store: FaultyStore, token: Token | str) -> Session:
    """Validate until the answer comes from memory, and return it."""
    assert isinstance(sessions.get(token), Session)
    reads = store.count("read")
    session = sessions.get(token)
    assert isinstance(session, Session)
    assert store.count("read") == reads
    return session


def inner(store: object) -> SQLiteStore:
    """Return the SQLite store behind one that counts its calls."""
    assert isinstance(store, FaultyStore)
    assert isinstance(store.store, SQLiteStore)
    return store.store


def refused(answer: object) -> bool:
    """Tell whether nobody is signed in with this."""
    return answer is NotSignedIn.UNKNOWN


def remove_database(path: str) -> None:
    """Remove the file, and what SQLite keeps beside it."""
    for suffix in ("-wal", "-shm", ""):
        Path(path + suffix).unlink(missing_ok=True)


def put_in_place(source: str, path: str) -> None:
    """Move a closed database over one that is in use, as its documentation says: the old log goes first."""
    for suffix in ("-wal", "-shm"):
        Path(path + suffix).unlink(missing_ok=True)
    Path(source).replace(path)


def backup(path: str, target: str) -> None:
    """Copy a database in use, through SQLite."""
    with plain(path) as source, plain(target) as copy:
        source.backup(copy)
