"""A value from memory, and from the Valkey between the processes: ours, the others', and the least it can cost."""

from __future__ import annotations

import itertools
import sqlite3
import warnings
from contextlib import AsyncExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import redis
from redis.asyncio import Redis

from benchmarks.floor import data_version
from benchmarks.report import Goal
from benchmarks.scale import scaled
from benchmarks.values_ours import far, far_sync, near, near_sync
from benchmarks.values_peers import MEMORY, aiocache_shelf, cashews, cashews_shelf, dogpile, dogpile_shelf
from benchmarks.values_table import Table
from benchmarks.values_things import KEYS, KINDS, TTL, Floor
from coatcheck.testing import AsyncMemoryStore, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.report import Report
    from benchmarks.values_fleet import Place
    from benchmarks.values_table import Get, SyncGet
    from benchmarks.values_things import Kind

_ROUNDS = 200
_FAR_ROUNDS = 100
_FAR = KEYS[:50]
"""What one batch asks a server for, which takes longer."""

_OVER_GET = 2.0
_BARE = "bare redis-py `GET`"
_FLOORS = ("floor", "floor + data_version")


async def in_memory(place: Place) -> list[Report]:
    """Measure a hit in memory."""
    tasks = Table("A value in memory, asyncio", floors=_FLOORS, keys=KEYS)
    threads = Table("A value in memory, threads", floors=_FLOORS, keys=KEYS)
    async with AsyncExitStack() as stack:
        stack.enter_context(_outdated())
        for kind in KINDS:
            sqlite = place.fresh()["sqlite"]
            await tasks.add(kind, await near(stack, kind, {"lease only": AsyncMemoryStore(), "SQLite": sqlite}))
            await tasks.add(kind, await _near(stack, kind))
            tasks.add_sync(kind, _floors(stack, kind, sqlite))  # which keep nothing after a commit, so they come last
            sqlite = place.fresh()["sqlite"]
            threads.add_sync(kind, near_sync(stack, kind, {"lease only": MemoryStore(), "SQLite": sqlite}))
            threads.add_sync(kind, _near_sync(kind))
            threads.add_sync(kind, _floors(stack, kind, sqlite))
        reports = [await table.measured(scaled(_ROUNDS)) for table in (tasks, threads)]
    for report, table in zip(reports, (tasks, threads), strict=True):
        for name in ("lease only", "SQLite"):
            report.goals += table.goals(f"coatcheck `get_or_load`, {name}")
        report.notes += [_WHAT, _WHOSE]
    return reports


def _floors(stack: AsyncExitStack, kind: Kind, sqlite: str) -> Mapping[str, SyncGet]:
    connection = stack.enter_context(closing(sqlite3.connect(sqlite.removeprefix("sqlite:///"), isolation_level=None)))
    floor = Floor(kind.value, KEYS, data_version(connection))
    return dict(zip(_FLOORS, (floor.get, floor.get_if_unchanged), strict=True))


_WHAT = (
    "The floor is a plain function: a dictionary, and a look at the time. What is called `get` loads nothing; no goal "
    "compares with it."
)
_WHOSE = (
    "A dict can be changed by whoever gets it. Ours makes one for each caller, and so do those of the others that "
    "pickle; the rest hand the same one to everybody. On SQLite a hit asks whether any process has committed; the "
    "memory of the others knows of its own process only."
)


