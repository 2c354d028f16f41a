"""The verbs of a cache, on each store and with a shared cache, as one worker and its neighbour see them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import ConfigurationError, DataError, Unavailable, lifetimes
from coatcheck.clock import SystemClock
from tests.cache.sides import LEASE, SECOND, TTL

if TYPE_CHECKING:
    from tests.cache.sides import Bench, Face, Worker

pytestmark = pytest.mark.anyio

SHAPES = pytest.mark.parametrize("shape", ["memory", "sqlite", "shared"])


async def known(face: Face, *keys: str) -> list[Any]:
    """Return what is cached under these keys."""
    return [await face.get(key) for key in keys]


@SHAPES
async def test_a_value_is_loaded_once_and_then_served_from_memory(bench: Bench) -> None:
    worker, origin = await bench.worker(), bench.origin({"plan": "pro"})
    for _ in range(5):
        assert await worker.get_or_load("ada", origin, ttl=TTL) == {"plan": "pro"}
    assert await worker.get("ada") == {"plan": "pro"}
    assert origin.loads == worker.numbers["loads"] == 1
    assert worker.store.count("poll") == 1
    assert worker.numbers["entries"] == 1


@SHAPES
async def test_it_ends_with_its_time(bench: Bench) -> None:
    worker, origin = await bench.worker(), bench.origin("first")
    await worker.get_or_load("key", origin, ttl=TTL)
    origin.value = "second"
    bench.clock.advance(TTL * 0.5)
    assert await worker.get("key") == "first"
    bench.clock.advance(TTL * 0.5)
    assert await worker.get("key") is None
    assert await worker.get_or_load("key", origin, ttl=TTL) == "second"


@SHAPES
async def test_get_never_loads_and_tells_none_from_nothing(bench: Bench) -> None:
    worker = await bench.worker()
    assert await worker.get("key") is None
    assert await worker.get("key", default="nothing") == "nothing"
    assert await worker.get_or_load("key", bench.origin(None), ttl=TTL) is None
    assert await worker.get("key", default="nothing") is None
    assert await worker.get("key", type=int, default="nothing") == "nothing"


@SHAPES
async def test_what_was_invalidated_is_loaded_anew(bench: Bench) -> None:
    """By key here at once, and by the neighbour when its lease is over; on SQLite at once there too."""
    one, two = await bench.worker(), await bench.worker()
    origin = bench.origin("old")
    for worker in (one, two):
        for key in ("a", "b", "c"):
            await worker.get_or_load(key, origin, ttl=TTL)
        await worker.settle()
    origin.value = "new"
    await one.invalidate("a", "b")
    assert await known(one, "a", "b", "c") == [None, None, "old"]
    if one.store.capabilities.notices_changes:
        assert await known(two, "a", "b", "c") == [None, None, "old"]
    bench.clock.advance(LEASE)
    assert await known(two, "a", "b", "c") == [None, None, "old"]
    for worker in (one, two):
        assert await worker.get_or_load("a", origin, ttl=TTL) == "new"
        assert await worker.get_or_load("c", origin, ttl=TTL) == "old"


@SHAPES
async def test_C8_a_namespace_a_tenant_or_both_are_invalidated_and_nothing_else(bench: Bench) -> None:
    worker = await bench.worker()
    places = [(name, tenant) for name in ("", "flags", "plans") for tenant in (None, "acme", "other")]

    async def fill() -> None:
        for name, tenant in places:
            await worker.namespace(name, tenant=tenant).put("key", [name, tenant], ttl=TTL)

    async def left() -> list[tuple[str, str | None]]:
        return [place for place in places if await worker.namespace(place[0], tenant=place[1]).get("key") is not None]

    await fill()
    assert await left() == places
    await worker.invalidate_namespace("flags")
    assert await left() == [place for place in places if place[0] != "flags"]
    await fill()
    await worker.invalidate_namespace("flags", tenant="acme")
    assert await left() == [place for place in places if place != ("flags", "acme")]
    await fill()
    await worker.invalidate_tenant("acme")
    assert await left() == [place for place in places if place[1] != "acme"]
    await fill()
    await worker.namespace("flags", tenant="acme").invalidate("key")
    assert await left() == [place for place in places if place != ("flags", "acme")]
    await fill()
    await worker.invalidate_namespace("")
    assert await left() == [place for place in places if place[0]]


@SHAPES
async def test_put_is_a_load_that_somebody_else_did(bench: Bench) -> None:
    worker, origin = await bench.worker(), bench.origin("loaded")
    await worker.put("key", "put", ttl=TTL)
    assert await worker.get_or_load("key", origin, ttl=TTL) == "put"
    bench.clock.advance(TTL)
    assert await worker.get_or_load("key", origin, ttl=TTL) == "loaded"


@SHAPES
async def test_L8_a_put_with_a_mark_loses_against_what_was_invalidated_since(bench: Bench) -> None:
    worker, elsewhere = await bench.worker(), await bench.worker()
    mark = await worker.mark()
    await worker.put("key", "good", ttl=TTL, mark=mark)
    await worker.settle()
    assert await worker.get("key") == "good"
    await elsewhere.invalidate("key")
    await worker.put("key", "read before", ttl=TTL, mark=mark)
    await worker.settle()
    bench.clock.advance(LEASE)
    assert await worker.get("key") is None
    assert await elsewhere.get("key") is None
    await worker.put("key", "read after", ttl=TTL, mark=await worker.mark())
    assert await worker.get("key") == "read after"


@SHAPES
async def test_nothing_to_invalidate_is_nothing_to_do(bench: Bench) -> None:
    worker = await bench.worker()
    await worker.invalidate()
    assert worker.store.count("invalidate") == 0
    await worker.invalidate(*map(str, range(100)))
    assert worker.store.count("invalidate") == 1


async def test_wait_returns_when_no_worker_serves_the_old_value(bench: Bench) -> None:
    """The lease is over then; here it is one of the machine's own clock."""
    settings = {"clock": SystemClock(), "lease": timedelta(milliseconds=300)}
    one, two = await bench.worker(**settings), await bench.worker(**settings)
    await two.get_or_load("key", bench.origin("old"), ttl=TTL)
    await one.invalidate("key", wait=True)
    assert await two.get("key") is None


