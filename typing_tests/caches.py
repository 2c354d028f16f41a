"""What type checkers must understand of the cache; never run."""

from dataclasses import dataclass
from typing import Any, assert_type

from coatcheck import AsyncCache, AsyncSessions, Cache, ValueSettings, lifetimes
from coatcheck.workers import AsyncKVValues


@dataclass(frozen=True)
class Item:
    number: int


cache = Cache("sqlite:///app.db", settings=ValueSettings(max_entries=100))
beside = AsyncCache(AsyncSessions("sqlite:///app.db"))
flags = cache.namespace("flags", tenant="acme")


def load() -> Item:
    return Item(1)


async def load_later() -> list[Item]:
    return [Item(1)]


# The loader says what comes, whatever `type` is.
assert_type(flags.get_or_load("key", load, ttl=lifetimes.QUERY_RESULTS, type=Item), Item)
assert_type(flags.get_or_load("key", lambda: 5, ttl=lifetimes.QUERY_RESULTS), int)

# Without a loader it is the type; which cannot say so if it is no class.
assert_type(flags.get("key", type=Item), Item | None)
assert_type(flags.get("key"), Any)
assert_type(flags.get("key", type=list[Item]), list[Item] | None)
assert_type(flags.get("key", default=0), Any)

mark = flags.mark()
flags.put("key", Item(1), ttl=lifetimes.FEATURE_FLAGS, type=Item, mark=mark)


@flags.cached(ttl=lifetimes.FEATURE_FLAGS)
def item(number: int, *, language: str = "en") -> Item:
    return Item(number) if language else Item(0)


assert_type(item(5), Item)
assert_type(item(5, language="de"), Item)
assert_type(item.key(5), str)
item.invalidate(number=5)


def key_of(number: int) -> str:
    return f"item:{number}"


@cache.cached(ttl=lifetimes.AUTH_TOKENS, key=key_of)
def by_key(number: int) -> Item:
    return Item(number)


assert_type(by_key(5), Item)


def key_in_shop(self: "Shop", number: int) -> str:
    return f"{self.name}:{number}"


class Shop:
    """Methods are methods."""

    def __init__(self, name: str) -> None:
        self.name = name

    @flags.cached(ttl=lifetimes.SESSIONS, key=key_in_shop)
    def item(self, number: int) -> Item:
        return Item(number)

    @beside.cached(ttl=lifetimes.SESSIONS, key=key_in_shop)
    async def item_later(self, number: int) -> Item:
        return Item(number)


assert_type(Shop("one").item(5), Item)
Shop("one").item.invalidate(5)
assert_type(Shop("one").item.key(number=5), str)


@beside.cached(ttl=lifetimes.STATIC_CONFIGURATION)
async def items(number: int) -> list[Item]:
    return [Item(number)]


async def verbs() -> None:
    """The same verbs, awaited."""
    assert_type(await beside.get_or_load("key", load_later, ttl=lifetimes.QUERY_RESULTS, type=list[Item]), list[Item])
    assert_type(await beside.get("key", type=Item), Item | None)
    assert_type(await items(5), list[Item])
    assert_type(items.key(5), str)
    await items.invalidate(5)
    assert_type(await Shop("one").item_later(5), Item)
    await Shop("one").item_later.invalidate(5)
    assert_type(Shop("one").item_later.key(number=5), str)


async def in_kv_alone(namespace: Any, key: str) -> None:
    """The same verbs, with less behind them."""
    values = AsyncKVValues(namespace, keys=[key])
    assert_type(await values.get_or_load("key", load_later, ttl=lifetimes.QUERY_RESULTS, type=list[Item]), list[Item])
    assert_type(await values.namespace("flags", tenant="acme").get("key", type=Item), Item | None)
