"""The suite's site in each framework, on a store of its own that can be away."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from coatcheck import CookieSettings, Sessions
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing.browsers import Browser, Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coatcheck.testing.browsers import Server

LOOKS: dict[str, Callable[[Any], object]] = {
    "get": lambda session: session.get("a"),
    "in": lambda session: "a" in session,
    "len": len,
    "bool": bool,
    "iteration": list,
}
COOKIE = CookieSettings(name="session", secure=False)
"""Over plain http, as the suite's browser asks."""

SETTINGS: dict[str, Any] = {"cookie": COOKIE, "stream_check_every": timedelta(milliseconds=10)}
BEAT = 0.01
"""Seconds between two events of a stream."""


@cache
def _empty_database() -> bytes:
    """Return a file with the tables, which take longer to make than a test."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        store = SQLiteStore(str(path))
        store.migrate()
        store.close()
        return path.read_bytes()


class SQLiteSite:
    """A site on SQLite behind faults that are ordered."""

    cookie = COOKIE.name
    ways: ClassVar[tuple[str, ...]] = tuple(LOOKS)

    def __init__(self, folder: Path, **how: Any) -> None:
        """Make the database, and serve the site, whose sessions are told so."""
        self.how = how
        self.path = str(folder / "site.db")
        self.pause = Pause()
        self.store: Any = None
        self.sessions_: Any = None
        self.stack = ExitStack()
        Path(self.path).write_bytes(_empty_database())
        self._server = self.serve()

    def serve(self) -> Server:
        """Make the application, and return what serves it."""
        raise NotImplementedError

    def close(self) -> None:
        """End what serves it."""
        self.stack.close()

    def browser(self) -> Browser:
        return Browser(self._server)

    def sessions(self) -> int:
        with closing(sqlite3.connect(self.path)) as connection:
            return int(connection.execute("SELECT count(*) FROM coatcheck_sessions").fetchall()[0][0])

    def contents(self) -> str:
        with closing(sqlite3.connect(self.path)) as connection:
            return "\n".join(connection.iterdump())

    def revoke(self, user: str) -> None:
        with Sessions(SQLiteStore(self.path)) as elsewhere:
            elsewhere.revoke_user(user)

    @contextmanager
    def outage(self) -> Iterator[None]:
        self.sessions_.forked()  # nothing is in memory any more
        self.store.fail("poll", "read", "create", "save", "rotate", "revoke", "find")
        try:
            yield
        finally:
            self.store.heal()
