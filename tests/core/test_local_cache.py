"""The cache in a worker's memory: bounded in number and in length, and it keeps what is used."""

from __future__ import annotations

import pytest

from coatcheck.core.local_cache import LocalCache


@pytest.mark.parametrize("most", [1, 2, 10, 11])
def test_no_more_is_kept_than_the_bound_and_what_is_used_stays(most: int) -> None:
    cache: LocalCache[int] = LocalCache(most)
    for number in range(100):
        cache.put(number, b"%d" % number)
        assert len(cache) <= max(most, 2)
        assert cache.get(number) == b"%d" % number
        if most >= 10:
            assert cache.get(0) == b"0", "it is asked for all the time"


def test_a_cache_of_no_entries_keeps_nothing() -> None:
    cache: LocalCache[str] = LocalCache(0)
    cache.put("key", b"copy")
    assert cache.get("key") is None
    assert len(cache) == 0


def test_the_length_of_all_copies_is_bounded_too() -> None:
    cache: LocalCache[int] = LocalCache(1000, max_bytes=100)
    for number in range(200):
        cache.put(number, b"0123456789")
        kept = [copy for other in range(200) if (copy := cache.young.get(other) or cache._old.get(other))]
        assert sum(map(len, kept)) <= 110, "the one that is too much is in memory already"
        assert number in cache.young


def test_a_copy_put_again_counts_once() -> None:
    cache: LocalCache[str] = LocalCache(1000, max_bytes=100)
    cache.put("other", b"other")
    for _ in range(100):
        cache.put("key", b"0123456789")
    assert cache.young.keys() == {"other", "key"}


def test_only_what_is_still_the_same_is_replaced() -> None:
    cache: LocalCache[str] = LocalCache(4)
    cache.put("key", b"old")
    cache.replace("key", b"another", b"new")
    assert cache.get("key") == b"old"
    cache.replace("key", b"old", b"new")
    assert cache.get("key") == b"new"
    cache.replace("nothing", b"old", b"new")
    assert cache.get("nothing") is None
    for key in ("a", "b"):
        cache.put(key, b"")
    cache.replace("key", b"new", b"newer")
    assert cache.get("key") == b"newer"


def test_a_view_goes_with_its_copy() -> None:
    """What somebody has made of a copy is not taken for what they would make of the next one."""
    cache: LocalCache[str] = LocalCache(4)
    cache.put("key", b"old")
    cache.views["key"] = (b"old", None, object())
    cache.put("key", b"new")
    assert "key" not in cache.views
    cache.views["key"] = (b"new", None, object())
    for other in ("a", "b"):
        cache.put(other, b"")
    assert not cache.views
