"""Where the values of a test come from, and what is noted of their loading: outside of every process that loads.

A file that all append to cannot forget a load, whichever process made it and whatever became of that process.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from coatcheck.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SERVERS = "postgresql://"


class Origin:
    """A table of things, each with a version; in a SQLite file or a PostgreSQL database, whichever has this name."""

    def __init__(self, place: str) -> None:
        self.place = place

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        if self.place.startswith(_SERVERS):
            import psycopg

            with psycopg.connect(self.place, autocommit=True) as server:
                yield server
        else:
            with closing(sqlite3.connect(self.place, isolation_level=None, timeout=60)) as file:
                file.execute("PRAGMA synchronous = OFF")  # no machine stops here
                yield file

    def create(self, keys: Iterable[str]) -> None:
        """Make things, all of version 1."""
        with self._connected() as connection:
            if not self.place.startswith(_SERVERS):
                connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for writers
            connection.execute("CREATE TABLE IF NOT EXISTS things (key text PRIMARY KEY, version integer)")
            for key in keys:
                connection.execute(f"INSERT INTO things VALUES ('{key}', 1)")  # noqa: S608 - a name of the test's

    def read(self, key: str) -> int:
        """Return the version that is committed."""
        with self._connected() as connection:
            [version] = connection.execute(f"SELECT version FROM things WHERE key = '{key}'").fetchone()  # noqa: S608
        return int(version)

    def write(self, key: str, version: int) -> None:
        """Commit another version."""
        with self._connected() as connection:
            connection.execute(update(key, version))


def update(key: str, version: int) -> str:
    """Return the statement that gives a thing another version."""
    return f"UPDATE things SET version = {version} WHERE key = '{key}'"  # noqa: S608 - both are the test's


class Load(NamedTuple):
    """One line of the book."""

    event: str
    key: str
    pid: int
    version: int
    at: int


class Book:
    """What the loaders of all processes did: "begin" when the origin had been read, "end" before they returned."""

    def __init__(self, folder: str) -> None:
        self._path = Path(folder) / "book"

    def note(self, event: str, key: str, version: int) -> None:
        line = json.dumps(Load(event, key, os.getpid(), version, SystemClock.monotonic())) + "\n"
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    def lines(self, event: str, key: str | None = None) -> list[Load]:
        """Return the lines about an event, and about one key if it is given."""
        text = self._path.read_text() if self._path.exists() else ""
        found = [Load(*json.loads(line)) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [load for load in found if load.event == event and key in (None, load.key)]


class Gates:
    """At which loaders wait when they have read the origin: a gate is shut while its file is there."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def _gate(self, key: str) -> Path:
        return self._folder / f"gate-{key}"

    def shut(self, key: str) -> None:
        self._gate(key).touch()

    def open(self, key: str) -> None:
        self._gate(key).unlink()

    def is_shut(self, key: str) -> bool:
        return self._gate(key).exists()
