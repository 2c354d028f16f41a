"""The demo's own table, in the same SQLite file as the sessions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from coatcheck import ConfigurationError, UsersTable
from coatcheck.stores.sqlite import SQLiteStore

USERS: Final = UsersTable(table="users", id="id", name="name", email="email", role=None)
"""How sessions find their user: joined in the query that reads the session, and watched by triggers."""

_TABLE = """
CREATE TABLE IF NOT EXISTS users (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (datetime())
)
"""
_COLUMNS = {"id", "name", "email", "password_hash"}


def prepare(path: str) -> None:
    """Create the users table and the sessions' tables where they are missing.

    Raises:
        ConfigurationError: The file cannot be used, or another application keeps its users in it.
        SchemaError: The sessions' tables were written by a newer release.
    """
    _check_folder(path)
    try:
        _create_users(path)
    except sqlite3.Error as error:
        msg = f"database={path!r} is not possible ({error}): name a SQLite file that can be written, or a new one"
        raise ConfigurationError(msg) from error
    store = SQLiteStore(path, users=USERS)
    store.open()
    store.close()


def _check_folder(path: str) -> None:
    folder = Path(path).parent
    if not folder.is_dir():
        msg = f"database={path!r} is not possible: the folder {str(folder)!r} does not exist; create it first"
        raise ConfigurationError(msg)


def _create_users(path: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(_TABLE)
        found = {row[1] for row in connection.execute("PRAGMA table_info(users)").fetchall()}
    if not found >= _COLUMNS:
        msg = f"database={path!r} has a users table of another application: name a file of the demo's own"
        raise ConfigurationError(msg)
