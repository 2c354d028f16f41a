"""The triggers on Better Auth's tables in a SQLite file: to install, to remove, and to look at."""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from coatcheck.core.refusals import refuse
from coatcheck.providers.better_auth.sql import filled, quoted
from coatcheck.stores.sqlite.database import check_file, connect, translated
from coatcheck.stores.sqlite.keys import columns_of, conflicts
from coatcheck.stores.sqlite.schema import normal, split

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
        if _same(wanted, present):
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
        present = {normal(sql) for sql in _present(connection, tables).values()}
        fix = "so what Better Auth ends is not seen at once: run `coatcheck better-auth install-triggers`"
        return [
            f"trigger {statement.split()[2]} is missing or altered, {fix}"
            for statement in _wanted(connection, path, tables)
            if normal(statement) not in present
        ]


def _same(wanted: list[str], present: dict[str, str]) -> bool:
    return set(map(normal, wanted)) == set(map(normal, present.values()))


def _wanted(connection: sqlite3.Connection, path: str, tables: Tables) -> list[str]:
    words = {
        **{name: quoted(column) for name, column in tables.words().items()},
        "session_table": tables.session,
        "user_table": tables.user,
        "sessions": quoted(tables.session),
        "users": quoted(tables.user),
    }
    for model, table in (("session", tables.session), ("user", tables.user)):
        columns = columns_of(connection, table)
        tables.read(model, columns)
        words[f"{model}_conflicts"] = conflicts(connection, table)
        quiet = {tables.column(model, name) for name in ("expiresAt", "updatedAt")}
        same = [f"NEW.{quoted(name)} IS OLD.{quoted(name)}" for name in columns if name not in quiet]
        words[f"{model}_same"] = "\n    AND ".join(same)
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'coatcheck_log'").fetchall():
        refuse("store", f"sqlite:///{path}", "coatcheck's tables are not in it: run `coatcheck migrate` on it first")
    return list(split(filled("sqlite_triggers", words)))


def _present(connection: sqlite3.Connection, tables: Tables) -> dict[str, str]:
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name IN (?, ?)"
        " AND name LIKE 'coatcheck\\_better\\_auth\\_%' ESCAPE '\\'",
        (tables.session, tables.user),
    )
    return dict(rows.fetchall())


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
