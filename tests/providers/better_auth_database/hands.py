"""The two databases, as somebody at a shell sees them."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

from coatcheck.providers.better_auth.triggers import BetterAuthTriggers
from coatcheck.stores.urls import store_from_url

if TYPE_CHECKING:
    from tests.servers.better_auth import BetterAuth
    from tests.servers.postgresql import PostgreSQL

_numbers = count(1)

LOG = "SELECT subject FROM coatcheck_log"
COUNT = "SELECT count(*) FROM coatcheck_log"


def in_days(days: float) -> str:
    """Return a moment as Better Auth writes it."""
    moment = datetime.now(UTC) + timedelta(days=days)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Database(ABC):
    """One database with Better Auth's tables."""

    kind: ClassVar[str]

    def __init__(self, server: BetterAuth) -> None:
        self.server = server

    @property
    @abstractmethod
    def url(self) -> str:
        """What coatcheck connects to."""

    @abstractmethod
    def by_hand(self, sql: str) -> list[str]:
        """Type statements into the database's own shell, and return the lines it prints."""

    def new_address(self) -> str:
        return f"user{next(_numbers)}.{id(self)}@example.com"

    def triggers(self, **options: Any) -> BetterAuthTriggers:
        return BetterAuthTriggers(self.url, **options)

    def prepare(self) -> None:
        """Make coatcheck's tables and the triggers."""
        store = store_from_url(self.url)
        store.migrate()
        store.close()
        with self.triggers() as triggers:
            triggers.install()

    def remove(self) -> None:
        """Take the triggers away."""
        with self.triggers() as triggers:
            triggers.remove()

    def written(self, sql: str) -> list[str]:
        """Return the subjects of the entries that statements typed by hand have written."""
        before = self.by_hand(LOG)
        self.by_hand(sql)
        after = self.by_hand(LOG)
        for subject in before:
            after.remove(subject)
        return sorted(after)


class PostgreSQLDatabase(Database):
    """One of a PostgreSQL server."""

    kind = "postgresql"

    def __init__(self, server: BetterAuth, postgresql: PostgreSQL, name: str) -> None:
        super().__init__(server)
        self.postgresql = postgresql
        self.name = name

    @property
    def url(self) -> str:
        return self.postgresql.url(self.name)

    def by_hand(self, sql: str) -> list[str]:
        return self.postgresql.psql(sql, self.name).splitlines()


class SQLiteDatabase(Database):
    """One SQLite file; the shell has foreign keys switched off, as it is."""

    kind = "sqlite"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.server.database}"

    def by_hand(self, sql: str) -> list[str]:
        done = subprocess.run(
            ["sqlite3", "-bail", "-cmd", ".timeout 10000", self.server.database],
            input=sql,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()
