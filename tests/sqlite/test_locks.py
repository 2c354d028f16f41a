"""A database that somebody else is writing to: waited for, and after the busy timeout an outage."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from coatcheck import AsyncSessions, Session, Sessions, Unavailable
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from tests.sqlite.helpers import plain, refused, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck import Created

WRITES: dict[str, Callable[[Sessions, Created], object]] = {
    "create": lambda sessions, created: sessions.create(created.session.user_id),
    "save": lambda sessions, created: sessions.save(created.session, {"key": 1}),
    "rotate": lambda sessions, created: sessions.rotate(created.token),
    "revoke": lambda sessions, created: sessions.revoke(created.token),
    "revoke by id": lambda sessions, created: sessions.revoke_any(created.session.id),
    "revoke others": lambda sessions, created: sessions.revoke_others(created.session),
    "revoke user": lambda sessions, created: sessions.revoke_user(created.session.user_id or ""),
    "revoke everyone": lambda sessions, created: sessions.revoke_everyone(),  # noqa: ARG005 - one form for all
    "invalidate user": lambda sessions, created: sessions.invalidate_user(created.session.user_id or ""),
    "new address": lambda sessions, created: sessions.note_client(created.session, ip="192.0.2.7", user_agent=None),
    "sweep": lambda sessions, created: sessions.sweep(),  # noqa: ARG005 - one form for all
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_S9_a_lock_that_outlasts_the_busy_timeout_is_an_outage(
    path: str, write: Callable[[Sessions, Created], object]
) -> None:
    """Nothing is half done, reading goes on, and the next try succeeds."""
    with Sessions(SQLiteStore(path, busy_timeout=0.01)) as sessions, plain(path) as other:
        created = sessions.create("anna")
        rows = run(path, "SELECT * FROM coatcheck_sessions")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked") as raised:
            write(sessions, created)
        assert raised.value.retry_after >= 1
        assert isinstance(sessions.get(created.token), Session)
        assert refused(sessions.get("A" * 43))
        other.execute("ROLLBACK")
        assert run(path, "SELECT * FROM coatcheck_sessions") == rows
        write(sessions, created)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_lock_that_is_released_in_time_is_waited_for(path: str, write: Callable[[Sessions, Created], object]) -> None:
    with Sessions(SQLiteStore(path, busy_timeout=60)) as sessions, plain(path) as other:
        created = sessions.create("anna")
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write, sessions, created)
            for _ in range(50):
                assert isinstance(sessions.get(created.token), Session)
            assert not writing.done()
            other.execute("ROLLBACK")
            writing.result()


@pytest.mark.anyio
async def test_the_event_loop_goes_on_while_a_write_waits(path: str) -> None:
    async with AsyncSessions(AsyncSQLiteStore(path, busy_timeout=60)) as sessions:
        created = await sessions.create("anna")
        with plain(path) as other:
            other.execute("BEGIN IMMEDIATE")
            writing = asyncio.create_task(sessions.revoke(created.token))
            for _ in range(100):
                await asyncio.sleep(0)
                assert isinstance(await sessions.get(created.token), Session)
            assert not writing.done()
            other.execute("ROLLBACK")
        assert await writing is True
        assert refused(await sessions.get(created.token))


def test_reading_never_waits_for_a_writer(path: str) -> None:
    """A reader sees the last commit, while another connection has written and not yet committed."""
    with Sessions(SQLiteStore(path)) as sessions, plain(path) as other:
        created = sessions.create("anna")
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM coatcheck_sessions")
        for _ in range(3):
            assert isinstance(sessions.get(created.token), Session)
        other.execute("COMMIT")
        assert refused(sessions.get(created.token))


def test_threads_share_one_writer_without_an_error(path: str) -> None:
    """However many write at once, in one process: each waits for its turn."""
    with Sessions(SQLiteStore(path, busy_timeout=60)) as sessions:
        barrier = threading.Barrier(8, timeout=30)

        def work(number: int) -> int:
            barrier.wait()
            for _ in range(10):
                created = sessions.create(str(number), data={"n": 0})
                assert sessions.save(created.session, {"n": 1})
                assert sessions.get(created.token)
                assert sessions.revoke(created.token)
                assert refused(sessions.get(created.token))
            return number

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(work, range(8))) == list(range(8))
        assert run(path, "SELECT count(*) FROM coatcheck_sessions") == [(0,)]


def test_an_interrupted_write_lets_go_of_the_lock(path: str) -> None:
    """A signal may raise between any two steps; the process must not hold the database's lock from then on."""
    with Sessions(SQLiteStore(path)) as sessions:
        created = sessions.create("anna")
        store = sessions.store
        assert isinstance(store, SQLiteStore)

        class Interrupted(BaseException):
            pass

        def operation() -> object:
            yield next(store._operations.revoke_everyone())
            raise Interrupted

        with pytest.raises(Interrupted):
            store._database.write(operation())  # type: ignore[arg-type]
        with plain(path) as other:
            other.execute("PRAGMA busy_timeout = 0")
            other.execute("BEGIN IMMEDIATE")
            assert other.execute("SELECT quiet FROM coatcheck_meta").fetchall() == [(0,)]
            other.execute("ROLLBACK")
        assert sessions.get(created.token)
        assert sessions.revoke(created.token)


def test_a_checkpoint_elsewhere_changes_nothing(path: str) -> None:
    with Sessions(SQLiteStore(path)) as sessions, plain(path) as other:
        created = sessions.create("anna")
        for mode in ("PASSIVE", "FULL", "RESTART", "TRUNCATE"):
            assert isinstance(sessions.get(created.token), Session)
            other.execute(f"PRAGMA wal_checkpoint({mode})")
            assert isinstance(sessions.get(created.token), Session)
        other.execute("VACUUM")
        assert isinstance(sessions.get(created.token), Session)
        sessions.revoke(created.token)
        assert refused(sessions.get(created.token))
