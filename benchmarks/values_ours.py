"""Our own cache, as its documentation has it."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.serving import KEYS as SECRETS
from benchmarks.values_things import TTL, Item, Shelf, SyncShelf
from coatcheck import AsyncCache, Cache, SharedCacheSettings, ValueSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from contextlib import AsyncExitStack

    from benchmarks.values_peers import Load, SyncLoad
    from benchmarks.values_table import Get, SyncGet
    from benchmarks.values_things import Kind
    from coatcheck._async.namespace import AsyncNamespace
    from coatcheck._sync.namespace import Namespace
    from coatcheck.stores.async_protocol import AsyncStore
    from coatcheck.stores.protocol import Store

_LIFE = timedelta(seconds=TTL)
_LONG = timedelta(minutes=1)
"""A lease that no batch outlives: measured are hits, not the polls between them."""

_PATIENT = SharedCacheSettings(timeout=timedelta(seconds=1))
"""On a machine that is busy with something else, Valkey is not to be left alone in the middle of a round."""

_NO_MEMORY: dict[str, Any] = {
    "settings": ValueSettings(max_entries=0),
    "shared_cache_settings": _PATIENT,
    "keys": SECRETS,
    "lease": _LONG,
}


@asynccontextmanager
async def shelf(source: str, load: Load, *, wait: bool = False, valkey: str | None = None) -> AsyncIterator[Shelf]:
    """Keep items; with `wait`, an invalidation returns when nobody is served what was before."""
    async with AsyncCache(source, shared_cache=valkey, keys=SECRETS if valkey else None) as cache:
        items = cache.namespace("items")
        yield Shelf(
            lambda key: items.get_or_load(key, lambda: load(key), ttl=_LIFE, type=Item),
            lambda key: items.invalidate(key, wait=wait),
        )


@contextmanager
def shelf_sync(source: str, load: SyncLoad, *, wait: bool = False, valkey: str | None = None) -> Iterator[SyncShelf]:
    """Keep items, for threads."""
    with Cache(source, shared_cache=valkey, keys=SECRETS if valkey else None) as cache:
        items = cache.namespace("items")
        yield SyncShelf(
            lambda key: items.get_or_load(key, lambda: load(key), ttl=_LIFE, type=Item),
            lambda key: items.invalidate(key, wait=wait),
        )


async def near(stack: AsyncExitStack, kind: Kind, stores: Mapping[str, AsyncStore | str]) -> Mapping[str, Get]:
    """Return ways to be served from memory, with each of some stores."""
    ways: dict[str, Get] = {}
    for name, source in stores.items():
        cache = await stack.enter_async_context(AsyncCache(source, lease=_LONG))
        items = cache.namespace(kind.name)
        ways |= {
            f"coatcheck `get_or_load`, {name}": _get_or_load(items, kind),
            f"coatcheck `@cached`, {name}": _cached(items, kind),
        }
    return ways


def _get_or_load(items: AsyncNamespace, kind: Kind) -> Get:
    return lambda key: items.get_or_load(key, kind.load, ttl=_LIFE, type=kind.type)


def _cached(items: AsyncNamespace, kind: Kind) -> Get:
    @items.cached(ttl=_LIFE, key=lambda key: key, type=kind.type)
    async def loaded(key: str) -> Any:
        return await kind.load(key)

    return loaded


def near_sync(stack: AsyncExitStack, kind: Kind, stores: Mapping[str, Store | str]) -> Mapping[str, SyncGet]:
    """Return the same for threads."""
    ways: dict[str, SyncGet] = {}
    for name, source in stores.items():
        cache = stack.enter_context(Cache(source, lease=_LONG))
        items = cache.namespace(kind.name)
        ways |= {
            f"coatcheck `get_or_load`, {name}": _get_or_load_sync(items, kind),
            f"coatcheck `@cached`, {name}": _cached_sync(items, kind),
        }
    return ways


def _get_or_load_sync(items: Namespace, kind: Kind) -> SyncGet:
    return lambda key: items.get_or_load(key, kind.load_sync, ttl=_LIFE, type=kind.type)


def _cached_sync(items: Namespace, kind: Kind) -> SyncGet:
    @items.cached(ttl=_LIFE, key=lambda key: key, type=kind.type)
    def loaded(key: str) -> Any:
        return kind.load_sync(key)

    return loaded


async def far(stack: AsyncExitStack, kind: Kind, store: AsyncStore, valkey: str) -> Mapping[str, Get]:
    """Return a way to be served by Valkey: nothing is kept in memory."""
    cache = AsyncCache(store, shared_cache=valkey, **_NO_MEMORY)
    items = (await stack.enter_async_context(cache)).namespace(kind.name)
    return {"coatcheck `get_or_load`": _get_or_load(items, kind)}


def far_sync(stack: AsyncExitStack, kind: Kind, store: Store, valkey: str) -> Mapping[str, SyncGet]:
    """Return the same for threads."""
    cache = Cache(store, shared_cache=valkey, **_NO_MEMORY)
    items = stack.enter_context(cache).namespace(kind.name)
    return {"coatcheck `get_or_load`": _get_or_load_sync(items, kind)}
