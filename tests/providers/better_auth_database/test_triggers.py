"""What the triggers write into the log, statement by statement, and what they do not."""

# ruff: noqa: S608 - statements typed by hand into the tests' own databases

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.providers.better_auth_database.hands import COUNT, in_days

if TYPE_CHECKING:
    from tests.providers.better_auth_database.hands import Database, PostgreSQLDatabase

pytestmark = pytest.mark.processes

_numbers = count(1)


class Rows:
    """A user with a session, typed by hand."""

    def __init__(self, auth: Database) -> None:
        number = next(_numbers)
        self.user, self.session, self.token = f"u{number}", f"s{number}", f"t{number}"
        self.email = f"u{number}@example.com"
        auth.by_hand(f"{self.user_row('INSERT')}; {self.session_row('INSERT')};")

    def user_row(self, verb: str, *, key: str | None = None, email: str | None = None) -> str:
        values = (key or self.user, "Ann", email or self.email, in_days(0), in_days(0))
        texts = ", ".join(f"'{value}'" for value in values)
        columns = 'id, name, email, "createdAt", "updatedAt", "emailVerified"'
        return f"""{verb} INTO "user" ({columns}) VALUES ({texts}, '1')"""

    def session_row(self, verb: str, *, key: str | None = None, token: str | None = None) -> str:
        values = (key or self.session, token or self.token, self.user, in_days(7), in_days(0), in_days(0))
        texts = ", ".join(f"'{value}'" for value in values)
        return f"""{verb} INTO session (id, token, "userId", "expiresAt", "createdAt", "updatedAt") VALUES ({texts})"""


@pytest.fixture
def rows(auth: Database) -> Rows:
    return Rows(auth)


def test_N10_a_new_session_writes_nothing(auth: Database) -> None:
    before = auth.by_hand(COUNT)
    Rows(auth)
    assert auth.by_hand(COUNT) == before


@pytest.mark.parametrize(
    "change",
    [
        """ "expiresAt" = '2001-01-01T00:00:00.000Z' """,
        """ "ipAddress" = '192.0.2.1' """,
        """ "userAgent" = 'curl' """,
        """ token = 'another' || token """,
        """ "impersonatedBy" = 'admin' """,
        """ "expiresAt" = '2101-01-01T00:00:00.000Z', "ipAddress" = '192.0.2.1' """,
    ],
)
def test_N10_a_changed_session_is_written(auth: Database, rows: Rows, change: str) -> None:
    assert auth.written(f"UPDATE session SET {change} WHERE id = '{rows.session}'") == [f"s:{rows.session}"]


@pytest.mark.parametrize(
    "change",
    [
        """ "expiresAt" = '2101-01-01T00:00:00.000Z' """,
        """ "expiresAt" = '2101-01-01T00:00:00.000Z', "updatedAt" = '2100-01-01T00:00:00.000Z' """,
    ],
)
def test_L18_more_time_for_a_session_writes_nothing(auth: Database, rows: Rows, change: str) -> None:
    assert auth.written(f"UPDATE session SET {change} WHERE id = '{rows.session}'") == []


def test_N10_a_session_with_another_id_is_written_under_both(auth: Database, rows: Rows) -> None:
    new = f"new-{rows.session}"
    written = auth.written(f"UPDATE session SET id = '{new}' WHERE id = '{rows.session}'")
    assert written == [f"s:{new}", f"s:{rows.session}"]


def test_N10_a_session_of_another_user_is_written(auth: Database, rows: Rows) -> None:
    other = Rows(auth)
    written = auth.written(f"""UPDATE session SET "userId" = '{other.user}' WHERE id = '{rows.session}'""")
    assert written == [f"s:{rows.session}"]


@pytest.mark.parametrize(
    "change", ["name = 'Bob'", "email = 'b' || email", "role = 'x'", "image = 'x'", "banned = '1'"]
)
def test_N10_a_changed_user_is_written(auth: Database, rows: Rows, change: str) -> None:
    assert auth.written(f"""UPDATE "user" SET {change} WHERE id = '{rows.user}'""") == [f"u:{rows.user}"]


def test_N10_a_user_with_another_id_is_written_under_both(auth: Database, rows: Rows) -> None:
    auth.by_hand(f"DELETE FROM session WHERE id = '{rows.session}'")
    written = auth.written(f"""UPDATE "user" SET id = 'new-{rows.user}' WHERE id = '{rows.user}'""")
    assert written == [f"u:new-{rows.user}", f"u:{rows.user}"]


def test_N10_a_deleted_user_is_written_with_foreign_keys_or_without(auth: Database, rows: Rows) -> None:
    written = auth.written(f"""DELETE FROM "user" WHERE id = '{rows.user}'""")
    assert f"u:{rows.user}" in written
    assert set(written) <= {f"u:{rows.user}", f"s:{rows.session}"}


def test_N10_what_is_rolled_back_is_not_written(auth: Database, rows: Rows) -> None:
    assert auth.written(f"BEGIN; DELETE FROM session WHERE id = '{rows.session}'; ROLLBACK;") == []


# --- what only PostgreSQL has


@pytest.fixture
def on_postgresql(postgresql_auth: PostgreSQLDatabase) -> PostgreSQLDatabase:
    postgresql_auth.prepare()
    return postgresql_auth


@pytest.mark.parametrize("table", ["session", '"user"'])
def test_N10_a_truncated_table_is_written_as_everyone(on_postgresql: PostgreSQLDatabase, table: str) -> None:
    Rows(on_postgresql)
    assert set(on_postgresql.written(f"TRUNCATE {table} CASCADE")) == {"*"}


