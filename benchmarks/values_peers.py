"""The other libraries, each set up as its own documentation does it.

What is said about them here was read in cashews 7.6.0, aiocache 0.12.3 and dogpile.cache 1.5.0, with redis-py 8.1.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.values_things import TTL, Shelf, SyncShelf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from cashews import Cache
    from dogpile.cache import CacheRegion

    Load = Callable[[str], Awaitable[Any]]
    SyncLoad = Callable[[str], Any]

MEMORY = "mem://"
_CONNECTIONS = 1000
"""Pools of redis-py fail at the hundred and first caller, where they are not told to be larger or to wait."""


@asynccontextmanager
async def cashews(url: str, **settings: Any) -> AsyncIterator[Cache]:
    """Open a cache of cashews; it keeps what it is given, and never copies what it hands out of memory."""
    from cashews import Cache  # noqa: PLC0415 - a process imports the one that it uses

    cache = Cache()
    cache.setup(url, **settings)
    await cache.init()
    try:
        yield cache
    finally:
        await cache.close()


@asynccontextmanager
async def cashews_shelf(url: str, load: Load, *, lock: bool = False, **settings: Any) -> AsyncIterator[Shelf]:
    """Use its decorator: callers in one process share a load, and with `lock` so do the processes."""
    async with cashews(url, **settings) as cache:

        @cache(ttl=TTL, key="{key}", lock=lock)
        async def loaded(key: str) -> Any:
            return await load(key)

        yield Shelf(loaded, cache.delete)


@asynccontextmanager
async def aiocache_shelf(
    url: str, load: Load, *, stampede: bool = False, pickled: bool = False, **settings: Any
) -> AsyncIterator[Shelf]:
    """Use the decorator of aiocache, which has no other get-or-load: the plain one, or the one with a lock."""
    import aiocache  # type: ignore[import-untyped]  # noqa: PLC0415 - see above

    if url != MEMORY:
        place = urlsplit(url)
        server = {"endpoint": place.hostname, "port": place.port, "db": place.path.removeprefix("/")}
        settings |= {"cache": aiocache.Cache.REDIS, "pool_max_size": _CONNECTIONS, **server}
    if url != MEMORY or pickled:
        settings["serializer"] = aiocache.serializers.PickleSerializer()
    settings |= {"ttl": TTL, "key_builder": lambda _, key: key}
    decorator = aiocache.cached_stampede(lease=2, **settings) if stampede else aiocache.cached(**settings)
    cached = decorator(load)
    try:
        yield Shelf(cached, cached.cache.delete)
    finally:
        await cached.cache.close()


def dogpile(backend: str = "memory", **arguments: Any) -> CacheRegion:
    """Return a region of dogpile.cache, which is for threads; it has no await."""
    from dogpile.cache import make_region  # noqa: PLC0415 - see above

    region: CacheRegion = make_region().configure(
        f"dogpile.cache.{backend}", expiration_time=TTL, arguments=arguments or None
    )
    return region


@contextmanager
def dogpile_shelf(url: str, load: SyncLoad, **settings: Any) -> Iterator[SyncShelf]:
    """Use its `get_or_create` on Valkey: threads share a load, and with `distributed_lock` so do processes."""
    settings |= {"thread_local_lock": False, "connection_kwargs": {"max_connections": _CONNECTIONS}}
    region = dogpile("redis", url=url, redis_expiration_time=2 * TTL, **settings)
    try:
        yield SyncShelf(lambda key: region.get_or_create(key, load, creator_args=((key,), {})), region.delete)
    finally:
        region.actual_backend.writer_client.close()
