"""Tables of the release before this one get the step for devices, with the sessions that are in them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from coatcheck import Sessions, UsersTable
from coatcheck.stores.base import Device
from coatcheck.stores.postgresql import PostgreSQLStore
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.stores.sqlite.schema import trigger_statements
from coatcheck.stores.steps import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEVICE = Device("thumbprint", "{}", "[]")
STEP = "0003_devices"
_BEFORE = (
    "DROP TABLE coatcheck_impersonations",
    "DROP TABLE coatcheck_audit",
    "DROP TABLE coatcheck_spent",
    "DROP TABLE coatcheck_workers",
    "DROP TABLE coatcheck_devices",
    "ALTER TABLE coatcheck_sessions DROP COLUMN device_bound",
    "DROP INDEX IF EXISTS coatcheck_sessions_others",
    "ALTER TABLE coatcheck_sessions DROP COLUMN kind",
    f"UPDATE coatcheck_meta SET schema = {MIGRATIONS.index(STEP)}",  # noqa: S608 - a number of ours
)


def went_on(make: Callable[[], Any], undo: Callable[[], None], run: Callable[[str], Any]) -> None:
    """Sign in, go back to the release before, migrate, and bind the session that was there all the time."""
    with Sessions(make()) as sessions:
        created = sessions.create("1")
    undo()
    store = make()
    assert STEP in store.migrate()
    assert list(store.problems()) == []
    with Sessions(store) as sessions:
        session = sessions.get(created.token)
        assert session
        assert session.id == created.session.id
        assert store.bind(session.id, DEVICE)
        sessions.tiers.changed(None)
        bound = sessions.get(created.token)
        assert bound
        assert bound.device_bound
        run("DELETE FROM coatcheck_sessions")
        sessions.tiers.changed(None)
        assert not sessions.get(created.token)
    assert run("SELECT count(*) FROM coatcheck_devices") == [(0,)]


@pytest.mark.parametrize("keyed", [False, True], ids=["alone", "with a foreign key that comes later"])
def test_sqlite(tmp_path: Path, *, keyed: bool) -> None:
    path = str(tmp_path / "app.db")

    def run(statement: str) -> list[Any]:
        with closing(sqlite3.connect(path)) as connection, connection:
            return connection.execute(statement).fetchall()

    def undo() -> None:
        for trigger in [statement.split()[2] for statement in trigger_statements(None, "")]:
            run(f"DROP TRIGGER {trigger}")
        for statement in _BEFORE:
            run(statement)
        run("CREATE TABLE users (id INTEGER PRIMARY KEY)")
        run("INSERT INTO users VALUES (1)")
        made.append(UsersTable(table="users", email=None, name=None, role=None, foreign_key=True) if keyed else None)

    made: list[UsersTable | None] = [None]
    went_on(lambda: SQLiteStore(path, users=made[-1]), undo, run)
    assert bool(run("PRAGMA foreign_key_list(coatcheck_sessions)")) == keyed


def test_postgresql(postgresql_url: str) -> None:
    def run(statement: str) -> list[Any]:
        with psycopg.connect(postgresql_url) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def undo() -> None:
        run("DROP TRIGGER coatcheck_updated ON coatcheck_sessions")
        for statement in _BEFORE:
            run(statement)

    went_on(lambda: PostgreSQLStore(postgresql_url), undo, run)
