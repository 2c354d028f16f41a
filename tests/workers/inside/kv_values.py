"""Values in KV alone, on workerd's KV."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncCache, ConfigurationError, DataError, Unavailable, lifetimes
from coatcheck.core.settings import ValueSettings
from coatcheck.stores.kv import AsyncKVStore
from coatcheck.testing.clock import ManualClock
from coatcheck.workers import AsyncKVValues
from tests.workers.inside.kv_cache import KEYS, Away, Stale

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTES = timedelta(minutes=5)
EXACT = ValueSettings(jitter=0)


class Source:
    """What is loaded, and how often."""

    def __init__(self) -> None:
        self.value: Any = 1
        self.loads = 0
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None
        self.begun: asyncio.Queue[None] = asyncio.Queue()

    async def __call__(self) -> Any:
        self.loads += 1
        self.begun.put_nowait(None)
        value = self.value
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return value


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def isolate(env: Any, clock: ManualClock) -> Callable[..., AsyncKVValues]:
    """Another isolate of one Worker."""
    prefix = f"{secrets.token_hex(8)}:"

    def start(namespace: Any = None, **settings: Any) -> AsyncKVValues:
        given = {"keys": KEYS, "settings": EXACT, "clock": clock, **settings}
        return AsyncKVValues(env.SESSIONS if namespace is None else namespace, prefix=prefix, **given)

    return start


async def got(values: AsyncKVValues, source: Source, key: str = "report", **options: Any) -> Any:
    """Ask for a value, and wait until it is in KV."""
    value = await values.get_or_load(key, source, ttl=lifetimes.QUERY_RESULTS, **options)
    await values.finish()
    return value


async def test_C4_a_value_is_loaded_once_and_invalidated_on_write(isolate: Callable[..., AsyncKVValues]) -> None:
    """One isolate loads what the others find; two reads of KV for each call, and none of the source."""
    one, other, source = isolate(), isolate(), Source()
    assert await got(one, source) == 1
    for each in (one, other):
        calls = each._labelled._tier.cache.kv.calls  # type: ignore[attr-defined]
        calls.clear()
        assert await got(each, source) == 1
        assert calls == ["get", "get"]
    assert source.loads == 1
    source.value = 2
    await other.invalidate("report")
    assert await got(other, source) == 2
    assert await got(one, source) == 2
    assert (source.loads, one.numbers["loads"]) == (2, 1)


async def test_C4_however_many_wait_one_loads(isolate: Callable[..., AsyncKVValues]) -> None:
    """And if it fails they all hear it."""
    values, source = isolate(), Source()
    source.gate = asyncio.Event()
    waiting = [asyncio.ensure_future(got(values, source)) for _ in range(20)]
    await source.begun.get()
    source.gate.set()
    assert await asyncio.gather(*waiting) == [1] * 20
    assert source.loads == 1
    source.error = ValueError("no")
    failed = await asyncio.gather(*(got(values, source, "other") for _ in range(5)), return_exceptions=True)
    assert {type(error) for error in failed} == {ValueError}
    assert source.loads == 2


async def test_C4_a_value_in_use_is_loaded_anew_before_its_end(
    isolate: Callable[..., AsyncKVValues], clock: ManualClock
) -> None:
    """In the background, once; the request has the old one."""
    values, source = isolate(), Source()
    assert await got(values, source) == 1
    source.value = 2
    clock.advance(timedelta(minutes=4, seconds=30))
    asked = [values.get_or_load("report", source, ttl=MINUTES) for _ in range(3)]
    assert await asyncio.gather(*asked) == [1, 1, 1]
    await values.finish()
    assert (source.loads, values.numbers["refreshes"]) == (2, 1)
    clock.advance(timedelta(minutes=4))
    assert await got(isolate(), source) == 2
    clock.advance(timedelta(minutes=6))
    source.value = 3
    assert await got(values, source) == 3


async def test_L8_a_load_that_began_before_an_invalidation_brings_nothing_back(
    isolate: Callable[..., AsyncKVValues],
) -> None:
    """Neither in KV, where it is written after it, nor for those who ask after it in the same isolate."""
    one, other, source = isolate(), isolate(), Source()
    source.gate = asyncio.Event()
    late, early = (asyncio.ensure_future(got(each, source)) for each in (one, other))
    for _ in range(2):
        await source.begun.get()
    source.value = 2
    await other.invalidate("report")
    after = asyncio.ensure_future(got(other, source))
    await asyncio.sleep(0)
    source.gate.set()
    assert [await each for each in (late, early, after)] == [1, 1, 2]
    for each in (one, other, isolate()):
        assert await got(each, source) == 2


async def test_a_place_that_has_not_heard_of_it_serves_the_old_value_and_keeps_it_to_itself(
    env: Any, isolate: Callable[..., AsyncKVValues]
) -> None:
    """That is the bound: 60 seconds, as Cloudflare says. Here KV is one that goes on answering what it once did."""
    one, far, source = isolate(), isolate(Stale(env.SESSIONS)), Source()
    await one.invalidate("report")
    assert await got(one, source) == 1
    assert await got(far, source) == 1
    source.value = 2
    await one.invalidate("report")
    assert await got(far, source) == 1
    await far.put("report", 1, ttl=MINUTES)
    await far.finish()
    assert await got(one, source) == 2
    assert await got(isolate(), source) == 2


@dataclass
class Report:
    """A typed value."""

    total: int


async def test_C7_values_are_typed_and_what_does_not_fit_counts_as_missing(
    env: Any, isolate: Callable[..., AsyncKVValues]
) -> None:
    """Another type, another key's seal, no copy at all: each is loaded anew."""
    values, source = isolate(), Source()
    assert await got(values, source, type=int) == 1
    source.value = "one"
    assert await got(values, source, type=str) == "one"
    assert await values.get("report", type=str) == "one"
    assert values.numbers["unusable"] == 1
    stranger = isolate(keys=[secrets.token_urlsafe(32)])
    assert await stranger.get("report") is None
    kv = values._labelled._tier.cache.kv  # type: ignore[attr-defined]
    for name in await kv.keys(""):
        await kv.put(name, b"\x01" + b"\xff" * 40, 60_000)
    assert await got(values, source, type=str) == "one"
    assert source.loads == 3
    with pytest.raises(DataError):
        await got(values, source, "number", type=int)


