"""The core and the asyncio side, where there are no threads, no sockets and no sqlite3."""

from __future__ import annotations

import secrets
import sys
import threading
from datetime import timedelta

import pytest

from coatcheck import AsyncCache, AsyncSessions, Policy, lifetimes
from coatcheck.testing import AsyncMemoryCache, AsyncMemoryStore, ManualClock
from tests.workers.inside.runner import ABSENT

KEY = secrets.token_urlsafe(32)


def test_nothing_that_a_worker_lacks_is_imported() -> None:
    """The package, what it offers at its top, and what is tested here."""
    assert not [name for name in ABSENT if name in sys.modules]


def test_a_worker_has_no_threads() -> None:
    """Or this would prove less than it says."""
    with pytest.raises(RuntimeError):
        threading.Thread(target=print).start()


async def test_a_session_is_created_cached_rotated_and_revoked() -> None:
    """All of it with a shared cache beside the store."""
    store, cache = AsyncMemoryStore(), AsyncMemoryCache()
    async with AsyncSessions(store, policy=Policy(max_sessions=2), shared_cache=cache, keys=[KEY]) as sessions:
        created = await sessions.create("ann", data={"theme": "dark"})
        session = await sessions.get(created.token)
        assert session
        assert session.data == {"theme": "dark"}
        assert sessions.lookup(created.token) is not None
        rotated = await sessions.rotate(created.token)
        assert rotated
        assert not await sessions.get(created.token)
        assert await sessions.get(rotated.token)
        assert await sessions.revoke(rotated.token)
        assert not await sessions.get(rotated.token)


async def test_uses_are_noted() -> None:
    """The timer that gathers them is the event loop's."""
    clock = ManualClock()
    store = AsyncMemoryStore(clock=clock)
    async with AsyncSessions(store, policy=Policy(touch_every=timedelta(minutes=1)), clock=clock) as sessions:
        created = await sessions.create("ann")
        await sessions.get(created.token)
        clock.advance(timedelta(minutes=2))
        await sessions.get(created.token)
        assert await sessions.flush() == 1


async def test_values_are_loaded_once_and_invalidated() -> None:
    """A cache of the application's own values."""
    loads: list[int] = []

    async def load() -> dict[str, int]:
        loads.append(1)
        return {"n": len(loads)}

    async with AsyncCache(AsyncMemoryStore(), shared_cache=AsyncMemoryCache(), keys=[KEY]) as cache:
        for _ in range(3):
            assert await cache.get_or_load("query", load, ttl=lifetimes.QUERY_RESULTS) == {"n": 1}
        await cache.invalidate("query")
        assert await cache.get_or_load("query", load, ttl=lifetimes.QUERY_RESULTS) == {"n": 2}
