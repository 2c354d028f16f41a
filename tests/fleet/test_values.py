"""Values in several processes on servers: one load in all, nobody waits, and nothing old after the lease."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck import AsyncCache
from coatcheck.stores.urls import async_store_from_url
from tests import async_callers, callers
from tests.fleet.fleet import LEASE
from tests.fleet.values_tiers import ARRANGEMENTS, Tiers, async_driver, driver
from tests.processes.values import CALLERS, EXPIRIES, UNDISTURBED, WATCHED, site
from tests.processes.values_transactions import check, check_async, check_late_loads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Show = Callable[[str], None]

pytestmark = pytest.mark.processes


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path)


@pytest.fixture(params=ARRANGEMENTS)
def tiers(request: pytest.FixtureRequest, cache: str) -> Tiers:
    """The servers of a test."""
    if request.param == "Valkey":
        return Tiers(cache, cache)
    return Tiers(request.getfixturevalue("url"), cache if request.param == "PostgreSQL and Valkey" else None)


def test_a_thousand_callers_of_a_cold_key_make_one_load_in_all(tiers: Tiers, folder: str) -> None:
    """One for each process where they have nothing in common but the database."""
    with site(tiers.url, folder, cache=tiers.cache, lease=UNDISTURBED) as fleet:
        answers = fleet.stampede()
        assert [list(each.values()) for each in answers] == [[CALLERS["async"]], [CALLERS["sync"]]] * 2
        loads = [load.pid for load in fleet.book.lines("begin", "cold")]
        if tiers.cache is None:
            assert sorted(loads) == sorted(fleet.pids)
        else:
            assert len(loads) == 1
            assert len({load for each in answers for load in each}) == 1, "and all have what it brought"


def test_a_hot_key_is_loaded_anew_by_one_worker_and_nobody_waits_for_it(url: str, cache: str, folder: str) -> None:
    """A load ends when each caller in both processes was answered since it began: it never would if one waited."""
    with site(url, folder, cache=cache, kinds=["async", "sync"], ttl=2, refresh=0.5) as fleet:
        seen = fleet.keep_hot("hot", loads=EXPIRIES)
        assert fleet.book.lines("stuck") == []
        assert all(each["loads"] >= EXPIRIES - 2 for each in seen), "both have them all"
        begins, ends = fleet.book.lines("begin"), fleet.book.lines("end")
        overlaps = [begin for begin, end in zip(begins[1:], ends, strict=False) if begin.at < end.at]
        assert overlaps == [], "one load at a time"


def test_old_values_are_served_for_a_lease_at_the_most(tiers: Tiers, folder: str, show: Show) -> None:
    """50 changes by another process; and of one that was waited for no old value is served at all."""
    with site(tiers.url, folder, cache=tiers.cache, kinds=["async", "sync"], lease=LEASE) as fleet:
        with fleet.watching():
            for number in range(50):
                fleet.change(WATCHED[number % 2])
        late = fleet.late()
        show(f"50 changes: {late.calls} of {fleet.answers} answers old, by {late.most:.1f} ms at the most")
        assert late.most <= LEASE * 1_000
        fleet.ends.clear()
        with fleet.watching():
            fleet.change("c", wait=True)
        assert fleet.late() == (0, 0)


@pytest.mark.anyio
async def test_a_row_and_its_value_change_as_one(url: str, cache: str, folder: str, show: Show) -> None:
    """In the transaction of every kind of connection; and what was loaded meanwhile is not served later."""
    sync = [driver, callers.core, callers.orm]
    asynchronous = [async_driver, *(kind("psycopg") for kind in (async_callers.core, async_callers.orm))]
    asynchronous.append(async_callers.orm("asyncpg"))
    with site(url, folder, origin=url, cache=cache, kinds=["async", "sync"], lease=LEASE) as fleet:
        async with AsyncCache(async_store_from_url(url)) as changer:
            with fleet.watching():
                for kind in sync:
                    for commit in (False, True):
                        check(fleet, "a", kind(url), commit=commit)
                for async_kind in asynchronous:
                    for commit in (False, True):
                        await check_async(fleet, changer, "a", async_kind(url), commit=commit)
        late = fleet.late()
        show(f"7 commits: {late.calls} of {fleet.answers} answers old, by {late.most:.1f} ms at the most")
        assert late.most <= LEASE * 1_000
        check_late_loads(fleet, driver(url), loads=1)
        with site(url, folder, origin=url, cache=cache, kinds=["async"], create=False) as fresh:
            assert fresh.workers.ask("call", key="cold") == [{"version": 2}], "nor by one that knows nothing yet"
