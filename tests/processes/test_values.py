"""Values in several processes on one SQLite file: what was invalidated is not served by the next call, anywhere."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import asynccontextmanager, closing, contextmanager
from typing import TYPE_CHECKING

import aiosqlite
import pytest

from coatcheck import AsyncCache
from tests import async_callers, callers
from tests.callers import Caller
from tests.processes.values import CALLERS, EXPIRIES, UNDISTURBED, WATCHED, site
from tests.processes.values_transactions import check, check_async, check_late_loads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.processes


@pytest.fixture
def url(path: str) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path)


@contextmanager
def driver(path: str) -> Iterator[Caller]:
    with closing(sqlite3.connect(path)) as connection:
        yield Caller(connection, connection.execute, connection.commit, connection.rollback)


@asynccontextmanager
async def async_driver(path: str) -> AsyncIterator[Caller]:
    async with aiosqlite.connect(path) as connection:
        yield Caller(connection, connection.execute, connection.commit, connection.rollback)


def test_a_thousand_callers_of_a_cold_key_make_one_load_per_process(url: str, folder: str) -> None:
    with site(url, folder, lease=UNDISTURBED) as fleet:
        answers = fleet.stampede()
        assert [list(each.values()) for each in answers] == [[CALLERS["async"]], [CALLERS["sync"]]] * 2
        assert sorted(load.pid for load in fleet.book.lines("begin", "cold")) == sorted(fleet.pids)


def test_a_hot_key_is_loaded_anew_and_nobody_waits_for_it(url: str, folder: str) -> None:
    """A load ends when each caller in both processes was answered since it began: it never would if one waited."""
    with site(url, folder, kinds=["async", "sync"], ttl=2, refresh=0.5) as fleet:
        seen = fleet.keep_hot("hot", loads=2 * EXPIRIES)
        assert fleet.book.lines("stuck") == []
        assert all(each["loads"] >= EXPIRIES - 2 for each in seen)


def test_no_call_that_begins_after_an_invalidation_gets_the_old_value(url: str, folder: str) -> None:
    """100 changes by another process and by a worker, of which some stand still meanwhile."""
    with site(url, folder) as fleet:
        first, second, *_ = fleet.workers.workers
        with fleet.watching():
            for number in range(60):
                fleet.change(WATCHED[number % len(WATCHED)])
            fleet.until_served()
            for _ in range(10):
                for worker in (first, second):
                    worker.stop()
                for key in WATCHED:
                    fleet.change(key)
                for worker in (first, second):
                    worker.signal(signal.SIGCONT)
                fleet.until_served()
        assert fleet.late() == (0, 0)
        assert fleet.answers > 500


@pytest.mark.anyio
async def test_a_row_and_its_value_change_as_one(url: str, path: str, folder: str) -> None:
    """In the transaction of every kind of connection; and what was loaded meanwhile is not served later."""
    sync = [driver, callers.core, callers.orm]
    asynchronous = [async_driver, async_callers.core("aiosqlite"), async_callers.orm("aiosqlite")]
    with site(url, folder, origin=path, kinds=["async", "sync"]) as fleet:
        async with AsyncCache(url) as cache:
            with fleet.watching():
                for kind in sync:
                    for commit in (False, True):
                        check(fleet, "a", kind(path), commit=commit)
                for async_kind in asynchronous:
                    for commit in (False, True):
                        await check_async(fleet, cache, "a", async_kind(path), commit=commit)
        assert fleet.late() == (0, 0)
        check_late_loads(fleet, driver(path), loads=2)
