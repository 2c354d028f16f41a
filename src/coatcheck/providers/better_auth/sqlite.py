# Generated from providers/better_auth/async_sqlite.py by tools/generate_sync.py: edit that, run `make generate`.
"""Better Auth's tables in a SQLite file, for threads. Generated from the asyncio side.

Reads are microseconds and run where they are asked; to end a session waits for the disk and runs in a thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from coatcheck.core.refusals import refuse
from coatcheck.providers.better_auth import sqlite_triggers
from coatcheck.providers.better_auth.reading import questions_of
from coatcheck.stores.sqlite._threads import Threads
from coatcheck.stores.sqlite.database import Database, check_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.providers.better_auth.reading import Found, Questions
    from coatcheck.providers.better_auth.tables import Tables


class SQLiteTables:
    """The tables of one file."""

    def __init__(self, path: str, tables: Tables, *, timeout: float) -> None:
        """Name the file; nothing is opened yet."""
        self._path = path
        self._tables = tables
        self._database = Database(str(Path(path).absolute()), busy_timeout=timeout, foreign_keys=False)
        self._threads = Threads(self._database)
        self._questions: Questions | None = None

    def open(self) -> None:
        """Look at the tables.

        Raises:
            ConfigurationError: The file cannot be used, or a table or a column is missing.
        """
        _check(self._path)
        self._known()

    def _known(self) -> Questions:
        if self._questions is None:
            self._questions = self._threads.read(questions_of(self._tables))
        return self._questions

    def read(self, token: str) -> Found | None:
        """Return a token's session and its user, in one query."""
        questions = self._questions or self._known()
        return self._threads.read(questions.read(token))

    def sign_out(self, token: str) -> None:
        """Delete a token's session."""
        questions = self._questions or self._known()
        self._threads.write(questions.sign_out(token))

    def close(self) -> None:
        """Close every connection this process has made."""
        self._threads.close()
        self._database.close()


def _check(path: str) -> None:
    check_file(path)
    if not Path(path).exists():
        refuse("url", f"sqlite:///{path}", "there is no such file; name the one that Better Auth uses")


class SQLiteTriggers:
    """The triggers on the tables of one file."""

    def __init__(self, path: str, tables: Tables, *, timeout: float) -> None:
        """Name the file; nothing is opened yet."""
        self._arguments = (path, tables)
        self._threads = Threads(Database(str(Path(path).absolute()), busy_timeout=timeout, foreign_keys=False))

    def install(self) -> bool:
        """Create what is missing or altered, in one transaction; returns whether anything was."""
        return self._threads.call(sqlite_triggers.install, *self._arguments)

    def remove(self) -> bool:
        """Drop them; returns whether there were any."""
        return self._threads.call(sqlite_triggers.remove, *self._arguments)

    def problems(self) -> Sequence[str]:
        """Say what is missing or altered, each with the fix."""
        return self._threads.call(sqlite_triggers.problems, *self._arguments)

    def close(self) -> None:
        """End the thread."""
        self._threads.close()
