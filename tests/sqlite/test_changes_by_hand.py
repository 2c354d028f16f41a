"""Rows that other programs delete and change: the database writes the log itself, and every process sees it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from coatcheck import DataError, Session, Sessions, UsersTable
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import FaultyStore
from tests.sqlite.helpers import cached, make_users, refused, run, shell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck import Created

COLUMNS = (
    "token_hash, id, user_id, created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at, "
    "idle_timeout, remember, ip, user_agent, data"
)
"""All of the sessions table."""


def replacing(verb: str = "INSERT OR REPLACE", **changes: str) -> str:
    """Return a statement that adds a copy of the row `:other` with some columns changed."""
    names = COLUMNS.split(", ")
    assert set(changes) <= set(names)
    values = ", ".join(changes.get(name, name) for name in names)
    sessions = "coatcheck_sessions"
    return f"{verb} INTO {sessions} ({COLUMNS}) SELECT {values} FROM {sessions} WHERE id = :other"  # noqa: S608


ENDINGS = {
    "delete by id": "DELETE FROM coatcheck_sessions WHERE id = :id",
    "delete by hash": "DELETE FROM coatcheck_sessions WHERE token_hash = :hash",
    "delete by user": "DELETE FROM coatcheck_sessions WHERE user_id = '1'",
    "delete all": "DELETE FROM coatcheck_sessions",
    "delete the user": "DELETE FROM users WHERE id = 1",
    "delete all users": "DELETE FROM users",
    "new id": "UPDATE coatcheck_sessions SET token_hash = zeroblob(32), id = 'new' WHERE id = :id",
    "new hash": "UPDATE coatcheck_sessions SET token_hash = zeroblob(32) WHERE id = :id",
    "replace by id": replacing(token_hash="zeroblob(32)", id=":id"),
    "replace into by id": replacing("REPLACE", token_hash="zeroblob(32)", id=":id"),
    "update or replace by id, over the row": ("UPDATE OR REPLACE coatcheck_sessions SET id = :id WHERE id = :other"),
    "a user's new id": "UPDATE users SET id = 77 WHERE id = 1",
    "replace the user by another unique column": (
        "INSERT OR REPLACE INTO users (id, name, email) VALUES (78, 'Eve', 'u1@example.org')"
    ),
    "update or replace the user by another unique column": (
        "UPDATE OR REPLACE users SET email = 'u1@example.org' WHERE id = 2"
    ),
    "replace the user by an expression": (
        "INSERT OR REPLACE INTO users (id, name, email, note) VALUES (79, 'Eve', 'eve@example.org', 'NOTE 1')"
    ),
    "replace the user by an index with a collation of its own": (
        "INSERT OR REPLACE INTO users (id, name, email, role) VALUES (80, 'Eve', 'eve@example.org', 'ROLE 1')"
    ),
    "update or replace the user by an expression": "UPDATE OR REPLACE users SET note = 'NOTE 1' WHERE id = 2",
    "replace the user by two columns": (
        "INSERT OR REPLACE INTO users (id, name, email, a, b) VALUES (81, 'Eve', 'eve@example.org', 1, 1)"
    ),
}

INDEXES = """
ALTER TABLE users ADD COLUMN a;
ALTER TABLE users ADD COLUMN b;
CREATE TRIGGER fill AFTER INSERT ON users WHEN NEW.role IS NULL AND NEW.name LIKE 'Name%' BEGIN
    UPDATE users SET role = 'role ' || id, note = 'note ' || id, a = id, b = id WHERE id = NEW.id;
