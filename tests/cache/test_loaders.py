"""Loaders that raise, hang, come late or bring the wrong thing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import DataError, Unavailable, ValueSettings
from tests.cache.sides import ASYNCIO, LEASE, SECOND, THREADS, TTL, soon, together
from tests.cache.test_stampedes import full, many

if TYPE_CHECKING:
    from tests.cache.sides import Bench, Worker

pytestmark = pytest.mark.anyio

SHORT = ValueSettings(load_timeout=timedelta(milliseconds=30), jitter=0)
"""So long may a loader take; that time is the machine's own."""

EXACT = ValueSettings(jitter=0)
HOUR = timedelta(hours=1)


class Failed(Exception):
    """What a loader raises."""


@pytest.mark.parametrize("shape", ["memory", "sqlite", "shared"])
async def test_all_who_wait_get_the_error_and_the_next_one_loads_again(bench: Bench) -> None:
    worker, origin = await bench.worker(), bench.origin()
    gate = origin.hold()
    origin.error = Failed("no")
    calls = [worker.start("get_or_load", "key", origin, ttl=TTL) for _ in range(many(bench))]
    await gate.reached()
    await worker.waiting(full("key"), many(bench) - 1)
    gate.release()
    answers = await together(calls)
    assert {id(answer) for answer in answers} == {id(origin.error)}
    assert (origin.loads, worker.numbers["failures"], worker.numbers["loads"]) == (1, 1, 0)
    origin.error = None
    assert await worker.get_or_load("key", origin, ttl=TTL) == "value"
    assert origin.loads == 2


async def test_an_error_is_as_its_loader_has_raised_it(bench: Bench) -> None:
    """Its cause is its own, and we do not stand in its context."""
    worker, origin = await bench.worker(), bench.origin()
    cause = KeyError("cause")
    origin.error = Failed("no")
    origin.error.__cause__ = cause
    for _ in range(2):
        with pytest.raises(Failed) as raised:
            await worker.get_or_load("key", origin, ttl=TTL)
        assert raised.value is origin.error
        assert raised.value.__cause__ is cause
        assert raised.value.__context__ is None
        assert raised.value.__suppress_context__


async def test_what_is_not_of_its_type_is_refused_and_not_kept(bench: Bench) -> None:
    worker, origin = await bench.worker(), bench.origin("text")
    calls = [worker.start("get_or_load", "key", origin, ttl=TTL, type=int) for _ in range(5)]
    assert [type(answer) for answer in await together(calls)] == [DataError] * 5
    assert await worker.get("key", default="nothing") == "nothing"
    with pytest.raises(DataError):
        await worker.put("key", "text", ttl=TTL, type=int)
    assert await worker.get("key", default="nothing") == "nothing"
    origin.value = 5
    assert await worker.get_or_load("key", origin, ttl=TTL, type=int) == 5


# --- that hang


@pytest.mark.parametrize("kind", [ASYNCIO])
@pytest.mark.parametrize("shape", ["memory", "shared"])
async def test_a_loader_that_hangs_is_ended(bench: Bench) -> None:
    """All who wait for it are told so, and the next call loads again."""
    worker, origin = await bench.worker(settings=SHORT), bench.origin()
    origin.hold()
    calls = [worker.start("get_or_load", "key", origin, ttl=TTL) for _ in range(5)]
    answers = await together(calls)
    assert {str(answer) for answer in answers} == {"the loader took longer than load_timeout=0.03 s"}
    assert {type(answer) for answer in answers} == {Unavailable}
    assert (origin.loads, worker.numbers["failures"]) == (1, 1)
    origin.pass_by()
    assert await worker.get_or_load("key", origin, ttl=TTL) == "value"


@pytest.mark.parametrize("kind", [ASYNCIO])
async def test_a_timeout_of_the_loader_s_own_is_its_own(bench: Bench) -> None:
    worker, origin = await bench.worker(), bench.origin()
    origin.error = TimeoutError("the database")
    with pytest.raises(TimeoutError, match="the database"):
        await worker.get_or_load("key", origin, ttl=TTL)


