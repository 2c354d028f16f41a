"""A server that refuses, stands still, swallows or comes back: every call ends, says so, and recovers by itself."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.errors import Unavailable
from coatcheck.stores.base import Selection, SessionChange, Touch
from coatcheck.stores.operations import Statement
from coatcheck.stores.postgresql import AsyncPostgreSQLStore
from coatcheck.testing._rows import a_hash, a_row, to_create
from tests.postgresql.hands import plain, run
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgresql import PostgreSQL
from tests.servers.proxy import Proxy
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.postgresql.sides import Side

    Connect = Callable[..., Side]

pytestmark = pytest.mark.processes

TIMEOUT = 2.0
PATIENCE = 10.0
"""Seconds after which a call counts as one that never ends; nothing here is about speed."""

HELD = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
OUT = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'coatcheck'"
)

CALLS: dict[str, Callable[[Side], object]] = {
    "read": lambda side: side.read(a_hash()),
    "find": lambda side: side.do("find", "id"),
    "poll": lambda side: side.poll(),
    "create": lambda side: side.create(to_create(a_row(time.time_ns() // 1000))),
    "create, with a limit": lambda side: side.create(to_create(a_row(time.time_ns() // 1000), limit=3)),
    "touch": lambda side: side.do("touch", [Touch("id", 1, 1)]),
    "save": lambda side: side.do("save", SessionChange("id", {}, (), 100)),
    "revoke": lambda side: side.revoke(user_id="ann"),
    "list": lambda side: side.ids("ann"),
    "sweep": lambda side: side.do("sweep", 100),
    "problems": lambda side: side.do("problems"),
}


@pytest.fixture(scope="module")
def own() -> Iterator[PostgreSQL]:
    """A server that these tests may stop."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def url(own: PostgreSQL) -> Iterator[str]:
    name = own.create_database()
    yield own.url(name)
    own.drop_database(name)


def one_for_each_call(connect: Connect, url: str) -> list[Side]:
    """Return stores that work until now, so many that all calls can wait at the same time."""
    sides = [connect(url, timeout=TIMEOUT) for _ in CALLS]
    each_works(sides)
    return sides


def each_works(sides: list[Side]) -> None:
    for call, side in zip(CALLS.values(), sides, strict=True):
        side.until_it_answers()
        call(side)


def everything_fails(sides: list[Side]) -> None:
    """Each call ends: on a connection that was good until now, and when there is none any more."""
    with ThreadPoolExecutor(len(CALLS)) as threads:
        for _ in range(2):
            ends = [threads.submit(call, side) for call, side in zip(CALLS.values(), sides, strict=True)]
            found = {name: end.exception(PATIENCE) for name, end in zip(CALLS, ends, strict=True)}
            assert {name for name, error in found.items() if not isinstance(error, Unavailable)} == set()


def everything_works(side: Side) -> None:
    side.until_it_answers()
    for call in CALLS.values():
        call(side)


def test_a_server_that_is_gone_is_an_outage_and_nothing_has_to_be_restarted_after_it(
    own: PostgreSQL, url: str, connect: Connect
) -> None:
    sides = one_for_each_call(connect, url)
    own.stop()
    everything_fails(sides)
    own.start()
    each_works(sides)
    everything_works(sides[0])


def test_a_server_that_stands_still_is_an_outage(own: PostgreSQL, url: str, connect: Connect) -> None:
    """Its connections stay open and new ones are accepted, and no driver reports it."""
    sides = one_for_each_call(connect, url)
    own.pause()
    try:
        everything_fails(sides)
    finally:
        own.resume()
    each_works(sides)
    everything_works(sides[0])


def test_connections_that_lead_nowhere_are_replaced(own: PostgreSQL, url: str, connect: Connect) -> None:
    """Reads and polls find that out within their own time; new connections work."""
    with Proxy(own.port) as proxy:
        side = connect(proxy.through(url), timeout=TIMEOUT)
        everything_works(side)
        proxy.black_hole()
        side.poll()
        side.read(a_hash())
        proxy.black_hole()
        with pytest.raises(Unavailable):  # nobody knows whether it was done
            side.do("touch", [Touch("id", 1, 1)])
        side.do("touch", [Touch("id", 1, 1)])  # the others were closed with the first
        sides = one_for_each_call(connect, proxy.through(url))
        proxy.black_hole(new_ones_work=False)
        everything_fails(sides)
        proxy.restore()
        each_works(sides)
        everything_works(side)


def test_connections_that_were_cut_cost_nothing(own: PostgreSQL, url: str, connect: Connect) -> None:
    """A restart, an administrator, a failover: the next call finds it out before it writes."""
    with Proxy(own.port) as proxy:
        side = connect(proxy.through(url), timeout=TIMEOUT)
        for reset in (False, True):
            for call in CALLS.values():
                call(side)
                proxy.cut(reset=reset)
                call(side)


def test_an_administrator_who_ends_connections_costs_nothing(own: PostgreSQL, url: str, connect: Connect) -> None:
    side = connect(url, timeout=TIMEOUT)
    for call in CALLS.values():
        call(side)
        run(url, OUT)
        call(side)


def test_a_lock_that_is_held_for_long_is_an_outage(url: str, connect: Connect) -> None:
    side = connect(url, timeout=TIMEOUT)
    _, row = side.added()
    with plain(url, autocommit=False) as other:
        other.execute("SELECT 1 FROM coatcheck_sessions FOR UPDATE")
        with pytest.raises(Unavailable):
            side.revoke(session_id=row.id)
        other.rollback()
    everything_works(side)


