"""Values in use are loaded anew in the background before their time is over: nobody waits but the first."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import ValueSettings
from tests.cache.sides import soon
from tests.cache.test_stampedes import dies

if TYPE_CHECKING:
    from tests.cache.sides import Bench, Worker

pytestmark = pytest.mark.anyio

TTL = timedelta(minutes=1)
EXACT = ValueSettings(jitter=0)
"""A value lives for exactly its time, and is loaded anew in the last fifth of it."""

SHAPES = pytest.mark.parametrize("shape", ["memory", "sqlite", "shared"])
EARLY, DUE, LATE = TTL * 0.79, TTL * 0.81, TTL * 0.95


async def used(worker: Worker, origin: Any, **options: Any) -> Any:
    """Use the value; it hangs if it waits for a loader that is held."""
    return await soon(worker.start("get_or_load", "key", origin, ttl=TTL, **options))


@SHAPES
@pytest.mark.parametrize("pause", [1, 5], ids=["often", "now_and_then"])
async def test_in_constant_use_over_many_expiries_no_call_ever_waits(bench: Bench, pause: int) -> None:
    """Each load but the first is held back until three more calls have been answered with the old value."""
    worker, origin = await bench.worker(), bench.origin(0)
    assert await used(worker, origin) == 0
    for number in range(1, 11):
        origin.value = number
        gate = origin.hold()
        answers = []
        while origin.loads == number:
            bench.pass_by(pause)
            answers.append(await used(worker, origin))
            while worker.busy and origin.loads == number:  # noqa: ASYNC110 - time stands still until it has begun
                await asyncio.sleep(0)
        await gate.reached()
        answers += [await used(worker, origin) for _ in range(3)]
        assert set(answers) == {number - 1}
        gate.release()
        await worker.settle()
        assert await used(worker, origin) == number
    assert origin.loads == worker.numbers["loads"] == 11
    assert worker.numbers["refreshes"] == 10


@SHAPES
async def test_it_is_loaded_anew_in_the_last_part_of_its_life_and_once(bench: Bench) -> None:
    worker, origin = await bench.worker(settings=EXACT), bench.origin("old")
    await used(worker, origin)
    bench.clock.advance(EARLY)
    for _ in range(5):
        await used(worker, origin)
        await worker.settle()
    assert origin.loads == 1
    bench.clock.advance(DUE - EARLY)
    origin.value = "new"
    gate = origin.hold()
    for _ in range(20):
        assert await used(worker, origin) == "old"
    await gate.reached()
    gate.release()
    await worker.settle()
    assert origin.loads == 2
    for _ in range(5):
        assert await used(worker, origin) == "new"
        await worker.settle()
    assert origin.loads == 2


@SHAPES
async def test_what_nobody_uses_any_more_is_not_loaded_anew(bench: Bench) -> None:
    worker, origin = await bench.worker(settings=EXACT), bench.origin()
    await used(worker, origin)
    bench.clock.advance(LATE)
    await worker.settle()
    assert origin.loads == 1


async def test_get_loads_nothing_anew(bench: Bench) -> None:
    """It has no loader; the next one who has does."""
    worker, origin = await bench.worker(settings=EXACT), bench.origin()
    await used(worker, origin)
    bench.clock.advance(DUE)
    for _ in range(3):
        assert await worker.get("key") == "value"
        await worker.settle()
    assert origin.loads == 1
    await used(worker, origin)
    await worker.settle()
    assert origin.loads == 2


@SHAPES
async def test_whoever_does_not_want_it_loads_nothing_in_the_background(bench: Bench) -> None:
    worker, origin = await bench.worker(settings=EXACT), bench.origin("old")
    await used(worker, origin, refresh=False)
    origin.value = "new"
    bench.clock.advance(LATE)
    for _ in range(5):
        assert await used(worker, origin, refresh=False) == "old"
        await worker.settle()
    assert origin.loads == 1
    bench.clock.advance(TTL - LATE)
    assert await used(worker, origin, refresh=False) == "new"
    assert (origin.loads, worker.numbers["refreshes"]) == (2, 0)
    assert await used(worker, origin) == "new"
    await worker.settle()
    assert origin.loads == 2, "that it was due before is over"


async def test_it_can_be_switched_off(bench: Bench) -> None:
    """Even for what takes long to load."""
    worker, origin = await bench.worker(settings=ValueSettings(refresh=0, jitter=0)), bench.origin()
    gate = origin.hold()
    first = worker.start("get_or_load", "key", origin, ttl=TTL)
    await gate.reached()
    bench.clock.advance(TTL * 0.4)
    gate.release()
    await soon(first)
    bench.clock.advance(TTL * 0.6 - timedelta(microseconds=1))
    for _ in range(5):
        await used(worker, origin)
        await worker.settle()
    assert origin.loads == 1


@SHAPES
async def test_a_refresh_that_fails_keeps_the_old_value_and_is_tried_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    worker, origin = await bench.worker(settings=EXACT), bench.origin("old")
    await used(worker, origin)
    bench.clock.advance(DUE)
    origin.error = ValueError("key and value")
    for tries in (1, 2, 3):
        for _ in range(10):
            assert await used(worker, origin) == "old"
            await worker.settle()
        assert origin.loads == 1 + tries
        bench.pass_by(1)
    failed = [record for record in caplog.records if record.getMessage() == "coatcheck.refresh_failed"]
    assert [record.__dict__["reason"] for record in failed] == ["ValueError"] * 3
    assert "key and value" not in caplog.text
    origin.error, origin.value = None, "new"
    assert await used(worker, origin) == "old"
    await worker.settle()
    assert await used(worker, origin) == "new"
    assert (worker.numbers["refreshes"], worker.numbers["failures"]) == (1, 3)


async def test_a_refresh_of_the_wrong_type_keeps_the_old_value(bench: Bench) -> None:
    worker, origin = await bench.worker(settings=EXACT), bench.origin(1)
    await used(worker, origin, type=int)
    bench.clock.advance(DUE)
    origin.value = "one"
    for _ in range(2):
        assert await used(worker, origin, type=int) == 1
        await worker.settle()
    assert (origin.loads, worker.numbers["refreshes"]) == (2, 0)


@SHAPES
async def test_N2_a_refresh_from_before_an_invalidation_brings_nothing_back(bench: Bench) -> None:
    worker, origin = await bench.worker(settings=EXACT), bench.origin("old")
    await used(worker, origin)
    bench.clock.advance(DUE)
    gate = origin.hold()
    await used(worker, origin)
    await gate.reached()
    await worker.invalidate("key")
    gate.release()
    await worker.settle()
    assert await worker.get("key") is None
    origin.value = "new"
    assert await used(worker, origin) == "new"


async def test_whoever_comes_after_its_time_waits_for_the_refresh_that_is_under_way(bench: Bench) -> None:
    worker, origin = await bench.worker(settings=EXACT), bench.origin("old")
    await used(worker, origin)
    bench.clock.advance(DUE)
    origin.value = "new"
    gate = origin.hold()
    await used(worker, origin)
    await gate.reached()
    bench.clock.advance(TTL)
    late = worker.start("get_or_load", "key", origin, ttl=2 * TTL)
    await worker.waiting("0:-:key", 1)
    gate.release()
    await worker.settle()
    assert await soon(late) == "new"


@pytest.mark.parametrize("shape", ["shared"])
async def test_of_two_workers_one_loads_anew_and_the_other_takes_it_from_the_shared_cache(bench: Bench) -> None:
    """While the one loads, the other serves the old value and does not wait either."""
    one, two = await bench.worker(settings=EXACT), await bench.worker(settings=EXACT)
    origin = bench.origin(0)
    await used(one, origin)
    await one.settle()
    await used(two, origin)
    for number in range(1, 5):
        bench.clock.advance(DUE)
        origin.value = number
        gate = origin.hold()
        assert await used(one, origin) == number - 1
        await gate.reached()
        for _ in range(3):
            assert await used(two, origin) == number - 1
            await two.settle()
            bench.pass_by(0.6)  # less than a lease in all, because what renews it waits for the machine's own time
        gate.release()
        await one.settle()
        assert await used(one, origin) == number
        bench.pass_by(1)  # it looks once in a second
        assert await used(two, origin) == number - 1
        await two.settle()
        assert await used(two, origin) == number
        assert origin.loads == 1 + number
    assert (one.numbers["loads"], two.numbers["loads"]) == (5, 0)


@pytest.mark.parametrize("shape", ["shared"])
async def test_no_worker_waits_over_many_expiries_if_another_dies_while_it_loads(bench: Bench) -> None:
    """Its lease ends after two seconds, and the next use loads."""
    one, two = await bench.worker(settings=EXACT), await bench.worker(settings=EXACT)
    origin = bench.origin("old")
    await used(one, origin)
    await one.settle()
    await used(two, origin)
    bench.clock.advance(DUE)
    gate = origin.hold()
    await used(one, origin)
    await gate.reached()
    await dies(one)
    origin.pass_by()
    origin.value = "new"
    for _ in range(3):
        assert await used(two, origin) == "old"
        await two.settle()
        bench.pass_by(1)
    assert await used(two, origin) == "new"
    assert origin.loads == 3
    gate.release()


async def test_jitter_spreads_the_ends(bench: Bench) -> None:
    """What was loaded together is not loaded anew together: by up to a tenth, some live shorter."""
    worker = await bench.worker()
    for number in range(200):
        await worker.put(str(number), number, ttl=TTL)

    async def left() -> int:
        return sum([await worker.get(str(number)) is not None for number in range(200)])

    bench.clock.advance(TTL * 0.9)
    assert await left() == 200
    bench.clock.advance(TTL * 0.05)
    assert 40 < await left() < 160
    bench.clock.advance(TTL * 0.05)
    assert await left() == 0


async def test_without_jitter_all_live_for_exactly_their_time(bench: Bench) -> None:
    worker = await bench.worker(settings=EXACT)
    for number in range(50):
        await worker.put(str(number), number, ttl=TTL)
    bench.clock.advance(TTL - timedelta(microseconds=1))
    assert [await worker.get(str(number)) for number in range(50)] == list(range(50))
    bench.clock.advance(timedelta(microseconds=1))
    assert [await worker.get(str(number)) for number in range(50)] == [None] * 50


async def test_what_takes_long_to_load_is_loaded_anew_earlier(bench: Bench) -> None:
    """Twice as long as it took the last time, before its end; and not before half of its life."""
    worker = await bench.worker(settings=EXACT)
    origin = bench.origin("old")
    gate = origin.hold()
    first = worker.start("get_or_load", "key", origin, ttl=timedelta(seconds=100))
    await gate.reached()
    bench.pass_by(15)
    gate.release()
    await soon(first)
    bench.pass_by(54)
    for due in (False, True):
        await soon(worker.start("get_or_load", "key", origin, ttl=timedelta(seconds=100)))
        await worker.settle()
        assert (origin.loads == 2) is due
        bench.pass_by(2)


async def test_the_time_in_memory_can_be_shorter_than_the_value_s(bench: Bench) -> None:
    worker = await bench.worker(settings=ValueSettings(ttl=TTL, jitter=0))
    await worker.put("key", "value", ttl=5 * TTL)
    bench.clock.advance(LATE)
    assert await worker.get("key") == "value"
    bench.clock.advance(TTL - LATE)
    assert await worker.get("key") is None