@pytest.mark.parametrize("shape", ["sqlite"])
async def test_B8_an_invalidation_joins_the_caller_s_transaction(bench: Bench) -> None:
    worker, origin = await bench.worker(), bench.origin("old")
    await worker.get_or_load("key", origin, ttl=TTL)
    with closing(sqlite3.connect(bench.path, isolation_level=None)) as connection:
        for end, value in (("ROLLBACK", "old"), ("COMMIT", None)):
            connection.execute("BEGIN IMMEDIATE")
            await worker.invalidate("key", connection=connection)
            assert await worker.get("key") == "old", "it is not committed yet"
            connection.execute(end)
            assert await worker.get("key") == value
        with pytest.raises(ConfigurationError, match="wait=True with connection="):
            await worker.invalidate("key", wait=True, connection=connection)


@SHAPES
@pytest.mark.parametrize("key", [5, None, b"key", ["key"]])
async def test_a_key_that_is_no_text_is_refused(bench: Bench, key: Any) -> None:
    worker = await bench.worker()
    name = type(key).__name__
    for call in (
        worker.start("get_or_load", key, bench.origin(), ttl=TTL),
        worker.start("get", key),
        worker.start("put", key, 1, ttl=TTL),
        worker.start("invalidate", "good", key),
    ):
        with pytest.raises(DataError, match=rf"^a key of type {name} is not possible: use text$"):
            await call
    assert worker.store.count("invalidate") == 0


@pytest.mark.parametrize("ttl", [timedelta(0), -SECOND, timedelta(days=7, microseconds=1), 300, None])
async def test_a_time_that_is_none_is_refused(bench: Bench, ttl: Any) -> None:
    worker, origin = await bench.worker(), bench.origin()
    with pytest.raises(DataError, match="ttl="):
        await worker.get_or_load("key", origin, ttl=ttl)
    with pytest.raises(DataError, match="ttl="):
        await worker.put("key", 1, ttl=ttl)
    if ttl is not None:
        with pytest.raises(DataError, match="stale_for="):
            await worker.get_or_load("key", origin, ttl=TTL, stale_for=ttl)
    assert origin.loads == 0


async def test_C5_the_named_lifetimes_are_possible_ones(bench: Bench) -> None:
    worker = await bench.worker()
    named = {name: value for name, value in vars(lifetimes).items() if isinstance(value, timedelta)}
    assert named == {
        "SESSIONS": timedelta(days=7),
        "AUTH_TOKENS": timedelta(hours=1),
        "QUERY_RESULTS": timedelta(minutes=5),
        "FEATURE_FLAGS": timedelta(hours=1),
        "STATIC_CONFIGURATION": timedelta(hours=24),
    }
    for name, value in named.items():
        assert await worker.get_or_load(name, bench.origin(name), ttl=value) == name


async def test_what_belongs_to_an_empty_tenant_is_refused(bench: Bench) -> None:
    """As of a variable that nobody has set: all would share it."""
    worker = await bench.worker()
    with pytest.raises(ConfigurationError, match="tenant=''"):
        worker.namespace("flags", tenant="")
    with pytest.raises(ConfigurationError, match="tenant=''"):
        await worker.invalidate_namespace("flags", tenant="")
    with pytest.raises(ConfigurationError, match="tenant=''"):
        await worker.invalidate_tenant("")
    assert worker.store.count("invalidate") == 0


@SHAPES
async def test_an_invalidation_that_the_store_did_not_take_is_told(bench: Bench) -> None:
    worker: Worker = await bench.worker()
    worker.store.fail("invalidate")
    for call in (
        worker.invalidate("key"),
        worker.invalidate_namespace("flags"),
        worker.invalidate_tenant("acme"),
    ):
        with pytest.raises(Unavailable):
            await call