@pytest.mark.parametrize("kind", [THREADS])
@pytest.mark.parametrize("shape", ["memory", "shared"])
async def test_threads_wait_for_a_loader_that_hangs_for_so_long_and_no_longer(bench: Bench) -> None:
    """It cannot be ended; what it brings in the end is a value like any other."""
    worker, origin = await bench.worker(settings=SHORT), bench.origin()
    gate = origin.hold()
    leader = worker.start("get_or_load", "key", origin, ttl=TTL)
    await gate.reached()
    calls = [worker.start("get_or_load", "key", origin, ttl=TTL) for _ in range(5)]
    answers = await together(calls)
    assert {type(answer) for answer in answers} == {Unavailable}
    assert not leader.done()
    gate.release()
    assert await soon(leader) == "value"
    assert await worker.get("key") == "value"
    assert origin.loads == 1


async def test_N2_a_late_result_brings_nothing_back(bench: Bench) -> None:
    """Not even if the loader swallows its cancellation, and returns what it had read before the invalidation."""
    worker, origin = await bench.worker(settings=SHORT), bench.origin("old")
    if bench.kind == ASYNCIO:
        entered, go = asyncio.Event(), asyncio.Event()

        async def stubborn() -> str:
            entered.set()
            while not go.is_set():
                try:
                    await go.wait()
                except asyncio.CancelledError:
                    cancelled.set()
            return "old"

        cancelled = asyncio.Event()
        late = worker.start("get_or_load", "key", stubborn, ttl=TTL)
        await soon(asyncio.ensure_future(cancelled.wait()))
        release = go.set
    else:
        gate = origin.hold()
        late = worker.start("get_or_load", "key", origin, ttl=TTL)
        await gate.reached()
        release = gate.release
    await worker.invalidate("key")
    release()
    await together([late])
    await worker.settle()
    assert await worker.get("key") is None
    fresh = bench.origin("new")
    assert await worker.get_or_load("key", fresh, ttl=TTL) == "new"


# --- stale_for


async def outdated(worker: Worker, origin: Any, **options: Any) -> None:
    """Let a value end that was loaded a minute ago, and its source fail."""
    await worker.get_or_load("key", origin, ttl=timedelta(minutes=1), **options)
    await worker.settle()
    worker.bench.pass_by(60)
    origin.error = Failed("no")


@pytest.mark.parametrize("shape", ["memory", "sqlite", "shared"])
async def test_an_expired_value_is_served_when_the_loader_fails_to_whoever_asked_for_that(bench: Bench) -> None:
    worker, origin = await bench.worker(settings=EXACT), bench.origin("old")
    await outdated(worker, origin)
    assert await worker.get_or_load("key", origin, ttl=TTL, stale_for=HOUR) == "old"
    assert worker.numbers["stale"] == 1
    with pytest.raises(Failed):
        await worker.get_or_load("key", origin, ttl=TTL)
    with pytest.raises(Failed):
        await worker.get_or_load("never loaded", origin, ttl=TTL, stale_for=HOUR)
    assert await worker.get("key") is None
    origin.error, origin.value = None, "new"
    assert await worker.get_or_load("key", origin, ttl=TTL, stale_for=HOUR) == "new"
    assert origin.loads == 5


async def test_it_is_served_within_that_time_only(bench: Bench) -> None:
    worker, origin = await bench.worker(settings=EXACT), bench.origin("old")
    await outdated(worker, origin)
    bench.clock.advance(HOUR - SECOND)
    assert await worker.get_or_load("key", origin, ttl=TTL, stale_for=HOUR) == "old"
    bench.clock.advance(SECOND)
    with pytest.raises(Failed):
        await worker.get_or_load("key", origin, ttl=TTL, stale_for=HOUR)
    assert await worker.get_or_load("key", origin, ttl=TTL, stale_for=2 * HOUR) == "old"


