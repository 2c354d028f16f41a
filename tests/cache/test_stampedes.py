"""N4: however many ask for what nobody has, it is loaded once; and whoever loads it may die, hang or be robbed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import SharedCacheSettings, Unavailable, ValueSettings
from tests.cache.sides import ASYNCIO, LEASE, TTL, answered, broken, soon, together

if TYPE_CHECKING:
    from tests.cache.sides import Bench, Held, Origin, Worker

pytestmark = pytest.mark.anyio

PATIENCE = timedelta(seconds=10)
"""`load_timeout`, as it is by default."""


def many(bench: Bench) -> int:
    return 1000 if bench.kind == ASYNCIO else 50


def full(key: str) -> str:
    """Return the full key of one without a namespace."""
    return f"0:-:{key}"


async def two_loads(worker: Worker, origin: Origin, first: Held, callers: int) -> None:
    """Let a load end for which all others wait, and then the second, for which all but one more wait."""
    await first.reached()
    await worker.waiting(full("key"), callers - 1)
    second = origin.hold()
    first.release()
    await second.reached()
    await worker.waiting(full("key"), callers - 2)
    second.release()


def asked(worker: Worker, origin: Any, callers: int, **options: Any) -> list[asyncio.Future[Any]]:
    return [worker.start("get_or_load", "key", origin, ttl=TTL, **options) for _ in range(callers)]


@pytest.mark.parametrize("shape", ["memory", "sqlite", "shared"])
async def test_N4_many_callers_of_a_cold_key_make_one_load(bench: Bench) -> None:
    """All wait for the first one's and are served what it brought."""
    worker, origin = await bench.worker(), bench.origin({"plan": "pro"})
    gate = origin.hold()
    calls = asked(worker, origin, many(bench))
    await gate.reached()
    await worker.waiting(full("key"), many(bench) - 1)
    gate.release()
    answers = await together(calls)
    assert answers == [{"plan": "pro"}] * many(bench)
    assert len(set(map(id, answers))) == many(bench), "each has got one of its own"
    assert origin.loads == worker.numbers["loads"] == 1


@pytest.mark.parametrize("settings", [{"max_entries": 0}, {"max_value_bytes": 5}])
async def test_N4_what_cannot_be_kept_is_loaded_twice_for_all_who_wait(bench: Bench, settings: Any) -> None:
    """The first load may have begun too early for the others; the second has not."""
    worker, origin = await bench.worker(settings=ValueSettings(**settings)), bench.origin("a long value")
    first = origin.hold()
    calls = asked(worker, origin, many(bench))
    await two_loads(worker, origin, first, many(bench))
    assert await together(calls) == ["a long value"] * many(bench)
    assert origin.loads == 2


@pytest.mark.parametrize("shape", ["shared"])
async def test_N4_two_workers_make_one_load_in_all(bench: Bench) -> None:
    one, two, origin = await bench.worker(), await bench.worker(), bench.origin("value")
    gate = origin.hold()
    calls = asked(one, origin, 10)
    await gate.reached()
    calls += asked(two, origin, 10)
    await two.waiting(full("key"), 9)
    gate.release()
    assert await together(calls) == ["value"] * 20
    assert (origin.loads, one.numbers["loads"], two.numbers["loads"]) == (1, 1, 0)
    await one.settle()
    assert leases(bench) == [], "it was given back"


@pytest.mark.parametrize("shape", ["shared"])
async def test_a_value_that_one_has_loaded_is_the_other_s(bench: Bench) -> None:
    """And ends for both at the same time."""
    one, two, origin = await bench.worker(), await bench.worker(), bench.origin("value")
    await one.get_or_load("key", origin, ttl=TTL)
    await one.settle()
    bench.clock.advance(TTL * 0.7)
    assert await two.get("key") == "value"
    assert await two.get_or_load("key", origin, ttl=TTL) == "value"
    assert two.numbers["loads"] == 0
    bench.clock.advance(TTL * 0.3)
    assert await two.get("key") is None


