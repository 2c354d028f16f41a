"""Nothing waits in the event loop: the driver is asyncio's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from blockbuster import BlockingError, blockbuster_ctx

from coatcheck.stores.valkey import AsyncValkeyStore
from tests.valkey.sides import Side
from tests.valkey.test_fleets import everything_works

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.valkey import Valkey

    Connect = Callable[..., Side]


def test_no_call_blocks(server: Valkey) -> None:
    with blockbuster_ctx(), Side("asyncio", server.url()) as side:
        everything_works(side)


@pytest.mark.anyio
async def test_waiting_for_news_does_not_block(server: Valkey) -> None:
    with blockbuster_ctx():
        store = AsyncValkeyStore(server.url())
        await store.open()
        await store.poll(None)
        waiting = [asyncio.create_task(store.news(0, 30)) for _ in range(3)]
        await store.invalidate_user("ann")
        assert all(await asyncio.gather(*waiting))
        await store.aclose()


@pytest.mark.anyio
async def test_what_blocks_would_be_noticed(server: Valkey) -> None:
    with blockbuster_ctx(), pytest.raises(BlockingError), server.client() as client:
        client.ping()
