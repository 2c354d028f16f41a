"""`coatcheck migrate` and `coatcheck sweep`."""

from __future__ import annotations

import io
import sqlite3
import sys
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from coatcheck import DataError, Sessions, UsersTable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Result

    Run = Callable[..., Result]

STORE = ("--store", "sqlite:///app.db")
CURRENT = "the tables and triggers are up to date\n"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def sql(statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect("app.db")) as database, database:
        return database.execute(statement).fetchall()


# --- migrate


def test_migrate_creates_the_tables_and_says_so(run: Run, folder: Path) -> None:
    """The first time it names the steps, the second time there is nothing to do."""
    first, second = run("migrate", *STORE), run("migrate", *STORE)
    names = (
        *("0001_sessions", "0002_retired_tokens", "0003_devices"),
        *("0004_impersonations", "0005_kinds", "0006_audit", "0007_spent"),
        "0008_workers",
        "0009_kinds_apart",
    )
    ran = "".join(f"ran {name}\n" for name in names)
    assert (first.code, first.out, first.err) == (0, ran + CURRENT, "")
    assert (second.code, second.out) == (0, CURRENT)
    assert (folder / "app.db").exists()


def test_migrate_mends_a_trigger(run: Run) -> None:
    """What `check` complained of is in order afterwards."""
    run("migrate", *STORE)
    [(name,), *_] = sql("SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name")
    sql(f"DROP TRIGGER {name}")
    broken = run("check", *STORE)
    assert broken.code == 1
    assert f"trigger {name} is missing or altered" in broken.out
    assert run("sessions", "list", *STORE).code == 2
    assert run("migrate", *STORE).code == 0
    assert run("check", *STORE).code == 0


def test_L11_migrate_watches_the_users_table(run: Run) -> None:
    """With --users-table, deleting a user by hand ends their sessions."""
    sql("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, email TEXT, role TEXT)")
    sql("INSERT INTO people VALUES (7, 'Ada', NULL, NULL)")
    assert run("migrate", *STORE, "--users-table", "people").code == 0
    with Sessions("sqlite:///app.db", users=UsersTable(table="people")) as sessions:
        token = sessions.create("7").token
        assert sessions.get(token)
        sql("DELETE FROM people")
        assert not sessions.get(token)
    assert sql("SELECT count(*) FROM coatcheck_sessions") == [(0,)]


def test_L11_migrating_without_naming_the_users_table_leaves_its_triggers(run: Run) -> None:
    """A forgotten option does not cost the guarantee."""
    sql("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, role TEXT)")
    run("migrate", *STORE, "--users-table", "users")
    before = sql("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
    run("migrate", *STORE)
    assert sql("SELECT name FROM sqlite_schema WHERE type = 'trigger'") == before


def test_migrate_names_a_users_table_that_does_not_fit(run: Run) -> None:
    """Missing table, missing columns: one line each."""
    missing = run("migrate", *STORE, "--users-table", "people")
    fix = "create it first or name another"
    assert missing.err == f"coatcheck: users table='people' does not exist in this database; {fix}\n"
    sql("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)")
    narrow = run("migrate", *STORE, "--users-table", "people")
    fix = "set that field of UsersTable to the right column, or to None"
    assert narrow.err == f"coatcheck: users table='people' has no column email, role; {fix}\n"
    assert (missing.code, narrow.code) == (2, 2)


# --- sweep


@pytest.fixture
def expired(sessions: Sessions) -> Sessions:
    """Have five sessions that have expired and one that has not."""
    for _ in range(5):
        sessions.create("ada")
    sql("UPDATE coatcheck_sessions SET idle_expires_at = 1")
    sessions.create("bob", idle_timeout=timedelta(hours=1))
    return sessions


def test_S13_sweep_deletes_what_has_expired(run: Run, expired: Sessions) -> None:
    """It says how many on standard output, and how far it is on standard error."""
    result = run("sweep", "--batch", "2", *STORE)
    assert (result.code, result.out) == (0, "deleted 5 expired sessions\n")
    so_far = ("2 expired sessions", "4 expired sessions", "5 expired sessions")
    assert result.err == "".join(f"{count} so far\n" for count in so_far)
    assert sql("SELECT user_id FROM coatcheck_sessions") == [("bob",)]


def test_sweep_of_nothing_is_fine(run: Run, sessions: Sessions) -> None:
    """A cron job does not fail because there was nothing to do."""
    assert run("sweep", *STORE).out == "deleted 0 expired sessions\n"


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_of_nothing_would_never_end_and_is_refused(sessions: Sessions, batch: int) -> None:
    """The verb behind the command says so too."""
    with pytest.raises(DataError) as refused:
        sessions.sweep(batch=batch)
    assert str(refused.value) == f"batch={batch} is not possible: use 1 or more, such as 1000"


def test_sweep_on_a_terminal_keeps_to_one_line(run: Run, expired: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is written over itself."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert run("sweep", "--batch", "4", *STORE).code == 0
    assert terminal.getvalue() == "\r4 expired sessions so far\r5 expired sessions so far\n"
