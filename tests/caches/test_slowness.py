"""A slow cache: whoever asks it goes on in time, and does not keep the others."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

import pytest

from coatcheck.testing import AsyncMemoryCache, ManualClock, MemoryCache
from tests.caches.copies import KEY, MINUTE, OTHER_KEY, a_copy, async_tier, place, places, tier
from tests.caches.sides import events

if TYPE_CHECKING:
    from coatcheck._async.shared_tier import AsyncSharedTier

COPY = a_copy()
PATIENT = timedelta(seconds=1)
DEADLINE = 20.0


async def _settled(slow: AsyncSharedTier) -> None:
    async with asyncio.timeout(DEADLINE):
        await slow._errands.aclose()


@pytest.mark.anyio
async def test_a_get_that_never_ends_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody opens the gate: without a timeout this would wait for ever."""
    caplog.set_level(logging.DEBUG)
    cache = AsyncMemoryCache()
    slow = async_tier(cache, timeout=timedelta(milliseconds=5))
    cache.hold("get")
    async with asyncio.timeout(DEADLINE):
        for _ in range(50):
            assert await slow.get(places(KEY)) is None
    assert cache.count("get") == slow.failures == 3
    assert [record.__dict__["reason"] for record in caplog.records] == ["TimeoutError"]


@pytest.mark.anyio
async def test_a_put_that_never_ends_is_given_up_and_nobody_waits_for_it() -> None:
    cache = AsyncMemoryCache()
    slow = async_tier(cache, timeout=timedelta(milliseconds=5))
    cache.hold("put")
    for number in range(3):
        slow.put(place(KEY), COPY, MINUTE)
        assert cache.count("put") == number, "the first step is taken when the request waits for something else"
        await _settled(slow)
    assert (cache.count("put"), slow.failures, slow.dropped) == (3, 3, 3)
    assert not slow.available


@pytest.mark.anyio
async def test_one_slow_call_does_not_keep_another() -> None:
    cache = AsyncMemoryCache()
    slow = async_tier(cache, timeout=PATIENT)
    slow.put(place(OTHER_KEY), COPY, MINUTE)
    await _settled(slow)
    gate = cache.hold("get")
    waiting = asyncio.create_task(slow.get(places(KEY)))
    await gate.reached()
    cache._held.clear()
    assert await slow.get(places(OTHER_KEY)) == COPY
    assert not waiting.done()
    gate.release()
    assert await waiting is None


@pytest.mark.anyio
async def test_a_hundred_calls_that_time_out_together_count_as_one(caplog: pytest.LogCaptureFixture) -> None:
    """A process that was busy has kept them waiting, perhaps, and not the cache."""
    clock = ManualClock()
    cache = AsyncMemoryCache(clock=clock)
    slow = async_tier(cache, clock, timeout=timedelta(milliseconds=50))
    cache.hold("get")
    for rounds in range(1, 4):
        assert slow.available
        assert await asyncio.gather(*(slow.get(places(KEY)) for _ in range(100))) == [None] * 100
        assert slow.failures == 100 * rounds
    assert not slow.available
    assert events(caplog) == ["coatcheck.shared_cache_unavailable"]
    clock.advance(timedelta(milliseconds=500))
    cache._held.clear()
    assert await slow.get(places(KEY)) is None
    assert slow.available, "the pause was the first one, not one for each call"


@pytest.mark.anyio
async def test_no_more_than_so_many_writes_are_on_their_way_or_wait() -> None:
    cache = AsyncMemoryCache()
    slow = async_tier(cache, timeout=PATIENT)
    gate = cache.hold("put")
    for number in range(1010):
        slow.put(place(b"key %011d" % number), COPY, MINUTE)
    await gate.reached(8)
    assert cache.count("put") == 8
    assert slow.dropped == 10
    gate.release()
    await _settled(slow)
    assert len(cache.keys) == 1000
    slow.put(place(KEY), COPY, MINUTE)
    await _settled(slow)
    assert await slow.get(places(KEY)) == COPY


@pytest.mark.anyio
@pytest.mark.parametrize("steps", range(6))
async def test_a_write_that_comes_when_the_others_are_just_ending_needs_no_other_to_be_done(steps: int) -> None:
    cache = AsyncMemoryCache()
    quick = async_tier(cache, timeout=PATIENT)
    gate = cache.hold("put")
    for number in range(8):
        quick.put(place(b"key %011d" % number), COPY, MINUTE)
    await gate.reached(8)
    gate.release()
    for _ in range(steps):
        await asyncio.sleep(0)
    quick.put(place(KEY), COPY, MINUTE)
    for _ in range(20):
        await asyncio.sleep(0)
    assert cache.count("put") == 9