def test_N10_very_many_sessions_are_written_as_everyone(on_postgresql: PostgreSQLDatabase) -> None:
    rows = Rows(on_postgresql)
    on_postgresql.by_hand(
        f"""INSERT INTO session (id, token, "userId", "expiresAt", "createdAt", "updatedAt")
        SELECT 'many' || n, 'many' || n, '{rows.user}', now() + interval '1 day', now(), now()
        FROM generate_series(1, 5000) AS n"""
    )
    written = on_postgresql.written("DELETE FROM session WHERE id LIKE 'many%'")
    assert len(written) == 1001
    assert "*" in written


def test_N10_a_user_whose_updated_at_alone_changes_is_not_written(on_postgresql: PostgreSQLDatabase) -> None:
    rows = Rows(on_postgresql)
    assert on_postgresql.written(f"""UPDATE "user" SET "updatedAt" = now() WHERE id = '{rows.user}'""") == []


def test_N10_a_session_without_an_end_in_sight_is_written(on_postgresql: PostgreSQLDatabase) -> None:
    rows = Rows(on_postgresql)
    on_postgresql.by_hand('ALTER TABLE session ALTER "expiresAt" DROP NOT NULL')
    try:
        assert on_postgresql.written(f"""UPDATE session SET "expiresAt" = NULL WHERE id = '{rows.session}'""") == [
            f"s:{rows.session}"
        ]
    finally:
        on_postgresql.by_hand(
            """DELETE FROM session WHERE "expiresAt" IS NULL; ALTER TABLE session ALTER "expiresAt" SET NOT NULL"""
        )


def test_N10_a_replicating_session_is_written(on_postgresql: PostgreSQLDatabase) -> None:
    rows = Rows(on_postgresql)
    sql = f"SET session_replication_role = replica; DELETE FROM session WHERE id = '{rows.session}'"
    assert on_postgresql.written(sql) == [f"s:{rows.session}"]


def test_N10_a_temporary_table_does_not_swallow_the_log(on_postgresql: PostgreSQLDatabase) -> None:
    rows = Rows(on_postgresql)
    sql = (
        "CREATE TEMPORARY TABLE coatcheck_log (position bigint, subject text, at timestamptz);"
        "SET search_path = pg_temp, public;"
        f"DELETE FROM public.session WHERE id = '{rows.session}'"
    )
    assert on_postgresql.written(sql) == [f"s:{rows.session}"]


def test_N10_a_role_that_may_only_touch_better_auths_tables_is_written(on_postgresql: PostgreSQLDatabase) -> None:
    rows = Rows(on_postgresql)
    role = f"auth_only_{next(_numbers)}"
    on_postgresql.by_hand(
        f'CREATE ROLE {role}; GRANT SELECT, UPDATE, DELETE, TRUNCATE ON session, "user" TO {role};'
        "REVOKE ALL ON FUNCTION coatcheck_invalidate(text) FROM PUBLIC"
    )
    try:
        as_role = f"SET ROLE {role};"
        session, user = f"id = '{rows.session}'", f"id = '{rows.user}'"
        for sql, subject in (
            (f"UPDATE session SET token = 'x' WHERE {session}", f"s:{rows.session}"),
            (f"UPDATE \"user\" SET name = 'x' WHERE {user}", f"u:{rows.user}"),
            (f"DELETE FROM session WHERE {session}", f"s:{rows.session}"),
            ("TRUNCATE session", "*"),
        ):
            assert on_postgresql.written(f"{as_role} {sql}") == [subject]
        with pytest.raises(AssertionError, match="permission denied"):
            on_postgresql.by_hand(f"{as_role} DELETE FROM coatcheck_log")
    finally:
        on_postgresql.by_hand(
            f"DROP OWNED BY {role}; DROP ROLE {role}; GRANT EXECUTE ON FUNCTION coatcheck_invalidate(text) TO PUBLIC"
        )


# --- what only SQLite has


@pytest.fixture
def on_sqlite(sqlite_auth: Database) -> Database:
    sqlite_auth.prepare()
    return sqlite_auth


@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "REPLACE"])
def test_N10_replaced_rows_are_written(on_sqlite: Database, verb: str) -> None:
    rows = Rows(on_sqlite)
    by_token = rows.session_row(verb, key=f"new-{rows.session}")
    assert on_sqlite.written(by_token) == [f"s:{rows.session}"]
    by_email = rows.user_row(verb, key=f"new-{rows.user}")
    assert on_sqlite.written(by_email) == [f"u:{rows.user}"]


def test_N10_rows_replaced_by_an_update_are_written(on_sqlite: Database) -> None:
    rows, other = Rows(on_sqlite), Rows(on_sqlite)
    sessions = f"UPDATE OR REPLACE session SET token = '{rows.token}' WHERE id = '{other.session}'"
    assert on_sqlite.written(sessions) == sorted([f"s:{rows.session}", f"s:{other.session}"])
    users = f"""UPDATE OR REPLACE "user" SET email = '{rows.email}' WHERE id = '{other.user}'"""
    assert on_sqlite.written(users) == sorted([f"u:{rows.user}", f"u:{other.user}"])


def test_N10_a_cascade_is_written(on_sqlite: Database) -> None:
    rows = Rows(on_sqlite)
    sql = f"""PRAGMA foreign_keys = ON; DELETE FROM "user" WHERE id = '{rows.user}'"""
    assert on_sqlite.written(sql) == [f"s:{rows.session}", f"u:{rows.user}"]


def test_N10_an_emptied_table_is_written_row_by_row(on_sqlite: Database) -> None:
    rows, other = Rows(on_sqlite), Rows(on_sqlite)
    assert {f"s:{rows.session}", f"s:{other.session}"} <= set(on_sqlite.written("DELETE FROM session"))
