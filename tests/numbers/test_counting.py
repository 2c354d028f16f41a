"""What one worker counts and tells, on stores that break when a test wants it."""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import (
    AsyncFleetNumbers,
    AsyncSessions,
    CacheSettings,
    ConfigurationError,
    FleetNumbers,
    Policy,
    Sessions,
)
from coatcheck.core.fleet import Counts
from coatcheck.core.tokens import new_token
from coatcheck.errors import Unavailable
from coatcheck.testing import AsyncFaultyStore, AsyncMemoryStore, ManualClock
from tests.servers.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_each_answer_is_counted_where_it_came_from() -> None:
    """By `get`, and by `lookup` and `ask`, of which middlewares are made."""
    clock, store = ManualClock(), AsyncFaultyStore(AsyncMemoryStore(clock=ManualClock()))
    cache = CacheSettings(serve_stale_for=timedelta(minutes=5))
    async with AsyncSessions(store, clock=clock, cache=cache) as sessions:
        before = await sessions.create("ada")
        await sessions.get(before.token)
        numbers = AsyncFleetNumbers(sessions, every=timedelta(seconds=60))
        async with numbers:
            token = (await sessions.create("ada")).token
            await sessions.get(token)  # from the store
            await sessions.get(token)
            assert sessions.lookup(token) is not None
            await sessions.get(new_token())
            await sessions.get("malformed")  # nobody was asked
            clock.advance(timedelta(seconds=10))
            await sessions.get(token)  # asks the log, and finds it in memory
            store.fail("poll", "read")
            clock.advance(timedelta(seconds=10))
            await sessions.get(token)  # served without a proof
            with pytest.raises(Unavailable):
                await sessions.get(new_token())
            store.heal()
            await sessions.revoke(token)
            await sessions.revoke_everyone()
            assert numbers.counts() == Counts(
                memory=3, store=1, stale=1, unknown=1, unavailable=1, created=1, revoked=2
            )
        await sessions.get(before.token)
        assert numbers.counts().asked == 7, "it counts nothing more"


async def test_evicted_sessions_are_counted() -> None:
    """Those that the limit per user has ended."""
    async with AsyncSessions(AsyncMemoryStore(), policy=Policy(max_sessions=1)) as sessions:
        numbers = AsyncFleetNumbers(sessions)
        await sessions.create("ada")
        await sessions.create("ada")
        assert numbers.counts() == Counts(created=2, evicted=1)


async def test_whoever_counts_nothing_pays_nothing() -> None:
    """The methods on the path of a hit are the very same, before and after."""
    async with AsyncSessions(AsyncMemoryStore()) as sessions:
        numbers = AsyncFleetNumbers(sessions)
        await numbers.read()
        assert "lookup" not in vars(sessions.reads)
        async with numbers:
            assert "lookup" in vars(sessions.reads)
        assert "lookup" not in vars(sessions.reads)
        assert "ask" not in vars(sessions)


async def test_a_store_that_is_away_breaks_no_request_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """And once more when it is back; what was counted meanwhile is told then."""
    caplog.set_level(logging.INFO, "coatcheck")
    store = AsyncFaultyStore(AsyncMemoryStore())
    async with AsyncSessions(store) as sessions:
        numbers = AsyncFleetNumbers(sessions)
        numbers.every = timedelta(milliseconds=10)
        store.fail("report")
        await numbers.start()
        created = await sessions.create("ada")
        while store.count("report") < 3:
            assert await sessions.get(created.token)
            await asyncio.sleep(0.005)
        store.heal()
        while "coatcheck.numbers_told" not in caplog.messages:
            assert await sessions.get(created.token)
            await asyncio.sleep(0.005)
        await numbers.aclose()
        assert (await numbers.read()).history[-1].counts.created == 1
    said = [message for message in caplog.messages if "numbers" in message]
    assert said == ["coatcheck.numbers_failed", "coatcheck.numbers_told"]


async def test_a_probe_that_is_seen_late_is_late_by_the_authoritys_clock() -> None:
    """From when it was written until the worker knew, and not beyond the end of its lease."""
    clock = ManualClock()
    store = AsyncMemoryStore(clock=clock)
    cache = CacheSettings(lease=timedelta(seconds=2))
    async with (
        AsyncSessions(store, clock=clock, cache=cache) as here,
        AsyncSessions(store, clock=clock, cache=cache) as there,
    ):
        telling, hearing = AsyncFleetNumbers(here), AsyncFleetNumbers(there)
        token = (await here.create("ada")).token
        await there.get(token)
        clock.advance(timedelta(seconds=1.5))
        await telling.tell()  # the first to do so writes a probe
        clock.advance(timedelta(seconds=7))
        await there.get(token)
        await hearing.tell()
        reading = await telling.read()
        assert reading.propagation is not None
        assert (reading.propagation.samples, reading.propagation.longest) == (1, timedelta(seconds=0.5))
        # Whoever's lease was over when it was written could accept nothing, and says nothing.
        clock.advance(timedelta(seconds=30))
        await telling.tell()
        await there.get(token)
        await hearing.tell()
        assert (await telling.read()).propagation == reading.propagation


@pytest.mark.parametrize("seconds", [0.9, 61])
def test_an_interval_out_of_bounds_is_refused(seconds: float) -> None:
    sessions = AsyncSessions("sqlite:///app.db")
    with pytest.raises(ConfigurationError, match=r"numbers every=.* is not possible: use 1 to 60 seconds"):
        AsyncFleetNumbers(sessions, every=timedelta(seconds=seconds))


def test_a_store_that_keeps_no_numbers_is_refused() -> None:
    """As Cloudflare KV, where what workers tell would overwrite each other."""
    store: Any = AsyncMemoryStore()
    store.capabilities = store.capabilities._replace(numbers=False)
    with pytest.raises(ConfigurationError, match="use SQLite, PostgreSQL, Valkey or D1"):
        AsyncFleetNumbers(AsyncSessions(store))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_a_worker_of_its_own(tmp_path: Path) -> None:
    """It goes on telling by itself, and never what its parent has counted (gunicorn with preload)."""
    with Sessions(f"sqlite:///{tmp_path / 'app.db'}") as sessions:
        numbers = FleetNumbers(sessions, every=timedelta(seconds=1))
        with numbers:
            token = sessions.create("ada").token
            until(lambda: numbers.read().totals.created, "the parent has told")
            ready, done = os.pipe()
            child = os.fork()
            if not child:
                try:
                    sessions.create("eve")
                    os.read(ready, 1)
                finally:
                    os._exit(0)
            try:
                until(lambda: len(numbers.read().workers) == 2 and numbers.read().totals.created == 2, "both have told")
                found = numbers.read()
                assert sorted(worker.counts.created for worker in found.workers) == [1, 1]
                assert sessions.get(token)
            finally:
                os.write(done, b".")
                os.waitpid(child, 0)
                os.close(ready)
                os.close(done)
