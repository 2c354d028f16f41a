"""Many who ask at once ask together: a worker that starts finds its sessions before they time out."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from coatcheck.caches.valkey import AsyncValkeyCache
from coatcheck.errors import Unavailable
from tests.servers.waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.servers.valkey import Valkey

pytestmark = pytest.mark.anyio

MANY = 300
KEYS = [b"key %d" % number for number in range(MANY)]
PATIENT = timedelta(seconds=5)


@pytest.fixture
async def cache(server: Valkey) -> AsyncIterator[AsyncValkeyCache]:
    cache = AsyncValkeyCache(server.url(), timeout=PATIENT)
    await cache.open()
    for key in KEYS:
        await cache.put(key, b"of " + key, 60_000)
    yield cache
    await cache.aclose()


async def test_many_at_once_take_few_connections_and_each_gets_its_own(cache: AsyncValkeyCache, server: Valkey) -> None:
    assert await asyncio.gather(*map(cache.get, KEYS)) == [b"of " + key for key in KEYS]
    with server.client() as client:
        assert len(client.client_list()) <= 4  # two alone, one for all others, and who asks here


async def test_what_is_not_there_or_somebody_elses_is_a_miss_among_many(
    cache: AsyncValkeyCache, server: Valkey
) -> None:
    with server.client() as client:
        for key in (KEYS[50], KEYS[60]):
            client.delete(b"coatcheck:cache:" + key)
        client.rpush(b"coatcheck:cache:" + KEYS[60], "a", "list")
    found = await asyncio.gather(*map(cache.get, KEYS))
    assert [number for number, value in enumerate(found) if value is None] == [50, 60]


async def test_who_gives_up_does_not_disturb_the_others(cache: AsyncValkeyCache) -> None:
    for steps in range(8):
        asking = [asyncio.create_task(cache.get(key)) for key in KEYS]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in asking[::3]:
            task.cancel()
        await asyncio.wait(asking, timeout=DEADLINE)
        for number, task in enumerate(asking):
            if number % 3:
                assert task.result() == b"of " + KEYS[number]
    assert await cache.get(KEYS[0]) == b"of " + KEYS[0]


async def test_when_the_server_dies_each_of_them_learns_it(cache: AsyncValkeyCache, server: Valkey) -> None:
    server.kill()
    answers = await asyncio.gather(*map(cache.get, KEYS), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}
    causes = [answer.__cause__ for answer in answers if isinstance(answer, Unavailable)]
    assert len({id(cause) for cause in causes}) == MANY, "an error that is raised twice collects both tracebacks"
    server.start()
    await cache.put(KEYS[0], b"new", 60_000)
    assert await asyncio.gather(*(cache.get(KEYS[0]) for _ in KEYS)) == [b"new"] * MANY


async def test_closing_waits_for_those_who_ask(cache: AsyncValkeyCache) -> None:
    asking = [asyncio.create_task(cache.get(key)) for key in KEYS]
    await asyncio.sleep(0)
    await cache.aclose()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    together = [answer for answer in answers if isinstance(answer, bytes)]
    assert len(together) >= MANY - 2
