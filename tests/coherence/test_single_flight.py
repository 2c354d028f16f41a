"""I5: however many ask at once for one session, the store is asked once; and nobody is served what is too old."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from coatcheck import AsyncSessions, CacheSettings, NotSignedIn, Session, Sessions, Token, Unavailable
from coatcheck.core.tokens import new_token
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.testing import AsyncFaultyStore, AsyncMemoryStore, FaultyStore, ManualClock, MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from coatcheck.stores.async_protocol import AsyncStore
    from coatcheck.stores.protocol import Store

LEASE = timedelta(seconds=2)
NO_CACHE = CacheSettings(max_entries=0)
MANY = 1000
THREADS = 64
DEADLINE = 60.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> AsyncIterator[AsyncFaultyStore]:
    inner: AsyncStore = AsyncMemoryStore(clock=clock)
    if request.param == "sqlite":
        inner = AsyncSQLiteStore(str(tmp_path / "sessions.db"), clock=clock)
    await inner.open()
    yield AsyncFaultyStore(inner)
    await inner.aclose()


@pytest.fixture(params=["memory", "sqlite"])
def blocking_store(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[FaultyStore]:
    inner: Store = MemoryStore(clock=clock)
    if request.param == "sqlite":
        inner = SQLiteStore(str(tmp_path / "sessions.db"), clock=clock)
    inner.open()
    yield FaultyStore(inner)
    inner.close()


def worker(store: AsyncStore, clock: ManualClock, cache: CacheSettings | None = None) -> AsyncSessions:
    return AsyncSessions(store, clock=clock, cache=cache or CacheSettings(lease=LEASE))


async def signed_in(store: AsyncFaultyStore, clock: ManualClock) -> Token:
    """Return the token of a session that nobody has cached."""
    return (await worker(store.store, clock).create("ann")).token


async def settled(tasks: list[asyncio.Task[Session | NotSignedIn]]) -> list[Session | NotSignedIn | BaseException]:
    async with asyncio.timeout(DEADLINE):
        return await asyncio.gather(*tasks, return_exceptions=True)


def asked(sessions: AsyncSessions, token: Token, times: int) -> list[asyncio.Task[Session | NotSignedIn]]:
    return [asyncio.ensure_future(sessions.get(token)) for _ in range(times)]


@pytest.mark.anyio
class TestTasks:
    async def test_I5_a_thousand_requests_make_one_read(self, store: AsyncFaultyStore, clock: ManualClock) -> None:
        """All wait for the first one's read and are served what it brought."""
        token = await signed_in(store, clock)
        gate = store.hold_answers("read")
        tasks = asked(worker(store, clock), token, MANY)
        await gate.reached()
        gate.release()
        answers = await settled(tasks)
        assert [isinstance(answer, Session) for answer in answers] == [True] * MANY
        assert store.count("read") == 1
        assert store.count("poll") <= 2

    async def test_I5_a_thousand_requests_for_nobodys_token_make_two_reads(
        self, store: AsyncFaultyStore, clock: ManualClock
    ) -> None:
        """That there is no session is not cached, and yet not looked up by each of them."""
        first = store.hold_answers("read")
        tasks = asked(worker(store, clock), new_token(), MANY)
        await first.reached()
        second = store.hold_answers("read")
        first.release()
        await second.reached()
        second.release()
        assert await settled(tasks) == [NotSignedIn.UNKNOWN] * MANY
        assert store.count("read") == 2

    async def test_I5_without_a_cache_a_thousand_requests_make_two_reads(
        self, store: AsyncFaultyStore, clock: ManualClock
    ) -> None:
        """The first read may have begun too early for the others; the second one has not."""
        token = await signed_in(store, clock)
        first = store.hold_answers("read")
        tasks = asked(worker(store, clock, NO_CACHE), token, MANY)
        await first.reached()
        second = store.hold_answers("read")
        first.release()
        await second.reached()
        second.release()
        answers = await settled(tasks)
        assert [isinstance(answer, Session) for answer in answers] == [True] * MANY
        assert store.count("read") == 2

    async def test_I5_when_the_reader_is_cancelled_another_one_reads(
        self, store: AsyncFaultyStore, clock: ManualClock
    ) -> None:
        """A client that hangs up takes nobody with it, and leaves no stampede behind."""
        token = await signed_in(store, clock)
        gate = store.hold_answers("read")
        leader, *followers = asked(worker(store, clock), token, MANY)
        await gate.reached()
        leader.cancel()
        await gate.reached(2)
        gate.release()
        answers = await settled(followers)
        assert [isinstance(answer, Session) for answer in answers] == [True] * (MANY - 1)
        assert leader.cancelled()
        assert store.count("read") == 2

    async def test_I5_a_cancelled_follower_takes_nobody_with_it(
        self, store: AsyncFaultyStore, clock: ManualClock
    ) -> None:
        """The reader and the other followers are answered."""
        token = await signed_in(store, clock)
        gate = store.hold_answers("read")
        leader, cancelled, follower = asked(worker(store, clock), token, 3)
        await gate.reached()
        cancelled.cancel()
        await asyncio.wait([cancelled])
        gate.release()
        answers = await settled([leader, follower])
        assert [isinstance(answer, Session) for answer in answers] == [True, True]
        assert store.count("read") == 1

    async def test_I4_when_the_reader_gets_no_answer_nobody_does(
        self, store: AsyncFaultyStore, clock: ManualClock
    ) -> None:
        """Those who waited do not each run into the same wall, and nobody is told to be signed out."""
        token = await signed_in(store, clock)
        sessions = worker(store, clock)
        store.lose_answers("read", times=1)
        gate = store.hold("read")
        tasks = asked(sessions, token, MANY)
        await gate.reached()
        gate.release()
        answers = await settled(tasks)
        assert [isinstance(answer, Unavailable) for answer in answers] == [True] * MANY
        assert store.count("read") == 1
        assert await sessions.get(token)

    async def test_I4_when_the_poll_fails_nobody_asks_again(self, store: AsyncFaultyStore, clock: ManualClock) -> None:
        """Those who wait for a poll fail with it, instead of one after the other waiting for their own."""
        token = await signed_in(store, clock)
        sessions = worker(store, clock)
        assert await sessions.get(token)
        clock.advance(LEASE)
        polls = store.count("poll")
        store.fail("poll")
        gate = store.hold("poll")
        tasks = asked(sessions, token, MANY)
        await gate.reached()
        gate.release()
        answers = await settled(tasks)
        assert [isinstance(answer, Unavailable) for answer in answers] == [True] * MANY
        assert store.count("poll") == polls + 1
        store.heal()
        assert await sessions.get(token)

    async def test_I2_a_poll_slower_than_the_lease_delays_everybody_once(
        self, store: AsyncFaultyStore, clock: ManualClock
    ) -> None:
        """It proves nothing any more, and another would not either: the session is read."""
        token = await signed_in(store, clock)
        sessions = worker(store, clock)
        assert await sessions.get(token)
        clock.advance(LEASE)
        polls = store.count("poll")
        gate = store.hold_answers("poll")
        tasks = asked(sessions, token, MANY)
        await gate.reached()
        clock.advance(LEASE)
        gate.release()
        answers = await settled(tasks)
        assert [isinstance(answer, Session) for answer in answers] == [True] * MANY
        assert store.count("poll") == polls + 1

    async def test_I1_a_follower_is_not_served_a_read_from_before_the_revocation(
        self, store: AsyncFaultyStore, clock: ManualClock
    ) -> None:
        """The reader, who asked before, may have it; who asks after the bound may not."""
        token = await signed_in(store, clock)
        sessions, elsewhere = worker(store, clock), worker(store.store, clock)
        gate = store.hold_answers("read")
        leader = asyncio.ensure_future(sessions.get(token))
        await gate.reached()
        assert await elsewhere.revoke(token)
        clock.advance(LEASE)
        polled = store.hold_answers("poll")
        follower = asyncio.ensure_future(sessions.get(token))
        await polled.reached()
        polled.release()
        gate.release()
        assert isinstance(await leader, Session)
        assert await follower is NotSignedIn.UNKNOWN
        assert await sessions.get(token) is NotSignedIn.UNKNOWN


