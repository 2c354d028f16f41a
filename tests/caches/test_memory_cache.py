"""The cache in memory has the faults that a test orders, and no others."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from coatcheck.errors import Unavailable
from coatcheck.testing import ManualClock, MemoryCache

MINUTE = 60_000


@pytest.fixture
def cache() -> MemoryCache:
    cache = MemoryCache(clock=ManualClock())
    cache.put(b"key", b"first", MINUTE)
    cache.put(b"key", b"second", MINUTE)
    return cache


def test_calls_are_counted_in_their_order(cache: MemoryCache) -> None:
    cache.open()
    cache.get(b"key")
    assert cache.calls == ["put", "put", "open", "get"]
    assert cache.count("put", "get") == 3
    assert cache.keys == (b"key",)


def test_calls_fail_as_often_as_told_or_until_it_is_healed(cache: MemoryCache) -> None:
    cache.fail("get", times=1)
    with pytest.raises(Unavailable):
        cache.get(b"key")
    assert cache.get(b"key") == b"second"
    cache.fail("get", "ping")
    for _ in range(3):
        with pytest.raises(Unavailable):
            cache.get(b"key")
        with pytest.raises(Unavailable):
            cache.ping()
    cache.heal()
    assert cache.get(b"key") == b"second"


def test_writes_are_lost_as_often_as_told(cache: MemoryCache) -> None:
    cache.lose_writes(times=1)
    cache.put(b"key", b"third", MINUTE)
    assert cache.get(b"key") == b"second"
    cache.put(b"key", b"third", MINUTE)
    assert cache.get(b"key") == b"third"


def test_old_values_come_back_as_often_as_told_also_when_their_time_is_over() -> None:
    clock = ManualClock()
    cache = MemoryCache(clock=clock)
    cache.put(b"key", b"first", 1)
    cache.put(b"key", b"second", MINUTE)
    cache.put(b"other", b"only", MINUTE)
    clock.advance(timedelta(seconds=1))
    cache.serve_stale(times=2)
    assert [cache.get(b"key"), cache.get(b"other"), cache.get(b"key")] == [b"first", b"only", b"second"]


def test_another_keys_value_is_returned_as_often_as_told(cache: MemoryCache) -> None:
    cache.serve_others(times=2)
    assert cache.get(b"key") == b"second", "there is no other"
    cache.put(b"other", b"of the other", MINUTE)
    assert [cache.get(b"key"), cache.get(b"key")] == [b"of the other", b"second"]


def test_a_failover_takes_the_last_value_of_each_key(cache: MemoryCache) -> None:
    cache.put(b"new", b"only", MINUTE)
    cache.roll_back()
    assert [cache.get(b"key"), cache.get(b"new")] == [b"first", None]
    cache.empty()
    assert cache.get(b"key") is None
    assert cache.keys == ()


def test_what_is_held_waits(cache: MemoryCache) -> None:
    gate = cache.hold("get")
    found: list[bytes | None] = []
    asking = threading.Thread(target=lambda: found.append(cache.get(b"key")))
    asking.start()
    gate.reached()
    assert not found
    gate.release()
    asking.join()
    assert found == [b"second"]


def test_a_call_that_no_cache_has_is_refused(cache: MemoryCache) -> None:
    for order in (cache.fail, cache.hold, cache.count):
        with pytest.raises(ValueError, match="delete is no call of a cache"):
            order("delete")