async def test_stale_values_are_served_where_that_is_wanted(
    isolate: Callable[..., AsyncKVValues], clock: ManualClock
) -> None:
    """When the loader fails; never one that was invalidated."""
    values, source = isolate(), Source()
    assert await got(values, source, stale_for=timedelta(hours=1)) == 1
    source.error = ValueError("no")
    clock.advance(timedelta(minutes=6))
    assert await got(values, source, stale_for=timedelta(hours=1)) == 1
    with pytest.raises(ValueError, match="no"):
        await got(values, source)
    await values.invalidate("report")
    with pytest.raises(ValueError, match="no"):
        await got(values, source, stale_for=timedelta(hours=1))


async def test_C8_no_key_of_a_namespace_or_tenant_reaches_anothers(isolate: Callable[..., AsyncKVValues]) -> None:
    values, source = isolate(), Source()
    parts = [values, *(values.namespace("n", tenant=tenant) for tenant in (None, "a", "b"))]
    for value, part in enumerate(parts):
        await part.put("key", value, ttl=MINUTES)
    await values.finish()
    assert [await part.get("key") for part in parts] == [0, 1, 2, 3]
    await parts[2].invalidate("key")
    assert [await part.get("key") for part in parts] == [0, 1, None, 3]
    assert source.loads == 0


async def test_KV_that_does_not_answer_costs_loads_and_an_invalidation_is_an_error(
    env: Any, isolate: Callable[..., AsyncKVValues]
) -> None:
    """Or the caller would believe it. In this isolate the old value is not served for a minute all the same."""
    away, source = isolate(Away()), Source()
    for loads in (1, 2):
        assert await got(away, source) == 1
        assert source.loads == loads
    with pytest.raises(Unavailable):
        await away.invalidate("report")
    refusing = Refusing(env.SESSIONS)
    values = isolate(refusing)
    assert await got(values, source) == 1
    source.value = 2
    refusing.error = TimeoutError()
    with pytest.raises(Unavailable):
        await values.invalidate("report")
    refusing.error = None
    assert await got(values, source) == 2


async def test_an_invalidation_that_comes_too_soon_after_another_waits(
    env: Any, isolate: Callable[..., AsyncKVValues]
) -> None:
    """KV takes one write of a key in a second, and says 429; after a few it is an error."""
    from coatcheck.workers import labels as module

    refusing, source = Refusing(env.SESSIONS), Source()
    values, pause = isolate(refusing), module._PAUSE
    module._PAUSE = 0  # type: ignore[misc]
    try:
        assert await got(values, source) == 1
        source.value = 2
        refusing.error, refusing.times = TimeoutError("KV PUT failed: 429 Too Many Requests"), 2
        await values.invalidate("report")
        assert await got(isolate(), source) == 2
        refusing.times = 100
        with pytest.raises(Unavailable, match="others write the same key"):
            await values.invalidate("report")
    finally:
        module._PAUSE = pause  # type: ignore[misc]


class Refusing:
    """A KV binding that takes nothing for a while."""

    def __init__(self, namespace: Any) -> None:
        self._namespace = namespace
        self.error: Exception | None = None
        self.times = 100
        self.get, self.delete = namespace.get, namespace.delete
        self.list, self.getWithMetadata = namespace.list, namespace.getWithMetadata

    async def put(self, *order: Any) -> None:
        if self.error is not None and self.times:
            self.times -= 1
            raise self.error
        await self._namespace.put(*order)


async def test_what_KV_alone_cannot_do_is_refused(env: Any, isolate: Callable[..., AsyncKVValues]) -> None:
    """With a way to have it."""
    values = isolate()
    for call in (
        lambda: values.invalidate("a", wait=True),
        lambda: values.invalidate("a", connection=object()),
        values.mark,
    ):
        with pytest.raises(ConfigurationError, match=r"use (AsyncCache on )?D1"):
            await call()
    with pytest.raises(ConfigurationError, match="keys"):
        isolate(keys=[])
    with pytest.raises(ConfigurationError, match="a D1 database"):
        isolate(env.DB)
    with pytest.raises(ConfigurationError, match="AsyncKVValues does without"):
        AsyncCache(AsyncKVStore(env.SESSIONS))
