"""A process that has used its shared cache forks: neither side reads the other's answers."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from coatcheck.caches.valkey import AsyncValkeyCache, ValkeyCache
from tests.caches.copies import KEY, MINUTE, OTHER_KEY, a_copy, async_tier, place, places, tier
from tests.support import missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.valkey import Valkey

if not hasattr(os, "fork"):
    missing("this system cannot fork")

pytestmark = [
    pytest.mark.processes,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # that it has threads does not matter here
]

COPY, OTHER_COPY = a_copy(), a_copy(user_id="bob")
ROUNDS = 200
PATIENT = timedelta(seconds=1)


def _forked(work: Callable[[], bool]) -> int:
    """Start a child that does some work; it ends with 0 if that is well."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(60)
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return pid


def _ended_well(pid: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_parent_and_child_of_a_fork_get_each_their_own_answers(valkey: Valkey) -> None:
    cache = ValkeyCache(valkey.url(), timeout=PATIENT)
    made = tier(cache, timeout=PATIENT)
    made.put(place(KEY), COPY, MINUTE)
    made.put(place(OTHER_KEY), OTHER_COPY, MINUTE)
    assert made.get(places(KEY)) == COPY

    def ask(key: bytes, copy: bytes) -> bool:
        return all(made.get(places(key)) == copy for _ in range(ROUNDS))

    def in_the_child() -> bool:
        made.forked()
        return ask(OTHER_KEY, OTHER_COPY)

    child = _forked(in_the_child)
    assert ask(KEY, COPY)
    assert _ended_well(child)
    assert ask(KEY, COPY)
    assert made.refused == made.failures == 0
    cache.close()


def test_parent_and_child_of_a_fork_get_each_their_own_answers_with_asyncio(valkey: Valkey) -> None:
    cache = AsyncValkeyCache(valkey.url(), timeout=PATIENT)
    made = async_tier(cache, timeout=PATIENT)

    async def ask(key: bytes, copy: bytes) -> bool:
        return all([await made.get(places(key)) == copy for _ in range(ROUNDS)])

    def in_the_child() -> bool:
        made.forked()
        asyncio.events._set_running_loop(None)  # it was forked from within the parent's
        return asyncio.run(ask(OTHER_KEY, OTHER_COPY))

    async def parent() -> None:
        made.put(place(KEY), COPY, MINUTE)
        made.put(place(OTHER_KEY), OTHER_COPY, MINUTE)
        await made._errands.aclose()
        assert await ask(KEY, COPY)
        child = _forked(in_the_child)
        assert await ask(KEY, COPY)
        assert await asyncio.to_thread(_ended_well, child)
        assert await ask(KEY, COPY)
        assert made.refused == made.failures == 0
        await cache.aclose()

    asyncio.run(parent())