async def in_valkey(place: Place) -> list[Report]:
    """Measure a hit in Valkey."""
    tasks = Table("A value in Valkey, asyncio", floors=[_BARE], keys=_FAR)
    threads = Table("A value in Valkey, threads", floors=[_BARE], keys=_FAR)
    async with AsyncExitStack() as stack:
        stack.enter_context(_outdated())
        client = await stack.enter_async_context(Redis.from_url(place.valkey.url()))
        plain = stack.enter_context(redis.Redis.from_url(place.valkey.url()))
        await client.mset(dict.fromkeys(_FAR, b"x" * _BYTES))
        urls = map(place.valkey.url, itertools.count(1))
        for kind in KINDS:
            await tasks.add(kind, {_BARE: client.get})
            await tasks.add(kind, await far(stack, kind, AsyncMemoryStore(), next(urls)))
            await tasks.add(kind, await _far_cashews(stack, kind, next(urls)))
            await tasks.add(kind, await _far_aiocache(stack, kind, next(urls)))
            threads.add_sync(kind, {_BARE: plain.get})
            threads.add_sync(kind, far_sync(stack, kind, MemoryStore(), next(urls)))
            threads.add_sync(kind, _far_dogpile(stack, kind, next(urls)))
        reports = [await table.measured(scaled(_FAR_ROUNDS)) for table in (tasks, threads)]
    for report, table in zip(reports, (tasks, threads), strict=True):
        report.goals += [
            Goal(f"coatcheck over a bare GET, {kind.name}", table.over(kind, "coatcheck `get_or_load`"), _OVER_GET)
            for kind in KINDS
        ]
    return reports


_BYTES = 100
"""About as long as what the others keep."""


@contextmanager
def _outdated() -> Iterator[None]:
    """Let the others call what redis-py would rather not have called any more."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Call to deprecated", DeprecationWarning)
        yield


async def _near(stack: AsyncExitStack, kind: Kind) -> Mapping[str, Get]:
    plain = await stack.enter_async_context(cashews(MEMORY))
    pickling = await stack.enter_async_context(cashews(MEMORY, pickle_type="default"))
    decorated = await stack.enter_async_context(cashews_shelf(MEMORY, kind.load))
    cached = await stack.enter_async_context(aiocache_shelf(MEMORY, kind.load))
    quick = await stack.enter_async_context(aiocache_shelf(MEMORY, kind.load, timeout=0))
    pickled = await stack.enter_async_context(aiocache_shelf(MEMORY, kind.load, timeout=0, pickled=True))
    return {
        "cashews `get_or_set`": lambda key: plain.get_or_set(key, kind.load, expire=TTL),
        "cashews `get`": plain.get,
        "cashews `@cache`": decorated.load,
        "cashews `get_or_set`, pickled": lambda key: pickling.get_or_set(key, kind.load, expire=TTL),
        "aiocache `@cached`": cached.load,
        "aiocache `@cached(timeout=0)`": quick.load,
        "aiocache `@cached(timeout=0)`, pickled": pickled.load,
    }


def _near_sync(kind: Kind) -> Mapping[str, SyncGet]:
    plain, pickling = dogpile(), dogpile("memory_pickle")

    @plain.cache_on_arguments()
    def decorated(key: str) -> object:
        return kind.load_sync(key)

    return {
        "dogpile.cache `get_or_create`": lambda key: plain.get_or_create(key, kind.load_sync),
        "dogpile.cache `get`": plain.get,
        "dogpile.cache `@cache_on_arguments`": decorated,
        "dogpile.cache `get_or_create`, pickled": lambda key: pickling.get_or_create(key, kind.load_sync),
    }


async def _far_cashews(stack: AsyncExitStack, kind: Kind, url: str) -> Mapping[str, Get]:
    plain = await stack.enter_async_context(cashews(url))
    decorated = await stack.enter_async_context(cashews_shelf(url, kind.load))
    return {
        "cashews `get_or_set`": lambda key: plain.get_or_set(key, kind.load, expire=TTL),
        "cashews `@cache`": decorated.load,
    }


async def _far_aiocache(stack: AsyncExitStack, kind: Kind, url: str) -> Mapping[str, Get]:
    cached = await stack.enter_async_context(aiocache_shelf(url, kind.load))
    quick = await stack.enter_async_context(aiocache_shelf(url, kind.load, timeout=0))
    return {"aiocache `@cached`": cached.load, "aiocache `@cached(timeout=0)`": quick.load}


def _far_dogpile(stack: AsyncExitStack, kind: Kind, url: str) -> Mapping[str, SyncGet]:
    return {"dogpile.cache `get_or_create`": stack.enter_context(dogpile_shelf(url, kind.load_sync)).load}
