"""Migrations: any number of times, by any number at once, for every version, while others work."""

from __future__ import annotations

import multiprocessing
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from coatcheck import ConfigurationError, SchemaError, UsersTable
from coatcheck.stores.postgresql import PostgreSQLStore
from coatcheck.stores.postgresql.migrations import Migration
from coatcheck.stores.steps import MIGRATIONS
from coatcheck.testing._rows import a_row, to_create
from tests.postgresql.hands import fill, make_users, plain, role, run, script
from tests.postgresql.sides import Side
from tests.servers.installations import VERSIONS
from tests.servers.postgresql import PostgreSQL
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.installations import PostgreSQLVersion

    Connect = Callable[..., Side]

WITH_KEY = UsersTable(foreign_key=True)
EVERYTHING = (
    "SELECT oid::bigint, relname::text FROM pg_class WHERE relname LIKE 'coatcheck%' UNION ALL"
    " SELECT oid::bigint, tgname FROM pg_trigger WHERE tgname LIKE 'coatcheck%' UNION ALL"
    " SELECT xmin::text::bigint, proname FROM pg_proc WHERE proname LIKE 'coatcheck%' UNION ALL"
    " SELECT oid::bigint, conname FROM pg_constraint WHERE conname LIKE 'coatcheck%' ORDER BY 1, 2"
)


@pytest.mark.processes
@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_gets_everything_and_keeps_it(version: PostgreSQLVersion, connect: Connect) -> None:
    with PostgreSQL(version) as server:
        url = server.url()
        make_users(url)
        side = connect(url, users=WITH_KEY, schema="coats")
        assert list(side.do("migrate")) == []
        token_hash, row = side.added(user_id="1")
        assert side.read(token_hash).record == row
        known = side.poll().cursor
        run(url, "DELETE FROM users WHERE id = 1")
        assert {entry.subject for entry in side.poll(known).entries} == {"u:1", f"s:{row.id}"}
        assert side.read(token_hash).record is None


@pytest.mark.parametrize("users", [None, UsersTable(), WITH_KEY], ids=["no users", "users", "foreign key"])
def test_a_second_run_changes_nothing(empty_postgresql_url: str, connect: Connect, users: UsersTable | None) -> None:
    make_users(empty_postgresql_url)
    side = connect(empty_postgresql_url, users=users)
    side.added(user_id="1")
    before = run(empty_postgresql_url, EVERYTHING)
    assert list(side.do("migrate")) == []
    assert list(side.do("problems")) == []
    connect(empty_postgresql_url, users=users)
    assert run(empty_postgresql_url, EVERYTHING) == before