@pytest.mark.parametrize("shape", ["shared"])
async def test_N2_what_the_shared_cache_has_from_before_an_invalidation_is_not_served(bench: Bench) -> None:
    one, two, origin = await bench.worker(), await bench.worker(), bench.origin("old")
    await one.get_or_load("key", origin, ttl=TTL)
    await one.settle()
    origin.value = "new"
    await one.invalidate("key")
    assert await two.get("key") is None
    assert await two.get_or_load("key", origin, ttl=TTL) == "new"
    await two.settle()
    bench.shared.serve_stale()
    assert await one.get_or_load("key", origin, ttl=TTL) == "new"
    third = await bench.worker()
    assert await third.get_or_load("key", origin, ttl=TTL) == "new"


# --- whoever loads


def leases(bench: Bench) -> list[bytes]:
    """Return the leases that lie in the shared cache."""
    return [key for key in bench.shared.keys if key.endswith(b".lease")]


async def looked(bench: Bench, times: int) -> None:
    """Wait until so many calls have tried to take a lease since now."""
    before = bench.shared.count("add")
    while bench.shared.count("add") < before + times:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)


def dies(worker: Worker) -> Any:
    """Let a worker hold its lease no longer; what it loads may go on."""
    return answered(worker.thing._values._leases._timer.stop())


@pytest.mark.parametrize("shape", ["shared"])
async def test_when_the_holder_of_the_lease_dies_another_one_loads_after_two_seconds(bench: Bench) -> None:
    """What the dead one brings all the same, when it was only asleep, does no harm."""
    one, two, origin = await bench.worker(), await bench.worker(), bench.origin("slept")
    asleep = origin.hold()
    sleeper = one.start("get_or_load", "key", origin, ttl=TTL)
    await asleep.reached()
    await dies(one)
    origin.pass_by()
    origin.value = "value"
    calls = asked(two, origin, 5)
    bench.pass_by(1.9)
    await looked(bench, 3)
    assert (origin.loads, [call.done() for call in calls]) == (1, [False] * 5)
    bench.pass_by(0.1)
    assert await together(calls) == ["value"] * 5
    assert origin.loads == 2
    await two.invalidate("key")
    bench.clock.advance(LEASE)
    asleep.release()
    assert await soon(sleeper) == "slept"
    await one.settle()
    for worker in (one, two):
        assert await worker.get("key") is None


@pytest.mark.parametrize("shape", ["shared"])
async def test_a_lease_is_held_for_as_long_as_the_loader_runs(bench: Bench) -> None:
    """It is renewed in the background; here the clock that ends it moves by hand, a second at a time."""
    one, two, origin = await bench.worker(), await bench.worker(), bench.origin()
    gate = origin.hold()
    calls = [one.start("get_or_load", "key", origin, ttl=TTL)]
    await gate.reached()
    calls.append(two.start("get_or_load", "key", origin, ttl=TTL))
    for _ in range(2):
        renewals = len(bench.shared._values[leases(bench)[0]])
        async with asyncio.timeout(20):
            while len(bench.shared._values[leases(bench)[0]]) == renewals:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        bench.pass_by(1.5)
        await looked(bench, 2)
    assert origin.loads == 1
    gate.release()
    assert await together(calls) == ["value", "value"]
    assert origin.loads == 1


@pytest.mark.parametrize("shape", ["shared"])
async def test_a_lease_that_nobody_ever_gives_back_holds_nobody_up_for_longer_than_the_load_timeout(
    bench: Bench,
) -> None:
    """Whoever can write into the shared cache can forge one; it proves nothing."""
    worker, origin = await bench.worker(), bench.origin()
    await worker.mark()
    epoch = worker.thing.tiers.log.knowledge.epoch
    there = worker.thing._values._copies.places(epoch, full("key"))[0]
    await answered(bench.shared.add(there.lease, b"mine", 10**9))
    for loads in (1, 2):
        calls = asked(worker, origin, 3)
        await looked(bench, 2)
        bench.clock.advance(PATIENCE * 0.9)
        await looked(bench, 2)
        assert not any(call.done() for call in calls)
        bench.clock.advance(PATIENCE * 0.1)
        assert await together(calls) == ["value"] * 3
        assert origin.loads == loads
        await worker.invalidate("key")


