# Generated from testing/async_cache_conformance.py by tools/generate_sync.py: edit that, run `make generate`.
"""Whether a shared cache keeps its promises, for threads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from coatcheck.errors import ConfigurationError, Unavailable
from coatcheck.testing._pair import together

if TYPE_CHECKING:
    from coatcheck.caches.protocol import SharedCache

_MINUTE = 60_000
_ALL_BYTES = bytes(range(256))


def never_adds(cache: SharedCache) -> bool:
    """Tell whether the cache cannot tell who came first, after seeing that it does not pretend to."""
    if cache.adds:
        return False
    with pytest.raises(ConfigurationError):
        cache.add(b"key", b"value", _MINUTE)
    return True


class CacheConformance:
    """The promises of `coatcheck.caches`, each with a test.

    Subclass it under a name that pytest collects, and give it two fixtures, `cache`: a cache that is open and empty,
    and `unreachable`: one whose server is away, not opened. Override `let_pass` if time is a server's.
    """

    def let_pass(self, cache: SharedCache, key: bytes, milliseconds: int) -> None:
        """Return when so many milliseconds have passed for the cache, and what lies under the key is due to end."""
        raise NotImplementedError

    def test_what_was_never_put_is_not_there(self, cache: SharedCache) -> None:
        """A miss is an ordinary answer."""
        assert cache.get(b"nothing") is None

    @pytest.mark.parametrize(
        "value", [b"", b"value", _ALL_BYTES, b"long" * 50_000], ids=["empty", "short", "all", "long"]
    )
    def test_what_was_put_is_returned(self, cache: SharedCache, value: bytes) -> None:
        """Values are any bytes, and an empty one is a value."""
        cache.put(b"key", value, _MINUTE)
        assert cache.get(b"key") == value

    def test_S6_keys_are_any_bytes_and_map_apart(self, cache: SharedCache) -> None:
        """No two keys are the same to the cache that are not the same to us."""
        keys = [
            b"",
            b"k",
            b"K",
            b"k ",
            b"k\x00",
            b"k\n",
            "\N{KELVIN SIGN}".encode(),
            b"k-",
            b"k45",
            b"{k}",
            b"k*",
            _ALL_BYTES,
        ]
        for key in keys:
            cache.put(key, b"of " + key, _MINUTE)
        assert [cache.get(key) for key in keys] == [b"of " + key for key in keys]

    def test_the_last_value_counts(self, cache: SharedCache) -> None:
        """A put takes the place of what was there."""
        cache.put(b"key", b"first", _MINUTE)
        cache.put(b"key", b"second", _MINUTE)
        assert cache.get(b"key") == b"second"

    def test_a_value_ends_with_its_time_to_live(self, cache: SharedCache) -> None:
        """And not those beside it."""
        cache.put(b"short", b"value", 20)
        cache.put(b"long", b"value", _MINUTE)
        self.let_pass(cache, b"short", 20)
        assert cache.get(b"short") is None
        assert cache.get(b"long") == b"value"

    def test_the_last_time_to_live_counts(self, cache: SharedCache) -> None:
        """It comes with the value, whether it is longer or shorter than the one before."""
        cache.put(b"longer", b"first", 20)
        cache.put(b"longer", b"second", _MINUTE)
        cache.put(b"shorter", b"first", _MINUTE)
        cache.put(b"shorter", b"second", 20)
        self.let_pass(cache, b"shorter", 20)
        assert cache.get(b"longer") == b"second"
        assert cache.get(b"shorter") is None

    def test_of_two_who_add_at_once_one_wins(self, cache: SharedCache) -> None:
        """And its value is the one that stays."""
        if never_adds(cache):
            return
        for round_ in range(20):
            key, values = b"key %d" % round_, [b"of %d" % n for n in range(4)]
            added = together([partial(cache.add, key, value, _MINUTE) for value in values])
            assert sorted(added) == [False, False, False, True]
            assert cache.get(key) == values[added.index(True)]

    def test_what_was_put_keeps_others_from_adding(self, cache: SharedCache) -> None:
        """And a put takes the place of what was added: an empty value is one."""
        if never_adds(cache):
            return
        cache.put(b"put", b"", _MINUTE)
        assert cache.add(b"put", b"added", _MINUTE) is False
        assert cache.get(b"put") == b""
        assert cache.add(b"added", b"first", _MINUTE) is True
        cache.put(b"added", b"second", _MINUTE)
        assert cache.get(b"added") == b"second"
        assert cache.add(b"added", b"third", _MINUTE) is False

    def test_what_was_added_ends_with_its_time_to_live(self, cache: SharedCache) -> None:
        """Then somebody else may add; whoever could not add before has changed no time."""
        if never_adds(cache):
            return
        assert cache.add(b"long", b"first", _MINUTE)
        assert not cache.add(b"long", b"second", 20)
        assert cache.add(b"short", b"first", 20)
        self.let_pass(cache, b"short", 20)
        assert cache.get(b"short") is None
        assert cache.get(b"long") == b"first"
        assert cache.add(b"short", b"second", _MINUTE)
        assert cache.get(b"short") == b"second"

    def test_a_put_gives_what_was_added_another_time_to_live(self, cache: SharedCache) -> None:
        """As whoever holds a lease for longer does."""
        if never_adds(cache):
            return
        cache.add(b"longer", b"first", 20)
        cache.put(b"longer", b"second", _MINUTE)
        cache.add(b"shorter", b"value", 20)
        self.let_pass(cache, b"shorter", 20)
        assert cache.get(b"longer") == b"second"

    def test_what_was_removed_is_not_there(self, cache: SharedCache) -> None:
        """The rest is; and removing nothing is nothing."""
        for key in (b"put", b"other"):
            cache.put(key, b"first", _MINUTE)
            cache.put(key, b"second", _MINUTE)
        if cache.adds:
            cache.add(b"added", b"value", _MINUTE)
        for key in (b"put", b"added", b"nothing"):
            cache.remove(key)
        assert [cache.get(key) for key in (b"put", b"added", b"nothing")] == [None, None, None]
        assert cache.get(b"other") == b"second"
        assert not cache.adds or cache.add(b"put", b"third", _MINUTE)

    def test_calls_at_once_get_each_their_own_answer(self, cache: SharedCache) -> None:
        """Also when there are more of them than connections."""
        keys = [b"key %d" % number for number in range(100)]
        for key in keys:
            cache.put(key, b"of " + key, _MINUTE)
        assert together([partial(cache.get, key) for key in keys]) == [b"of " + key for key in keys]

    def test_it_answers(self, cache: SharedCache) -> None:
        """A ping is the cheapest question."""
        cache.ping()

    def test_a_cache_that_was_closed_can_be_opened_again(self, cache: SharedCache) -> None:
        """Applications start and stop more than once in a process."""
        cache.put(b"key", b"value", _MINUTE)
        cache.close()
        cache.close()
        cache.open()
        assert cache.get(b"key") == b"value"

    def test_a_cache_that_cannot_answer_says_so(self, unreachable: SharedCache) -> None:
        """It is never taken for an empty one."""
        with pytest.raises(Unavailable):
            unreachable.open()
        with pytest.raises(Unavailable):
            unreachable.ping()
        with pytest.raises(Unavailable):
            unreachable.get(b"key")
        with pytest.raises(Unavailable):
            unreachable.put(b"key", b"value", _MINUTE)
        if unreachable.adds:
            with pytest.raises(Unavailable):
                unreachable.add(b"key", b"value", _MINUTE)
        with pytest.raises(Unavailable):
            unreachable.remove(b"key")
        unreachable.close()
