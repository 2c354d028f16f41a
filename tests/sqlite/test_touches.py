"""Touches: gathered, written in one statement, never in a request's way, and never a way back."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest

from coatcheck import AsyncSessions, NotSignedIn, Policy, Session, Sessions, Unavailable
from coatcheck.stores.base import Touch
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.testing import FaultyStore, ManualClock
from tests.sqlite.helpers import cached, inner, plain, refused, run

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE = timedelta(minutes=1)
NEVER = timedelta(days=1)
"""Longer than any test: touches are written when the test says so."""

POLICY = Policy(idle_timeout=10 * MINUTE, lifetime=timedelta(hours=1), touch_every=MINUTE)


@contextmanager
def opened(
    path: str, clock: ManualClock, *, policy: Policy = POLICY, busy_timeout: float = 5, flush_every: timedelta = NEVER
) -> Iterator[tuple[Sessions, FaultyStore]]:
    store = FaultyStore(SQLiteStore(path, clock=clock, busy_timeout=busy_timeout))
    with Sessions(store, policy=policy, clock=clock, flush_every=flush_every) as sessions:
        yield sessions, store


def times(path: str) -> list[tuple[int, int]]:
    return run(path, "SELECT last_seen_at, idle_expires_at FROM coatcheck_sessions ORDER BY created_at, id")


def writer_of(store: FaultyStore) -> sqlite3.Connection:
    writer = inner(store)._database._writer
    assert writer is not None
    return writer


def micros(clock: ManualClock) -> int:
    return clock.now() // 1000


def test_L3_using_a_session_moves_its_idle_end(path: str, clock: ManualClock) -> None:
    """Used every few minutes, it lives; left alone for longer than the idle timeout, it does not."""
    with opened(path, clock) as (sessions, _):
        created = sessions.create("anna")
        for _ in range(5):
            clock.advance(9 * MINUTE)
            session = sessions.get(created.token)
            assert isinstance(session, Session)
            assert sessions.flush() == 1
        clock.advance(10 * MINUTE)
        assert sessions.get(created.token) is NotSignedIn.EXPIRED


def test_L4_no_touch_moves_the_absolute_end(path: str, clock: ManualClock) -> None:
    with opened(path, clock) as (sessions, _):
        created = sessions.create("anna")
        for _ in range(7):
            clock.advance(8 * MINUTE)
            assert sessions.get(created.token)
            sessions.flush()
        end = micros(clock) + 4 * 60 * 10**6
        assert run(path, "SELECT expires_at FROM coatcheck_sessions") == [(end,)]
        assert times(path)[0][1] == end, "the idle end goes no further either"
        clock.advance(4 * MINUTE)
        assert sessions.get(created.token) is NotSignedIn.EXPIRED


def test_a_touch_is_noted_at_most_once_in_touch_every(path: str, clock: ManualClock) -> None:
    with opened(path, clock) as (sessions, store):
        created = sessions.create("anna")
        for _ in range(3):
            assert sessions.get(created.token)
        assert sessions.flush() == 0, "it was created just now"
        clock.advance(MINUTE)
        for _ in range(3):
            assert sessions.get(created.token)
        assert sessions.flush() == 1
        for _ in range(3):
            clock.advance(MINUTE / 4)
            assert sessions.get(created.token)
        assert sessions.flush() == 0
        assert store.count("touch") == 1
        clock.advance(MINUTE / 4)
        assert sessions.get(created.token)
        assert sessions.flush() == 1


def test_a_touch_noted_by_the_read_that_filled_the_memory_counts(path: str, clock: ManualClock) -> None:
    """Not only a hit is a use, and what the flush confirms moves the copy that the same read has brought."""
    with opened(path, clock) as (sessions, store):
        created = sessions.create("anna")
        clock.advance(5 * MINUTE)
        assert sessions.get(created.token)
        assert sessions.flush() == 1
        session = cached(sessions, store, created.token)
        assert session.last_seen_at == session.created_at + 5 * MINUTE
        assert sessions.flush() == 0


def test_pending_touches_are_written_in_one_statement(path: str, clock: ManualClock) -> None:
    with opened(path, clock) as (sessions, store):
        created = [sessions.create("anna") for _ in range(50)]
        for each in created:
            assert sessions.get(each.token)
        clock.advance(2 * MINUTE)
        for each in created:
            assert sessions.get(each.token)
        for trigger in ("coatcheck_updated", "coatcheck_acting_shortened"):
            run(path, f"DROP TRIGGER {trigger}")  # a trace shows a statement once more for each trigger it fires
        statements: list[str] = []
        writer_of(store).set_trace_callback(statements.append)
        assert sessions.flush() == 50
        assert store.count("touch") == 1
        begin, update, commit = statements
        assert (begin, "UPDATE coatcheck_sessions" in update, commit) == ("BEGIN IMMEDIATE", True, "COMMIT")
        assert {seen for seen, _ in times(path)} == {micros(clock)}
        assert run(path, "SELECT count(*) FROM coatcheck_log") == [(0,)]


def test_a_flush_looks_the_touched_rows_up_by_their_ids(path: str, clock: ManualClock) -> None:
    """And not every row by the touches, which a million sessions would make slow."""
    with opened(path, clock) as (sessions, store):
        sessions.create("anna")
        sql = inner(store)._statements["touch"]
        with plain(path) as connection:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", {"touches": "[]", "now": 0})]
    assert any("SEARCH coatcheck_sessions USING" in step for step in plan)
    assert not any("SCAN coatcheck_sessions" in step for step in plan)


def test_touches_only_move_forwards(path: str, clock: ManualClock) -> None:
    """Two processes flush in any order; the later use stays, and so does the later end."""
    with opened(path, clock) as (sessions, store):
        created = sessions.create("anna")
        (seen, idle), *_ = times(path)
        later = Touch(created.session.id, seen + 200, idle + 200)
        earlier = Touch(created.session.id, seen + 100, idle + 100)
        mixed = Touch(created.session.id, seen + 300, idle + 50)
        for touch in (later, earlier, mixed):
            assert inner(store).touch([touch]) == {created.session.id}
        assert times(path) == [(seen + 300, idle + 200)]
        assert inner(store).touch([Touch(created.session.id, 0, 0)]) == {created.session.id}
        assert times(path) == [(seen + 300, idle + 200)]


def test_L8_a_touch_never_creates_a_row(path: str, clock: ManualClock) -> None:
    with opened(path, clock) as (sessions, store):
        created, live = sessions.create("anna"), sessions.create("anna")
        for each in (created, live):
            cached(sessions, store, each.token)
        clock.advance(2 * MINUTE)
        for each in (created, live):
            assert sessions.get(each.token)
        sessions.revoke(created.token)
        assert sessions.flush() == 1
        assert run(path, "SELECT id FROM coatcheck_sessions") == [(live.session.id,)]
        assert inner(store).touch([Touch("never issued", 2**60, 2**61)]) == set()
        assert refused(sessions.get(created.token))


def test_L6_a_late_touch_does_not_wake_what_has_expired(path: str, clock: ManualClock) -> None:
    """A use that was noted after the end, by a clock that was wrong, changes nothing; one from before does."""
    with opened(path, clock) as (sessions, store):
        created = sessions.create("anna")
        (seen, idle), *_ = times(path)
        assert inner(store).touch([Touch(created.session.id, idle, idle + 10**9)]) == set()
        assert times(path) == [(seen, idle)]
        assert inner(store).touch([Touch(created.session.id, idle - 1, idle + 10**9)]) == {created.session.id}


def test_a_copy_s_idle_end_moves_only_when_the_flush_has_confirmed_the_row(path: str, clock: ManualClock) -> None:
    with opened(path, clock) as (sessions, store):
        created = sessions.create("anna")
        cached(sessions, store, created.token)
        clock.advance(9 * MINUTE)
        noted = sessions.get(created.token)
        assert isinstance(noted, Session)
        end = created.session.idle_expires_at
        assert cached(sessions, store, created.token).idle_expires_at == end
        store.fail("touch")
        assert sessions.flush() == 0
        assert cached(sessions, store, created.token).idle_expires_at == end
        store.heal()
        assert sessions.flush() == 1
        assert cached(sessions, store, created.token).idle_expires_at == end + 9 * MINUTE


def test_a_copy_stays_as_it_is_when_the_store_has_not_confirmed_its_row(path: str, clock: ManualClock) -> None:
    """The flush succeeds, and the session was not among those it found."""
    with opened(path, clock) as (sessions, store):
        created = sessions.create("anna")
        cached(sessions, store, created.token)
        clock.advance(9 * MINUTE)
        assert sessions.get(created.token)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inner(store), "touch", lambda _: set())
            assert sessions.flush() == 0
        session = cached(sessions, store, created.token)
        assert session.idle_expires_at == created.session.idle_expires_at
        clock.advance(2 * MINUTE)
        assert sessions.get(created.token) is NotSignedIn.EXPIRED


def test_L7_a_confirmed_touch_brings_no_copy_back(path: str, clock: ManualClock) -> None:
    """The row was there when it was touched and has gone since: the moved copy is as old as the one before."""
    with opened(path, clock) as (sessions, store):
        created = sessions.create("anna")
        cached(sessions, store, created.token)
        clock.advance(2 * MINUTE)
        assert sessions.get(created.token)
        gate = store.hold_answers("touch")
        with ThreadPoolExecutor(1) as elsewhere:
            flushed = elsewhere.submit(sessions.flush)
            gate.reached()
            run(path, "DELETE FROM coatcheck_sessions")
            gate.release()
            assert flushed.result() == 1
        assert refused(sessions.get(created.token))


def test_a_locked_database_is_no_hindrance_to_a_request(
    path: str, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The touch fails and is logged, stays pending, and is written when the lock is gone."""
    with opened(path, clock, busy_timeout=0.01) as (sessions, store):
        created = sessions.create("anna")
        cached(sessions, store, created.token)
        clock.advance(2 * MINUTE)
        with plain(path) as other:
            other.execute("BEGIN IMMEDIATE")
            for _ in range(3):
                cached(sessions, store, created.token)
                assert sessions.flush() == 0
            (record, *_) = [each for each in caplog.records if each.message == "coatcheck.touch_failed"]
            assert record.levelno == logging.WARNING
            assert (record.pending, "locked" in record.reason) == (1, True)  # type: ignore[attr-defined]
            assert created.token.reveal() not in caplog.text
            assert len(sessions._touches) == 1
            other.execute("ROLLBACK")
        assert sessions.flush() == 1
        assert times(path)[0][0] == micros(clock)