@pytest.mark.parametrize("shape", ["shared"])
async def test_a_load_that_fails_gives_its_lease_back(bench: Bench) -> None:
    """The other worker waits no two seconds for it: here no time passes at all."""
    one, two, origin = await bench.worker(), await bench.worker(), bench.origin()
    gate = origin.hold()
    origin.error = ValueError("no")
    failing = one.start("get_or_load", "key", origin, ttl=TTL)
    await gate.reached()
    origin.error = None
    origin.pass_by()
    waiting = two.start("get_or_load", "key", origin, ttl=TTL)
    await looked(bench, 2)
    gate.release()
    with pytest.raises(ValueError, match="no"):
        await soon(failing)
    assert await soon(waiting) == "value"
    assert origin.loads == 2


@pytest.mark.parametrize("shape", ["shared"])
async def test_a_value_too_large_to_be_kept_gives_its_lease_back(bench: Bench) -> None:
    settings = ValueSettings(max_value_bytes=5)
    one, two = await bench.worker(settings=settings), await bench.worker(settings=settings)
    origin = bench.origin("too large")
    for worker in (one, two, one):
        assert await soon(worker.start("get_or_load", "key", origin, ttl=TTL)) == "too large"
        await worker.settle()
    assert origin.loads == 3
    assert leases(bench) == []


# --- the shared cache


@pytest.mark.parametrize("shape", ["shared"])
async def test_with_the_shared_cache_down_each_worker_loads_once(bench: Bench) -> None:
    one, two, origin = await bench.worker(), await bench.worker(), bench.origin()
    broken(bench.shared)
    gate = origin.hold()
    calls = [*asked(one, origin, 10), *asked(two, origin, 10)]
    await gate.reached(2)
    for worker in (one, two):
        await worker.waiting(full("key"), 9)
    gate.release()
    assert await together(calls) == ["value"] * 20
    assert origin.loads == 2
    for worker in (one, two):
        assert await worker.get("key") == "value"
        await worker.invalidate("key")
    assert await one.get_or_load("key", origin, ttl=TTL) == "value"
    assert origin.loads == 3
    bench.shared.heal()
    bench.pass_by(60)
    await one.put("other", "shared again", ttl=TTL)
    await one.settle()
    await one.put("other", "shared again", ttl=TTL)
    await one.settle()
    assert await two.get("other") == "shared again"


@pytest.mark.parametrize("shape", ["shared"])
@pytest.mark.parametrize("kind", [ASYNCIO])
async def test_a_shared_cache_that_never_answers_costs_each_of_its_calls_a_timeout_and_then_nothing(
    bench: Bench,
) -> None:
    """Nobody opens the gate: without timeouts this would wait for ever."""
    quick = SharedCacheSettings(timeout=timedelta(milliseconds=5))
    worker, origin = await bench.worker(shared_cache_settings=quick), bench.origin()
    bench.shared.hold("get", "put", "add", "remove")
    for number in range(20):
        call = worker.start("get_or_load", str(number), origin, ttl=TTL)
        assert await soon(call) == "value"
        assert await worker.get(str(number)) == "value"
    assert origin.loads == 20
    await worker.settle()
    assert len(bench.shared.calls) <= 1 + 3, "after three that failed it is left alone"


@pytest.mark.parametrize("shape", ["shared"])
async def test_a_flushed_shared_cache_costs_a_load_and_nothing_else(bench: Bench) -> None:
    one, two, origin = await bench.worker(), await bench.worker(), bench.origin()
    await one.get_or_load("key", origin, ttl=TTL)
    await one.settle()
    bench.shared.empty()
    assert await one.get("key") == "value"
    assert await two.get_or_load("key", origin, ttl=TTL) == "value"
    assert origin.loads == 2


