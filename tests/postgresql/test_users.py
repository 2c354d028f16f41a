"""The application's users table: ids of any type, with a foreign key or without, and what happens to users by hand."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from coatcheck import ConfigurationError, DataError, User, UsersTable
from coatcheck.core.users import user_of
from coatcheck.stores.base import Selection
from coatcheck.stores.operations import Statement
from coatcheck.testing._rows import a_row, to_create
from tests.postgresql.hands import run, script
from tests.postgresql.sides import Side
from tests.postgresql.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.stores.operations import Operation

    Connect = Callable[..., Side]

CITEXT = "CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
KEYS = {
    "integer": ("integer", "1", "2"),
    "bigint": ("bigint", "9000000000000000001", "9000000000000000002"),
    "uuid": ("uuid", str(uuid.UUID(int=1)), str(uuid.UUID(int=2))),
    "text": ("text", "ann", "bob"),
    "varchar": ("varchar(40)", "ann", "bob"),
    "char": ("char(3)", "ann", "bob"),
    "numeric": ("numeric", "1.5", "2.5"),
    "domain": ("number", "1", "2"),
}
USERS = UsersTable(email=None)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def make(url: str, kind: str, first: str, second: str, *, extra: str = "") -> None:
    script(url, "CREATE DOMAIN number AS integer CHECK (VALUE > 0)")
    script(url, f"CREATE TABLE users (id {kind} PRIMARY KEY, name text, role text) {extra}")
    run(url, "INSERT INTO users VALUES (%s, 'Ann', 'a'), (%s, 'Bob', 'b')", first, second)


@pytest.mark.parametrize("foreign_key", [False, True], ids=["no foreign key", "foreign key"])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_users_with_any_key(
    empty_postgresql_url: str, threads: Connect, key: tuple[str, str, str], *, foreign_key: bool
) -> None:
    kind, first, second = key
    make(empty_postgresql_url, kind, first, second)
    side = threads(empty_postgresql_url, users=UsersTable(email=None, foreign_key=foreign_key))
    new = to_create(a_row(side.now(), user_id=first), limit=3)
    mine = side.create(new).record
    assert mine.user_id == first
    assert '"name" : "Ann"' in (mine.user or "")
    other, row = side.added(user_id=second)
    worker = Worker(side)
    worker.poll()
    worker.keep(new.token_hash, other)
    run(empty_postgresql_url, "UPDATE users SET name = 'Anna' WHERE name = 'Ann'")
    assert worker.poll() == {f"u:{first}"}
    assert not worker.accepts(new.token_hash)
    assert worker.accepts(other)
    worker.keep(new.token_hash)
    assert side.ids(first) == [mine.id]
    run(empty_postgresql_url, "DELETE FROM users WHERE name = 'Anna'")
    assert worker.poll() == {f"u:{first}", f"s:{mine.id}"}
    assert not worker.accepts(new.token_hash)
    assert side.ids() == [row.id]
    assert [ended.id for ended in side.revoke(user_id=second)] == [row.id]
    with pytest.raises(DataError):
        side.added(user_id=first)
    assert side.ids() == []


@pytest.mark.parametrize("kind", ["integer", "uuid", "bigint", "numeric"])
def test_an_id_that_cannot_be_one_is_a_data_error_and_harms_nothing(
    empty_postgresql_url: str, connect: Connect, kind: str
) -> None:
    _, first, second = KEYS[kind]
    make(empty_postgresql_url, kind, first, second)
    side = connect(empty_postgresql_url, users=USERS, pool_size=1)
    token_hash, row = side.added(user_id=first)
    for wrong in ("no number", "", "1; DROP TABLE users", "9" * 60 if kind != "numeric" else "x", "a\0b", "\ud800"):
        for call in (
            lambda wrong=wrong: side.added(user_id=wrong),
            lambda wrong=wrong: side.create(to_create(a_row(side.now(), user_id=wrong), limit=2)),
            lambda wrong=wrong: side.ids(wrong),
            lambda wrong=wrong: side.do("revoke", Selection(user_id=wrong)),
            lambda wrong=wrong: side.do("invalidate_user", wrong),
        ):
            with pytest.raises(DataError):
                call()
    assert side.read(token_hash).record == row
    assert side.store.vitals().connections == 1


def test_another_type_than_the_sessions_have_names_the_way_out_and_it_works(
    empty_postgresql_url: str, threads: Connect
) -> None:
    with Side("threads", empty_postgresql_url):
        make(empty_postgresql_url, "integer", "1", "2")
    with pytest.raises(ConfigurationError, match="is integer, but sessions hold user ids as text") as refused:
        threads(empty_postgresql_url, users=USERS)
    fix = str(refused.value).partition("text: ")[2].partition("; and run")[0]
    script(empty_postgresql_url, fix)
    side = threads(empty_postgresql_url, users=USERS)
    assert side.added(user_id="1")
    assert side.do("problems") == []


def test_a_key_that_ignores_case_has_one_spelling(empty_postgresql_url: str, threads: Connect) -> None:
    """Entries name one spelling of an id, so a session under another one would outlive its user's changes."""
    make(empty_postgresql_url, "text COLLATE caseless", "Ann", "bob", extra="") if _has_icu(
        empty_postgresql_url
    ) else None
    side = threads(empty_postgresql_url, users=USERS)
    assert side.added(user_id="Ann")
    with pytest.raises(DataError):
        side.added(user_id="ann")


