"""Rows that other programs delete and change: the database writes the log itself, and every worker sees it.

Each test is one line of "what each database needs for the rule to hold".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg
import pytest

from coatcheck import UsersTable
from coatcheck.stores.base import SessionChange
from coatcheck.testing._rows import a_row, to_create
from tests.postgresql.hands import fill, plain, role, run, script, subjects
from tests.postgresql.sides import Side
from tests.postgresql.worker import Worker
from tests.servers.postgresql import PostgreSQL
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Connect = Callable[..., Side]

SESSIONS = "coatcheck_sessions"
USERS_SQL = "CREATE TABLE users (id text PRIMARY KEY, name text, email text, role text)"
MANY = 10_000
BOUND = 1_001
"""Entries that one transaction writes at the most."""

CHANGES = {
    "delete": "DELETE FROM coatcheck_sessions WHERE id = 'mine'",
    "delete by hash": "DELETE FROM coatcheck_sessions WHERE token_hash = sha256('mine')",
    "delete by user": "DELETE FROM coatcheck_sessions WHERE user_id = 'ann'",
    "delete all": "DELETE FROM coatcheck_sessions",
    "truncate": "TRUNCATE coatcheck_sessions",
    "delete the user": "DELETE FROM users WHERE id = 'ann'",
    "delete all users": "DELETE FROM users",
    "truncate the users": "TRUNCATE users CASCADE",
    "another id": "UPDATE coatcheck_sessions SET id = 'new' WHERE id = 'mine'",
    "another hash": "UPDATE coatcheck_sessions SET token_hash = sha256('new') WHERE id = 'mine'",
    "another id and hash": "UPDATE coatcheck_sessions SET token_hash = sha256('new'), id = 'new' WHERE id = 'mine'",
    "another user": "UPDATE coatcheck_sessions SET user_id = 'bob' WHERE id = 'mine'",
    "no user": "UPDATE coatcheck_sessions SET user_id = NULL WHERE id = 'mine'",
    "other data": "UPDATE coatcheck_sessions SET data = '{\"a\": 1}' WHERE id = 'mine'",
    "an earlier end": "UPDATE coatcheck_sessions SET expires_at = now() + interval '1 hour' WHERE id = 'mine'",
    "a later end": "UPDATE coatcheck_sessions SET expires_at = now() + interval '1 year' WHERE id = 'mine'",
    "an earlier idle end": "UPDATE coatcheck_sessions SET idle_expires_at = now() WHERE id = 'mine'",
    "another address": "UPDATE coatcheck_sessions SET ip = '192.0.2.99' WHERE id = 'mine'",
    "merge": (
        "MERGE INTO coatcheck_sessions AS s USING (VALUES ('mine')) AS gone (id) ON s.id = gone.id"
        " WHEN MATCHED THEN DELETE"
    ),
    "upsert": (
        "INSERT INTO coatcheck_sessions SELECT * FROM coatcheck_sessions WHERE id = 'mine'"
        " ON CONFLICT (id) DO UPDATE SET token_hash = sha256('new')"
    ),
    "another name": "UPDATE users SET name = 'Anna' WHERE id = 'ann'",
}


class Rig(NamedTuple):
    """A worker with copies of two sessions, of two users."""

    worker: Worker
    url: str
    mine: bytes
    other: bytes

    def refuses_mine(self) -> bool:
        """Tell whether the one session is refused after a poll that found something new."""
        assert self.worker.accepts(self.mine)
        assert self.worker.poll()
        return not self.worker.accepts(self.mine)


def rig_on(url: str, connect: Connect, **settings: object) -> Rig:
    side = connect(url, **settings)
    fill(url, 2)
    script(
        url,
        "UPDATE coatcheck_sessions SET id = 'mine', token_hash = sha256('mine') WHERE id = 'id1';"
        "UPDATE coatcheck_sessions SET id = 'other', token_hash = sha256('other'), user_id = 'bob' WHERE id = 'id2'",
    )
    [[mine]] = run(url, "SELECT token_hash FROM coatcheck_sessions WHERE id = 'mine'")
    [[other]] = run(url, "SELECT token_hash FROM coatcheck_sessions WHERE id = 'other'")
    worker = Worker(side)
    worker.poll()
    worker.keep(mine, other)
    assert worker.accepts(other)
    return Rig(worker, url, mine, other)


def rig_with_users(url: str, connect: Connect, *, foreign_key: bool) -> Rig:
    script(url, f"{USERS_SQL}; INSERT INTO users VALUES ('ann', 'Ann'), ('bob', 'Bob')")  # noqa: S608
    return rig_on(url, connect, users=UsersTable(foreign_key=foreign_key))


@pytest.fixture
def rig(postgresql_url: str, threads: Connect) -> Rig:
    return rig_with_users(postgresql_url, threads, foreign_key=False)


@pytest.fixture
def bare(postgresql_url: str, threads: Connect) -> Rig:
    return rig_on(postgresql_url, threads)


@pytest.mark.parametrize("replication_role", ["origin", "replica"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_L7_what_another_program_changes_is_refused_after_the_next_poll(
    rig: Rig, change: str, replication_role: str
) -> None:
    """In the role that replication works in, ordinary triggers and foreign keys do nothing."""
    script(rig.url, f"SET session_replication_role = {replication_role}; {change}")
    assert rig.refuses_mine()
    if "'mine'" in change or "'ann'" in change:
        assert rig.worker.accepts(rig.other)


@pytest.mark.parametrize("foreign_key", [False, True], ids=["no foreign key", "foreign key"])
@pytest.mark.parametrize("replication_role", ["origin", "replica"])
@pytest.mark.parametrize("statement", ["DELETE FROM users WHERE id = 'ann'", "TRUNCATE users CASCADE"])
def test_without_their_user_sessions_are_over(
    postgresql_url: str, threads: Connect, statement: str, replication_role: str, *, foreign_key: bool
) -> None:
    rig = rig_with_users(postgresql_url, threads, foreign_key=foreign_key)
    script(rig.url, f"SET session_replication_role = {replication_role}; {statement}")
    assert rig.refuses_mine()
    assert rig.worker.side.read(rig.mine).record is None


TOUCHES = {
    "seen": "last_seen_at = now()",
    "later": "idle_expires_at = idle_expires_at + interval '1 hour'",
    "the same": "data = data, user_id = user_id, token_hash = token_hash",
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
def test_a_touch_writes_no_entry(bare: Rig, touch: str) -> None:
    run(bare.url, f"UPDATE coatcheck_sessions SET {touch}")  # noqa: S608
    assert bare.worker.poll() == set()


def test_an_entry_names_the_old_key_and_the_new(bare: Rig) -> None:
    run(bare.url, "UPDATE coatcheck_sessions SET id = 'new' WHERE id = 'mine'")
    assert bare.worker.poll() == {"s:mine", "s:new"}


def test_a_role_that_may_only_delete_can_and_is_logged(bare: Rig) -> None:
    with role(bare.url, "deleter", "GRANT DELETE ON coatcheck_sessions TO {role}") as url:
        run(url, "DELETE FROM coatcheck_sessions")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run(url, "TABLE coatcheck_sessions")
    assert bare.refuses_mine()


HOSTILE = {
    "a temporary log": (
        "CREATE TEMPORARY TABLE coatcheck_log (position bigint DEFAULT 1, subject text, at timestamptz);"
        "CREATE TEMPORARY TABLE coatcheck_meta (generation bigint);"
        "SET search_path = pg_temp, public"
    ),
    "functions of the same names": (
        "CREATE SCHEMA evil;"
        "CREATE FUNCTION evil.coatcheck_invalidate(text) RETURNS void LANGUAGE sql AS 'SELECT';"
        "CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE sql AS"
        " $$SELECT pg_catalog.pg_current_xact_id()::text$$;"
        "CREATE FUNCTION evil.statement_timestamp() RETURNS timestamptz LANGUAGE sql AS"
        " $$SELECT 'infinity'::timestamptz$$;"
        "SET search_path = evil, public, pg_catalog"
    ),
    "no schema": "SET search_path = ''",
    "the sweep's setting": (
        "SET coatcheck.quiet = '1'; BEGIN;SELECT set_config('coatcheck.quiet', pg_current_xact_id()::text, true)"
    ),
    "a full count": "SET coatcheck.written = '5000'",
}


@pytest.mark.parametrize("before", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_the_deleter_has_set_keeps_the_entry_from_the_log(bare: Rig, before: str) -> None:
    with plain(bare.url) as connection:
        for statement in before.split(";"):
            connection.execute(statement.encode())
        connection.execute("DELETE FROM public.coatcheck_sessions WHERE id = 'mine'")
        connection.commit()
    assert bare.refuses_mine()


# --- many at once


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM coatcheck_sessions", "UPDATE coatcheck_sessions SET data = '{\"a\": 1}'", "DELETE FROM users"],
)
def test_ten_thousand_that_end_in_one_statement_write_a_bounded_number_of_entries(rig: Rig, statement: str) -> None:
    script(rig.url, f"INSERT INTO users SELECT 'many' || n FROM generate_series(1, {MANY}) AS n")  # noqa: S608
    fill(rig.url, MANY, user="bob")
    run(rig.url, "UPDATE coatcheck_sessions SET user_id = 'many' || substr(id, 3) WHERE id LIKE 'id%'")
    rig.worker.poll()
    rig.worker.keep(rig.mine, rig.other)
    before = len(subjects(rig.url))
    run(rig.url, statement)
    written = len(subjects(rig.url)) - before
    assert written == BOUND
    assert "*" in rig.worker.poll()
    assert not rig.worker.accepts(rig.mine)
    assert not rig.worker.accepts(rig.other)


def test_what_is_rolled_back_to_a_savepoint_writes_no_entry_and_counts_for_nothing(bare: Rig) -> None:
    """Also where it had written the entry for everyone, on which the later ones would have relied."""
    fill(bare.url, BOUND + 10)
    bare.worker.poll()
    with plain(bare.url, autocommit=False) as connection:
        connection.execute("SAVEPOINT before")
        connection.execute("DELETE FROM coatcheck_sessions")
        connection.execute("ROLLBACK TO SAVEPOINT before")
        connection.execute("DELETE FROM coatcheck_sessions WHERE id = 'mine'")
    assert bare.worker.poll() == {"s:mine"}
    assert not bare.worker.accepts(bare.mine)
    assert bare.worker.accepts(bare.other)


def test_the_count_begins_anew_with_each_transaction(bare: Rig) -> None:
    fill(bare.url, BOUND + 10)
    with plain(bare.url) as connection:
        connection.execute("DELETE FROM coatcheck_sessions WHERE id LIKE 'id%'")
        bare.worker.poll()
        connection.execute("DELETE FROM coatcheck_sessions WHERE id = 'mine'")
    assert bare.worker.poll() == {"s:mine"}


# --- transactions that are open for long


def test_under_a_writer_that_stays_open_each_entry_comes_exactly_once(bare: Rig) -> None:
    """A cursor at the oldest open transaction would read everything again with every poll."""
    fill(bare.url, 50)
    bare.worker.poll()
    with plain(bare.url, autocommit=False) as writer:
        writer.execute("DELETE FROM coatcheck_sessions WHERE id = 'mine'")
        for number in range(1, 51):
            run(bare.url, f"DELETE FROM coatcheck_sessions WHERE id = 'id{number}'")  # noqa: S608
            assert bare.worker.poll() == {f"s:id{number}"}
            assert bare.worker.poll() == set()
        bare.worker.keep(bare.mine, bare.other)  # what is read meanwhile may not have seen what the writer does
        assert bare.worker.accepts(bare.mine)
    assert bare.worker.poll() == {"s:mine"}
    assert not bare.worker.accepts(bare.mine)
    assert bare.worker.accepts(bare.other)
    assert bare.worker.poll() == set()


def test_writers_that_end_in_another_order_than_they_began_are_all_heard(bare: Rig) -> None:
    names = [f"id{number}" for number in range(1, 9)]
    fill(bare.url, len(names))
    bare.worker.poll()
    writers = [psycopg.connect(bare.url) for _ in names]
    for writer, name in zip(writers, names, strict=True):
        writer.execute(f"DELETE FROM coatcheck_sessions WHERE id = '{name}'".encode())  # noqa: S608
        assert bare.worker.poll() == set()
    for number in (7, 0, 4, 1, 6, 2, 5, 3):
        writers[number].commit()
        assert bare.worker.poll() == {f"s:{names[number]}"}
        writers[number].close()


def test_a_long_transaction_of_the_caller_blocks_nobody_else_s_sign_out(bare: Rig) -> None:
    """Of the same user either, and neither the poll nor the sweep."""
    hurried = Side("threads", bare.url, timeout=2.0)
    with hurried as side, plain(bare.url, autocommit=False) as caller:
        side.create(to_create(a_row(side.now()), limit=10), connection=caller)
        side.do("save", SessionChange("other", {"key": 1}, (), 1_000), connection=caller)
        side.do("invalidate_user", "ann", connection=caller)
        assert [ended.id for ended in side.revoke(session_id="mine")] == ["mine"]
        side.do("sweep", 100)
        assert bare.refuses_mine()
        caller.rollback()


# --- two-phase commit


def test_two_phase_commit_works_without_notifications_and_its_entry_comes_with_the_second_phase(
    postgresql_url: str, threads: Connect
) -> None:
    rig = rig_on(postgresql_url, threads, notify=False)
    with plain(rig.url, autocommit=False) as connection:
        connection.execute("DELETE FROM coatcheck_sessions WHERE id = 'mine'")
        connection.execute("PREPARE TRANSACTION 'coats'")
    assert rig.worker.poll() == set()
    rig.worker.keep(rig.mine)
    assert rig.worker.accepts(rig.mine)
    run(rig.url, "COMMIT PREPARED 'coats'")
    assert rig.refuses_mine()


def test_two_phase_commit_is_refused_while_notifications_are_on(bare: Rig) -> None:
    with plain(bare.url, autocommit=False) as connection:
        connection.execute("DELETE FROM coatcheck_sessions WHERE id = 'mine'")
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="NOTIFY"):
            connection.execute("PREPARE TRANSACTION 'coats'")
    assert bare.worker.poll() == set()
    assert bare.worker.accepts(bare.mine)


def test_a_notification_has_no_payload(bare: Rig) -> None:
    """Keys of many sessions do not fit into its 8,000 bytes, and then nothing would be revoked at all."""
    fill(bare.url, 900)
    with plain(bare.url) as listener:
        listener.execute("LISTEN coatcheck_public")
        run(bare.url, "UPDATE coatcheck_sessions SET id = id || repeat('x', 200)")
        assert [heard.payload for heard in listener.notifies(timeout=60, stop_after=1)] == [""]


# --- partitions, and rows that come from elsewhere

PARTITIONED = """
    ALTER TABLE coatcheck_sessions RENAME TO old;
    CREATE TABLE coatcheck_sessions (LIKE old INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (token_hash))
        PARTITION BY HASH (token_hash);
    CREATE TABLE part0 PARTITION OF coatcheck_sessions FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE part1 PARTITION OF coatcheck_sessions FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE INDEX ON coatcheck_sessions (id);
    DROP TABLE old
