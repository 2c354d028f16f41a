"""The triggers on Better Auth's tables in a SQLite file: to install, to remove, and to look at."""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from coatcheck.core.refusals import refuse
from coatcheck.providers.better_auth.sql import quoted
from coatcheck.providers.better_auth.trigger_texts import LOG, PRESENT, missing, same, texts_of
from coatcheck.stores.sqlite.database import check_file, connect, translated

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator

    from coatcheck.providers.better_auth.tables import Tables

_BUSY = 30.0


def install(path: str, tables: Tables) -> bool:
    """Create what is missing or altered, in one transaction; returns whether anything was.

    Raises:
        ConfigurationError: A table of Better Auth's or the log is missing.
    """
    with _writing(path) as connection:
        wanted, present = _wanted(connection, path, tables), _present(connection, tables)
        if same(wanted, present):
            return False
        for name in present:
            connection.execute(f"DROP TRIGGER {quoted(name)}")
        for statement in wanted:
            connection.execute(statement)
        return True


def remove(path: str, tables: Tables) -> bool:
    """Drop them; returns whether there were any."""
    with _writing(path) as connection:
        present = _present(connection, tables)
        for name in present:
            connection.execute(f"DROP TRIGGER {quoted(name)}")
        return bool(present)


def problems(path: str, tables: Tables) -> list[str]:
    """Say what is missing or altered, each with the fix.

    Raises:
        ConfigurationError: A table of Better Auth's or the log is missing.
    """
    with _opened(path) as connection:
        fix = "run `coatcheck better-auth install-triggers`"
        return missing(_wanted(connection, path, tables), _present(connection, tables), fix=fix)


def _wanted(connection: sqlite3.Connection, path: str, tables: Tables) -> list[str]:
    if not connection.execute(LOG).fetchall():
        refuse("store", f"sqlite:///{path}", "coatcheck's tables are not in it: run `coatcheck migrate` on it first")
    return texts_of(connection, tables)


def _present(connection: sqlite3.Connection, tables: Tables) -> dict[str, str]:
    return dict(connection.execute(PRESENT, (tables.session, tables.user)).fetchall())


@contextmanager
def _opened(path: str) -> Generator[sqlite3.Connection]:
    check_file(path)
    if not Path(path).exists():
        refuse("store", f"sqlite:///{path}", "there is no such file; name the one that Better Auth uses")
    with translated(path), closing(connect(path, _BUSY)) as connection:
        yield connection


@contextmanager
def _writing(path: str) -> Generator[sqlite3.Connection]:
    with _opened(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
