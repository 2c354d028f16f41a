"""How often the tables are read, and what happens when the database cannot be, or answers late."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from threading import Semaphore
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from coatcheck.core.answers import NotSignedIn
from coatcheck.errors import Unavailable
from tests.providers.better_auth_database.hands import PostgreSQLDatabase
from tests.servers.better_auth import BetterAuth
from tests.servers.postgresql import PostgreSQL
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.providers.better_auth_database.hands import Database
    from tests.providers.better_auth_database.worker import Worker
    from tests.servers.better_auth import Visitor

    Workers = Callable[..., Worker]

pytestmark = pytest.mark.processes

MANY = 500
THREADS = 32
SOON = timedelta(seconds=1)


def _answer_when_all_wait(worker: Worker) -> None:
    """Hold the first read until every other thread waits for it: one that comes when it ends may read once more."""
    flights, tables, waiting = worker.sessions._reads._flights, worker.provider._tables, Semaphore(0)
    wait, read = flights.wait, tables.read

    def waits(flight: Any) -> Any:
        waiting.release()
        return wait(flight)

    def reads(token: str) -> Any:
        for _ in range(THREADS - 1):
            assert waiting.acquire(timeout=DEADLINE)
        return read(token)

    flights.wait, tables.read = waits, reads


def together(worker: Worker, token: str, number: int) -> list[Any]:
    """Have many requests for one session at the same time."""
    if worker.kind == "asyncio":

        async def all_of_them() -> list[Any]:
            return await asyncio.gather(*(worker.sessions.get(token) for _ in range(number)))

        return list(worker.wait_for(all_of_them()))
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(worker.sessions.get, [token] * number))


def test_A3_five_hundred_misses_are_one_query_and_a_hit_is_none(
    auth: Database, worker: Workers, visitor: Visitor
) -> None:
    here = worker(auth)
    if here.kind == "threads":
        _answer_when_all_wait(here)
    answers = together(here, visitor.presented, MANY)
    assert len({answer.id for answer in answers}) == 1
    assert here.queries == 1
    assert all(together(here, visitor.presented, MANY))
    assert here.queries == 1


def test_A3_the_database_itself_counts_one_query(worker: Workers) -> None:
    preloaded = {"shared_preload_libraries": "pg_stat_statements"}
    with PostgreSQL("15", settings=preloaded) as server, BetterAuth(server.url()) as better_auth:
        auth = PostgreSQLDatabase(better_auth, server, "postgres")
        auth.prepare()
        server.execute("CREATE EXTENSION pg_stat_statements")
        with better_auth.visitor() as visitor:
            visitor.sign_up(auth.new_address())
            here = worker(auth)
            server.execute("SELECT pg_stat_statements_reset()")
            assert all(together(here, visitor.presented, MANY))
            counted = "SELECT query, calls FROM pg_stat_statements WHERE query LIKE '%session%' AND calls > 0"
            [(query, calls)] = [row for row in server.execute(counted) if "coatcheck" not in str(row[0])]
            assert "JOIN" in str(query)
            assert calls == 1


def test_without_triggers_it_is_seen_when_it_is_asked_again(auth: Database, worker: Workers, visitor: Visitor) -> None:
    auth.remove()
    here, token = worker(auth, revalidate_after=SOON), visitor.presented
    long = worker(auth)
    here.warm(token)
    long.warm(token)
    visitor.sign_out()
    here.until_refused(token)
    assert long.get(token), "without triggers only asking again says so"


# --- late answers


def test_N2_a_read_that_is_late_does_not_bring_a_session_back(
    auth: Database, worker: Workers, visitor: Visitor
) -> None:
    here, token = worker(auth), visitor.presented
    read = here.provider._tables.read

    async def late_for_asyncio(asked: str) -> Any:
        found = await read(asked)
        await asyncio.to_thread(visitor.sign_out)
        return found

    def late_for_threads(asked: str) -> Any:
        found = read(asked)
        visitor.sign_out()
        return found

    here.provider._tables.read = late_for_asyncio if here.kind == "asyncio" else late_for_threads
    assert here.get(token), "it was asked before the sign-out"
    here.provider._tables.read = read
    here.until_refused(token)
    assert {here.get(token) for _ in range(20)} == {NotSignedIn.UNKNOWN}


def test_N2_a_long_transaction_costs_reads_and_no_sign_out(
    postgresql_auth: PostgreSQLDatabase, worker: Workers
) -> None:
    auth = postgresql_auth
    auth.prepare()
    with closing(psycopg.connect(auth.url)) as long, auth.server.visitor() as visitor, auth.server.visitor() as other:
        visitor.sign_up(auth.new_address())
        other.sign_up(auth.new_address())
        long.execute("INSERT INTO verification (id, identifier, value, \"expiresAt\") VALUES ('x', 'x', 'x', now())")
        here = worker(auth, lease=2 * SOON)  # where the log stands is learnt anew with each proof
        here.warm(visitor.presented)
        here.warm(other.presented)
        asked = here.queries
        assert here.get(visitor.presented)
        assert here.queries == asked, "copies are kept while the transaction is open"
        # The log counts by transactions: what changed since the long one began is read each time until it ends ...
        visitor.update(name="Another")
        here.until(visitor.presented, lambda answer: answer.user.name == "Another")
        asked = here.queries
        assert all(here.get(visitor.presented).user.name == "Another" for _ in range(3))
        assert here.queries == asked + 3
        # ... other sessions are not, and sign-outs are seen as ever.
        assert here.get(other.presented)
        assert here.queries == asked + 3
        token = other.presented
        other.sign_out()
        here.until_refused(token)
        long.rollback()
        here.until(visitor.presented, lambda _: here.sessions.lookup(visitor.presented) is not None)


# --- a database that does not answer


@pytest.fixture
def own() -> Iterator[PostgreSQLDatabase]:
    """Give a test a server of its own, to be stopped and broken; the log stands elsewhere."""
    with PostgreSQL() as server:
        name = server.create_database()
        with BetterAuth(server.url(name)) as better_auth:
            database = PostgreSQLDatabase(better_auth, server, name)
            database.prepare()
            yield database


@pytest.mark.parametrize("how", ["pause", "kill"])
def test_N3_a_database_that_does_not_answer_is_unavailable_and_signs_nobody_out(
    own: PostgreSQLDatabase, worker: Workers, how: str, tmp_path: Path
) -> None:
    with own.server.visitor() as visitor, own.server.visitor() as other:
        visitor.sign_up(own.new_address())
        other.sign_up(own.new_address())
        here = worker(own, store=f"sqlite:///{tmp_path}/log.db", timeout=SOON)
        here.warm(visitor.presented)
        assert here.provider.available
        getattr(own.postgresql, how)()
        assert here.get(visitor.presented), "what is known is served until it has to be asked again"
        with pytest.raises(Unavailable):
            here.get(other.presented)
        assert not here.provider.available
        with pytest.raises(Unavailable):
            here.do("sign_out", visitor.presented)
        own.postgresql.resume() if how == "pause" else own.postgresql.start()
        assert here.until(other.presented, bool)
        assert here.provider.available


def test_N3_with_the_log_in_the_same_database_nothing_is_served_after_the_lease(
    own: PostgreSQLDatabase, worker: Workers
) -> None:
    with own.server.visitor() as visitor:
        visitor.sign_up(own.new_address())
        here = worker(own, timeout=SOON, lease=SOON)
        here.warm(visitor.presented)
        own.postgresql.pause()

        def ended() -> bool:
            try:
                here.get(visitor.presented)
            except Unavailable:
                return True
            return False

        until(ended, "the lease has ended")
        own.postgresql.resume()
        assert here.until(visitor.presented, bool) if _answers(here, visitor.presented) else False


def _answers(worker: Worker, token: str) -> bool:
    def answered() -> bool:
        try:
            worker.get(token)
        except Unavailable:
            return False
        return True

    return until(answered, "the database answers again")


def test_a_database_that_is_away_does_not_keep_an_application_from_starting(
    own: PostgreSQLDatabase, worker: Workers, tmp_path: Path
) -> None:
    with own.server.visitor() as visitor:
        visitor.sign_up(own.new_address())
        own.postgresql.kill()
        here = worker(own, store=f"sqlite:///{tmp_path}/log.db", timeout=SOON)
        with pytest.raises(Unavailable):
            here.get(visitor.presented)
        own.postgresql.start()
        assert _answers(here, visitor.presented)
        assert here.get(visitor.presented)


def test_N3_tables_that_have_changed_are_an_outage(
    own: PostgreSQLDatabase, worker: Workers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with own.server.visitor() as visitor:
        visitor.sign_up(own.new_address())
        here = worker(own, store=f"sqlite:///{tmp_path}/log.db")
        own.by_hand("ALTER TABLE session RENAME TO elsewhere")
        with pytest.raises(Unavailable, match="cannot be used") as raised:
            here.get(visitor.presented)
        [record] = [each for each in caplog.records if each.message == "coatcheck.provider_unavailable"]
        for said in (str(raised.value), repr(record.__dict__)):
            assert visitor.presented.partition(".")[0] not in said
        own.by_hand("ALTER TABLE elsewhere RENAME TO session")
        assert here.get(visitor.presented)