def _has_icu(url: str) -> bool:
    try:
        run(url, CITEXT)
    except Exception:  # noqa: BLE001 - a server without ICU
        script(url, "CREATE TABLE users (id text PRIMARY KEY, name text, role text); INSERT INTO users VALUES ('Ann')")
        return False
    return True


def test_users_in_partitions(empty_postgresql_url: str, threads: Connect) -> None:
    script(
        empty_postgresql_url,
        "CREATE TABLE users (id integer PRIMARY KEY, name text, role text) PARTITION BY HASH (id);"
        "CREATE TABLE users0 PARTITION OF users FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        "INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob')",
    )
    side = threads(empty_postgresql_url, users=UsersTable(email=None, foreign_key=True))
    assert side.do("problems") == []
    worker = Worker(side)
    worker.poll()
    (mine, row), (other, _) = side.added(user_id="1"), side.added(user_id="2")
    worker.keep(mine, other)
    run(empty_postgresql_url, "UPDATE users0 SET name = 'Anna' WHERE id = 1")
    assert worker.poll() == {"u:1"}
    worker.keep(mine)
    script(empty_postgresql_url, "SET session_replication_role = replica; DELETE FROM users0 WHERE id = 1")
    assert worker.poll() == {"u:1", f"s:{row.id}"}
    assert not worker.accepts(mine)
    script(empty_postgresql_url, "SET session_replication_role = replica; TRUNCATE users0 CASCADE")
    assert "*" in worker.poll()
    assert not worker.accepts(other)
    assert side.read(other).record is None


@pytest.mark.parametrize(
    ("users", "message"),
    [
        (UsersTable(table="nobody"), "'nobody' does not exist"),
        (UsersTable(), "no column email"),
        (UsersTable(id="number"), "no column number, email"),
    ],
)
def test_a_users_table_that_is_not_so_is_named(
    empty_postgresql_url: str, connect: Connect, users: UsersTable, message: str
) -> None:
    make(empty_postgresql_url, "integer", "1", "2")
    with pytest.raises(ConfigurationError, match=message):
        connect(empty_postgresql_url, users=users)


def test_columns_whose_types_know_no_equality_are_watched(empty_postgresql_url: str, threads: Connect) -> None:
    script(
        empty_postgresql_url,
        "CREATE TABLE users (id integer PRIMARY KEY, name json, role text[]);INSERT INTO users VALUES (1, '{}', '{a}')",
    )
    side = threads(empty_postgresql_url, users=USERS)
    known = side.poll()
    run(empty_postgresql_url, "UPDATE users SET name = '{\"a\": 1}', role = '{b}'")
    assert [entry.subject for entry in side.poll(known.cursor).entries] == ["u:1"]


@pytest.mark.parametrize(
    ("tier", "time"),
    [("text[]", "timestamptz"), ("jsonb", "timestamp"), ("text", "timestamptz(0)")],
    ids=["array", "json", "text"],
)
def test_E6_the_whole_user_is_joined(empty_postgresql_url: str, threads: Connect, tier: str, time: str) -> None:
    """Columns of the usual types become fields; a time without a zone is one in UTC, whatever zone the server is in."""
    columns = f"id integer PRIMARY KEY, name text, verified boolean, tier {tier}, joined {time}, changed {time}"
    script(empty_postgresql_url, f"CREATE TABLE users ({columns})")
    labels = {"text[]": "{gold,beta}", "jsonb": '["gold", "beta"]', "text": "gold"}[tier]
    noon = "2026-01-31 12:00:00" + ("" if time == "timestamp" else "+00")
    script(empty_postgresql_url, f"INSERT INTO users VALUES (7, 'Ada', true, '{labels}', '{noon}', '{noon}')")  # noqa: S608 - written here
    users = UsersTable(
        email=None, role=None, email_verified="verified", labels="tier", created_at="joined", updated_at="changed"
    )
    side = threads(empty_postgresql_url, users=users)
    new = to_create(a_row(side.now(), user_id="7"), limit=3)
    user = user_of((side.create(new).record.user or "").encode())
    assert user == User(
        "7",
        name="Ada",
        email_verified=True,
        labels=("gold",) if tier == "text" else ("gold", "beta"),
        created_at=NOON,
        updated_at=NOON,
    )
    worker = Worker(side)
    worker.poll()
    script(empty_postgresql_url, "UPDATE users SET changed = now()")
    assert worker.poll() == {"u:7"}


@pytest.mark.parametrize("key", [KEYS["text"], KEYS["varchar"], KEYS["uuid"]], ids=["text", "varchar", "uuid"])
def test_a_session_finds_its_user_by_the_index(
    empty_postgresql_url: str, threads: Connect, key: tuple[str, str, str]
) -> None:
    """However the database sorts text: sessions hold ids that are sorted by their octets."""
    make(empty_postgresql_url, *key)
    filler = "gen_random_uuid()" if key[0] == "uuid" else "'user-' || n"
    run(empty_postgresql_url, f"INSERT INTO users SELECT {filler} FROM generate_series(1, 5000) AS n")  # noqa: S608
    run(empty_postgresql_url, "ANALYZE users")
    side = threads(empty_postgresql_url, users=USERS)
    token_hash, _ = side.added(user_id=key[1])

    def plan() -> Operation[str]:
        sql, values = next(side.store._operations.read(token_hash, side.store._now()))
        rows = yield Statement(f"EXPLAIN {sql}", values)
        return "\n".join(row[0] for row in rows)

    found = side.store._connections.single(plan)
    assert "users_pkey" in found
    assert "Seq Scan on users" not in found