@pytest.mark.anyio
async def test_requests_go_on_while_a_flush_waits_for_a_lock(path: str, clock: ManualClock) -> None:
    """The flush waits in a thread for as long as it must; the event loop answers meanwhile."""
    store = AsyncSQLiteStore(path, clock=clock, busy_timeout=60)
    async with AsyncSessions(store, policy=POLICY, clock=clock, flush_every=timedelta(0)) as sessions:
        created = [await sessions.create("anna") for _ in range(2)]
        for each in created:
            assert await sessions.get(each.token)
        clock.advance(2 * MINUTE)
        with plain(path) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await sessions.get(created[0].token)  # notes a touch, and the timer's flush begins
            flushing = asyncio.create_task(sessions.flush())
            for _ in range(100):
                await asyncio.sleep(0)
                for each in created:
                    assert await sessions.get(each.token)
            assert not flushing.done()
            other.execute("ROLLBACK")
        await flushing
        await sessions.flush()
        assert {seen for seen, _ in times(path)} == {micros(clock)}


@pytest.mark.anyio
async def test_the_timer_writes_without_being_asked(path: str, clock: ManualClock) -> None:
    store = AsyncSQLiteStore(path, clock=clock)
    async with AsyncSessions(store, policy=POLICY, clock=clock, flush_every=timedelta(milliseconds=1)) as sessions:
        created = await sessions.create("anna")
        clock.advance(2 * MINUTE)
        assert await sessions.get(created.token)
        async with asyncio.timeout(20):
            while times(path)[0][0] != micros(clock):  # noqa: ASYNC110 - it is in the file that we wait for it
                await asyncio.sleep(0.001)


