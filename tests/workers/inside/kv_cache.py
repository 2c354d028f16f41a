"""KV as the shared cache beside D1, on workerd's KV."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncCache, AsyncSessions, CacheSettings, ConfigurationError, SharedCacheSettings, lifetimes
from coatcheck.caches.kv import AsyncKVCache
from coatcheck.kv_namespaces import LARGEST
from coatcheck.stores.d1 import AsyncD1Store
from coatcheck.testing.async_cache_conformance import AsyncCacheConformance
from coatcheck.testing.clock import ManualClock
from tests.workers.inside.databases import Counted, emptied

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.caches.async_protocol import AsyncSharedCache

KEYS = [secrets.token_urlsafe(32)]
PATIENT = SharedCacheSettings(timeout=timedelta(seconds=1))
LONG = CacheSettings(lease=timedelta(minutes=1))


class Away:
    """A KV binding that does not answer."""

    async def _fail(self, *_: Any) -> None:
        raise TimeoutError

    get = put = delete = list = getWithMetadata = _fail  # noqa: N815 - KV's names


class Stale:
    """A KV binding that returns what a key held at first, as every place of Cloudflare's may for a minute."""

    def __init__(self, namespace: Any) -> None:
        self._namespace = namespace
        self._seen: dict[str, Any] = {}
        self.calls: list[str] = []

    async def get(self, key: str, *options: Any) -> Any:
        self.calls.append("get")
        if key not in self._seen:
            found = await self._namespace.get(key, *options)
            if not hasattr(found, "to_bytes"):
                return found
            self._seen[key] = found
        return self._seen[key]

    async def put(self, *order: Any) -> None:
        self.calls.append("put")
        await self._namespace.put(*order)

    async def delete(self, key: str) -> None:
        self.calls.append("delete")
        await self._namespace.delete(key)

    async def list(self, *order: Any) -> Any:
        return await self._namespace.list(*order)

    async def getWithMetadata(self) -> None:
        """Be taken for a KV namespace."""


class TestKVCache(AsyncCacheConformance):
    """All that a cache promises, but telling who came first."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def cache(self, env: Any, clock: ManualClock) -> AsyncSharedCache:
        self._clock = clock
        return AsyncKVCache(env.SESSIONS, prefix=f"{secrets.token_hex(8)}:", clock=clock)

    @pytest.fixture
    def unreachable(self) -> AsyncSharedCache:
        return AsyncKVCache(Away())

    async def let_pass(self, cache: AsyncSharedCache, key: bytes, milliseconds: int) -> None:
        self._clock.advance(timedelta(milliseconds=milliseconds))


@pytest.fixture
async def database(env: Any) -> Counted:
    """A migrated database, whose calls are counted."""
    database = Counted(await emptied(env.DB))
    await AsyncD1Store(database).migrate()
    return database


@pytest.fixture
def isolate(env: Any, database: Counted) -> Callable[[], AsyncSessions]:
    """Another isolate of one Worker."""
    prefix = f"{secrets.token_hex(8)}:"

    def start() -> AsyncSessions:
        cache = AsyncKVCache(env.SESSIONS, prefix=prefix)
        return AsyncSessions(
            AsyncD1Store(database), shared_cache=cache, shared_cache_settings=PATIENT, keys=KEYS, cache=LONG
        )

    return start


async def written(isolate: AsyncSessions | AsyncCache) -> None:
    """Wait until its copies are in KV."""
    await isolate.tiers.finish()


async def proven(*isolates: AsyncSessions) -> None:
    """Have each isolate ask the log."""
    for each in isolates:
        await each.tiers.log.prove()


async def test_a_hit_in_KV_asks_the_database_for_nothing(
    database: Counted, isolate: Callable[[], AsyncSessions]
) -> None:
    """Within the lease; and the next one is a hit in memory."""
    async with isolate() as one, isolate() as other:
        created = await one.create("ann")
        await proven(one, other)
        database.trips.clear()
        assert await one.get(created.token)
        assert database.trips == [1]
        await written(one)
        for kv_reads in (1, 0):
            database.trips.clear()
            calls = other.tiers.shared.cache.kv.calls  # type: ignore[union-attr]
            calls.clear()
            assert (await other.get(created.token)).user_id == "ann"  # type: ignore[union-attr]
            assert database.trips == [], calls
            assert calls == ["get"] * kv_reads


@pytest.mark.parametrize("ending", ["revoke", "delete"])
async def test_L7_a_revoked_session_whose_old_copy_KV_still_serves_is_refused(
    env: Any, database: Counted, ending: str
) -> None:
    """D1's log outdates it, as soon as the lease is over; the copy itself is there, and well sealed."""
    clock = ManualClock()
    kv = Stale(env.SESSIONS)
    settings: dict[str, Any] = {"shared_cache_settings": PATIENT, "keys": KEYS, "clock": clock}
    prefix = f"{secrets.token_hex(8)}:"
    one, other = (
        AsyncSessions(AsyncD1Store(database), shared_cache=AsyncKVCache(kv, prefix=prefix), **settings)
        for _ in range(2)
    )
    async with one, other:
        created = await one.create("ann")
        await proven(one, other)
        assert await one.get(created.token)
        await written(one)
        assert await other.get(created.token)
        assert kv.calls.count("put") == 1
        if ending == "revoke":
            await one.revoke(created.token)
        else:
            await database.batch_of("DELETE FROM coatcheck_sessions")
        clock.advance(timedelta(seconds=2))
        await proven(other)
        other._reads.cache.young.clear()
        kv.calls.clear()
        assert not await other.get(created.token)
        assert kv.calls == ["get"], kv.calls