def test_opening_looks_at_a_database_that_is_ready_once(
    empty_postgresql_url: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every process opens it, and only the first of a release finds something to migrate."""
    looks: list[Migration] = []
    problems = Migration.problems

    def counted(migration: Migration) -> Any:
        looks.append(migration)
        return problems(migration)

    monkeypatch.setattr(Migration, "problems", counted)
    connect(empty_postgresql_url)
    assert len(looks) > 1
    for migrating in (True, False):
        looks.clear()
        connect(empty_postgresql_url, migrate=migrating)
        assert len(looks) == 1


def test_without_migrating_the_command_is_named(empty_postgresql_url: str, connect: Connect) -> None:
    with pytest.raises(SchemaError, match="run `coatcheck migrate`"):
        connect(empty_postgresql_url, migrate=False)
    assert run(empty_postgresql_url, EVERYTHING) == []


def migrate(url: str, start: Any) -> int:
    store = PostgreSQLStore(url, users=WITH_KEY)
    start.wait(DEADLINE)
    store.open()
    store.close()
    return 1


@pytest.mark.processes
def test_eight_processes_at_once(empty_postgresql_url: str) -> None:
    make_users(empty_postgresql_url)
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager, spawn.Pool(8) as pool:
        start = manager.Barrier(8)
        works = [pool.apply_async(migrate, (empty_postgresql_url, start)) for _ in range(8)]
        assert sum(work.get(DEADLINE) for work in works) == 8
    assert run(empty_postgresql_url, "SELECT schema FROM coatcheck_meta") == [(len(MIGRATIONS),)]


def test_on_a_live_table_under_load_nobody_has_to_stop(empty_postgresql_url: str, threads: Connect) -> None:
    """Triggers are renewed and the foreign key is added while others sign in and out."""
    make_users(empty_postgresql_url)
    side = threads(empty_postgresql_url, users=UsersTable())
    fill(empty_postgresql_url, 20_000, user="1")
    over, done = threading.Event(), 0

    def work() -> None:
        nonlocal done
        with Side("threads", empty_postgresql_url, migrate=False) as busy:
            now = busy.now()
            while not over.is_set():
                new = to_create(a_row(now, user_id="1"))
                busy.create(new)
                busy.revoke(token_hash=new.token_hash)
                done += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        until(lambda: done, "somebody works")
        run(empty_postgresql_url, "DROP TRIGGER coatcheck_deleted ON coatcheck_sessions")
        with Side("threads", empty_postgresql_url, users=WITH_KEY) as migrated:
            seen = done
            until(lambda: done > seen, "they work on")
            assert migrated.do("problems") == []
    finally:
        over.set()
        worker.join(DEADLINE)
    assert not worker.is_alive()
    assert side.do("problems") == []


def test_the_foreign_key_takes_no_lock_for_long(empty_postgresql_url: str, threads: Connect) -> None:
    """It does not queue behind a long transaction either, where every other statement would queue behind it."""
    make_users(empty_postgresql_url)
    with Side("threads", empty_postgresql_url, users=UsersTable()):
        fill(empty_postgresql_url, 10, user="1")
    with (
        plain(empty_postgresql_url, autocommit=False) as long,
        Side("threads", empty_postgresql_url, users=UsersTable()) as other,
    ):
        long.execute("UPDATE coatcheck_sessions SET last_seen_at = now() WHERE id = 'id1'")
        over = threading.Event()

        def add_later() -> None:
            wanting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'relation' AND datname = current_database()"
            until(lambda: run(empty_postgresql_url, wanting), "the migration waits for its lock")
            other.added(user_id="2")  # waits for less than lock_timeout
            long.commit()
            over.set()

        helper = threading.Thread(target=add_later)
        helper.start()
        side = threads(empty_postgresql_url, users=WITH_KEY)
        helper.join(DEADLINE)
        assert over.is_set()
    assert run(empty_postgresql_url, "SELECT convalidated FROM pg_constraint WHERE contype = 'f'") == [(True,)]
    assert side.do("problems") == []


def test_the_check_of_a_foreign_key_blocks_no_writer(empty_postgresql_url: str, threads: Connect) -> None:
    make_users(empty_postgresql_url)
    side = threads(empty_postgresql_url, users=WITH_KEY)
    fill(empty_postgresql_url, 10, user="1")
    with plain(empty_postgresql_url, autocommit=False) as migrating:
        migrating.execute("ALTER TABLE coatcheck_sessions VALIDATE CONSTRAINT coatcheck_sessions_user_fkey")
        token_hash, _ = side.added(user_id="2")
        assert side.revoke(token_hash=token_hash)


def test_sessions_of_users_that_are_gone_are_no_obstacle_to_the_foreign_key(
    empty_postgresql_url: str, threads: Connect
) -> None:
    make_users(empty_postgresql_url)
    with Side("threads", empty_postgresql_url, users=UsersTable()) as side:
        fill(empty_postgresql_url, 3, user="1")
        script(
            empty_postgresql_url,
            "ALTER TABLE users DISABLE TRIGGER coatcheck_user_deleted; DELETE FROM users WHERE id = 1;"
            "ALTER TABLE users ENABLE ALWAYS TRIGGER coatcheck_user_deleted",
        )
        kept, _ = side.added(user_id="2")
    side = threads(empty_postgresql_url, users=WITH_KEY)
    assert run(empty_postgresql_url, "SELECT user_id FROM coatcheck_sessions") == [(2,)]
    assert side.read(kept).record


def test_a_foreign_key_that_was_never_checked_is_found_and_checked(empty_postgresql_url: str, threads: Connect) -> None:
    """A migration may have been killed between the two."""
    make_users(empty_postgresql_url)
    side = threads(empty_postgresql_url, users=WITH_KEY)
    run(empty_postgresql_url, "ALTER TABLE coatcheck_sessions DROP CONSTRAINT coatcheck_sessions_user_fkey")
    run(
        empty_postgresql_url,
        "ALTER TABLE coatcheck_sessions ADD CONSTRAINT coatcheck_sessions_user_fkey"
        " FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE NOT VALID",
    )
    assert any("unchecked" in problem for problem in side.do("problems"))
    side.do("migrate")
    assert side.do("problems") == []


ALTERED = {
    "a function": "CREATE OR REPLACE FUNCTION coatcheck_invalidate(subject text) RETURNS void LANGUAGE sql AS 'SELECT'",
    "a function's rights": "ALTER FUNCTION coatcheck_session_changed() SECURITY INVOKER",
    "a function's path": "ALTER FUNCTION coatcheck_session_changed() RESET search_path",
    "no function": "DROP FUNCTION coatcheck_begin_epoch()",
    "no trigger": "DROP TRIGGER coatcheck_updated ON coatcheck_sessions",
    "a disabled trigger": "ALTER TABLE coatcheck_sessions DISABLE TRIGGER coatcheck_deleted",
    "an ordinary trigger": "ALTER TABLE coatcheck_sessions ENABLE TRIGGER coatcheck_truncated",
    "all triggers, as after a restored dump": (
        "ALTER TABLE coatcheck_sessions DISABLE TRIGGER ALL; ALTER TABLE coatcheck_sessions ENABLE TRIGGER ALL"
    ),
    "another trigger of the name": (
        "DROP TRIGGER coatcheck_deleted ON coatcheck_sessions;"
        "CREATE TRIGGER coatcheck_deleted AFTER DELETE ON coatcheck_sessions"
        " FOR EACH ROW WHEN (OLD.user_id IS NULL) EXECUTE FUNCTION coatcheck_session_changed();"
        "ALTER TABLE coatcheck_sessions ENABLE ALWAYS TRIGGER coatcheck_deleted"
    ),
    "no user trigger": "DROP TRIGGER coatcheck_user_deleted ON users",
    "no notifications": "DROP TRIGGER coatcheck_logged ON coatcheck_log",
    "no foreign key": "ALTER TABLE coatcheck_sessions DROP CONSTRAINT coatcheck_sessions_user_fkey",
}


@pytest.mark.parametrize("alteration", ALTERED.values(), ids=ALTERED)
def test_what_was_altered_is_found_named_and_mended(
    empty_postgresql_url: str, threads: Connect, alteration: str
) -> None:
    make_users(empty_postgresql_url)
    side = threads(empty_postgresql_url, users=WITH_KEY)
    token_hash, _ = side.added(user_id="1")
    script(empty_postgresql_url, alteration)
    problems = side.do("problems")
    assert problems
    assert all("coatcheck migrate" in problem for problem in problems)
    with pytest.raises(SchemaError, match="not ready"):
        threads(empty_postgresql_url, users=WITH_KEY, migrate=False)
    side.do("migrate")
    assert side.do("problems") == []
    assert side.read(token_hash).record


def test_switching_notifications_off_removes_their_trigger(empty_postgresql_url: str, threads: Connect) -> None:
    threads(empty_postgresql_url)
    with pytest.raises(SchemaError, match="notify=False"):
        threads(empty_postgresql_url, notify=False, migrate=False)
    threads(empty_postgresql_url, notify=False)
    assert run(empty_postgresql_url, "SELECT 1 FROM pg_trigger WHERE tgname = 'coatcheck_logged'") == []


def test_a_newer_schema_is_refused(empty_postgresql_url: str, connect: Connect) -> None:
    connect(empty_postgresql_url)
    run(empty_postgresql_url, "UPDATE coatcheck_meta SET schema = 99")
    for migrating in (True, False):
        with pytest.raises(SchemaError, match=r"99, newer than .*upgrade coatcheck"):
            connect(empty_postgresql_url, migrate=migrating)


# --- who may do it

APPLICATION = (
    "GRANT SELECT, INSERT, UPDATE, DELETE ON coatcheck_sessions TO {role}",
    "GRANT SELECT, UPDATE ON coatcheck_meta TO {role}",
    "GRANT SELECT, DELETE ON coatcheck_log TO {role}",
    "GRANT SELECT ON coatcheck_epoch TO {role}",
    "GRANT SELECT, INSERT, DELETE ON coatcheck_retired TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON coatcheck_workers TO {role}",
)


def test_a_role_without_rights_is_told_to_grant_them(empty_postgresql_url: str, connect: Connect) -> None:
    with role(empty_postgresql_url, "stranger") as url, pytest.raises(ConfigurationError, match="GRANT"):
        connect(url)
    connect(empty_postgresql_url)
    with (
        role(empty_postgresql_url, "stranger") as url,
        pytest.raises(ConfigurationError, match=r"coatcheck_meta.*42501"),
    ):
        connect(url)


def test_an_application_needs_no_right_to_change_the_schema(empty_postgresql_url: str, connect: Connect) -> None:
    connect(empty_postgresql_url)
    with role(empty_postgresql_url, "application", *APPLICATION) as url:
        with Side("threads", url) as side:
            token_hash, row = side.added()
            side.create(to_create(a_row(side.now()), limit=1))
            assert side.read(token_hash).record is None
            side.do("invalidate_user", "ann")
            side.do("revoke_everyone")
            side.do("sweep", 10)
            assert side.poll().epoch
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run(url, "INSERT INTO coatcheck_log (subject) VALUES ('*')")
    assert row


def test_an_owner_needs_no_right_to_create_schemas(empty_postgresql_url: str, connect: Connect) -> None:
    with role(empty_postgresql_url, "owner", "GRANT CREATE ON SCHEMA public TO {role}") as url:
        with Side("threads", url) as side:
            token_hash, _ = side.added()
            assert side.read(token_hash).epoch == side.poll().epoch != ""
            assert side.do("problems") == []
        with pytest.raises(ConfigurationError, match="GRANT"):
            connect(url, schema="other")


def test_another_path_of_the_role_s_leads_nowhere_else(empty_postgresql_url: str, connect: Connect) -> None:
    script(empty_postgresql_url, "CREATE SCHEMA decoy; CREATE TABLE decoy.coatcheck_sessions (id text)")
    database = empty_postgresql_url.rpartition("/")[2]
    script(empty_postgresql_url, f"ALTER DATABASE {database} SET search_path = decoy, pg_temp, public")
    side = connect(empty_postgresql_url)
    token_hash, row = side.added()
    assert side.read(token_hash).record == row
    assert side.revoke(token_hash=token_hash)
    assert run(empty_postgresql_url, "SELECT count(*) FROM decoy.coatcheck_sessions") == [(0,)]


@pytest.mark.parametrize("schema", ['a"b', "a.b", "", "ä"])
def test_a_schema_with_another_than_a_plain_name_is_refused(schema: str) -> None:
    with pytest.raises(ConfigurationError, match="schema="):
        PostgreSQLStore("postgresql://127.0.0.1/x", schema=schema)


def test_two_schemas_are_two_stores(empty_postgresql_url: str, connect: Connect) -> None:
    one, other = connect(empty_postgresql_url), connect(empty_postgresql_url, schema="Other")
    token_hash, _ = one.added()
    assert other.read(token_hash).record is None
    known = other.poll()
    one.revoke(token_hash=token_hash)
    assert other.poll(known.cursor).entries == ()
    assert known.epoch != one.poll().epoch