@contextmanager
def waiting(url: str, call: Callable[[], object]) -> Iterator[None]:
    """Have a call wait for rows that somebody else holds, until the end of the block."""
    with plain(url, autocommit=False) as other:
        other.execute("SELECT 1 FROM coatcheck_sessions FOR UPDATE")
        thread = Thread(target=call)
        thread.start()
        until(lambda: run(url, HELD), "the call waits")
        yield
        other.rollback()
        thread.join()


def test_all_connections_busy_is_an_outage_and_the_poll_goes_on(url: str, threads: Connect) -> None:
    side = threads(url, timeout=TIMEOUT, pool_size=1)
    _, row = side.added()
    with plain(url, autocommit=False) as other:
        other.execute("SELECT 1 FROM coatcheck_sessions FOR UPDATE")

        def revoke() -> None:
            with pytest.raises(Unavailable):
                side.revoke(session_id=row.id)

        waiting = Thread(target=revoke)
        waiting.start()
        until(lambda: run(url, HELD), "the call waits")
        assert side.poll().epoch
        waiting.join()
        other.rollback()


def test_a_connection_that_was_at_work_when_all_were_closed_is_closed_after_it(url: str, threads: Connect) -> None:
    """As that of a session which is read ahead in the background."""
    side = threads(url, pool_size=2)
    _, row = side.added()
    with waiting(url, lambda: side.revoke(session_id=row.id)):
        side.store.close()
    assert side.store.vitals().connections == 0


def test_what_broke_one_connection_has_broken_all(own: PostgreSQL, url: str, threads: Connect) -> None:
    """A write must not find that out anew with each of them: it cannot be tried again, and fails every time."""
    with Proxy(own.port) as proxy:
        side = threads(proxy.through(url), timeout=TIMEOUT)
        _, row = side.added()
        with waiting(url, lambda: side.revoke(session_id=row.id)):
            side.read(a_hash())
        assert side.store.vitals().idle == 2
        proxy.black_hole()
        with pytest.raises(Unavailable):
            side.do("touch", [Touch("id", 1, 1)])
        side.do("touch", [Touch("id", 1, 1)])


# --- tasks that are cancelled


@pytest.mark.anyio
async def test_a_cancelled_task_leaves_no_broken_connection(url: str) -> None:
    """Wherever it is cancelled, the next one finds a connection that works, and no slot is lost."""
    store = AsyncPostgreSQLStore(url, pool_size=2)
    await store.open()
    row = a_row((await store.poll(None)).now // 1000)
    new = to_create(row, limit=5)
    await store.create(new)
    for steps in range(40):
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(store.read(new.token_hash)),
            asyncio.create_task(store.create(to_create(a_row(row.created_at), limit=5))),
            asyncio.create_task(store.poll(None)),
        ]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert {type(error) for task in tasks if not task.cancelled() and (error := task.exception())} == set()
        await store.revoke(Selection(user_id="nobody"))
        await asyncio.gather(*(store.read(new.token_hash) for _ in range(4)))
        assert (await store.poll(None)).epoch
    assert run(url, "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'") == [(0,)]
    assert len(await store.list_sessions("ann", 100)) <= 5
    await store.aclose()


# --- forks


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_uses_no_connection_of_its_parent(url: str, connect: Connect) -> None:
    """As servers do that load the application before they fork; the parent goes on using its own."""
    side = connect(url)
    token_hash, row = side.added()
    mine = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'coatcheck' AND datname = current_database()"
    [[before]] = run(url, mine)
    assert before
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            if side.kind == "asyncio":
                side._runner = asyncio.Runner()
            found = [side.read(token_hash).record == row, bool(side.poll().epoch), run(url, mine) == [(before + 2,)]]
            os.write(writing, repr(found).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == repr([True, True, True])
    assert os.waitpid(child, 0)[1] == 0
    assert side.read(token_hash).record == row
    assert side.poll().epoch
    assert side.store.vitals().connections == 1


# --- through a pooler


@pytest.fixture
def bouncer(own: PostgreSQL) -> Iterator[PgBouncer]:
    with PgBouncer(own, settings={"default_pool_size": "2"}) as bouncer:
        yield bouncer


def test_through_a_pooler_everything_works_and_nothing_is_prepared(
    bouncer: PgBouncer, url: str, connect: Connect
) -> None:
    """Two clients would run each other's statements: they give them the same names."""
    through = bouncer.url(url.rpartition("/")[2])
    sides = [connect(through, listen_url=url) for _ in range(3)]
    for _ in range(3):
        for side in sides:
            token_hash, row = side.added(user_id="bob")
            for other in sides:
                assert other.read(token_hash).record == row
                for call in CALLS.values():
                    call(other)
    assert run(url, "SELECT count(*) FROM coatcheck_sessions WHERE user_id = 'bob'") == [(9,)]
    with plain(through) as one:
        assert one.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


def test_without_a_pooler_statements_are_prepared(url: str, threads: Connect) -> None:
    side = threads(url, pool_size=1)
    side.read(a_hash())
    names = [row[0] for row in side.store._connections.single(prepared)]
    assert names


def prepared() -> Any:
    return (yield Statement("SELECT name FROM pg_prepared_statements", {}))


def test_a_notification_is_heard_past_the_pooler(bouncer: PgBouncer, url: str, connect: Connect) -> None:
    side = connect(bouncer.url(url.rpartition("/")[2]), listen_url=url)
    seen = side.do("news", 0, 10.0)  # the connection itself is the first news
    assert seen
    run(url, "INSERT INTO coatcheck_log (subject) VALUES ('u:ann')")
    assert side.do("news", seen, 30.0) != seen