END;
CREATE UNIQUE INDEX users_role ON users (role COLLATE NOCASE);
CREATE UNIQUE INDEX users_note ON users (lower(note) DESC);
CREATE UNIQUE INDEX users_pair ON users (a, b) WHERE a IS NOT NULL;
"""


class Rig(NamedTuple):
    """Sessions on a database with users."""

    sessions: Sessions
    store: FaultyStore
    path: str


def _rig(path: str, *, foreign_key: bool) -> Iterator[Rig]:
    make_users(path, extra=INDEXES)
    store = FaultyStore(SQLiteStore(path, users=UsersTable(foreign_key=foreign_key)))
    with Sessions(store) as sessions:
        yield Rig(sessions, store, path)


@pytest.fixture(params=[False, True], ids=["no foreign key", "foreign key"])
def rig(request: pytest.FixtureRequest, path: str) -> Iterator[Rig]:
    yield from _rig(path, foreign_key=request.param)


@pytest.fixture
def bare(path: str) -> Iterator[Rig]:
    yield from _rig(path, foreign_key=False)


def values_of(rig: Rig, created: Created, other: Created) -> dict[str, object]:
    """Return what the statements may name."""
    by_id = "SELECT token_hash FROM coatcheck_sessions WHERE id = ?"
    token_hash = run(rig.path, by_id, (created.session.id,))[0][0]
    return {"id": created.session.id, "other": other.session.id, "hash": token_hash}


@pytest.mark.parametrize("foreign_keys", [False, True], ids=["keys off", "keys on"])
@pytest.mark.parametrize("sql", ENDINGS.values(), ids=ENDINGS)
def test_L7_what_a_plain_connection_ends_is_refused_at_once(rig: Rig, sql: str, foreign_keys: bool) -> None:
    created, other = rig.sessions.create("1"), rig.sessions.create("2")
    cached(rig.sessions, rig.store, created.token)
    names = {name: value for name, value in values_of(rig, created, other).items() if f":{name}" in sql}
    before = run(rig.path, "SELECT count(*) FROM coatcheck_log")
    run(rig.path, sql, names, foreign_keys=foreign_keys and "SET id = 77" not in sql)  # a foreign key forbids that
    assert rig.sessions.lookup(created.token) is None
    assert refused(rig.sessions.get(created.token))
    assert run(rig.path, "SELECT count(*) FROM coatcheck_log") > before


@pytest.mark.parametrize("sql", ENDINGS.values(), ids=ENDINGS)
def test_L7_what_is_typed_into_the_shell_is_refused_at_once(bare: Rig, sql: str) -> None:
    """In the shell foreign keys are off, and nobody knows of coatcheck."""
    created, other = bare.sessions.create("1"), bare.sessions.create("2")
    cached(bare.sessions, bare.store, created.token)
    values = values_of(bare, created, other)
    texts = {name: f"x'{value.hex()}'" if isinstance(value, bytes) else f"'{value}'" for name, value in values.items()}
    shell(bare.path, re.sub(r":(\w+)", lambda name: texts[name[1]], sql) + ";")
    assert refused(bare.sessions.get(created.token))


CHANGES = {
    "user": ("user_id = '2'", lambda session: session.user_id == "2"),
    "data": ("""data = '{"by": "hand"}'""", lambda session: session.data == {"by": "hand"}),
    "address": ("ip = '192.0.2.9'", lambda session: session.ip == "192.0.2.9"),
    "browser": ("user_agent = 'hand'", lambda session: session.user_agent == "hand"),
    "authenticated": ("authenticated_at = NULL", lambda session: session.authenticated_at is None),
    "created": ("created_at = created_at - 1", lambda session: session.created_at < session.last_seen_at),
    "remember": ("remember = 1", lambda session: session.remember),
    "idle timeout": ("idle_timeout = 9000000", lambda session: session._times()[7] == 9),
    "seen, backwards": ("last_seen_at = last_seen_at - 1", lambda session: session.last_seen_at < session.created_at),
    "absolute end": ("expires_at = idle_expires_at - 1", lambda session: session.expires_at < session.idle_expires_at),
    "idle end, backwards": ("idle_expires_at = 0", lambda session: not session),
    "end, to the past": ("expires_at = 1", lambda session: not session),
}
"""What is set by hand, and how the next validation must show it."""


@pytest.mark.parametrize(("sql", "shown"), CHANGES.values(), ids=CHANGES)
def test_every_change_of_a_row_is_shown_by_the_next_validation(bare: Rig, sql: str, shown: object) -> None:
    created = bare.sessions.create("1")
    cached(bare.sessions, bare.store, created.token)
    run(bare.path, f"UPDATE coatcheck_sessions SET {sql}")  # noqa: S608
    assert shown(bare.sessions.get(created.token))  # type: ignore[operator]


def test_replacing_a_row_under_its_own_hash_shows_the_new_content(bare: Rig) -> None:
    created, other = bare.sessions.create("1"), bare.sessions.create("2")
    cached(bare.sessions, bare.store, created.token)
    names = values_of(bare, created, other)
    sql = replacing(token_hash=":hash", id="'third'")
    run(bare.path, sql, {"hash": names["hash"], "other": names["other"]})
    session = bare.sessions.get(created.token)
    assert isinstance(session, Session)
    assert (session.id, session.user_id) == ("third", "2")


def test_update_or_replace_over_a_hash_ends_the_row_that_had_it(bare: Rig) -> None:
    """The token then belongs to the other row, and the other row's own token is dead."""
    created, other = bare.sessions.create("1"), bare.sessions.create("2")
    for each in (created, other):
        cached(bare.sessions, bare.store, each.token)
    names = values_of(bare, created, other)
    sql = "UPDATE OR REPLACE coatcheck_sessions SET token_hash = :hash WHERE id = :other"
    run(bare.path, sql, {"hash": names["hash"], "other": names["other"]})
    session = bare.sessions.get(created.token)
    assert isinstance(session, Session)
    assert session.user_id == "2"
    assert refused(bare.sessions.get(other.token))
    assert refused(bare.sessions.recheck(created.session))