@pytest.mark.anyio
async def test_a_request_that_is_cancelled_does_not_keep_the_breaker_open() -> None:
    """The client went away while its request was the one that tried."""
    clock = ManualClock()
    cache = AsyncMemoryCache(clock=clock)
    slow = async_tier(cache, clock, timeout=PATIENT)
    cache.fail("get")
    for _ in range(3):
        await slow.get(places(KEY))
    cache.heal()
    clock.advance(timedelta(milliseconds=500))
    gate = cache.hold("get")
    trying = asyncio.create_task(slow.get(places(KEY)))
    await gate.reached()
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    assert not slow.available
    gate.release()
    assert await slow.get(places(KEY)) is None
    assert slow.available


@pytest.mark.anyio
async def test_S11_a_write_runs_in_no_requests_context() -> None:
    """One task writes for many requests: what it logs must not look like the first one's."""
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")

    class Noting(AsyncMemoryCache):
        seen: ClassVar[list[str]] = []

        async def put(self, key: bytes, value: bytes, ttl_ms: int) -> None:
            self.seen.append(whose.get())
            await super().put(key, value, ttl_ms)

    cache = Noting()
    quick = async_tier(cache)
    whose.set("the first request's")
    quick.put(place(KEY), COPY, MINUTE)
    await _settled(quick)
    assert cache.seen == ["nobody's"]


@pytest.mark.anyio
async def test_closing_waits_for_what_is_on_its_way() -> None:
    cache = AsyncMemoryCache()
    slow = async_tier(cache)
    slow.put(place(KEY), COPY, MINUTE)
    await slow.aclose()
    assert cache.calls == ["put", "aclose"]


def test_without_an_event_loop_a_write_is_dropped() -> None:
    cache = AsyncMemoryCache()
    idle = async_tier(cache)
    idle.put(place(KEY), COPY, MINUTE)
    assert (cache.calls, idle.dropped) == ([], 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the tasks that are left behind
def test_writes_of_a_loop_that_is_gone_do_not_count() -> None:
    """A tier may outlive its event loop: tests and reloading servers have several."""
    cache = AsyncMemoryCache()
    slow = async_tier(cache, timeout=PATIENT)

    async def fill() -> None:
        cache.hold("put")
        for number in range(8):
            slow.put(place(b"key %011d" % number), COPY, MINUTE)
        await asyncio.sleep(0)
        assert cache.count("put") == 8

    async def use() -> None:
        slow.put(place(KEY), COPY, MINUTE)
        await _settled(slow)
        assert await slow.get(places(KEY)) == COPY

    loop = asyncio.new_event_loop()
    loop.run_until_complete(fill())
    loop.close()  # and not `asyncio.run`, which cancels what is left: not everybody does
    cache._held.clear()
    asyncio.run(use())
    gc.collect()


class _SlowCache(MemoryCache):
    """A cache whose answers come when so much time has passed."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock=clock)
        self.clock = clock
        self.takes = timedelta(0)

    def get(self, key: bytes) -> bytes | None:
        self.clock.advance(self.takes)
        return super().get(key)

    def put(self, key: bytes, value: bytes, ttl_ms: int) -> None:
        self.clock.advance(self.takes)
        super().put(key, value, ttl_ms)


def test_in_a_thread_what_comes_late_is_used_and_counts_as_a_failure() -> None:
    """A thread cannot be interrupted, but it need not be kept again."""
    clock = ManualClock()
    cache = _SlowCache(clock)
    slow = tier(cache, clock)
    slow.put(place(KEY), COPY, MINUTE)
    cache.takes = timedelta(milliseconds=50)
    assert [slow.get(places(KEY)) for _ in range(5)] == [COPY] * 5
    assert slow.available
    cache.takes += timedelta(microseconds=1)
    assert [slow.get(places(KEY)) for _ in range(5)] == [COPY, COPY, COPY, None, None]
    assert (slow.failures, slow.available) == (3, False)


def test_in_a_thread_writes_that_take_long_count_as_failures() -> None:
    clock = ManualClock()
    cache = _SlowCache(clock)
    slow = tier(cache, clock)
    cache.takes = timedelta(milliseconds=51)
    for _ in range(5):
        slow.put(place(KEY), COPY, MINUTE)
    assert (cache.count("put"), slow.failures, slow.dropped) == (3, 3, 2)


def test_of_many_threads_one_tries() -> None:
    """All others go on at once while the one who tries waits."""
    clock = ManualClock()
    cache = MemoryCache(clock=clock)
    slow = tier(cache, clock)
    cache.fail("get")
    for _ in range(3):
        slow.get(places(KEY))
    cache.heal()
    clock.advance(timedelta(milliseconds=500))
    gate = cache.hold("get")
    first = threading.Thread(target=slow.get, args=(places(KEY),))
    first.start()
    gate.reached()
    others = [threading.Thread(target=slow.get, args=(places(KEY),)) for _ in range(20)]
    for other in others:
        other.start()
    for other in others:
        other.join(DEADLINE)
        assert not other.is_alive()
    assert cache.count("get") == 4
    gate.release()
    first.join(DEADLINE)
    assert slow.available
