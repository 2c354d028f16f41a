"""Whether a shared cache keeps its promises, for asyncio."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from coatcheck.errors import ConfigurationError, Unavailable
from coatcheck.testing._async_pair import async_together

if TYPE_CHECKING:
    from coatcheck.caches.async_protocol import AsyncSharedCache

_MINUTE = 60_000
_ALL_BYTES = bytes(range(256))


async def never_adds(cache: AsyncSharedCache) -> bool:
    """Tell whether the cache cannot tell who came first, after seeing that it does not pretend to."""
    if cache.adds:
        return False
    with pytest.raises(ConfigurationError):
        await cache.add(b"key", b"value", _MINUTE)
    return True


class AsyncCacheConformance:
    """The promises of `coatcheck.caches`, each with a test.

    Subclass it under a name that pytest collects, and give it two fixtures, `cache`: a cache that is open and empty,
    and `unreachable`: one whose server is away, not opened. Override `let_pass` if time is a server's.
    """

    async def let_pass(self, cache: AsyncSharedCache, key: bytes, milliseconds: int) -> None:
        """Return when so many milliseconds have passed for the cache, and what lies under the key is due to end."""
        raise NotImplementedError

    async def test_what_was_never_put_is_not_there(self, cache: AsyncSharedCache) -> None:
        """A miss is an ordinary answer."""
        assert await cache.get(b"nothing") is None

    @pytest.mark.parametrize(
        "value", [b"", b"value", _ALL_BYTES, b"long" * 50_000], ids=["empty", "short", "all", "long"]
    )
    async def test_what_was_put_is_returned(self, cache: AsyncSharedCache, value: bytes) -> None:
        """Values are any bytes, and an empty one is a value."""
        await cache.put(b"key", value, _MINUTE)
        assert await cache.get(b"key") == value

    async def test_S6_keys_are_any_bytes_and_map_apart(self, cache: AsyncSharedCache) -> None:
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
            await cache.put(key, b"of " + key, _MINUTE)
        assert [await cache.get(key) for key in keys] == [b"of " + key for key in keys]

    async def test_the_last_value_counts(self, cache: AsyncSharedCache) -> None:
        """A put takes the place of what was there."""
        await cache.put(b"key", b"first", _MINUTE)
        await cache.put(b"key", b"second", _MINUTE)
        assert await cache.get(b"key") == b"second"

    async def test_a_value_ends_with_its_time_to_live(self, cache: AsyncSharedCache) -> None:
        """And not those beside it."""
        await cache.put(b"short", b"value", 20)
        await cache.put(b"long", b"value", _MINUTE)
        await self.let_pass(cache, b"short", 20)
        assert await cache.get(b"short") is None
        assert await cache.get(b"long") == b"value"

    async def test_the_last_time_to_live_counts(self, cache: AsyncSharedCache) -> None:
        """It comes with the value, whether it is longer or shorter than the one before."""
        await cache.put(b"longer", b"first", 20)
        await cache.put(b"longer", b"second", _MINUTE)
        await cache.put(b"shorter", b"first", _MINUTE)
        await cache.put(b"shorter", b"second", 20)
        await self.let_pass(cache, b"shorter", 20)
        assert await cache.get(b"longer") == b"second"
        assert await cache.get(b"shorter") is None

    async def test_of_two_who_add_at_once_one_wins(self, cache: AsyncSharedCache) -> None:
        """And its value is the one that stays."""
        if await never_adds(cache):
            return
        for round_ in range(20):
            key, values = b"key %d" % round_, [b"of %d" % n for n in range(4)]
            added = await async_together([partial(cache.add, key, value, _MINUTE) for value in values])
            assert sorted(added) == [False, False, False, True]
            assert await cache.get(key) == values[added.index(True)]

    async def test_what_was_put_keeps_others_from_adding(self, cache: AsyncSharedCache) -> None:
        """And a put takes the place of what was added: an empty value is one."""
        if await never_adds(cache):
            return
        await cache.put(b"put", b"", _MINUTE)
        assert await cache.add(b"put", b"added", _MINUTE) is False
        assert await cache.get(b"put") == b""
        assert await cache.add(b"added", b"first", _MINUTE) is True
        await cache.put(b"added", b"second", _MINUTE)
        assert await cache.get(b"added") == b"second"
        assert await cache.add(b"added", b"third", _MINUTE) is False

    async def test_what_was_added_ends_with_its_time_to_live(self, cache: AsyncSharedCache) -> None:
        """Then somebody else may add; whoever could not add before has changed no time."""
        if await never_adds(cache):
            return
        assert await cache.add(b"long", b"first", _MINUTE)
        assert not await cache.add(b"long", b"second", 20)
        assert await cache.add(b"short", b"first", 20)
        await self.let_pass(cache, b"short", 20)
        assert await cache.get(b"short") is None
        assert await cache.get(b"long") == b"first"
        assert await cache.add(b"short", b"second", _MINUTE)
        assert await cache.get(b"short") == b"second"

    async def test_a_put_gives_what_was_added_another_time_to_live(self, cache: AsyncSharedCache) -> None:
        """As whoever holds a lease for longer does."""
        if await never_adds(cache):
            return
        await cache.add(b"longer", b"first", 20)
        await cache.put(b"longer", b"second", _MINUTE)
        await cache.add(b"shorter", b"value", 20)
        await self.let_pass(cache, b"shorter", 20)
        assert await cache.get(b"longer") == b"second"

    async def test_what_was_removed_is_not_there(self, cache: AsyncSharedCache) -> None:
        """The rest is; and removing nothing is nothing."""
        for key in (b"put", b"other"):
            await cache.put(key, b"first", _MINUTE)
            await cache.put(key, b"second", _MINUTE)
        if cache.adds:
            await cache.add(b"added", b"value", _MINUTE)
        for key in (b"put", b"added", b"nothing"):
            await cache.remove(key)
        assert [await cache.get(key) for key in (b"put", b"added", b"nothing")] == [None, None, None]
        assert await cache.get(b"other") == b"second"
        assert not cache.adds or await cache.add(b"put", b"third", _MINUTE)

    async def test_calls_at_once_get_each_their_own_answer(self, cache: AsyncSharedCache) -> None:
        """Also when there are more of them than connections."""
        keys = [b"key %d" % number for number in range(100)]
        for key in keys:
            await cache.put(key, b"of " + key, _MINUTE)
        assert await async_together([partial(cache.get, key) for key in keys]) == [b"of " + key for key in keys]

    async def test_it_answers(self, cache: AsyncSharedCache) -> None:
        """A ping is the cheapest question."""
        await cache.ping()

    async def test_a_cache_that_was_closed_can_be_opened_again(self, cache: AsyncSharedCache) -> None:
        """Applications start and stop more than once in a process."""
        await cache.put(b"key", b"value", _MINUTE)
        await cache.aclose()
        await cache.aclose()
        await cache.open()
        assert await cache.get(b"key") == b"value"

    async def test_a_cache_that_cannot_answer_says_so(self, unreachable: AsyncSharedCache) -> None:
        """It is never taken for an empty one."""
        with pytest.raises(Unavailable):
            await unreachable.open()
        with pytest.raises(Unavailable):
            await unreachable.ping()
        with pytest.raises(Unavailable):
            await unreachable.get(b"key")
        with pytest.raises(Unavailable):
            await unreachable.put(b"key", b"value", _MINUTE)
        if unreachable.adds:
            with pytest.raises(Unavailable):
                await unreachable.add(b"key", b"value", _MINUTE)
        with pytest.raises(Unavailable):
            await unreachable.remove(b"key")
        await unreachable.aclose()