USER_CHANGES = {
    "name": ("UPDATE users SET name = 'New' WHERE id = 1", "name", "New"),
    "email": ("UPDATE users SET email = 'new@example.org' WHERE id = 1", "email", "new@example.org"),
    "role": ("UPDATE users SET role = 'admin' WHERE id = 1", "role", "admin"),
    "replaced": ("INSERT OR REPLACE INTO users (id, name, role) VALUES (1, 'New', 'x')", "name", "New"),
    "upsert": (
        "INSERT INTO users (id, name) VALUES (1, 'New') ON CONFLICT DO UPDATE SET name = excluded.name",
        "name",
        "New",
    ),
    "taken over": ("UPDATE OR REPLACE users SET id = 1, name = 'New' WHERE id = 2", "name", "New"),
}


@pytest.mark.parametrize(("sql", "field", "value"), USER_CHANGES.values(), ids=USER_CHANGES)
def test_L18_a_change_of_the_user_is_shown_by_the_next_validation(bare: Rig, sql: str, field: str, value: str) -> None:
    """Authorisation data is joined, never frozen into the session."""
    created = bare.sessions.create("1")
    assert cached(bare.sessions, bare.store, created.token).user
    run(bare.path, sql)
    session = bare.sessions.get(created.token)
    assert isinstance(session, Session)
    assert session.user is not None
    assert getattr(session.user, field) == value


def test_a_user_s_rows_go_with_the_user_where_foreign_keys_are_off(bare: Rig) -> None:
    """A trigger, not the foreign key, ends them; somebody who gets the same id later inherits no session."""
    created = bare.sessions.create("1")
    run(bare.path, "DELETE FROM users WHERE id = 1")
    assert run(bare.path, "SELECT count(*) FROM coatcheck_sessions") == [(0,)]
    run(bare.path, "INSERT INTO users (id, name) VALUES (1, 'Somebody else')")
    assert refused(bare.sessions.get(created.token))


