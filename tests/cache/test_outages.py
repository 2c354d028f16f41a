"""The store of the log is away: values are loaded and handed on, nothing is kept, and nobody queues for timeouts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.cache.sides import LEASE, SECOND, TTL, answered, soon, together
from tests.cache.test_stampedes import many, two_loads
from tests.sqlite.helpers import remove_database

if TYPE_CHECKING:
    from tests.cache.sides import Bench, Origin, Worker

pytestmark = pytest.mark.anyio

SHAPES = pytest.mark.parametrize("shape", ["memory", "sqlite", "shared"])


@dataclass
class Outage:
    """A worker whose store is away, and its neighbour."""

    worker: Worker
    elsewhere: Worker
    origin: Origin


async def outage(bench: Bench) -> Outage:
    """Cache a value, and let the lease on it end while the store is away."""
    worker, elsewhere, origin = await bench.worker(), await bench.worker(), bench.origin("before")
    await worker.get_or_load("key", origin, ttl=TTL)
    await worker.settle()
    worker.store.fail("poll")
    bench.clock.advance(LEASE)
    return Outage(worker, elsewhere, origin)


@SHAPES
async def test_values_are_loaded_and_nothing_is_kept(bench: Bench) -> None:
    away = await outage(bench)
    for number in range(1, 4):
        away.origin.value = number
        assert await away.worker.get_or_load("key", away.origin, ttl=TTL) == number
        assert await away.worker.get("key", default="nobody knows") == "nobody knows"
        assert await away.worker.get_or_load("cold", away.origin, ttl=TTL) == number
        await away.worker.put("put", number, ttl=TTL)
        assert await away.worker.get("put") is None
        bench.clock.advance(SECOND)
    away.worker.store.heal()
    assert await away.worker.get("key") == "before", "all of the log is known now, and nothing has outdated it"
    assert await away.worker.get("cold") is None
    assert await away.worker.get("put") is None


async def test_until_the_lease_is_over_what_is_known_is_served(bench: Bench) -> None:
    away = await outage(bench)
    other = bench.origin("elsewhere")
    await away.elsewhere.get_or_load("key", other, ttl=TTL)
    away.elsewhere.store.fail("poll")
    bench.clock.advance(LEASE - timedelta(microseconds=1))
    assert await away.elsewhere.get_or_load("key", other, ttl=TTL) == "elsewhere"
    bench.clock.advance(timedelta(microseconds=1))
    other.value = "loaded"
    assert await away.elsewhere.get_or_load("key", other, ttl=TTL) == "loaded"


@SHAPES
async def test_N2_what_is_invalidated_meanwhile_is_not_served_afterwards(bench: Bench) -> None:
    """Neither what was cached before, nor a put with a mark from before or from meanwhile."""
    away = await outage(bench)
    meanwhile = await away.worker.mark()
    await away.elsewhere.invalidate("key", "put")
    away.worker.store.heal()
    bench.clock.advance(SECOND)
    await away.worker.put("put", "read meanwhile", ttl=TTL, mark=meanwhile)
    assert await away.worker.get("key") is None
    assert await away.worker.get("put") is None
    away.origin.value = "after"
    assert await away.worker.get_or_load("key", away.origin, ttl=TTL) == "after"


@SHAPES
async def test_N4_all_who_wait_are_answered_by_two_loads_and_one_poll(bench: Bench) -> None:
    """The first load may have begun before the others asked; and no queue of timeouts, whatever a poll takes."""
    away = await outage(bench)
    worker, origin = away.worker, away.origin
    polls = worker.store.count("poll")
    polled, first = worker.store.hold("poll"), origin.hold()
    calls = [worker.start("get_or_load", "key", origin, ttl=TTL) for _ in range(many(bench))]
    await answered(polled.reached())
    polled.release()
    await two_loads(worker, origin, first, many(bench))
    assert await together(calls) == ["before"] * many(bench)
    assert origin.loads == 3
    asked = worker.store.count("poll") - polls
    if not worker.store.capabilities.notices_changes or bench.kind == "asyncio":
        assert asked == 1
    origin.pass_by()
    for number in range(20):
        assert await worker.get_or_load(str(number), origin, ttl=TTL) == "before"
    assert worker.store.count("poll") - polls == asked, "for a second nobody tries again"


@SHAPES
async def test_S9_it_goes_back_to_caching_by_itself(bench: Bench) -> None:
    away = await outage(bench)
    await away.worker.get_or_load("cold", away.origin, ttl=TTL)
    away.worker.store.heal()
    bench.clock.advance(SECOND)
    loads = away.origin.loads
    for _ in range(5):
        assert await away.worker.get_or_load("cold", away.origin, ttl=TTL) == "before"
    assert away.origin.loads == loads + 1


async def test_a_loader_that_fails_too_tells_its_own_error(bench: Bench) -> None:
    """And stale_for does not help: nobody knows whether the old value was invalidated."""
    away = await outage(bench)
    away.origin.error = LookupError("the database is away")
    for _ in range(2):
        with pytest.raises(LookupError, match="the database is away"):
            await away.worker.get_or_load("key", away.origin, ttl=TTL, stale_for=timedelta(hours=1))
    assert away.worker.numbers["stale"] == 0


async def test_a_poll_that_hangs_holds_nobody_up_who_has_a_proof(bench: Bench) -> None:
    worker, origin = await bench.worker(), bench.origin()
    await worker.get_or_load("key", origin, ttl=TTL)
    worker.store.hold("poll")
    assert await soon(worker.start("get_or_load", "key", origin, ttl=TTL)) == "value"
    assert await soon(worker.start("get_or_load", "cold", origin, ttl=TTL)) == "value"


# --- a new life of the log


async def begin_anew(bench: Bench, shape: str) -> None:
    """Let the log be another one, as after a restored backup."""
    if shape == "sqlite":
        remove_database(bench.path)
        await bench.closed((await bench.worker()).thing)  # which makes the tables
    else:
        bench.memory._epoch += " anew"
        bench.clock.advance(LEASE)


@SHAPES
async def test_a_new_epoch_drops_everything(bench: Bench, shape: str) -> None:
    """In memory, in the shared cache, and what has a mark or was being loaded at the time."""
    worker, origin = await bench.worker(), bench.origin("old")
    mark = await worker.mark()
    for key in ("key", "other"):
        await worker.get_or_load(key, origin, ttl=TTL)
    await worker.settle()
    gate = origin.hold()
    late = worker.start("get_or_load", "late", origin, ttl=TTL)
    await gate.reached()
    await begin_anew(bench, shape)
    origin.pass_by()
    assert await worker.get("key") is None
    gate.release()
    assert await soon(late) == "old"
    await worker.put("put", "old", ttl=TTL, mark=mark)
    await worker.settle()
    for key in ("key", "other", "late", "put"):
        assert await worker.get(key) is None
    origin.value = "new"
    for _ in range(2):
        assert await worker.get_or_load("key", origin, ttl=TTL) == "new"
    assert await worker.get("key") == "new"
    origin.error = LookupError()
    with pytest.raises(LookupError):
        await worker.get_or_load("other", origin, ttl=TTL, stale_for=timedelta(hours=1))
