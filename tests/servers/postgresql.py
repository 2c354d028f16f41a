"""A real PostgreSQL server, to be stopped, broken, copied and promoted."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
from functools import cache, cached_property
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import urlencode

import psycopg

from coatcheck.stores.postgresql import PostgreSQLStore
from tests.servers.accounts import unprivileged
from tests.servers.folders import lasting_folder
from tests.servers.installations import PostgreSQLVersion, postgresql_programs
from tests.servers.server import Server
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Mode = Literal["fast", "immediate"]

_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_SETTINGS = {
    "autovacuum": "off",
    "dynamic_shared_memory_type": "mmap",  # in its folder: whoever is killed leaves nothing elsewhere
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "max_prepared_transactions": "10",
    "shared_buffers": "32MB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "wal_keep_size": "256MB",  # a replica that was away for long still finds what it missed
    "wal_level": "replica",
}
_numbers = itertools.count(1)


def _run(*words: str | Path) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=DEADLINE, cwd="/", **unprivileged())


def _initialise(version: PostgreSQLVersion, data: Path) -> None:
    initdb = postgresql_programs(version) / "initdb"
    _run(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")


@cache
def _template(version: PostgreSQLVersion) -> Path:
    """Make a data folder to copy, which takes a tenth of the time of making one."""
    data = lasting_folder("template") / "data"
    _initialise(version, data)
    return data


class PostgreSQL(Server):
    """One PostgreSQL server.

    Args:
        version: "18", "16" or "15".
        settings: Lines for `postgresql.conf` that differ from ours.
        own_identity: Initialise it anew. The others are copies of one folder, and with it of one system identifier.
    """

    name: ClassVar[str] = "postgresql"

    def __init__(
        self,
        version: PostgreSQLVersion = "18",
        *,
        settings: Mapping[str, str] | None = None,
        own_identity: bool = False,
    ) -> None:
        self.version = version
        self.programs = postgresql_programs(version)
        template = None if own_identity else _template(version)
        super().__init__()
        if template:
            _run("cp", "-a", "--reflink=auto", template, self.data)
        else:
            _initialise(version, self.data)
        self.configure({**_SETTINGS, "unix_socket_directories": str(self.folder), **(settings or {})})

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def configure(self, settings: Mapping[str, str]) -> None:
        """Append settings to `postgresql.conf`; the next start reads them, and the last of several lines counts."""
        with (self.data / "postgresql.conf").open("a") as file:
            for name, value in settings.items():
                quoted = value.replace("'", "''")
                file.write(f"{name} = '{quoted}'\n")

    def command(self) -> Sequence[str]:
        return [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port)]

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url(connect_timeout=2)).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str = "postgres", **query: object) -> str:
        """Return the address of a database, with what libpq shall know besides."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}{'?' if query else ''}{urlencode(query)}"

    @property
    def conninfo(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"

    def stop(self, mode: Mode = "fast") -> None:
        """End the server: "fast" writes everything first, "immediate" is a crash that it knows of."""
        self._end(_SIGNALS[mode])

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement outside a transaction, and return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def create_database(self, *, like: str = "template1") -> str:
        """Create a database as another one is, an empty one if none is named, and return its name."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {like} STRATEGY file_copy")
        return name

    @cached_property
    def migrated(self) -> str:
        """Name a database with our tables, to make others like it: in a tenth of the time of a migration."""
        name = self.create_database()
        store = PostgreSQLStore(self.url(name))
        store.migrate()
        store.close()
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Type something into `psql`, statement by statement, and return what it prints.

        Raises:
            AssertionError: A statement failed.
        """
        done = subprocess.run(
            [self.programs / "psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", self.url(database)],
            input=sql,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def basebackup(self, *, apply_delay: str = "0", settings: Mapping[str, str] | None = None) -> PostgreSQL:
        """Copy the running server into a streaming replica of it, which is not started.

        Args:
            apply_delay: How long after a commit the replica replays it, as `recovery_min_apply_delay` has it: "5s".
            settings: Further lines for its `postgresql.conf`.
        """
        replica = _Replica(self)
        replica.configure(
            {
                "unix_socket_directories": str(replica.folder),
                "primary_conninfo": self.conninfo,
                "recovery_min_apply_delay": apply_delay,
                **(settings or {}),
            }
        )
        return replica

    def promote(self) -> None:
        """Make a primary of a replica, and return when it is one."""
        self.execute("SELECT pg_promote(false)")
        until(lambda: not self.in_recovery, "the replica is promoted")

    @property
    def in_recovery(self) -> bool:
        return bool(self.execute("SELECT pg_is_in_recovery()")[0][0])

    def wait_for_replay(self, replica: PostgreSQL) -> None:
        """Return when a replica shows everything that is committed here now."""
        [[position]] = self.execute("SELECT pg_current_wal_flush_lsn()")
        replayed = f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"
        until(lambda: replica.execute(replayed)[0][0], "the replica has replayed everything")

    def close(self) -> None:
        if self.running:
            self.stop("immediate")
        self._release_memory()
        super().close()

    def _release_memory(self) -> None:
        """Remove the segment of shared memory by which a killed server would be recognised."""
        left = self.data / "postmaster.pid"
        if left.exists() and len(lines := left.read_text().splitlines()) > 6:
            subprocess.run(["ipcrm", "-m", lines[6].split()[1]], check=False, capture_output=True)


class _Replica(PostgreSQL):
    """A copy of a running server."""

    def __init__(self, primary: PostgreSQL) -> None:
        Server.__init__(self)
        self.version = primary.version
        self.programs = primary.programs
        copy = self.programs / "pg_basebackup"
        _run(copy, "-D", self.data, "-d", primary.conninfo, "-X", "stream", "-c", "fast", "--no-sync")
        (self.data / "standby.signal").touch()