async def test_I1_a_copy_that_comes_late_loses(database: Counted, isolate: Callable[[], AsyncSessions]) -> None:
    """It was read before the session ended, and written to KV after it."""
    async with isolate() as one, isolate() as other:
        created = await one.create("ann")
        await proven(one, other)
        put, held = one.tiers.shared.cache.put, []  # type: ignore[union-attr]

        async def late(*order: Any) -> None:
            held.append(order)

        one.tiers.shared.cache.put = late  # type: ignore[union-attr, method-assign]
        assert await one.get(created.token)
        await written(one)
        await other.revoke(created.token)
        await put(*held[0])
        assert not await other.get(created.token)


async def test_values_are_cached_in_KV_and_invalidated_by_the_log(env: Any, database: Counted) -> None:
    """Typed, with the presets; one isolate loads what the other finds."""
    loads: list[str] = []
    prefix = f"{secrets.token_hex(8)}:"

    def cache() -> AsyncCache:
        return AsyncCache(
            AsyncD1Store(database),
            shared_cache=AsyncKVCache(env.SESSIONS, prefix=prefix),
            shared_cache_settings=PATIENT,
            keys=KEYS,
        )

    async def load() -> dict[str, list[int]]:
        loads.append("")
        return {"n": [len(loads)]}

    async def asked(one: AsyncCache, tenant: str = "a") -> dict[str, list[int]]:
        part = one.namespace("reports", tenant=tenant)
        return await part.get_or_load("report", load, ttl=lifetimes.QUERY_RESULTS)

    async with cache() as one, cache() as other:
        assert await asked(one) == {"n": [1]}
        await written(one)
        assert await asked(other) == {"n": [1]}
        await one.namespace("reports", tenant="a").invalidate("report", wait=True)
        assert await asked(other) == {"n": [2]}
        assert await asked(other, tenant="b") == {"n": [3]}


async def test_what_is_no_copy_is_a_miss(env: Any) -> None:
    """Whoever may write into the namespace."""
    cache = AsyncKVCache(env.SESSIONS, prefix="corrupt:")
    await cache.put(b"key", b"value", 60_000)
    (name,) = await cache.kv.keys("")
    for value in (b"", b"\x02" + b"x" * 20, b"\x01short"):
        await cache.kv.put(name, value, 60_000)
        assert await cache.get(b"key") is None


async def test_a_value_that_is_too_long_is_not_kept(env: Any) -> None:
    """Whoever wants it loads it again."""
    cache = AsyncKVCache(env.SESSIONS, prefix="large:")
    await cache.put(b"key", b"x" * LARGEST, 60_000)
    assert await cache.get(b"key") is None


@pytest.mark.parametrize("prefix", ["", "a b", "ü", "x" * 129])
def test_a_prefix_that_is_not_possible_is_refused(env: Any, prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="KV prefix"):
        AsyncKVCache(env.SESSIONS, prefix=prefix)


def test_another_kind_of_binding_is_refused(env: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"namespace='a D1 database' is not possible: hand in a KV namespace"):
        AsyncKVCache(env.DB)