@pytest.mark.parametrize("shape", ["shared"])
@pytest.mark.parametrize("forge", ["garbage", "altered", "of another key", "of another deployment", "truncated"])
async def test_S5_what_was_forged_in_the_shared_cache_is_nothing(bench: Bench, forge: str) -> None:
    """What lies there was sealed by the workers, for this key, in this deployment; or it is loaded."""
    one, two, origin = await bench.worker(), await bench.worker(), bench.origin("good")
    liar = await bench.worker(**({"deployment": "other"} if "deployment" in forge else {}))
    await one.get_or_load("key", origin, ttl=TTL)
    await one.settle()
    there = next(key for key in bench.shared.keys if not key.endswith(b".lease"))
    good = bench.shared._values[there][-1][0]
    await liar.put("other" if "another key" in forge else "key", "evil", ttl=TTL)
    await liar.settle()
    others = [key for key in bench.shared.keys if key != there] or [there]
    evil = {
        "garbage": b"x" * len(good),
        "altered": good.replace(b"good", b"evil"),
        "truncated": good[:-1],
    }.get(forge) or bench.shared._values[others[-1]][-1][0]
    assert evil != good
    await answered(bench.shared.put(there, evil, 10**6))
    assert await two.get("key") is None
    assert await two.get_or_load("key", origin, ttl=TTL) == "good"
    assert (origin.loads, two.numbers["loads"]) == (2, 1)


@pytest.mark.parametrize("shape", ["shared"])
async def test_S11_a_shared_cache_that_mixes_keys_up_is_not_believed(bench: Bench) -> None:
    one, two, origin = await bench.worker(), await bench.worker(), bench.origin("mine")
    await one.put("key", "mine", ttl=TTL)
    await one.put("other", "theirs", ttl=TTL)
    await one.settle()
    bench.shared.serve_others()
    assert await two.get("key") is None
    assert await two.get_or_load("key", origin, ttl=TTL) == "mine"
    assert await two.get("other") is None


# --- one of those who wait


@pytest.mark.parametrize("kind", [ASYNCIO])
@pytest.mark.parametrize("shape", ["memory", "shared"])
async def test_when_the_loading_task_is_cancelled_another_one_loads(bench: Bench) -> None:
    worker, origin = await bench.worker(), bench.origin()
    gate = origin.hold()
    leader, *followers = asked(worker, origin, 10)
    await gate.reached()
    await worker.waiting(full("key"), 9)
    leader.cancel()
    await gate.reached(2)
    assert leader.cancelled()
    gate.release()
    assert await together(followers) == ["value"] * 9
    assert origin.loads == 2


@pytest.mark.parametrize("kind", [ASYNCIO])
async def test_a_cancelled_waiter_disturbs_nobody(bench: Bench) -> None:
    worker, origin = await bench.worker(), bench.origin()
    gate = origin.hold()
    calls = asked(worker, origin, 10)
    await gate.reached()
    await worker.waiting(full("key"), 9)
    for call in calls[1:5]:
        call.cancel()
    gate.release()
    answers = await together(calls)
    assert [type(answer) for answer in answers[1:5]] == [asyncio.CancelledError] * 4
    assert [answers[0], *answers[5:]] == ["value"] * 6
    assert origin.loads == 1


async def test_a_follower_is_not_served_a_load_from_before_an_invalidation(bench: Bench) -> None:
    """N2: the loader, which began before it, may have read the old value; who asks after the bound may not."""
    worker, elsewhere, origin = await bench.worker(), await bench.worker(), bench.origin("old")
    gate = origin.hold()
    leader = worker.start("get_or_load", "key", origin, ttl=TTL)
    await gate.reached()
    await elsewhere.invalidate("key")
    bench.clock.advance(LEASE)
    origin.value = "new"
    origin.pass_by()
    follower = worker.start("get_or_load", "key", origin, ttl=TTL)
    await worker.waiting(full("key"), 1)
    gate.release()
    assert await soon(leader) == "old"
    assert await soon(follower) == "new"
    assert await worker.get("key") == "new"


async def test_I4_a_failure_to_load_is_nobody_s_value(bench: Bench) -> None:
    worker, origin = await bench.worker(), bench.origin()
    origin.error = Unavailable("the database is away")
    with pytest.raises(Unavailable, match="the database is away"):
        await worker.get_or_load("key", origin, ttl=TTL)
    assert await worker.get("key", default="nothing") == "nothing"