def test_the_timer_thread_writes_without_being_asked(path: str, clock: ManualClock) -> None:
    written = Event()
    with opened(path, clock, flush_every=timedelta(milliseconds=1)) as (sessions, store):
        created = sessions.create("anna")
        touch = inner(store).touch

        def noticed(touches: list[Touch]) -> set[str]:
            result = touch(touches)
            written.set()
            return result

        inner(store).touch = noticed  # type: ignore[method-assign, assignment]
        clock.advance(2 * MINUTE)
        assert sessions.get(created.token)
        assert written.wait(20)
        assert times(path)[0][0] == micros(clock)


def test_closing_writes_what_is_pending(path: str, clock: ManualClock) -> None:
    with opened(path, clock) as (sessions, _):
        created = sessions.create("anna")
        clock.advance(2 * MINUTE)
        assert sessions.get(created.token)
    assert times(path)[0][0] == micros(clock)


@pytest.mark.anyio
async def test_closing_writes_what_is_pending_in_tasks_too(path: str, clock: ManualClock) -> None:
    store = AsyncSQLiteStore(path, clock=clock)
    async with AsyncSessions(store, policy=POLICY, clock=clock, flush_every=NEVER) as sessions:
        created = await sessions.create("anna")
        clock.advance(2 * MINUTE)
        assert await sessions.get(created.token)
    assert times(path)[0][0] == micros(clock)


