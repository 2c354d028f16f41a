"""A process that has used its cache forks, as servers do that load the application first."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncCache, Cache, Sessions, ValueSettings
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.testing import FaultyStore, ManualClock
from coatcheck.testing._pair import Gate
from tests.cache.sides import TTL
from tests.servers.waiting import until
from tests.sqlite.test_forks import Child
from tests.support import missing

if TYPE_CHECKING:
    from pathlib import Path

if not hasattr(os, "fork"):
    missing("this system cannot fork")

pytestmark = [
    pytest.mark.processes,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # that it has threads is what we test
]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "values.db")


def test_parent_and_child_cache_each_for_itself_and_see_each_other_s_invalidations(path: str) -> None:
    loads = []

    def load() -> str:
        loads.append(1)
        return f"load {len(loads)}"

    with Cache(SQLiteStore(path)) as cache:

        def get() -> Any:
            return cache.get_or_load("key", load, ttl=TTL)

        assert get() == "load 1"
        child = Child(lambda: cache.get("key"), get, get, lambda: cache.invalidate("key"), get)
        assert child.step() is None, "what the parent has proven is no proof of the child's"
        assert [child.step(), child.step()] == ["load 2", "load 2"]
        assert get() == "load 1"
        assert child.step() is None
        assert cache.get("key") is None
        assert get() == "load 2"
        assert child.step() == "load 3"
        assert child.end() == 0
        assert get() == "load 2"


def test_a_child_waits_for_no_load_of_its_parent_s(path: str) -> None:
    """Nobody in the child would ever end it; and the parent's refresh is not the child's."""
    clock, gate = ManualClock(), Gate()

    def slow() -> str:
        gate.wait()
        return "parent"

    with Cache(SQLiteStore(path, clock=clock), clock=clock, settings=ValueSettings(jitter=0)) as cache:
        cache.put("hot", "old", ttl=TTL)
        clock.advance(TTL * 0.9)
        assert cache.get_or_load("hot", slow, ttl=TTL) == "old"
        gate.reached()
        child = Child(
            lambda: cache.get_or_load("hot", lambda: "child", ttl=TTL),
            cache.close,  # which waits for refreshes, of its own
        )
        assert child.step() == "child"
        assert child.step() is None
        assert child.end() == 0
        gate.release()
        until(lambda: cache.get("hot") == "parent", "the parent's refresh has ended")


def test_a_cache_beside_sessions_forks_with_them(path: str) -> None:
    with Sessions(FaultyStore(SQLiteStore(path))) as sessions, Cache(sessions) as cache:
        created = sessions.create("ada")
        sessions.get(created.token)
        cache.put("key", "parent", ttl=TTL)
        child = Child(
            lambda: [bool(sessions.get(created.token)), cache.get("key")],
            lambda: [cache.get_or_load("key", lambda: "child", ttl=TTL), cache.get("key")],
            lambda: sessions.revoke(created.token),
        )
        assert child.step() == [True, None]
        assert child.step() == ["child", "child"]
        assert cache.get("key") == "parent"
        assert child.step() is True
        assert not sessions.get(created.token)
        assert child.end() == 0


def test_the_asyncio_side_forks_too(path: str) -> None:
    settings = ValueSettings(load_timeout=timedelta(seconds=20))
    cache = AsyncCache(AsyncSQLiteStore(path), settings=settings)

    async def load() -> str:
        return f"load in {os.getpid()}"

    async def begin() -> str:
        await cache.open()
        return await cache.get_or_load("key", load, ttl=TTL)

    async def get() -> str:
        return await cache.get_or_load("key", load, ttl=TTL)

    mine = asyncio.run(begin())
    child = Child(
        lambda: asyncio.run(cache.get("key")), lambda: asyncio.run(get()), lambda: asyncio.run(cache.invalidate("key"))
    )
    assert child.step() is None
    assert child.step() == f"load in {child.pid}"
    assert asyncio.run(get()) == mine
    assert child.step() is None
    assert child.end() == 0
    assert asyncio.run(cache.get("key")) is None
    asyncio.run(cache.aclose())