"""


@pytest.fixture
def partitioned(postgresql_url: str, threads: Connect) -> Rig:
    with Side("threads", postgresql_url) as side:
        script(postgresql_url, PARTITIONED)
        assert any("coatcheck_deleted" in problem for problem in side.do("problems"))
    return rig_on(postgresql_url, threads)


def part_of(rig: Rig) -> str:
    [[part]] = run(rig.url, "SELECT tableoid::regclass::text FROM coatcheck_sessions WHERE id = 'mine'")
    return str(part)


@pytest.mark.parametrize("replication_role", ["origin", "replica"])
@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM coatcheck_sessions WHERE id = 'mine'",
        "DELETE FROM {part} WHERE id = 'mine'",
        "UPDATE {part} SET id = 'new' WHERE id = 'mine'",
        "UPDATE coatcheck_sessions SET token_hash = sha256('a'), id = 'new' WHERE id = 'mine'",
        "UPDATE coatcheck_sessions SET token_hash = sha256('d'), id = 'new' WHERE id = 'mine'",
        "TRUNCATE {part}",
        "TRUNCATE coatcheck_sessions",
    ],
)
def test_what_happens_to_a_partition_is_logged(partitioned: Rig, change: str, replication_role: str) -> None:
    assert partitioned.worker.side.do("problems") == []
    script(
        partitioned.url,
        f"SET session_replication_role = {replication_role}; {change.format(part=part_of(partitioned))}",
    )
    assert partitioned.refuses_mine()


@pytest.mark.parametrize(
    "broken",
    [
        "CREATE TABLE part1b PARTITION OF coatcheck_sessions FOR VALUES WITH (MODULUS 4, REMAINDER 1)",
        "ALTER TABLE part0 DISABLE TRIGGER coatcheck_deleted",
        "ALTER TABLE part0 DISABLE TRIGGER coatcheck_truncated",
        "ALTER TABLE part0 ENABLE TRIGGER coatcheck_updated",
    ],
    ids=["a new one", "no deletions", "no truncation", "only ordinary updates"],
)
def test_a_partition_without_its_triggers_is_found_and_mended(partitioned: Rig, broken: str) -> None:
    if "part1b" in broken:
        run(partitioned.url, "DROP TABLE part1")
    run(partitioned.url, broken)
    side = partitioned.worker.side
    assert any("trigger" in problem for problem in side.do("problems"))
    side.do("migrate")
    assert side.do("problems") == []


@pytest.mark.processes
def test_what_logical_replication_applies_is_logged(threads: Connect) -> None:
    with PostgreSQL(settings={"wal_level": "logical"}) as server:
        source, target = (server.url(server.create_database()) for _ in range(2))
        threads(source)
        fill(source, 1)
        run(source, "UPDATE coatcheck_sessions SET id = 'mine', token_hash = sha256('mine')")
        rig = rig_on(target, threads)
        run(source, "CREATE PUBLICATION coats FOR TABLE coatcheck_sessions")
        run(source, "SELECT pg_create_logical_replication_slot('coats', 'pgoutput')")
        info = f"host=127.0.0.1 port={server.port} user=postgres dbname={source.rpartition('/')[2]}"
        run(
            target,
            f"CREATE SUBSCRIPTION coats CONNECTION '{info}' PUBLICATION coats"
            " WITH (create_slot = false, copy_data = false)",
        )
        run(source, "DELETE FROM coatcheck_sessions WHERE id = 'mine'")
        until(lambda: not run(target, "SELECT 1 FROM coatcheck_sessions WHERE id = 'mine'"), "the deletion is applied")
        assert rig.refuses_mine()
        assert rig.worker.accepts(rig.other)
        run(target, "DROP SUBSCRIPTION coats")


@pytest.fixture(autouse=True)
def _nothing_prepared(postgresql: PostgreSQL) -> Iterator[None]:
    """A prepared transaction that a failed test has left would keep its database from being dropped."""
    yield
    for name, database in postgresql.execute("SELECT gid, database FROM pg_prepared_xacts"):
        postgresql.execute(f"ROLLBACK PREPARED '{name}'", str(database))
