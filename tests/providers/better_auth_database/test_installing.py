"""Installing, removing and checking the triggers: on live tables, again and again, and after others' changes."""

# ruff: noqa: S608 - statements typed by hand into the tests' own databases

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest

from coatcheck.cli import main
from coatcheck.errors import ConfigurationError, Unavailable
from coatcheck.providers.better_auth import BetterAuthTriggers
from coatcheck.stores.urls import store_from_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.providers.better_auth_database.hands import Database, PostgreSQLDatabase
    from tests.servers.better_auth import Visitor

pytestmark = pytest.mark.processes


_THEIRS = (
    "SELECT replace(sql, char(10), ' ') FROM sqlite_schema WHERE tbl_name IN ('user', 'session') AND type = 'table'"
)


def problems(auth: Database) -> list[str]:
    with auth.triggers() as triggers:
        return list(triggers.problems())


@pytest.fixture
def postgres(postgresql_auth: PostgreSQLDatabase) -> Iterator[PostgreSQLDatabase]:
    postgresql_auth.prepare()
    yield postgresql_auth
    postgresql_auth.prepare()


@pytest.fixture
def file(sqlite_auth: Database) -> Iterator[Database]:
    sqlite_auth.prepare()
    yield sqlite_auth
    sqlite_auth.prepare()


def test_installing_twice_changes_nothing(auth: Database) -> None:
    with auth.triggers() as triggers:
        assert triggers.install() is False
        assert list(triggers.problems()) == []


def test_what_is_removed_writes_nothing_and_is_missed(auth: Database, visitor: Visitor) -> None:
    session = visitor.get("/get-session")["session"]["id"]
    with auth.triggers() as triggers:
        assert triggers.remove() is True
        assert triggers.remove() is False
        assert triggers.problems()
        assert auth.written(f"DELETE FROM session WHERE id = '{session}'") == []
        assert triggers.install() is True
        assert list(triggers.problems()) == []


def test_a_store_that_migrates_leaves_them_alone(auth: Database) -> None:
    store = store_from_url(auth.url)
    store.migrate()
    store.close()
    assert problems(auth) == []


@pytest.mark.parametrize(
    ("break_it", "named"),
    [
        ("DROP TRIGGER coatcheck_better_auth_changed ON session", "coatcheck_better_auth_changed"),
        ('DROP TRIGGER coatcheck_better_auth_truncated ON "user"', "coatcheck_better_auth_truncated"),
        ("ALTER TABLE session DISABLE TRIGGER coatcheck_better_auth_changed", "coatcheck_better_auth_changed"),
        ("ALTER TABLE session ENABLE TRIGGER coatcheck_better_auth_changed", "coatcheck_better_auth_changed"),
        ("ALTER FUNCTION coatcheck_better_auth_log(text) SECURITY INVOKER", "coatcheck_better_auth_log"),
        (
            """CREATE OR REPLACE FUNCTION coatcheck_better_auth_log(subject text) RETURNS void LANGUAGE plpgsql
            SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'BEGIN END'""",
            "coatcheck_better_auth_log",
        ),
        ("ALTER FUNCTION coatcheck_better_auth_changed() RESET search_path", "coatcheck_better_auth_changed"),
    ],
)
def test_N10_what_somebody_alters_is_named_and_mended(postgres: PostgreSQLDatabase, break_it: str, named: str) -> None:
    postgres.by_hand(break_it)
    [problem] = problems(postgres)
    assert named in problem
    assert "install-triggers" in problem
    with postgres.triggers() as triggers:
        assert triggers.install() is True
    assert problems(postgres) == []


@pytest.mark.parametrize(
    "name", ["session_deleted", "session_updated", "user_deleted", "user_updated", "session_replaced_by_insert"]
)
def test_N10_a_missing_trigger_is_named_and_mended(file: Database, name: str) -> None:
    file.by_hand(f"DROP TRIGGER coatcheck_better_auth_{name}")
    [problem] = problems(file)
    assert name in problem
    with file.triggers() as triggers:
        assert triggers.install() is True
    assert problems(file) == []


def test_N10_an_altered_trigger_is_named(file: Database) -> None:
    file.by_hand(
        "DROP TRIGGER coatcheck_better_auth_session_deleted;"
        "CREATE TRIGGER coatcheck_better_auth_session_deleted AFTER DELETE ON session BEGIN SELECT 1; END"
    )
    [problem] = problems(file)
    assert "session_deleted" in problem


# --- later migrations of Better Auth's


def test_N10_a_column_that_a_later_migration_adds_counts(auth: Database, visitor: Visitor) -> None:
    session = visitor.get("/get-session")["session"]["id"]
    auth.by_hand("ALTER TABLE session ADD COLUMN later text")
    try:
        assert auth.written(f"UPDATE session SET later = 'x' WHERE id = '{session}'") == [f"s:{session}"]
    finally:
        auth.remove()
        auth.by_hand("ALTER TABLE session DROP COLUMN later")
        auth.prepare()


