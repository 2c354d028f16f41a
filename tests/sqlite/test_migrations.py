"""Migrations: on any database, any number of times, by any number at once, while others work."""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncSessions, DataError, SchemaError, Session, Sessions, UsersTable
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore, migrations
from coatcheck.stores.steps import MIGRATIONS
from coatcheck.testing import FaultyStore
from tests.sqlite.helpers import USERS_SQL, cached, dump, make_users, plain, refused, run

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"
WITH_KEY = UsersTable(foreign_key=True)

TRIGGERS = [
    "coatcheck_deleted",
    "coatcheck_retired_deleted",
    "coatcheck_device_gone",
    "coatcheck_acting_gone",
    "coatcheck_acting_for_another",
    "coatcheck_acting_shortened",
    "coatcheck_acting_replaced_by_insert",
    "coatcheck_acting_replaced_by_update",
    "coatcheck_updated",
    "coatcheck_replaced_by_insert",
    "coatcheck_replaced_by_update",
    "coatcheck_user_deleted",
    "coatcheck_user_updated",
    "coatcheck_user_replaced_by_insert",
    "coatcheck_user_replaced_by_update",
]


def schema(path: str) -> list[Any]:
    return run(path, SCHEMA)


def test_an_empty_file_gets_everything(path: str) -> None:
    store = SQLiteStore(path)
    assert list(store.migrate()) == list(MIGRATIONS)
    assert list(store.problems()) == []
    assert run(path, "PRAGMA journal_mode") == [("wal",)]
    assert run(path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.anyio
async def test_tasks_migrate_too(path: str) -> None:
    store = AsyncSQLiteStore(path)
    assert list(await store.migrate()) == list(MIGRATIONS)
    assert list(await store.problems()) == []
    await store.aclose()
    async with AsyncSessions(AsyncSQLiteStore(path, migrate=False)) as sessions:
        assert await sessions.create("anna")


@pytest.mark.parametrize("users", [None, UsersTable(), WITH_KEY], ids=["no users", "users", "foreign key"])
def test_a_second_run_changes_nothing(path: str, users: UsersTable | None) -> None:
    make_users(path)
    with Sessions(SQLiteStore(path, users=users)) as sessions:
        created = sessions.create("1")
    before, contents, number = schema(path), dump(path), run(path, "PRAGMA schema_version")
    store = SQLiteStore(path, users=users)
    assert list(store.migrate()) == []
    assert (schema(path), dump(path)) == (before, contents)
    assert run(path, "PRAGMA schema_version") == number, "all processes would start anew"
    with Sessions(SQLiteStore(path, users=users, migrate=False)) as sessions:
        assert sessions.get(created.token)


def test_the_application_s_own_tables_stay_as_they_are(path: str) -> None:
    make_users(path)
    with plain(path) as connection:
        connection.executescript("""
            CREATE TABLE notes (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id), text TEXT);
            CREATE INDEX notes_user ON notes (user_id);
            CREATE TRIGGER notes_log AFTER DELETE ON notes BEGIN INSERT INTO notes (text) VALUES ('gone'); END;
            CREATE TRIGGER users_log AFTER DELETE ON users BEGIN INSERT INTO notes (text) VALUES ('gone'); END;
            CREATE VIEW names AS SELECT name FROM users;
            INSERT INTO notes (user_id, text) VALUES (1, 'x');
        """)
    before = {name: sql for _, name, sql in schema(path)}
    contents = dump(path)
    SQLiteStore(path, users=UsersTable()).migrate()
    after = {name: sql for _, name, sql in schema(path)}
    assert {name: after[name] for name in before} == before
    assert all(name.startswith("coatcheck_") for name in set(after) - set(before) if not name.startswith("sqlite_"))
    tables = dump(path)
    assert {table: tables[table] for table in contents} == contents


def test_adding_the_foreign_key_keeps_the_rows(path: str) -> None:
    """Sessions go on, with their copies outdated; what the application has built upon the table stays right."""
    make_users(path)
    users = UsersTable()
    with Sessions(SQLiteStore(path, users=users)) as sessions:
        created = [sessions.create("1", data={"n": number}, ip="192.0.2.1") for number in range(20)]
        anonymous = sessions.create(None)
    with plain(path) as connection:
        connection.executescript("""
            CREATE VIEW online AS SELECT user_id, count(*) AS sessions FROM coatcheck_sessions GROUP BY user_id;
            CREATE TABLE carts (session TEXT REFERENCES coatcheck_sessions (id) ON DELETE CASCADE);
        """)
    rows = sorted(dump(path)["coatcheck_sessions"])
    log = dump(path)["coatcheck_log"]
    store = FaultyStore(SQLiteStore(path, users=users))
    with Sessions(store) as running:
        cached(running, store, created[0].token)
        with Sessions(SQLiteStore(path, users=WITH_KEY)) as sessions:
            assert sorted(dump(path)["coatcheck_sessions"]) == rows
            assert dump(path)["coatcheck_log"] == log
            assert run(path, "SELECT * FROM online WHERE user_id = '1'") == [("1", 20)]
            assert run(path, "PRAGMA foreign_key_list(coatcheck_sessions)")[0][2:5] == ("users", "user_id", "id")
            assert run(path, "PRAGMA foreign_key_list(carts)")[0][2:5] == ("coatcheck_sessions", "session", "id")
            assert run(path, "PRAGMA integrity_check") == [("ok",)]
            assert sessions.get(anonymous.token)
            with pytest.raises(DataError, match="FOREIGN KEY"):
                sessions.create("nobody")
            run(path, "DELETE FROM users WHERE id = 1", foreign_keys=True)
            for each in created:
                assert refused(sessions.get(each.token))
        assert refused(running.get(created[0].token))
        assert isinstance(running.get(anonymous.token), Session)


def test_the_indexes_are_there_after_the_table_was_rebuilt(path: str) -> None:
    make_users(path)
    SQLiteStore(path, users=UsersTable()).migrate()
    indexes = run(path, "SELECT name, sql FROM sqlite_schema WHERE type = 'index' ORDER BY name")
    SQLiteStore(path, users=WITH_KEY).migrate()
    assert run(path, "SELECT name, sql FROM sqlite_schema WHERE type = 'index' ORDER BY name") == indexes


def test_a_foreign_key_is_not_taken_away(path: str) -> None:
    make_users(path)
    SQLiteStore(path, users=WITH_KEY).migrate()
    SQLiteStore(path, users=UsersTable()).migrate()
    assert run(path, "PRAGMA foreign_key_list(coatcheck_sessions)")


def test_L7_who_comes_without_a_users_table_takes_no_trigger_away(path: str) -> None:
    """A script with a mere URL opens the database too; the application's deletions stay seen."""
    make_users(path)
    store = FaultyStore(SQLiteStore(path, users=UsersTable()))
    with Sessions(store) as sessions:
        created = sessions.create("1")
        cached(sessions, store, created.token)
        with Sessions(f"sqlite:///{path}") as script:
            script.list("1")
        assert list(inner_problems(store)) == []
        run(path, "DELETE FROM users WHERE id = 1")
        assert refused(sessions.get(created.token))


def inner_problems(store: FaultyStore) -> list[str]:
    return list(store.problems())


@pytest.mark.parametrize("name", TRIGGERS)
@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_every_trigger_that_is_missing_or_altered_is_a_problem(path: str, name: str, damage: str) -> None:
    """The start is refused, the message names the trigger, and a migration mends it."""
    make_users(path)
    users = UsersTable()
    SQLiteStore(path, users=users).migrate()
    assert sorted(TRIGGERS) == sorted(each for kind, each, _ in schema(path) if kind == "trigger")
    ((sql,),) = run(path, "SELECT sql FROM sqlite_schema WHERE name = ?", (name,))
    run(path, f"DROP TRIGGER {name}")
    if damage == "altered":
        run(path, sql.replace("BEGIN", "BEGIN SELECT 1;", 1))
    store = SQLiteStore(path, users=users, migrate=False)
    (problem,) = store.problems()
    assert f"trigger {name} is missing or altered" in problem
    assert "run `coatcheck migrate`" in problem
    with pytest.raises(SchemaError, match=name):
        Sessions(store).open()
    assert list(store.migrate()) == []
    assert list(store.problems()) == []
    Sessions(store).open().close()


def test_other_problems_are_named_too(path: str) -> None:
    make_users(path)
    SQLiteStore(path, users=UsersTable()).migrate()
    assert any("foreign key" in problem for problem in SQLiteStore(path, users=WITH_KEY).problems())
    with plain(path) as connection:
        connection.execute("UPDATE coatcheck_meta SET quiet = 1")
        connection.execute("PRAGMA journal_mode = DELETE")
    problems = "; ".join(SQLiteStore(path, users=UsersTable()).problems())
    assert "quiet is set" in problems
    assert "journal_mode is delete" in problems


def test_a_unique_index_added_later_is_a_problem_until_the_next_migration(path: str) -> None:
    """An OR REPLACE may then remove rows by it, and the trigger does not know."""
    make_users(path)
    users = UsersTable()
    store = FaultyStore(SQLiteStore(path, users=users))
    with Sessions(store) as sessions:
        created = sessions.create("1")
        run(path, "CREATE UNIQUE INDEX users_name ON users (name)")
        assert any("coatcheck_user_replaced" in problem for problem in store.problems())
        store.migrate()
        assert store.problems() == []
        cached(sessions, store, created.token)
        run(path, "INSERT OR REPLACE INTO users (id, name) VALUES (50, 'Name 1')")
        assert refused(sessions.get(created.token))


def test_a_users_table_that_was_built_anew_loses_its_triggers_until_the_next_migration(path: str) -> None:
    """Migration tools change a table in SQLite by copying it; the triggers go with the old one."""
    make_users(path)
    users = UsersTable()
    with Sessions(SQLiteStore(path, users=users)) as sessions:
        created = sessions.create("1")
        with plain(path) as connection:
            connection.execute(USERS_SQL.replace("TABLE users", "TABLE users_new"))
            connection.executescript("""
                BEGIN;
                INSERT INTO users_new SELECT * FROM users;
                DROP TABLE users;
                ALTER TABLE users_new RENAME TO users;
                COMMIT;
            """)
        assert len(list(SQLiteStore(path, users=users).problems())) == 4
        assert isinstance(sessions.get(created.token), Session)
    with Sessions(SQLiteStore(path, users=users)) as sessions:
        assert sessions.get(created.token)
        run(path, "DELETE FROM users WHERE id = 1")
        assert refused(sessions.get(created.token))


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_switching_to_the_write_ahead_log_waits_for_those_who_use_the_file(path: str, lock: str) -> None:
    """SQLite itself does not wait here, whatever the busy timeout."""
    with plain(path) as other, ThreadPoolExecutor(1) as pool:
        other.execute("CREATE TABLE theirs (x)")
        other.execute(lock)
        other.execute("INSERT INTO theirs VALUES (1)")
        tried = threading.Event()

        def noticed(seconds: float) -> None:
            tried.set()
            time.sleep(seconds)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(migrations, "sleep", noticed)
            migrating = pool.submit(SQLiteStore(path).migrate)
            if lock == "BEGIN IMMEDIATE":
                assert tried.wait(20)
            assert not migrating.done()
            other.execute("COMMIT")
            assert migrating.result()
    assert run(path, "PRAGMA journal_mode") == [("wal",)]


def test_a_migration_that_fails_leaves_nothing(path: str) -> None:
    make_users(path)
    run(path, "CREATE TABLE coatcheck_log (theirs)")
    before = schema(path)
    with pytest.raises(Exception, match="coatcheck_log already exists"):
        SQLiteStore(path).migrate()
    assert schema(path) == before


def test_migrations_run_while_others_read_and_write(path: str) -> None:
    """Nobody gets another answer than before, whatever is rebuilt meanwhile."""
    make_users(path, count=50)
    store = SQLiteStore(path, users=UsersTable())
    stop = threading.Event()
    with Sessions(store) as sessions:
        live, dead = sessions.create("1"), sessions.create("1")
        sessions.revoke(dead.token)

        def work(number: int) -> int:
            done = 0
            while not stop.is_set():
                assert isinstance(sessions.get(live.token), Session)
                assert refused(sessions.get(dead.token))
                if number == 0:
                    created = sessions.create("2")
                    assert sessions.get(created.token)
                    sessions.revoke(created.token)
                    assert refused(sessions.get(created.token))
                done += 1
            return done

        with ThreadPoolExecutor(3) as pool:
            workers = [pool.submit(work, number) for number in range(3)]
            try:
                for _ in range(5):
                    for name in TRIGGERS[4:]:
                        run(path, f"DROP TRIGGER IF EXISTS {name}")
                    SQLiteStore(path, users=UsersTable()).migrate()
                SQLiteStore(path, users=WITH_KEY).migrate()
            finally:
                stop.set()
            assert all(worker.result() for worker in workers)


def test_a_statement_prepared_before_the_migration_still_works(path: str) -> None:
    """A running process of the release before goes on with its prepared statements."""
    make_users(path)
    with Sessions(SQLiteStore(path, users=UsersTable())) as sessions:
        created = sessions.create("1")
        assert sessions.get(created.token)
        SQLiteStore(path, users=WITH_KEY).migrate()
        other = sessions.create("1")
        assert sessions.save(created.session, {"key": 1})
        assert sessions.get(created.token)
        sessions.revoke(created.token)
        assert refused(sessions.get(created.token))
        assert sessions.get(other.token)


def test_an_import_into_the_table_is_seen(path: str, tmp_path: Path) -> None:
    """Rows may come from a dump; the log, its key and its identity come with it."""
    with Sessions(SQLiteStore(path)) as sessions:
        sessions.revoke(sessions.create("berta").token)
        created = sessions.create("anna")
    copy = str(tmp_path / "copy.db")
    with plain(path) as source, plain(copy) as target:
        target.executescript("\n".join(source.iterdump()))
    assert list(SQLiteStore(copy).problems()) == [
        "journal_mode is delete: readers would wait for writers; run `coatcheck migrate`"
    ]
    store = FaultyStore(SQLiteStore(copy))
    with Sessions(store) as sessions:
        cached(sessions, store, created.token)
        run(copy, "DELETE FROM coatcheck_sessions")
        assert refused(sessions.get(created.token))
        assert run(copy, "SELECT max(position) FROM coatcheck_log") == [(2,)]


def test_two_kinds_of_tokens_share_one_table(path: str) -> None:
    """Purposes are part of what is hashed; nothing in the schema knows of them."""
    with Sessions(SQLiteStore(path)) as people, Sessions(SQLiteStore(path), purpose="admin") as admins:
        created, admin = people.create("anna"), admins.create("anna")
        assert people.get(created.token)
        assert admins.get(admin.token)
        assert refused(people.get(admin.token))
        assert refused(admins.get(created.token))


def test_a_driver_s_error_is_the_cause_of_ours(path: str) -> None:
    run(path, "CREATE TABLE theirs (x)")
    with pytest.raises(SchemaError) as raised:
        Sessions(SQLiteStore(path)).get("A" * 43)
    assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
