"""Sessions in KV alone, on workerd's KV."""

from __future__ import annotations

import secrets
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncCache, AsyncSessions, CacheSettings, ConfigurationError, DataError, Policy
from coatcheck.bindings import object_of, parsed
from coatcheck.caches.kv import AsyncKVCache
from coatcheck.kv_namespaces import LARGEST
from coatcheck.stores.base import Rotation, Selection, SessionChange, Touch
from coatcheck.stores.kv import AsyncKVStore
from coatcheck.stores.kv.rows import name_of
from coatcheck.testing._rows import DAY, SECOND, a_hash, a_row, to_create
from coatcheck.testing.async_conformance import AsyncEventualStoreConformance
from coatcheck.testing.clock import ManualClock
from tests.workers.inside.kv_cache import KEYS, Stale

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def _prefix() -> str:
    return f"p{secrets.token_hex(8)}"


class TestKVStore(AsyncEventualStoreConformance):
    """All that it declares."""

    @pytest.fixture
    def store(self, env: Any, clock: ManualClock) -> AsyncKVStore:
        return AsyncKVStore(env.SESSIONS, prefix=_prefix(), clock=clock)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def keys_of(env: Any, prefix: str) -> dict[str, int]:
    """Return KV's keys with this prefix, and when each expires, in seconds since the epoch."""
    page = parsed(await env.SESSIONS.list(object_of(prefix=prefix)))
    return {line["name"].removeprefix(prefix): line["expiration"] for line in page["keys"]}


async def test_a_request_is_three_reads(env: Any) -> None:
    """The token's, and then the session's and whether it has ended, at once. Nothing is kept in memory."""
    store = AsyncKVStore(env.SESSIONS, prefix=_prefix())
    async with AsyncSessions(store) as sessions:
        created = await sessions.create("ann")
        for _ in range(2):
            store.calls.clear()
            assert await sessions.get(created.token)
            assert store.calls == ["get"] * 3
        assert sessions.lookup(created.token) is None
        store.calls.clear()
        assert not await sessions.get("A" * 43)
        assert store.calls == ["get"]


async def test_C1_keys_live_as_long_as_their_session(env: Any, clock: ManualClock) -> None:
    """The record until it expires if nobody comes, the listing until it must end, the rest until any end it may get."""
    prefix = _prefix()
    store = AsyncKVStore(env.SESSIONS, prefix=prefix, clock=clock)
    now = clock.now() // 1000
    new = to_create(a_row(now))
    await store.create(new)
    keys = await keys_of(env, f"{prefix}::")
    ends = {name[0]: (at - time.time()) / 86_400 for name, at in keys.items()}
    assert {kind: round(days) for kind, days in ends.items()} == {"s": 1, "t": 400, "u": 30}
    later = now + 60 * DAY
    change = SessionChange(new.record.id, {}, (), 1_000, idle_timeout=DAY, idle_expires_at=later, expires_at=later)
    assert await store.save(change)
    ends = {name[0]: (at - time.time()) / 86_400 for name, at in (await keys_of(env, f"{prefix}::")).items()}
    assert {kind: round(days) for kind, days in ends.items()} == {"s": 60, "t": 400, "u": 60}


async def test_C2_the_minimum_of_a_minute_neither_prolongs_nor_shortens(env: Any, clock: ManualClock) -> None:
    """A session of ten seconds ends after ten; KV has it for longer."""
    store = AsyncKVStore(env.SESSIONS, prefix=_prefix(), clock=clock)
    policy = Policy(touch_every=timedelta(seconds=5))
    async with AsyncSessions(store, policy=policy, clock=clock) as sessions:
        created = await sessions.create("ann", idle_timeout=timedelta(seconds=10))
        clock.advance(timedelta(seconds=9))
        assert await sessions.get(created.token)
        assert await sessions.flush() == 1  # C3: and it slides
        clock.advance(timedelta(seconds=9))
        assert await sessions.get(created.token)
        clock.advance(timedelta(seconds=10))
        assert not await sessions.get(created.token)
        assert (await store.find(created.session.id)).record is not None


