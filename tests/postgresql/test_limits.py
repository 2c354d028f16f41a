"""A limit per user is never exceeded, by any number of sign-ins at once, in however many processes."""

from __future__ import annotations

import multiprocessing
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from coatcheck import ConfigurationError, UsersTable
from coatcheck.stores.base import Full
from coatcheck.stores.postgresql import PostgreSQLStore
from coatcheck.testing._rows import a_row, to_create
from tests.postgresql.hands import plain, run, script
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.postgresql.sides import Side

    Connect = Callable[..., Side]

LIMIT = 3
PROCESSES, THREADS, ROUNDS = 4, 5, 10

WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
LIVE = "SELECT count(*) FROM coatcheck_sessions"


def sign_in(store: PostgreSQLStore, url: str, when_full: Any, *, inside: bool) -> bool:
    """Sign a user in, in the store's transaction or in one of the caller's; False when the limit is reached."""
    now = store.poll(None).now // 1000
    new = to_create(a_row(now), limit=LIMIT, when_full=when_full)
    try:
        if inside:
            with psycopg.connect(url) as connection:
                connection.execute("SELECT 1")
                store.create(new, connection=connection)
        else:
            store.create(new)
    except Full:
        return False
    return True


def many_sign_ins(url: str, when_full: str, inside: bool, start: Any) -> int:
    """Sign a user in again and again on several threads, and return how often that succeeded."""
    store = PostgreSQLStore(url, migrate=False, timeout=DEADLINE)
    store.open()
    start.wait(DEADLINE)
    with ThreadPoolExecutor(THREADS) as threads:
        turns = range(THREADS * ROUNDS)
        done = sum(threads.map(lambda _: sign_in(store, url, when_full, inside=inside), turns))
    store.close()
    return done


@pytest.mark.processes
@pytest.mark.parametrize("inside", [False, True], ids=["own transactions", "the callers' transactions"])
@pytest.mark.parametrize("when_full", ["evict_oldest", "refuse", "ask"])
def test_I6_two_hundred_sign_ins_in_four_processes_leave_no_more_than_the_limit(
    empty_postgresql_url: str, threads: Connect, when_full: str, *, inside: bool
) -> None:
    threads(empty_postgresql_url).added(user_id="bob")
    spawn = multiprocessing.get_context("spawn")
    most = 0
    with spawn.Manager() as manager, spawn.Pool(PROCESSES) as pool:
        start = manager.Barrier(PROCESSES)
        works = [
            pool.apply_async(many_sign_ins, (empty_postgresql_url, when_full, inside, start)) for _ in range(PROCESSES)
        ]
        with plain(empty_postgresql_url) as watcher:
            while not all(work.ready() for work in works):
                [[count]] = watcher.execute(f"{LIVE} WHERE user_id = 'ann'".encode()).fetchall()
                most = max(most, count)
        succeeded = sum(work.get(DEADLINE) for work in works)
    assert most <= LIMIT
    assert run(empty_postgresql_url, f"{LIVE} WHERE user_id = 'ann'") == [(LIMIT,)]
    assert run(empty_postgresql_url, f"{LIVE} WHERE user_id = 'bob'") == [(1,)]
    assert succeeded == (PROCESSES * THREADS * ROUNDS if when_full == "evict_oldest" else LIMIT)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_caller_s_transaction_that_cannot_see_who_came_before_is_refused(
    empty_postgresql_url: str, threads: Connect, level: str
) -> None:
    side = threads(empty_postgresql_url)
    new = to_create(a_row(side.now()), limit=LIMIT)
    with plain(empty_postgresql_url, autocommit=False) as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
        with pytest.raises(ConfigurationError, match=f"{level.lower()}.*READ COMMITTED"):
            side.create(new, connection=connection)
        side.create(new._replace(limit=None), connection=connection)
    assert side.ids("ann") == [new.record.id]


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_database_whose_default_is_stricter_is_no_obstacle(
    empty_postgresql_url: str, connect: Connect, level: str
) -> None:
    database = empty_postgresql_url.rpartition("/")[2]
    script(empty_postgresql_url, f"ALTER DATABASE {database} SET default_transaction_isolation = '{level}'")
    side = connect(empty_postgresql_url)
    for _ in range(LIMIT + 1):
        side.create(to_create(a_row(side.now()), limit=LIMIT))
    assert len(side.ids("ann")) == LIMIT


def test_one_user_s_id_written_in_two_ways_has_one_limit(empty_postgresql_url: str, threads: Connect) -> None:
    """Both sign-ins have to wait for each other, and an entry for the user has to name the stored form."""
    user = uuid.uuid4()
    script(empty_postgresql_url, "CREATE TABLE users (id uuid PRIMARY KEY, name text)")
    run(empty_postgresql_url, "INSERT INTO users VALUES (%s)", user)
    side = threads(empty_postgresql_url, users=UsersTable(email=None, role=None))
    first = to_create(a_row(side.now(), user_id=str(user)), limit=1, when_full="refuse")
    second = to_create(a_row(side.now(), user_id=str(user).upper()), limit=1, when_full="refuse")
    with plain(empty_postgresql_url, autocommit=False) as connection:
        side.create(first, connection=connection)
        refused: list[Exception] = []

        def sign_in_too() -> None:
            try:
                side.create(second)
            except Full as full:
                refused.append(full)

        other = threading.Thread(target=sign_in_too)
        other.start()
        until(lambda: not other.is_alive() or run(empty_postgresql_url, WAITING), "the other sign-in waits, or is done")
        connection.commit()
        other.join(DEADLINE)
    assert len(refused) == 1
    known = side.poll().cursor
    side.do("invalidate_user", str(user).upper())
    assert [entry.subject for entry in side.poll(known).entries] == [f"u:{user}"]