@pytest.mark.parametrize("how", ["key", "namespace of the tenant", "tenant", "namespace"])
@pytest.mark.parametrize("shape", ["memory", "sqlite", "shared"])
async def test_what_was_invalidated_is_never_served_for_want_of_a_better(bench: Bench, how: str) -> None:
    """Wherever it was invalidated, and whether its time was over before or after."""
    for early in (True, False):
        worker, elsewhere = await bench.worker(settings=EXACT), await bench.worker()
        space = worker.namespace("flags", tenant="acme")
        origin = bench.origin("old")
        await space.get_or_load("key", origin, ttl=timedelta(minutes=1))
        origin.error = Failed("no")
        bench.pass_by(0 if early else 60)
        if how == "key":
            await elsewhere.namespace("flags", tenant="acme").invalidate("key")
        elif how == "tenant":
            await elsewhere.invalidate_tenant("acme")
        else:
            await elsewhere.invalidate_namespace("flags", tenant="acme" if "tenant" in how else None)
        bench.pass_by(60 if early else LEASE.total_seconds())
        with pytest.raises(Failed):
            await space.get_or_load("key", origin, ttl=TTL, stale_for=HOUR)


async def test_an_expired_value_of_another_type_is_not_served(bench: Bench) -> None:
    worker, origin = await bench.worker(settings=EXACT), bench.origin("old")
    await outdated(worker, origin)
    with pytest.raises(Failed):
        await worker.get_or_load("key", origin, ttl=TTL, stale_for=HOUR, type=int)


async def test_all_who_wait_for_a_load_that_fails_get_the_expired_value(bench: Bench) -> None:
    """Those of them who asked for that."""
    worker, origin = await bench.worker(settings=EXACT), bench.origin({"plan": "pro"})
    await outdated(worker, origin)
    gate = origin.hold()
    calls = [worker.start("get_or_load", "key", origin, ttl=TTL, stale_for=HOUR) for _ in range(10)]
    await gate.reached()
    calls += [worker.start("get_or_load", "key", origin, ttl=TTL) for _ in range(10)]
    await worker.waiting(full("key"), 19)
    gate.release()
    answers = await together(calls)
    assert answers[:10] == [{"plan": "pro"}] * 10
    assert len(set(map(id, answers[:10]))) == 10
    assert answers[10:] == [origin.error] * 10
    assert origin.loads == 2


async def test_an_expired_value_is_served_when_the_loader_hangs(bench: Bench) -> None:
    """To all in time with asyncio, to all but the one who called it with threads."""
    worker, origin = await bench.worker(settings=SHORT), bench.origin("old")
    await outdated(worker, origin)
    gate = origin.hold()
    calls = [worker.start("get_or_load", "key", origin, ttl=TTL, stale_for=HOUR) for _ in range(5)]
    await gate.reached()
    waits = 5 if bench.kind == ASYNCIO else 4
    async with asyncio.timeout(20):
        while sum(call.done() for call in calls) < waits:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)
    gate.release()
    assert await together(calls) == ["old"] * 5
    assert origin.loads == 2


@pytest.mark.parametrize("invalidated", [False, True])
async def test_a_loader_that_takes_longer_than_the_lease_before_it_fails(bench: Bench, *, invalidated: bool) -> None:
    """The old value is judged by what the log says then."""
    worker, elsewhere, origin = await bench.worker(settings=EXACT), await bench.worker(), bench.origin("old")
    await outdated(worker, origin)
    gate = origin.hold()
    call = worker.start("get_or_load", "key", origin, ttl=TTL, stale_for=HOUR)
    await gate.reached()
    if invalidated:
        await elsewhere.invalidate("key")
    bench.clock.advance(2 * LEASE)
    gate.release()
    assert await together([call]) == [origin.error if invalidated else "old"]


async def test_of_what_it_serves_stale_it_says_so(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    worker, origin = await bench.worker(settings=EXACT), bench.origin("old")
    await outdated(worker, origin)
    await worker.get_or_load("key", origin, ttl=TTL, stale_for=HOUR)
    (record,) = [record for record in caplog.records if record.getMessage() == "coatcheck.stale_value"]
    assert record.__dict__["reason"] == "Failed"
