"""A cache beside sessions: one store, one reader of its log, one shared cache."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import (
    AsyncCache,
    Cache,
    CacheSettings,
    ConfigurationError,
    Session,
    SharedCacheSettings,
    ValueSettings,
)
from coatcheck.testing import AsyncMemoryStore, ManualClock, MemoryCache, MemoryStore
from tests.cache.sides import ASYNCIO, KEYS, LEASE, SECOND, TTL, answered, soon

if TYPE_CHECKING:
    from tests.cache.sides import Bench

pytestmark = pytest.mark.anyio

SHAPES = pytest.mark.parametrize("shape", ["memory", "sqlite", "shared"])


@SHAPES
async def test_they_share_store_log_shared_cache_and_polls(bench: Bench) -> None:
    sessions = await bench.sessions()
    worker, origin = await bench.beside(sessions), bench.origin()
    created = await answered(sessions.create("ada"))
    assert worker.thing.tiers is sessions.tiers
    store = sessions.store
    for _ in range(5):
        bench.clock.advance(LEASE)
        polls = store.count("poll")
        for _ in range(3):
            assert isinstance(await answered(sessions.get(created.token)), Session)
            assert await worker.get_or_load("key", origin, ttl=TTL) == "value"
        assert store.count("poll") == polls + 1, "the sessions' proof is the values'"
    assert origin.loads == 1
    await worker.settle()
    if bench.shared is not None:
        assert len([key for key in bench.shared.keys if not key.endswith(b".lease")]) == 2


@SHAPES
async def test_a_revocation_is_no_news_of_values_and_the_other_way_round(bench: Bench) -> None:
    sessions = await bench.sessions()
    worker, origin = await bench.beside(sessions), bench.origin()
    created, other = [await answered(sessions.create("ada")) for _ in range(2)]
    for token in (created.token, other.token):
        await answered(sessions.get(token))
    await worker.get_or_load("key", origin, ttl=TTL)
    reads = sessions.store.count("read")
    await worker.invalidate("key")
    assert await worker.get("key") is None
    assert isinstance(await answered(sessions.get(created.token)), Session)
    assert sessions.store.count("read") == reads
    await worker.get_or_load("key", origin, ttl=TTL)
    await answered(sessions.revoke(created.token))
    assert not await answered(sessions.get(created.token))
    assert await worker.get("key") == "value"
    assert origin.loads == 2
    await answered(sessions.revoke_everyone())
    assert await worker.get("key") is None, "an entry for everyone outdates whatever there is"


@SHAPES
async def test_a_cache_beside_sessions_and_one_of_its_own_agree(bench: Bench) -> None:
    """They are workers of the same fleet: one's invalidation is the other's."""
    beside, alone = await bench.beside(await bench.sessions()), await bench.worker()
    origin = bench.origin("old")
    for worker in (beside, alone):
        await worker.get_or_load("key", origin, ttl=TTL)
        await worker.settle()
    origin.value = "new"
    for one, two in ((beside, alone), (alone, beside)):
        await one.invalidate("key")
        bench.clock.advance(LEASE)
        assert await two.get("key") is None
        assert await two.get_or_load("key", origin, ttl=TTL) == "new"


@pytest.mark.parametrize("shape", ["shared"])
async def test_C8_a_session_s_copy_and_a_value_are_never_taken_for_each_other(bench: Bench) -> None:
    """Not even with the token as a key, in a shared cache that mixes all up."""
    sessions = await bench.sessions()
    worker, origin = await bench.beside(sessions), bench.origin("mine")
    created = await answered(sessions.create("ada"))
    await answered(sessions.get(created.token))
    await worker.get_or_load(created.token.reveal(), origin, ttl=TTL)
    await worker.settle()
    bench.shared.serve_others()
    fresh = await bench.sessions()
    reader = await bench.beside(fresh)
    assert await reader.get(created.token.reveal()) is None
    session = await answered(fresh.get(created.token))
    assert isinstance(session, Session)
    assert session.user_id == "ada"


async def test_stale_sessions_are_no_reason_for_stale_values(bench: Bench) -> None:
    """While the log cannot be asked the loader is, though known sessions may be served for longer."""
    sessions = await bench.sessions(cache=CacheSettings(serve_stale_for=timedelta(minutes=1)))
    worker, origin = await bench.beside(sessions), bench.origin("old")
    created = await answered(sessions.create("ada"))
    await answered(sessions.get(created.token))
    await worker.get_or_load("key", origin, ttl=TTL)
    sessions.store.fail("poll", "read")
    origin.value = "new"
    bench.clock.advance(LEASE)
    for _ in range(5):
        assert isinstance(await answered(sessions.get(created.token)), Session)
        assert await worker.get_or_load("key", origin, ttl=TTL) == "new"
        assert await worker.get("key") is None
        bench.clock.advance(SECOND * 0.7)


GIVEN: dict[str, Any] = {
    "shared_cache": MemoryCache(),
    "shared_cache_settings": SharedCacheSettings(),
    "keys": KEYS,
    "deployment": "coatcheck",
    "lease": LEASE,
    "clock": ManualClock(),
}


@pytest.mark.parametrize("name", GIVEN)
async def test_what_the_sessions_have_already_is_refused(bench: Bench, name: str) -> None:
    sessions = await bench.sessions()
    kind: Any = AsyncCache if bench.kind == ASYNCIO else Cache
    with pytest.raises(ConfigurationError, match=f"^{name}= beside sessions is not possible: the cache uses theirs$"):
        kind(sessions, **{name: GIVEN[name]})
    assert kind(sessions, settings=ValueSettings(max_entries=1))


async def test_S5_a_shared_cache_needs_keys(bench: Bench) -> None:
    kinds: Any = (AsyncCache, AsyncMemoryStore) if bench.kind == ASYNCIO else (Cache, MemoryStore)
    for keys in (None, ()):
        with pytest.raises(ConfigurationError, match="shared_cache without keys="):
            kinds[0](kinds[1](), shared_cache=MemoryCache(), keys=keys)
    with pytest.raises(ConfigurationError, match="32"):
        kinds[0](kinds[1](), keys=["short"])


@pytest.mark.parametrize("lease", [timedelta(0), timedelta(minutes=2)])
async def test_a_lease_that_is_none_is_refused(bench: Bench, lease: timedelta) -> None:
    kinds: Any = (AsyncCache, AsyncMemoryStore) if bench.kind == ASYNCIO else (Cache, MemoryStore)
    with pytest.raises(ConfigurationError, match="lease"):
        kinds[0](kinds[1](), lease=lease)


# --- opening and closing


@pytest.mark.parametrize("shape", ["shared"])
async def test_alone_it_opens_and_closes_its_tiers_and_beside_sessions_it_leaves_them(bench: Bench) -> None:
    closes = "aclose" if bench.kind == ASYNCIO else "close"
    alone = await bench.worker()
    await bench.closed(alone.thing)
    assert (alone.store.count("open"), alone.store.count(closes)) == (1, 1)
    assert bench.shared.count("open", closes) == 2
    sessions = await bench.sessions()
    beside = await bench.beside(sessions)
    await bench.closed(beside.thing)
    assert (sessions.store.count("open"), sessions.store.count(closes)) == (1, 0)
    assert isinstance((await answered(sessions.create("ada"))).session, Session)
    await bench.closed(sessions)
    assert sessions.store.count(closes) == 1


@SHAPES
@pytest.mark.parametrize("first", ["cache", "sessions"])
async def test_closing_in_either_order_waits_for_what_is_loaded_anew(bench: Bench, first: str) -> None:
    sessions = await bench.sessions()
    worker, origin = await bench.beside(sessions, settings=ValueSettings(jitter=0)), bench.origin()
    await worker.get_or_load("key", origin, ttl=TTL)
    bench.clock.advance(TTL * 0.9)
    gate = origin.hold()
    await worker.get_or_load("key", origin, ttl=TTL)
    await gate.reached()
    things = [worker.thing, sessions]
    for thing in things if first == "cache" else reversed(things):
        closing = bench.start(thing.aclose if bench.kind == ASYNCIO else thing.close)
        if thing is worker.thing:
            gate.release()
        await soon(closing)
    bench._opened = [thing for thing in bench._opened if thing not in things]
    assert worker.numbers["refreshes"] == origin.loads - 1 == 1
    assert not worker.busy


async def test_it_can_be_closed_twice_and_opened_again(bench: Bench) -> None:
    worker, origin = await bench.worker(), bench.origin()
    await worker.get_or_load("key", origin, ttl=TTL)
    for _ in range(2):
        await bench.closed(worker.thing)
    await bench.opened(worker.thing)
    assert await worker.get_or_load("key", origin, ttl=TTL) == "value"


async def test_it_is_a_context_manager(bench: Bench) -> None:
    store = bench.store()
    if bench.kind == ASYNCIO:
        async with AsyncCache(store) as cache:
            await cache.put("key", "value", ttl=TTL)
    else:
        with Cache(store) as blocking:
            blocking.put("key", "value", ttl=TTL)
    assert store.count("open", "aclose" if bench.kind == ASYNCIO else "close") == 2


async def test_a_url_names_a_store(bench: Bench) -> None:
    kind: Any = AsyncCache if bench.kind == ASYNCIO else Cache
    cache = await bench.opened(kind(f"sqlite:///{bench.path}"))
    assert await answered(cache.get_or_load("key", bench.origin(), ttl=TTL)) == "value"
    assert await answered(cache.get("key")) == "value"