class TestThreads:
    def asked(self, sessions: Sessions, token: Token) -> list[Session | NotSignedIn | Unavailable]:
        """Ask from many threads at the same moment."""
        barrier = Barrier(THREADS)

        def ask() -> Session | NotSignedIn | Unavailable:
            barrier.wait(DEADLINE)
            try:
                return sessions.get(token)
            except Unavailable as error:
                return error

        with ThreadPoolExecutor(THREADS) as pool:
            return [future.result(DEADLINE) for future in [pool.submit(ask) for _ in range(THREADS)]]

    def test_I5_many_threads_make_one_read(self, blocking_store: FaultyStore, clock: ManualClock) -> None:
        """All wait for the first one's read and are served what it brought."""
        for _ in range(5):
            token = Sessions(blocking_store.store, clock=clock).create("ann").token
            sessions = Sessions(blocking_store, clock=clock)
            before = blocking_store.count("read")
            answers = self.asked(sessions, token)
            assert [isinstance(answer, Session) for answer in answers] == [True] * THREADS
            assert blocking_store.count("read") == before + 1

    def test_I4_when_the_reader_gets_no_answer_its_followers_do_not(
        self, blocking_store: FaultyStore, clock: ManualClock
    ) -> None:
        """Each thread is told that nobody knows, or has asked later and knows."""
        token = Sessions(blocking_store.store, clock=clock).create("ann").token
        sessions = Sessions(blocking_store, clock=clock)
        blocking_store.lose_answers("read", times=1)
        answers = self.asked(sessions, token)
        assert NotSignedIn.UNKNOWN not in answers
        assert any(isinstance(answer, Unavailable) for answer in answers)
        assert sessions.get(token)

    def test_I1_a_follower_is_not_served_a_read_from_before_the_revocation(
        self, blocking_store: FaultyStore, clock: ManualClock
    ) -> None:
        """As among tasks."""
        elsewhere = Sessions(blocking_store.store, clock=clock)
        token = elsewhere.create("ann").token
        sessions = Sessions(blocking_store, clock=clock)
        gate = blocking_store.hold_answers("read")
        with ThreadPoolExecutor(2) as pool:
            leader = pool.submit(sessions.get, token)
            gate.reached()
            assert elsewhere.revoke(token)
            clock.advance(LEASE)
            polled = blocking_store.hold_answers("poll")
            follower = pool.submit(sessions.get, token)
            polled.reached()
            polled.release()
            gate.release()
            assert isinstance(leader.result(DEADLINE), Session)
            assert follower.result(DEADLINE) is NotSignedIn.UNKNOWN


@pytest.mark.anyio
async def test_I1_two_caches_over_one_store_do_not_answer_for_each_other(tmp_path: Path, clock: ManualClock) -> None:
    """That one of them has asked for the log says nothing about what the other one knows."""
    store = AsyncSQLiteStore(str(tmp_path / "sessions.db"), clock=clock)
    await store.open()
    one, two = worker(store, clock), worker(store, clock)
    token, others = (await one.create("ann")).token, (await one.create("bob")).token
    assert await asyncio.gather(*(partial(cache.get, token)() for cache in (one, two)))
    await one.revoke(token)
    assert await two.get(others)
    assert await one.get(token) is NotSignedIn.UNKNOWN
    assert await two.get(token) is NotSignedIn.UNKNOWN
    await store.aclose()
