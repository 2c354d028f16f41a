"""A master dies, and another takes its place: sessions come from the store meanwhile, and the cache back by itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.caches.valkey import AsyncValkeyCache, ValkeyCache
from tests.caches.copies import KEY, MINUTE, a_copy, async_tier, place, places, tier
from tests.servers.cluster import Cluster
from tests.servers.sentinel import Sentinel
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Callable

COPY = a_copy()
SETTINGS: Any = {
    "timeout": timedelta(milliseconds=500),
    "pause": timedelta(milliseconds=10),
    "longest_pause": timedelta(milliseconds=10),
}


async def _out_and_back(url: str, fail: Callable[[], object], repair: Callable[[], object]) -> None:
    """See both sides lose the cache without an error, and find it again."""
    waiting = AsyncValkeyCache(url, timeout=SETTINGS["timeout"])
    blocking = ValkeyCache(url, timeout=SETTINGS["timeout"])
    tiers = async_tier(waiting, **SETTINGS), tier(blocking, **SETTINGS)
    await tiers[0].open()
    tiers[1].open()

    async def found() -> None:
        async with asyncio.timeout(DEADLINE):
            while await tiers[0].get(places(KEY)) != COPY:
                tiers[0].put(place(KEY), COPY, MINUTE)
                await tiers[0]._errands.aclose()

    def found_by_threads() -> bool:
        tiers[1].put(place(KEY), COPY, MINUTE)
        return tiers[1].get(places(KEY)) == COPY

    await found()
    until(found_by_threads, "threads find it, too")
    fail()
    for _ in range(10):
        assert await tiers[0].get(places(KEY)) in {None, COPY}
        assert tiers[1].get(places(KEY)) in {None, COPY}
    repair()
    await found()
    until(found_by_threads, "threads find it again, too")
    assert tiers[0].failures
    assert tiers[1].failures
    assert tiers[0].available
    assert tiers[1].available
    await tiers[0].aclose()
    tiers[1].close()


@pytest.mark.anyio
async def test_sentinel_names_another_master() -> None:
    with Sentinel() as sentinel:
        places = ",".join(f"{host}:{port}" for host, port in sentinel.addresses)
        old = sentinel.master
        await _out_and_back(
            f"valkey+sentinel://{places}/{sentinel.master_name}/0",
            old.kill,
            lambda: until(lambda: sentinel.master is not old, "there is another master"),
        )


@pytest.mark.anyio
async def test_the_nodes_of_a_cluster_are_killed_and_restarted() -> None:
    with Cluster() as cluster:
        places = ",".join(f"{host}:{port}" for host, port in cluster.addresses)

        def kill() -> None:
            for node in cluster.nodes:
                node.kill()

        def start() -> None:
            for node in cluster.nodes:
                node.start()
            cluster.wait()

        await _out_and_back(f"valkey+cluster://{places}", kill, start)
