"""The shared tier over a cache that lies, forgets, fails and is slow: asked on both sides."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from coatcheck import AsyncSessions, Sessions
from coatcheck.core.sealing import CONTEXT
from coatcheck.core.signing import KeyRing
from coatcheck.errors import ConfigurationError
from coatcheck.testing import AsyncMemoryStore, MemoryStore
from tests.caches.copies import APPLICATION_KEY, EPOCH, KEY, MINUTE, OLD_KEY, OTHER_KEY, SECRET, a_copy, place
from tests.caches.sides import Side, events

pytestmark = pytest.mark.anyio

COPY = a_copy()
SECOND = timedelta(seconds=1)
PAUSE = timedelta(milliseconds=500)


@pytest.fixture(params=["asyncio", "threads"])
def side(request: pytest.FixtureRequest) -> Side:
    return Side(request.param)


async def test_what_was_put_is_returned(side: Side) -> None:
    await side.put(COPY)
    assert await side.get() == COPY
    assert (side.tier.hits, side.tier.misses, side.tier.failures, side.tier.dropped) == (1, 0, 0, 0)


async def test_what_was_never_put_is_a_miss(side: Side) -> None:
    assert await side.get() is None
    assert (side.tier.hits, side.tier.misses, side.tier.refused) == (0, 1, 0)


async def test_another_worker_finds_it(side: Side) -> None:
    await side.put(COPY)
    assert await Side(side.name, side.cache).get() == COPY


@pytest.mark.parametrize(("epoch", "key"), [("second log", KEY), (EPOCH, OTHER_KEY)], ids=["epoch", "key"])
async def test_another_epoch_or_key_is_a_miss(side: Side, epoch: str, key: bytes) -> None:
    await side.put(COPY)
    assert await side.get(epoch, key) is None


async def test_S5_what_lies_under_another_key_is_refused(side: Side) -> None:
    await side.put(COPY)
    await side.put(a_copy(user_id="mallory"), key=OTHER_KEY)
    side.cache.serve_others()
    assert [await side.get(), await side.get(key=OTHER_KEY)] == [None, None]
    assert (side.tier.hits, side.tier.misses, side.tier.refused) == (0, 2, 2)
    assert side.tier.available, "a forged copy is no failure: nobody can switch the cache off with one"


async def test_S5_what_somebody_else_wrote_is_refused_and_replaced(side: Side) -> None:
    await side.put(COPY)
    (name,) = side.cache.keys
    await side.do(side.cache.put, name, COPY, 60_000)
    assert await side.get() is None
    await side.put(COPY)
    assert await side.get() == COPY


async def test_an_older_copy_is_returned_for_the_rule_to_judge(side: Side) -> None:
    """A replica that lost a write, or somebody who puts an old value back: its `as_of` is as old as it is."""
    older = a_copy(data="{}")
    await side.put(older)
    await side.put(COPY)
    side.cache.serve_stale()
    assert await side.get() == older


# --- keys


def _sessions(side: Side, **settings: Any) -> Any:
    """Return a worker with this cache."""
    kinds: Any = (AsyncSessions, AsyncMemoryStore) if side.name == "asyncio" else (Sessions, MemoryStore)
    return kinds[0](kinds[1](clock=side.clock), shared_cache=side.cache, clock=side.clock, **settings)


@pytest.mark.parametrize("keys", [None, []])
async def test_S4_without_keys_there_is_no_shared_cache(side: Side, keys: Any) -> None:
    with pytest.raises(ConfigurationError, match="without keys= is not possible"):
        _sessions(side, keys=keys)


def _with_keys(side: Side, *keys: bytes) -> Side:
    return Side(side.name, side.cache, secrets=KeyRing(keys, deployment="shop:session").derived(CONTEXT))


async def test_S3_the_first_key_seals_and_all_open(side: Side) -> None:
    old, both, new = _with_keys(side, OLD_KEY), _with_keys(side, APPLICATION_KEY, OLD_KEY), side
    await old.put(COPY)
    assert await both.get() == COPY
    assert await new.get() is None, "the old key is gone"
    await both.put(COPY)
    assert await new.get() == COPY


# --- time to live


@pytest.mark.parametrize(
    ("given", "expected"),
    [(MINUTE, 60_000), (7200 * 10**9, 7_200_000), (1_999_999, 1), (999_999, None), (0, None), (-MINUTE, None)],
)
async def test_a_copy_lives_as_long_as_given(
    side: Side, given: int, expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[int] = []
    put = side.cache.put

    def noted(name: bytes, value: bytes, ttl_ms: int) -> Any:
        times.append(ttl_ms)
        return put(name, value, ttl_ms)

    monkeypatch.setattr(side.cache, "put", noted)
    await side.put(COPY, ttl_ns=given)
    assert times == ([] if expected is None else [expected])


async def test_what_was_put_ends_with_its_time(side: Side) -> None:
    await side.put(COPY, ttl_ns=10 * 10**9)
    side.clock.advance(timedelta(seconds=9.999))
    assert await side.get() == COPY
    side.clock.advance(timedelta(milliseconds=1))
    assert await side.get() is None


@pytest.mark.parametrize("epoch", ["", "an epoch"])
async def test_a_reading_without_an_epoch_is_neither_put_nor_looked_for(side: Side, epoch: str) -> None:
    """A log that has no name yet may get another one than it had: nothing that is read then is kept anywhere."""
    sessions = _sessions(side, keys=[APPLICATION_KEY])
    sessions.store._epoch = epoch
    token = (await side.do(sessions.create, "ann")).token
    for _ in range(2):
        assert await side.do(sessions.get, token)
        tier = sessions.tiers.shared
        await side.do(tier._errands.aclose if side.name == "asyncio" else tier._errands.close)
    assert side.cache.calls == (["get", "put"] if epoch else [])


# --- leases


async def test_of_two_who_want_a_lease_one_gets_it_and_may_give_it_back(side: Side) -> None:
    other, there = Side(side.name, side.cache), place(KEY)
    assert await side.do(side.tier.take, there, MINUTE)
    assert not await side.do(other.tier.take, there, MINUTE)
    assert await side.do(other.tier.take, place(OTHER_KEY), MINUTE), "that is another one"
    side.tier.give(there)
    await side.settle()
    assert await side.do(other.tier.take, there, MINUTE)


async def test_a_lease_ends_by_itself_and_may_be_held_for_longer(side: Side) -> None:
    there = place(KEY)
    assert await side.do(side.tier.take, there, MINUTE)
    side.clock.advance(timedelta(seconds=59))
    await side.do(side.tier.renew, there, MINUTE)
    side.clock.advance(timedelta(seconds=59))
    assert not await side.do(side.tier.take, there, MINUTE)
    side.clock.advance(timedelta(seconds=1))
    assert await side.do(side.tier.take, there, MINUTE)


async def test_a_lease_is_given_back_with_the_copy_and_not_before(side: Side) -> None:
    there = place(KEY)
    assert await side.do(side.tier.take, there, MINUTE)
    side.tier.put(there, COPY, MINUTE)
    await side.settle()
    assert not await side.do(side.tier.take, there, MINUTE)
    side.tier.put(there, COPY, MINUTE, gives=True)
    await side.settle()
    assert side.cache.calls[-2:] == ["put", "remove"]
    assert await side.do(side.tier.take, there, MINUTE)
    assert await side.get() == COPY


async def test_a_cache_that_is_away_holds_nobody_back(side: Side) -> None:
    await side.break_it()
    assert await side.do(side.tier.take, place(KEY), MINUTE)
    assert await side.do(side.tier.take, place(KEY), MINUTE)
    side.tier.give(place(KEY))
    await side.settle()


# --- failures


async def test_a_failure_is_a_miss_and_after_three_nobody_asks(side: Side, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await side.put(COPY)
    side.cache.fail("get")
    answers = [await side.get() for _ in range(100)]
    assert answers == [None] * 100
    assert side.cache.count("get") == 3
    assert side.tier.failures == 3
    assert not side.tier.available
    assert events(caplog) == ["coatcheck.shared_cache_unavailable"]
    assert caplog.records[0].__dict__["reason"] == "get was told to fail"


async def test_while_it_is_left_alone_nothing_is_written_either(side: Side) -> None:
    await side.break_it()
    for _ in range(10):
        side.tier.put(place(KEY), COPY, MINUTE)
        assert not vars(side.tier._errands).get("_jobs"), "it does not even become a job"
    await side.settle()
    assert side.cache.count("put") == 0
    assert side.tier.dropped == 10


@pytest.mark.parametrize("call", ["get", "put"])
async def test_one_call_a_pause_tries_until_it_succeeds(
    side: Side, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await side.break_it()
    before = len(side.cache.calls)
    side.cache.fail("get", "put")
    for pause in (PAUSE, 2 * PAUSE, 4 * PAUSE):
        side.clock.advance(pause)
        for _ in range(5):
            await (side.get() if call == "get" else side.put(COPY))
    assert side.cache.calls[before:] == [call] * 3
    side.cache.heal()
    side.clock.advance(8 * PAUSE)
    await side.put(COPY)
    assert side.tier.available
    assert await side.get() == COPY
    assert events(caplog) == ["coatcheck.shared_cache_unavailable", "coatcheck.shared_cache_available"]


async def test_writes_that_fail_are_dropped_and_counted(side: Side) -> None:
    side.cache.fail("put", times=1)
    await side.put(COPY)
    assert await side.get() is None
    assert (side.tier.failures, side.tier.dropped) == (1, 1)


async def test_writes_that_are_lost_are_misses(side: Side) -> None:
    side.cache.lose_writes(times=1)
    await side.put(COPY)
    assert await side.get() is None
    await side.put(COPY)
    assert await side.get() == COPY


@pytest.mark.parametrize("error", [RuntimeError("s3cret"), OSError("s3cret"), ValueError("s3cret")], ids=repr)
async def test_no_error_of_a_cache_reaches_a_request_and_its_text_no_log(
    side: Side, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    caplog.set_level(logging.DEBUG)
    for name in ("get", "put", "open"):
        monkeypatch.setattr(side.cache, name, fail)
    assert await side.get() is None
    await side.put(COPY)
    await side.do(side.tier.open)
    assert events(caplog) == ["coatcheck.shared_cache_unavailable"]
    assert caplog.records[0].__dict__["reason"] == type(error).__name__
    assert "s3cret" not in caplog.text + repr([record.__dict__ for record in caplog.records])


async def test_a_cache_that_is_away_at_the_start_is_left_alone_from_the_start(
    side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    side.cache.fail("open")
    await side.do(side.tier.open)
    assert not side.tier.available
    assert await side.get() is None
    assert side.cache.calls == ["open"]
    assert events(caplog) == ["coatcheck.shared_cache_unavailable"]
    side.clock.advance(PAUSE)
    await side.put(COPY)
    assert side.tier.available


async def test_a_cache_that_can_never_work_fails_at_the_start(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise ConfigurationError("the password is wrong")

    monkeypatch.setattr(side.cache, "open", refuse)
    with pytest.raises(ConfigurationError, match="password"):
        await side.do(side.tier.open)


async def test_a_child_process_starts_with_a_closed_breaker(side: Side) -> None:
    await side.break_it()
    side.cache.heal()
    side.tier.forked()
    assert side.tier.available
    await side.put(COPY)
    assert await side.get() == COPY


async def test_T9_a_tier_shows_no_key(side: Side) -> None:
    tiers = _sessions(side, keys=[APPLICATION_KEY]).tiers
    text = repr(side.tier) + repr(side.cache) + repr(tiers) + repr(place(KEY))
    assert SECRET[0].hex() not in text
    assert repr(SECRET[0]) not in text