def test_unrelated_changes_of_the_user_write_no_entry(bare: Rig) -> None:
    created = bare.sessions.create("1")
    cached(bare.sessions, bare.store, created.token)
    entries, reads = run(bare.path, "SELECT * FROM coatcheck_log"), bare.store.count("read")
    run(bare.path, "UPDATE users SET note = 'x' WHERE id = 1")
    assert run(bare.path, "SELECT * FROM coatcheck_log") == entries
    assert bare.sessions.get(created.token)
    assert bare.store.count("read") == reads


@pytest.mark.parametrize("declared", ["INTEGER PRIMARY KEY", "TEXT PRIMARY KEY COLLATE NOCASE"])
def test_an_id_in_another_spelling_is_no_user(path: str, declared: str) -> None:
    """'01' equals 1 to SQLite, and 'Anna' equals 'anna' to some columns; the log names only one spelling."""
    run(path, f"CREATE TABLE users (id {declared}, name TEXT, email TEXT, role TEXT)")
    given, spelt = ("1", "01") if "INTEGER" in declared else ("anna", "Anna")
    run(path, "INSERT INTO users (id, name) VALUES (?, 'Anna')", (given,))
    with Sessions(SQLiteStore(path, users=UsersTable())) as sessions:
        assert sessions.get(sessions.create(given).token)
        with pytest.raises(DataError, match="no user"):
            sessions.create(spelt)
        planted = sessions.create(given)
        run(path, "UPDATE coatcheck_sessions SET user_id = ? WHERE id = ?", (spelt, planted.session.id))
        assert refused(sessions.get(planted.token))


def test_names_that_sql_reserves_work(path: str) -> None:
    run(path, 'CREATE TABLE "order" ("group" INTEGER PRIMARY KEY, "select" TEXT, "index" TEXT)')
    run(path, "INSERT INTO \"order\" VALUES (1, 'Anna', 'x')")
    users = UsersTable(table="order", id="group", name="select", email=None, role=None, attributes=("index",))
    with Sessions(SQLiteStore(path, users=users)) as sessions:
        created = sessions.create("1")
        session = sessions.get(created.token)
        assert isinstance(session, Session)
        assert session.user is not None
        assert (session.user.name, session.user.attributes) == ("Anna", {"index": "x"})
        run(path, 'DELETE FROM "order"')
        assert refused(sessions.get(created.token))


def test_a_user_s_name_may_be_a_generated_column(path: str) -> None:
    run(path, "CREATE TABLE users (id INTEGER PRIMARY KEY, first TEXT, name TEXT AS (upper(first)), email, role)")
    run(path, "INSERT INTO users (id, first) VALUES (1, 'anna')")
    with Sessions(SQLiteStore(path, users=UsersTable())) as sessions:
        session = sessions.create("1").session
        assert session.user is not None
        assert session.user.name == "ANNA"


@pytest.mark.parametrize(
    "change",
    [
        "data = x'80049503'",
        "data = 'gASVAwAAAA=='",
        "data = '[]'",
        "token_hash = 'text'",
        "token_hash = x'00'",
        "id = ''",
        "id = printf('%300s', 'x')",
        "ip = printf('%300s', 'x')",
        "user_agent = printf('%600s', 'x')",
        "user_id = printf('%300s', 'x')",
        "idle_timeout = -1",
        "idle_timeout = 9000000000000000000",
        "created_at = 'yesterday'",
        "remember = 7",
    ],
)
def test_S1_S12_the_table_takes_no_row_that_could_not_be_read(bare: Rig, change: str) -> None:
    """A pickle is no JSON object: whoever writes into the table is refused, not the visitor."""
    created = bare.sessions.create("1")
    with pytest.raises(Exception, match=r"CHECK constraint failed|cannot store"):
        run(bare.path, f"UPDATE coatcheck_sessions SET {change}")  # noqa: S608
    assert bare.sessions.get(created.token)
