"""C7: values are typed; what does not fit is missing, and what one caller does to a value no other sees."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pydantic
import pytest

from coatcheck import ValueSettings
from tests.cache.sides import TTL, together
from tests.cache.test_stampedes import full

if TYPE_CHECKING:
    from tests.cache.sides import Bench, Worker

pytestmark = pytest.mark.anyio


@dataclass
class Plan:
    name: str
    seats: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Flag:
    name: str
    users: tuple[int, ...] = ()


class Query(msgspec.Struct):
    rows: list[dict[str, int]]


class FrozenQuery(msgspec.Struct, frozen=True):
    rows: tuple[int, ...]


class Model(pydantic.BaseModel):
    names: list[str]


class FrozenModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)
    name: str


class OldPlan(msgspec.Struct):
    """What a plan was in the last release."""

    title: str


MUTABLE = [
    (None, {"a": [1, {"b": 2}]}),
    (None, [1, 2]),
    (dict[str, list[int]], {"a": [1]}),
    (Plan, Plan("pro", [1, 2])),
    (Query, Query([{"a": 1}])),
    (Model, Model(names=["ada"])),
    (list[Plan], [Plan("pro", [1])]),
]
FROZEN = [
    (str, "text"),
    (int, 10**12),
    (tuple[int, str], (1, "a")),
    (Flag, Flag("new", (1, 2))),
    (FrozenQuery, FrozenQuery((1, 2))),
    (FrozenModel, FrozenModel(name="ada")),
]


def spoil(value: Any) -> None:
    """Change a value as thoroughly as possible."""
    if isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value["spoiled"] = True
    elif isinstance(value, list):
        for item in value:
            spoil(item)
        value.append("spoiled")
    elif isinstance(value, Plan):
        value.name = "spoiled"
        spoil(value.seats)
    elif isinstance(value, Query):
        spoil(value.rows)
    elif isinstance(value, Model):
        spoil(value.names)


@pytest.mark.parametrize("shape", ["memory", "shared"])
@pytest.mark.parametrize(("type_", "value"), MUTABLE)
async def test_S11_whoever_changes_what_they_got_changes_nobody_else_s(bench: Bench, type_: Any, value: Any) -> None:
    """The loader's own object, the first caller's, those of who waited with it, and later ones."""
    worker, good = await bench.worker(), copy.deepcopy(value)
    mine = copy.deepcopy(value)
    origin = bench.origin(mine)
    gate = origin.hold()
    calls = [worker.start("get_or_load", "key", origin, ttl=TTL, type=type_) for _ in range(3)]
    await gate.reached()
    await worker.waiting(full("key"), 2)
    gate.release()
    for answer in await together(calls):
        assert answer == good
        spoil(answer)
    spoil(mine)
    for _ in range(3):
        for answer in (
            await worker.get_or_load("key", origin, ttl=TTL, type=type_),
            await worker.get("key", type=type_),
        ):
            assert answer == good
            assert type(answer) is type(good)
            spoil(answer)
    put = copy.deepcopy(value)
    await worker.put("put", put, ttl=TTL, type=type_)
    spoil(put)
    assert await worker.get("put", type=type_) == good
    await worker.settle()
    other = await bench.worker()
    assert await other.get("key", type=type_) == (good if bench.shared is not None else None)
    assert origin.loads == 1


@pytest.mark.parametrize("shape", ["memory", "shared"])
@pytest.mark.parametrize(("type_", "value"), FROZEN)
async def test_what_nobody_can_change_is_one_object_for_all(bench: Bench, type_: Any, value: Any) -> None:
    worker, origin = await bench.worker(), bench.origin(value)
    answers = [await worker.get_or_load("key", origin, ttl=TTL, type=type_) for _ in range(5)]
    assert answers == [value] * 5
    assert {type(answer) for answer in answers} == {type(value)}
    assert len({id(answer) for answer in answers[1:]}) == 1
    await worker.invalidate("key")
    assert await worker.get_or_load("key", origin, ttl=TTL, type=type_) == value
    assert origin.loads == 2


async def test_after_a_new_value_the_old_object_is_not_served(bench: Bench) -> None:
    """The object belongs to one copy and one type."""
    worker, origin = await bench.worker(), bench.origin(Flag("old"))
    for _ in range(3):
        assert await worker.get_or_load("key", origin, ttl=TTL, type=Flag) == Flag("old")
    await worker.put("key", Flag("put"), ttl=TTL, type=Flag)
    for _ in range(3):
        assert await worker.get_or_load("key", origin, ttl=TTL, type=Flag) == Flag("put")
    assert await worker.get_or_load("key", origin, ttl=TTL) == {"name": "put", "users": []}
    assert await worker.get("key", type=Flag) == Flag("put")


async def test_an_object_that_comes_late_is_not_served_for_a_new_value(bench: Bench) -> None:
    """As from a thread that has decoded the old copy, and was slow to leave the object."""
    worker, origin = await bench.worker(), bench.origin("old")
    for _ in range(2):
        await worker.get_or_load("key", origin, ttl=TTL, type=str)
    late = worker.reads.cache.views[full("key")]
    await worker.put("key", "new", ttl=TTL, type=str)
    worker.reads.cache.views[full("key")] = late
    assert await worker.get_or_load("key", origin, ttl=TTL, type=str) == "new"


async def test_what_the_first_caller_gets_is_what_all_get(bench: Bench) -> None:
    """It has gone through JSON as well: an integer where a float is declared is one for all, or for nobody."""
    worker, origin = await bench.worker(), bench.origin(5)
    answers = [await worker.get_or_load("key", origin, ttl=TTL, type=float) for _ in range(3)]
    assert [(type(answer), answer) for answer in answers] == [(float, 5.0)] * 3


async def forget(worker: Worker) -> None:
    """Forget what is in memory, as a new process has."""
    worker.reads.view = (worker.reads.view[0], worker.reads._copies.new_cache())


@pytest.mark.parametrize("shape", ["memory", "sqlite", "shared"])
async def test_C7_what_does_not_validate_any_more_is_missing(bench: Bench) -> None:
    """In memory and in the shared cache: it is loaded, once, and counted."""
    old, new, origin = await bench.worker(), await bench.worker(), bench.origin(Plan("pro"))
    workers = [old] if bench.shared is None else [old, new]
    await old.put("key", OldPlan("pro"), ttl=TTL, type=OldPlan)
    await old.settle()
    for worker in workers:
        assert await worker.get("key", type=Plan, default="nothing") == "nothing"
        assert worker.numbers["unusable"] == 1
    worker = workers[-1]
    for _ in range(3):
        assert await worker.get_or_load("key", origin, ttl=TTL, type=Plan) == Plan("pro")
    await worker.settle()
    assert origin.loads == 1
    assert worker.numbers["unusable"] == 2
    if bench.shared is not None:
        await forget(old)
        assert await old.get("key", type=Plan) == Plan("pro")


@pytest.mark.parametrize("shape", ["memory", "shared"])
async def test_two_types_under_one_key_do_not_disturb_each_other(bench: Bench) -> None:
    """They push each other out, and that is all."""
    worker = await bench.worker()
    number, text = bench.origin(1), bench.origin("one")
    for turn in range(1, 4):
        assert await worker.get_or_load("key", number, ttl=TTL, type=int) == 1
        await worker.settle()
        assert await worker.get("key", type=str) is None
        assert await worker.get_or_load("key", text, ttl=TTL, type=str) == "one"
        await worker.settle()
        assert await worker.get("key", type=int) is None
        assert (number.loads, text.loads) == (turn, turn)


@pytest.mark.parametrize("settings", [{"max_entries": 0}, {"max_value_bytes": 1}])
async def test_two_types_under_one_key_at_the_same_time(bench: Bench, settings: Any) -> None:
    """Whoever has waited for a second load, of the other type and not kept, is not served what that brought."""
    worker = await bench.worker(settings=ValueSettings(**settings))
    number, text = bench.origin(11), bench.origin("one")
    first = number.hold()
    kinds: Any = [(number, int), (text, str)]
    calls = [worker.start("get_or_load", "key", number, ttl=TTL, type=int)]
    await first.reached()
    calls += [worker.start("get_or_load", "key", origin, ttl=TTL, type=type_) for origin, type_ in kinds * 5]
    await worker.waiting(full("key"), 10)
    second = [number.hold(), text.hold()]
    first.release()
    while number.loads + text.loads < 2:  # noqa: ASYNC110 - nobody tells which of them it is
        await asyncio.sleep(0)
    await worker.waiting(full("key"), 9)
    for gate in second:
        gate.release()
    assert sorted(map(str, await together(calls))) == ["11"] * 6 + ["one"] * 5


async def test_none_is_a_value(bench: Bench) -> None:
    worker, origin = await bench.worker(), bench.origin(None)
    for type_ in (None, type(None), int | None):
        for _ in range(3):
            assert await worker.get_or_load(str(type_), origin, ttl=TTL, type=type_) is None
    assert origin.loads == 3


# --- bounds


async def test_S12_what_is_too_large_is_handed_on_and_not_kept(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    worker = await bench.worker(settings=ValueSettings(max_value_bytes=100))
    fits, large = bench.origin("x" * 98), bench.origin("x" * 99)
    for _ in range(2):
        assert await worker.get_or_load("fits", fits, ttl=TTL) == "x" * 98
        assert await worker.get_or_load("large", large, ttl=TTL) == "x" * 99
    await worker.put("large", "x" * 99, ttl=TTL)
    assert await worker.get("large") is None
    assert (fits.loads, large.loads, worker.numbers["too_large"]) == (1, 2, 3)
    said = [record.__dict__["bytes"] for record in caplog.records if record.getMessage() == "coatcheck.value_too_large"]
    assert said == [101, 101, 101]
    assert "xxx" not in caplog.text


@pytest.mark.parametrize("shape", ["shared"])
async def test_S12_what_is_too_large_is_not_shared_either(bench: Bench) -> None:
    worker = await bench.worker(settings=ValueSettings(max_value_bytes=100))
    await worker.get_or_load("large", bench.origin("x" * 99), ttl=TTL)
    await worker.put("large", "x" * 99, ttl=TTL)
    await worker.settle()
    assert not bench.shared.count("put")


def held(worker: Worker) -> tuple[int, int]:
    """Return how many copies are in memory, and how many bytes they have."""
    cache = worker.reads.cache
    copies = {**cache._old, **cache.young}
    assert len(copies) == worker.numbers["entries"]
    assert len(cache.views) <= len(cache.young)
    return len(copies), sum(map(len, cache._old.values())) + sum(map(len, cache.young.values()))


@pytest.mark.parametrize("entries", [0, 1, 10, 100])
async def test_S12_no_more_values_are_kept_than_may_be(bench: Bench, entries: int) -> None:
    worker = await bench.worker(settings=ValueSettings(max_entries=entries))
    for number in range(300):
        for _ in range(2):
            assert await worker.get_or_load(str(number), bench.origin(number), ttl=TTL, type=int) == number
        assert held(worker)[0] <= max(entries, 2 if entries else 0)
    assert held(worker)[0] >= entries // 2


async def test_S12_no_more_bytes_are_kept_than_may_be(bench: Bench) -> None:
    settings = ValueSettings(max_bytes=40_000, max_value_bytes=10_000)
    worker = await bench.worker(settings=settings)
    for number in range(300):
        size = (number * 7919) % 9_000
        assert await worker.get_or_load(str(number % 50), bench.origin("x" * size), ttl=TTL) is not None
        await worker.put(str(number % 70), "y" * size, ttl=TTL)
        assert held(worker)[1] <= 40_000
    assert held(worker)[1] > 5_000


async def test_what_is_used_stays(bench: Bench) -> None:
    worker, origin = await bench.worker(settings=ValueSettings(max_entries=20)), bench.origin()
    await worker.get_or_load("hot", origin, ttl=TTL)
    for number in range(200):
        await worker.put(str(number), number, ttl=TTL)
        await worker.get_or_load("hot", origin, ttl=TTL)
    assert origin.loads == 1


@pytest.mark.parametrize("shape", ["shared"])
async def test_without_memory_the_shared_cache_serves(bench: Bench) -> None:
    worker, origin = await bench.worker(settings=ValueSettings(max_entries=0)), bench.origin(Plan("pro"))
    for _ in range(3):
        assert await worker.get_or_load("key", origin, ttl=TTL, type=Plan) == Plan("pro")
        await worker.settle()
        assert await worker.get("key", type=Plan) == Plan("pro")
    assert (origin.loads, worker.numbers["entries"]) == (1, 0)
