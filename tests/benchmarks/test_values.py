"""The comparison with other caches runs, each of them keeps what it should, and what is stale is called so."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from benchmarks import scale
from benchmarks.values_invalidation import Found
from benchmarks.values_table import Table
from benchmarks.values_things import KINDS, Kind, item
from benchmarks.values_truth import Truth
from benchmarks.values_watch import Changes, Watch
from benchmarks.values_ways import BOUNDS, TASKS, THREADS, WAYS
from tests.support import missing

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.values_table import SyncGet
    from benchmarks.values_things import Item

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")  # the others' use of redis-py

SOME = (
    "coatcheck, SQLite",
    "coatcheck, PostgreSQL and Valkey, threads",
    "cashews `@cache`, client side, RESP2",
    "aiocache `@cached_stampede`",
    "dogpile.cache",
)
REPORTS = 7


@pytest.fixture(autouse=True)
def _installed() -> None:
    for package in ("cashews", "aiocache", "dogpile.cache", "redis", "psycopg"):
        try:
            import_module(package)
        except ImportError:
            missing(f"{package} is not installed")


@pytest.fixture
def at(tmp_path: Path, valkey_url: str, postgresql_url: str) -> dict[str, str]:
    return {"sqlite": f"sqlite:///{tmp_path / 'app.db'}", "postgresql": postgresql_url, "valkey": valkey_url}


@pytest.mark.processes
def test_the_comparison_runs_on_servers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the smallest numbers, one way of each library."""
    values = import_module("benchmarks.values")
    monkeypatch.setattr(values, "WAYS", SOME)
    monkeypatch.setattr(scale, "FACTOR", 0.001)
    reports = asyncio.run(values.run())
    assert len(reports) == REPORTS
    assert all(report.rows and report.goals and report.title in report.markdown() for report in reports)
    assert [[row[0] for row in report.rows] for report in reports[4:]] == [list(SOME)] * 3


def test_all_ways_are_in_the_tables() -> None:
    assert set(SOME) < set(WAYS) == {*TASKS, *THREADS}
    assert {way for way in WAYS if way.startswith("coatcheck")} == set(BOUNDS)


@pytest.mark.parametrize("way", TASKS)
def test_each_way_of_tasks_keeps_a_value_until_it_is_invalidated(way: str, at: dict[str, str]) -> None:
    loaded = list[str]()

    async def load(key: str) -> Item:
        loaded.append(key)
        return item(len(loaded))

    async def use() -> None:
        async with TASKS[way](at, load) as shelf:
            assert await shelf.load("a") == await shelf.load("a") == item(1)
            await shelf.invalidate("a")
            assert await shelf.load("a") == item(2)

    asyncio.run(use())
    assert loaded == ["a", "a"]


@pytest.mark.parametrize("way", THREADS)
def test_each_way_of_threads_keeps_a_value_until_it_is_invalidated(way: str, at: dict[str, str]) -> None:
    loaded = list[str]()

    def load(key: str) -> Item:
        loaded.append(key)
        return item(len(loaded))

    with THREADS[way](at, load) as shelf:
        assert shelf.load("a") == shelf.load("a") == item(1)
        shelf.invalidate("a")
        assert shelf.load("a") == item(2)
    assert loaded == ["a", "a"]


def test_a_read_is_stale_if_it_began_after_the_invalidation_returned(tmp_path: Path) -> None:
    mine, theirs = Truth(tmp_path / "truth"), Truth(tmp_path / "truth")
    changes, watch = Changes(mine, patience=60), Watch(theirs)
    changes.begin()
    early = watch.before()
    changes.end()
    late = watch.before()
    watch.note(early, item(0))
    assert (watch.told()["stale"], changes.waiting) == ([], True)
    watch.note(late, item(0))
    watch.note(late, item(1))
    told = watch.told()
    [[version, times, last]] = told["stale"]
    assert (version, times, told["reads"], changes.waiting) == (1, 1, 3, False)
    found = Found.of(changes.made, told, together=1)
    assert (found.stale, found.later, len(found.delays)) == (1, 0, 1)
    assert found.longest == last - changes.made[0][2] >= 0


def test_what_is_not_served_in_time_counts_as_later() -> None:
    second = 1_000_000_000
    changes = [(1, 0, 10), (2, 20, 30), (3, second, second + 10), (4, second + 20, second + 30)]
    found = Found.of(changes, {"seen": [(2, 25), (4, 3 * second)], "stale": [], "reads": 9}, together=2)
    assert (found.delays, found.later, found.longest) == ([5], 1, 0)


def test_what_keeps_nothing_is_not_measured() -> None:
    """A cache that loads each time, or hands out something else, would be in the table with a wrong figure."""
    kind = Kind("str", "value", str)
    table = Table("title", floors=["floor"], keys=["a"])
    with pytest.raises(RuntimeError, match="keeps nothing"):
        table.add_sync(kind, {"forgetful": kind.load_sync})
    with pytest.raises(RuntimeError, match="a miss"):
        table.add_sync(kind, {"wrong": lambda _: "another"})


def test_what_loads_while_it_is_measured_is_refused() -> None:
    table, warm = Table("title", floors=["floor"], keys=["a"]), True

    def slow(kind: Kind) -> SyncGet:
        return lambda _: kind.value if warm else kind.load_sync()

    for kind in KINDS:
        table.add_sync(kind, {"floor": lambda _: "x", "slow": slow(kind)})
    asyncio.run(table.measured(1))
    warm = False
    with pytest.raises(RuntimeError, match="a miss"):
        asyncio.run(table.measured(1))