async def test_C8_no_tenant_reaches_anothers_sessions(env: Any) -> None:
    """By token, by id, by user; and the prefix keeps what is no tenant's apart."""
    prefix = _prefix()
    stores = [AsyncKVStore(env.SESSIONS, prefix=prefix, tenant=tenant) for tenant in (None, "a", "a:b", "b")]
    orders = [to_create(a_row(2**52)) for _ in stores]
    for store, order in zip(stores, orders, strict=True):
        await store.create(order)
    for store, mine in zip(stores, orders, strict=True):
        for order in orders:
            assert ((await store.read(order.token_hash)).record is not None) is (order is mine)
            assert ((await store.find(order.record.id)).record is not None) is (order is mine)
        assert [row.id for row in await store._listed("ann")] == [mine.record.id]
    assert await stores[1].revoke_everyone() == 1
    assert (await stores[2].read(orders[2].token_hash)).record is not None


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"v": 2}', b'{"v": 1, "token": "x"}', b"\xff"], ids=repr)
async def test_C7_what_is_no_session_counts_as_missing(env: Any, value: bytes, clock: ManualClock) -> None:
    """Another version, another form, or no JSON at all."""
    store = AsyncKVStore(env.SESSIONS, prefix=_prefix(), clock=clock)
    new = to_create(a_row(clock.now() // 1000))
    await store.create(new)
    await store._kv.put(f"s:{new.record.id}", value, 60_000)
    assert (await store.read(new.token_hash)).record is None
    assert list(await store.list_sessions("ann", 10)) == []


async def test_L8_saving_late_gives_no_token_back_that_a_rotation_has_ended(env: Any, clock: ManualClock) -> None:
    """Nor does a later end, for which more than the session itself is written: another place knows the old token."""
    prefix = _prefix()
    store = AsyncKVStore(env.SESSIONS, prefix=prefix, clock=clock)
    elsewhere = AsyncKVStore(Stale(env.SESSIONS), prefix=prefix, clock=clock)
    now = clock.now() // 1000
    new = to_create(a_row(now))
    await store.create(new)
    assert (await elsewhere.read(new.token_hash)).record is not None
    assert await store.rotate(Rotation(new.token_hash, a_hash())) is not None
    assert await elsewhere.save(SessionChange(new.record.id, {}, (), 1_000, expires_at=now + 60 * DAY)) is not None
    assert (await store.read(new.token_hash)).record is None


async def test_L8_a_touch_that_KV_answers_with_an_old_session_brings_nothing_back(env: Any, clock: ManualClock) -> None:
    """Another place has not heard of the end, and writes the session again."""
    prefix = _prefix()
    store = AsyncKVStore(env.SESSIONS, prefix=prefix, clock=clock)
    elsewhere = AsyncKVStore(Stale(env.SESSIONS), prefix=prefix, clock=clock)
    now = clock.now() // 1000
    new = to_create(a_row(now))
    await store.create(new)
    assert (await elsewhere.read(new.token_hash)).record is not None
    await store.revoke(Selection(token_hash=new.token_hash))
    late = Touch(new.record.id, now + SECOND, now + 2 * DAY)
    elsewhere_kv: Any = elsewhere._kv._namespace
    elsewhere_kv._seen.pop(f"{prefix}::x:{new.record.id}", None)
    get = elsewhere_kv.get

    async def unaware(key: str, *options: Any) -> Any:
        return None if ":x:" in key else await get(key, *options)

    elsewhere_kv.get = unaware
    assert await elsewhere.touch([late]) == {new.record.id}
    assert (await keys_of(env, f"{prefix}::s:")) != {}
    assert (await store.read(new.token_hash)).record is None
    assert (await store.find(new.record.id)).record is None


async def test_one_write_a_second_is_what_a_key_takes(env: Any) -> None:
    """A shorter pause between two touches is refused at the start; one write too many is no error."""
    store = AsyncKVStore(env.SESSIONS, prefix=_prefix())
    with pytest.raises(ConfigurationError, match="touch_every"):
        AsyncSessions(store, policy=Policy(touch_every=timedelta(0)))


@pytest.mark.parametrize(
    "settings",
    [
        {"policy": Policy(max_sessions=3)},
        {"cache": CacheSettings(serve_stale_for=timedelta(seconds=1))},
        {"cache": CacheSettings(lease=timedelta(0))},
    ],
    ids=["limit", "stale", "lease"],
)
def test_what_KV_cannot_do_is_refused_at_the_start(env: Any, settings: dict[str, Any]) -> None:
    """With the setting, and a way."""
    with pytest.raises(ConfigurationError, match=r"max_sessions|serve_stale_for|lease"):
        AsyncSessions(AsyncKVStore(env.SESSIONS), **settings)


async def test_nobody_can_wait_for_what_KV_cannot_tell(env: Any) -> None:
    """`wait=True` would be a promise; a copy in a cache, or a value, would need a log."""
    store = AsyncKVStore(env.SESSIONS, prefix=_prefix())
    sessions = AsyncSessions(store)
    created = await sessions.create("ann")
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: sessions.revoke(created.token, wait=True),
        lambda: sessions.revoke_everyone(wait=True),
    ]
    for call in calls:
        with pytest.raises(ConfigurationError, match="wait=True"):
            await call()
    assert await sessions.get(created.token)
    with pytest.raises(ConfigurationError, match="shared_cache='AsyncKVCache'"):
        AsyncSessions(store, shared_cache=AsyncKVCache(env.SESSIONS), keys=KEYS)
    with pytest.raises(ConfigurationError, match=r"source='AsyncKVStore'.*use D1, with KV as shared_cache"):
        AsyncCache(store)


async def test_S12_a_session_that_is_too_large_for_KV_is_refused(env: Any) -> None:
    """Before anything is written."""
    store = AsyncKVStore(env.SESSIONS, prefix=_prefix())
    new = to_create(a_row(2**52, data='{"a": "' + "x" * LARGEST + '"}'))
    with pytest.raises(DataError, match="KV takes"):
        await store.create(new)
    assert (await store.find(new.record.id)).record is None


def test_a_tenant_has_a_name(env: Any) -> None:
    with pytest.raises(ConfigurationError, match="tenant=''"):
        AsyncKVStore(env.SESSIONS, tenant="")


async def test_no_key_tells_a_token_or_a_user(env: Any, clock: ManualClock) -> None:
    """Whoever lists the namespace learns hashes and public ids."""
    prefix = _prefix()
    store = AsyncKVStore(env.SESSIONS, prefix=prefix, tenant="acme", clock=clock)
    new = to_create(a_row(clock.now() // 1000, user_id="ann@example.org"))
    await store.create(new)
    text = repr(await keys_of(env, prefix))
    assert "ann" not in text
    assert "acme" not in text
    assert name_of(new.token_hash) in text