def test_closing_on_a_locked_database_raises_nothing(
    path: str, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(path, clock, busy_timeout=0.01) as (sessions, _):
        created = sessions.create("anna")
        clock.advance(2 * MINUTE)
        assert sessions.get(created.token)
        with plain(path) as other:
            other.execute("BEGIN IMMEDIATE")
            sessions.close()
    assert "coatcheck.touch_failed" in caplog.messages


def test_a_touch_on_a_deleted_file_stays_pending(path: str, clock: ManualClock) -> None:
    with opened(path, clock) as (sessions, _):
        created = sessions.create("anna")
        clock.advance(2 * MINUTE)
        assert sessions.get(created.token)
        Path(path).rename(path + ".away")
        assert sessions.flush() == 0
        Path(path + ".away").rename(path)
        assert sessions.flush() == 1


def test_extend_when_less_than_leaves_the_end_alone_until_it_is_near(path: str, clock: ManualClock) -> None:
    """As systems do whose tables are adopted: 30 days, moved when less than one is left; last seen moves always."""
    day = timedelta(days=1)
    policy = Policy(idle_timeout=30 * day, lifetime=None, remember_lifetime=None, extend_when_less_than=day)
    with opened(path, clock, policy=policy) as (sessions, _):
        created = sessions.create("anna")
        assert run(path, "SELECT expires_at FROM coatcheck_sessions") == [(None,)]
        (_, idle), *_ = times(path)
        for step in (10 * day, 10 * day, 9 * day):
            clock.advance(step)
            assert sessions.get(created.token)
            assert sessions.flush() == 1
            assert times(path) == [(micros(clock), idle)]
        clock.advance(timedelta(seconds=1))
        assert sessions.get(created.token)
        sessions.flush()
        assert times(path)[0][1] == idle, "touched less than touch_every ago"
        clock.advance(timedelta(minutes=5))
        assert sessions.get(created.token)
        assert sessions.flush() == 1
        assert times(path) == [(micros(clock), micros(clock) + 30 * day // timedelta(microseconds=1))]
        for _ in range(5):  # and so on for ever: there is no absolute end
            clock.advance(29 * day + timedelta(hours=1))
            assert sessions.get(created.token)
            assert sessions.flush() == 1
        clock.advance(30 * day)
        assert sessions.get(created.token) is NotSignedIn.EXPIRED


def test_touches_of_a_driver_that_breaks_stay_pending(path: str, clock: ManualClock) -> None:
    """A write that fails in the middle is undone, and nothing of it is taken for done."""
    with opened(path, clock) as (sessions, store):
        created = sessions.create("anna")
        clock.advance(2 * MINUTE)
        assert sessions.get(created.token)
        before = times(path)
        writer = writer_of(store)
        for steps in (1, 5, 50):  # it breaks at the beginning, or in the statement
            writer.set_progress_handler(lambda: 1, steps)
            assert sessions.flush() == 0
            writer.set_progress_handler(None, 0)
            assert times(path) == before
        assert sessions.flush() == 1


def test_a_writer_that_cannot_even_be_rolled_back_is_given_up(path: str, clock: ManualClock) -> None:
    """Otherwise it would hold the database's lock, and refuse every later transaction."""
    with opened(path, clock) as (sessions, store):
        created = sessions.create("anna")

        def refuse(action: int, what: str | None, *_: str | None) -> int:
            refused = action == sqlite3.SQLITE_DELETE or (action == sqlite3.SQLITE_TRANSACTION and what == "ROLLBACK")
            return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK

        writer_of(store).set_authorizer(refuse)
        with pytest.raises(Unavailable):
            sessions.revoke(created.token)
        with plain(path) as other:
            other.execute("PRAGMA busy_timeout = 0")
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        assert sessions.revoke(created.token)