def test_N10_columns_may_be_altered_dropped_and_renamed(postgres: PostgreSQLDatabase) -> None:
    with postgres.server.visitor() as visitor:
        user = visitor.sign_up(postgres.new_address())["id"]
    postgres.by_hand(
        'ALTER TABLE "user" ADD COLUMN spare text; ALTER TABLE "user" DROP COLUMN spare;'
        'ALTER TABLE session ALTER "expiresAt" TYPE timestamp USING "expiresAt" AT TIME ZONE \'UTC\''
    )
    try:
        assert problems(postgres) == []
        more = f"""UPDATE session SET "expiresAt" = "expiresAt" + interval '1 day' WHERE "userId" = '{user}'"""
        assert postgres.written(more) == []
        postgres.by_hand(
            'ALTER TABLE session RENAME "expiresAt" TO expires_at; ALTER TABLE "user" RENAME id TO user_id'
        )
        less = f"""UPDATE session SET expires_at = expires_at - interval '1 day' WHERE "userId" = '{user}'"""
        [subject] = postgres.written(less)
        assert subject.startswith("s:")
        touched = f"""UPDATE session SET "updatedAt" = now() WHERE "userId" = '{user}'"""
        assert postgres.written(touched) == [subject]
        assert postgres.written(f"""UPDATE "user" SET name = 'x' WHERE user_id = '{user}'""") == ["*"]
    finally:
        postgres.by_hand(
            'ALTER TABLE session RENAME expires_at TO "expiresAt"; ALTER TABLE "user" RENAME user_id TO id;'
            'ALTER TABLE session ALTER "expiresAt" TYPE timestamptz USING "expiresAt" AT TIME ZONE \'UTC\''
        )


def test_N10_a_table_that_is_made_anew_is_missed(file: Database) -> None:
    # With all its keys: other tests use it after this one.
    table = "\n".join(file.by_hand("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'session'"))
    indexes = ";".join(
        file.by_hand("SELECT sql FROM sqlite_master WHERE tbl_name = 'session' AND type = 'index' AND sql")
    )
    file.by_hand(
        f"ALTER TABLE session RENAME TO old_session; {table}; INSERT INTO session SELECT * FROM old_session;"
        f"DROP TABLE old_session; {indexes}"
    )
    assert len(problems(file)) == 4
    with file.triggers() as triggers:
        triggers.install()
    assert problems(file) == []


# --- what cannot be


def test_tables_that_are_not_there_are_refused(auth: Database) -> None:
    with auth.triggers(session_table="sessions") as triggers, pytest.raises(ConfigurationError, match="session_table"):
        triggers.install()


def test_a_schema_without_the_log_is_refused(postgres: PostgreSQLDatabase) -> None:
    refused = pytest.raises(ConfigurationError, match="coatcheck migrate")
    with postgres.triggers(log_schema="elsewhere") as triggers, refused:
        triggers.install()


def test_a_file_without_the_log_is_refused(file: Database, tmp_path: Path) -> None:
    copy = tmp_path / "auth.db"
    with closing(sqlite3.connect(copy)) as connection:
        connection.executescript("\n".join(f"{sql};" for sql in file.by_hand(_THEIRS)))
    with BetterAuthTriggers(f"sqlite:///{copy}") as triggers:
        with pytest.raises(ConfigurationError, match="coatcheck migrate"):
            triggers.install()
        assert triggers.remove() is False


def test_a_table_that_is_in_use_is_not_waited_for(postgres: PostgreSQLDatabase) -> None:
    postgres.remove()
    with psycopg.connect(postgres.url) as connection, postgres.triggers() as triggers:
        connection.execute("LOCK TABLE session IN ROW EXCLUSIVE MODE")  # as every writer has it
        with pytest.raises(Unavailable):
            triggers.install()
    with postgres.triggers() as triggers:
        assert triggers.install() is True


def test_the_user_of_the_command_may_lack_rights(postgres: PostgreSQLDatabase) -> None:
    postgres.remove()
    postgres.by_hand("CREATE ROLE no_owner LOGIN")
    url = postgres.url.replace("postgres@", "no_owner@")
    try:
        with BetterAuthTriggers(url) as triggers, pytest.raises(ConfigurationError, match=r"may not do this|url"):
            triggers.install()
    finally:
        postgres.by_hand("DROP ROLE no_owner")


# --- the command


def test_the_command_installs_checks_and_removes(
    auth: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ["--store", auth.url]
    assert main(["better-auth", "check", *store]) == 0
    assert main(["better-auth", "remove-triggers", *store]) == 0
    assert main(["better-auth", "check", *store]) == 1
    assert "install-triggers" in capsys.readouterr().out
    monkeypatch.setenv("COATCHECK_BETTER_AUTH_SESSION_TABLE", "session")
    monkeypatch.setenv("COATCHECK_BETTER_AUTH_COLUMNS", "expiresAt=expiresAt, user.id=id")
    assert main(["better-auth", "install-triggers", *store]) == 0
    assert main(["better-auth", "install-triggers", *store]) == 0
    assert "already" in capsys.readouterr().out
    assert main(["better-auth", "check", *store]) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--session-table", "nothing"], "session_table='nothing'"),
        (["--columns", "expiresAt"], "FIELD=COLUMN"),
        (["--columns", "expiresAt=nothing"], "columns['session.expiresAt']='nothing'"),
        (["--user-table", 'us"er'], "letters, digits"),
    ],
)
def test_the_command_refuses_what_cannot_be(
    auth: Database, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["better-auth", "check", "--store", auth.url, *options]) == 2
    assert said in capsys.readouterr().err
