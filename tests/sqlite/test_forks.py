"""A process that has used its sessions forks, as servers do that load the application first."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncSessions, NotSignedIn, Policy, Session, Sessions
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from tests.sqlite.helpers import plain, refused, run
from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import Callable

if not hasattr(os, "fork"):
    missing("this system cannot fork")

pytestmark = [
    pytest.mark.processes,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # that it has threads is what we test
]


class Child:
    """A forked process that does what it is told, one function after the other, and sends what they return."""

    def __init__(self, *steps: Callable[[], Any]) -> None:
        self._results, results = os.pipe()
        go, self._go = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._work(steps, go, results)
        os.close(results)
        os.close(go)

    def _work(self, steps: tuple[Callable[[], Any], ...], go: int, results: int) -> None:
        code = 1
        try:
            signal.alarm(60)
            os.close(self._results)
            os.close(self._go)
            for step in steps:
                os.read(go, 1)
                os.write(results, json.dumps(step()).encode() + b"\n")
            code = 0
        except BaseException:  # noqa: BLE001 - a forked copy of pytest must not go on
            os.write(results, json.dumps(traceback.format_exc()).encode() + b"\n")
        finally:
            os._exit(code)

    def step(self) -> Any:
        """Let the child do its next step, and return the result."""
        os.write(self._go, b"x")
        line = b""
        while not line.endswith(b"\n"):
            more = os.read(self._results, 65_536)
            assert more, "the child ended before its step did"
            line += more
        return json.loads(line)

    def end(self) -> int:
        """Wait for the child to end; returns its exit code."""
        os.close(self._go)
        os.close(self._results)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_child_makes_connections_of_its_own_and_leaves_the_parent_s_alone(path: str) -> None:
    """Get, create, revoke and flush work in both, and each sees what the other commits."""
    with Sessions(SQLiteStore(path)) as sessions:
        created, other = sessions.create("anna"), sessions.create("anna")
        assert sessions.get(created.token)
        child = Child(
            lambda: bool(sessions.get(created.token)),
            lambda: str(sessions.create("berta").token.reveal()),
            sessions.flush,
            lambda: [bool(sessions.get(created.token)), bool(sessions.get(other.token))],
            lambda: sessions.revoke(other.token),
        )
        assert child.step() is True
        fresh = child.step()
        assert isinstance(sessions.get(fresh), Session)
        assert child.step() == 0
        sessions.revoke(created.token)
        assert child.step() == [False, True]
        assert isinstance(sessions.get(other.token), Session)
        assert child.step() is True
        assert refused(sessions.get(other.token))
        assert child.end() == 0
        assert sessions.get(fresh)
    assert run(path, "PRAGMA integrity_check") == [("ok",)]


def test_L7_a_child_goes_on_when_the_parent_has_closed(path: str) -> None:
    """SQLite's own note of the locks it holds survives a fork, the locks do not.

    With a connection inherited from the parent, a child's own connections would hold no lock; the next process to
    close the file would delete the log under its feet, and parent and child would read and write different data.
    """
    sessions = Sessions(SQLiteStore(path)).open()
    created = sessions.create("anna")
    assert sessions.get(created.token)
    child = Child(
        lambda: bool(sessions.get(created.token)),
        lambda: bool(sessions.get(created.token)),
        lambda: sessions.create("berta").session.id,
    )
    assert child.step() is True
    sessions.close()
    with plain(path) as connection:  # opens and closes the file as the only other one
        connection.execute("DELETE FROM coatcheck_sessions")
    assert child.step() is False
    fresh = child.step()
    assert run(path, "SELECT id FROM coatcheck_sessions") == [(fresh,)]
    assert child.end() == 0
    assert run(path, "PRAGMA integrity_check") == [("ok",)]


def test_T1_two_children_never_make_the_same_token(path: str) -> None:
    """No random state is inherited."""
    with Sessions(SQLiteStore(path)) as sessions:
        sessions.create("anna")
        children = [Child(lambda: [sessions.create("berta").token.reveal() for _ in range(20)]) for _ in range(3)]
        tokens = [token for child in children for token in child.step()]
        tokens += [sessions.create("carla").token.reveal() for _ in range(20)]
        assert len(set(tokens)) == 80
        ids = [session.id for session in sessions.list("berta", limit=100)]
        assert len(set(ids)) == 60
        assert [child.end() for child in children] == [0, 0, 0]


def test_children_of_one_parent_see_each_other_s_revocations(path: str) -> None:
    """As workers of a server that has loaded and used the application before it forks."""
    with Sessions(SQLiteStore(path)) as sessions:
        created = [sessions.create("anna") for _ in range(10)]
        assert all(sessions.get(each.token) for each in created)

        def live() -> list[bool]:
            return [bool(sessions.get(each.token)) for each in created]

        def end(number: int) -> Callable[[], bool]:
            return lambda: sessions.revoke(created[number].token)

        one = Child(live, end(0), live, end(2), live)
        two = Child(live, live, end(1), live, live)
        assert one.step() == two.step() == [True] * 10
        assert one.step() is True
        assert two.step() == [False] + [True] * 9
        assert two.step() is True
        assert one.step() == [False, False] + [True] * 8
        assert one.step() is True
        assert two.step() == one.step() == [False, False, False] + [True] * 7
        assert two.step() == [bool(sessions.get(each.token)) for each in created]
        assert [one.end(), two.end()] == [0, 0]


def test_pending_touches_are_the_parent_s(path: str) -> None:
    """Both would write them otherwise."""
    policy = Policy(touch_every=timedelta(0))
    with Sessions(SQLiteStore(path), policy=policy, flush_every=timedelta(days=1)) as sessions:
        created = sessions.create("anna")
        assert sessions.get(created.token)
        child = Child(sessions.flush, lambda: bool(sessions.get(created.token)), sessions.flush)
        assert [child.step(), child.step(), child.step()] == [0, True, 1]
        assert sessions.flush() == 1
        assert child.end() == 0


def test_a_fork_from_a_busy_process_with_threads(path: str) -> None:
    """Other threads read and write at the moment of each fork; nobody hangs, nobody errs.

    The child's own write waits for no busy writer: on a slow disk, SQLite's unfair lock could starve it for seconds.
    """
    stop, forking = threading.Event(), threading.Event()
    with Sessions(SQLiteStore(path)) as sessions:
        created = sessions.create("anna")
        wrote = threading.Semaphore(0)

        def work(number: int) -> int:
            done = 0
            while not stop.is_set():
                assert isinstance(sessions.get(created.token), Session)
                if number == 0 and forking.is_set():
                    sessions.revoke(sessions.create("berta").token)
                    wrote.release()
                done += 1
            return done

        with ThreadPoolExecutor(3) as pool:
            workers = [pool.submit(work, number) for number in range(3)]
            try:
                for _ in range(10):
                    forking.set()
                    assert wrote.acquire(timeout=60)
                    child = Child(
                        lambda: bool(sessions.get(created.token)),
                        lambda: bool(sessions.revoke(sessions.create("carla").token)),
                    )
                    forking.clear()
                    assert [child.step(), child.step()] == [True, True]
                    assert child.end() == 0
            finally:
                stop.set()
            assert all(worker.result() for worker in workers)
    assert run(path, "PRAGMA integrity_check") == [("ok",)]


def test_the_asyncio_side_survives_a_fork_too(path: str) -> None:
    """The thread that writes does not exist in the child; a new one is started."""
    sessions = AsyncSessions(AsyncSQLiteStore(path))

    async def begin() -> str:
        await sessions.open()
        created = await sessions.create("anna")
        assert await sessions.get(created.token)
        return created.token.reveal()

    async def work(token: str) -> list[bool]:
        live = bool(await sessions.get(token))
        created = await sessions.create("berta")
        return [live, bool(await sessions.get(created.token)), await sessions.revoke(created.token)]

    token = asyncio.run(begin())
    child = Child(lambda: asyncio.run(work(token)), lambda: str(asyncio.run(sessions.get(token))))
    assert child.step() == [True, True, True]
    assert asyncio.run(work(token)) == [True, True, True]

    async def revoke() -> None:
        assert await sessions.revoke(token)

    asyncio.run(revoke())
    assert child.step() == str(NotSignedIn.UNKNOWN)
    assert child.end() == 0
    asyncio.run(sessions.aclose())


def test_a_child_that_closes_and_ends_normally_disturbs_nobody(path: str) -> None:
    """Finalizers run in it, of its own connections only."""
    with Sessions(SQLiteStore(path)) as sessions:
        created = sessions.create("anna")
        assert sessions.get(created.token)

        def leave() -> bool:
            sessions.close()
            gc.collect()
            return True

        child = Child(lambda: bool(sessions.get(created.token)), leave)
        assert [child.step(), child.step()] == [True, True]
        assert child.end() == 0
        assert sessions.get(created.token)
        run(path, "DELETE FROM coatcheck_sessions")
        assert refused(sessions.get(created.token))
        fresh = sessions.create("berta")
        assert run(path, "SELECT id FROM coatcheck_sessions") == [(fresh.session.id,)]
