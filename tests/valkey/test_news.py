"""News: whoever waits is woken when the log has grown, over one connection however many wait."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from coatcheck.stores.valkey import AsyncValkeyStore, ValkeyStore
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.valkey import Valkey
    from tests.valkey.sides import Side

    Connect = Callable[..., Side]

FEW = 12
A_MOMENT = 0.3


def blocked(server: Valkey) -> int:
    """Return how many connections wait for an entry."""
    with server.client() as client:
        return int(client.info("clients")["blocked_clients"])


def test_a_change_wakes(server: Valkey, connect: Connect) -> None:
    """Also one from between two waits, and each once."""
    side, other = connect(server.url()), connect(server.url())
    token_hash, _ = side.added()
    assert side.do("news", 0, A_MOMENT) == 0  # nothing has happened
    other.revoke(token_hash=token_hash)
    first = side.do("news", 0, DEADLINE)
    assert first != 0
    assert side.do("news", first, A_MOMENT) == first
    other.do("invalidate_user", "ann")
    assert side.do("news", first, DEADLINE) != first


def test_what_no_copy_depends_on_wakes_nobody(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    side.poll()
    side.added()
    side.do("sweep", 10)
    assert side.do("news", 0, A_MOMENT) == 0


def test_what_came_since_the_poll_wakes_who_waits_first(server: Valkey, connect: Connect) -> None:
    side, other = connect(server.url()), connect(server.url())
    side.poll()
    other.do("invalidate_user", "ann")
    assert side.do("news", 0, DEADLINE) != 0


def test_another_log_wakes_too(server: Valkey, connect: Connect) -> None:
    """All its entries may stand before the last one seen."""
    side, other = connect(server.url()), connect(server.url())
    for _ in range(3):
        side.do("invalidate_user", "ann")
    side.poll()
    assert side.do("news", 0, A_MOMENT) == 0
    server.run_cli("FLUSHALL")
    other.do("invalidate_user", "ann")
    assert side.do("news", 0, DEADLINE) != 0


@pytest.mark.anyio
async def test_many_tasks_wait_on_one_connection(server: Valkey) -> None:
    store, other = AsyncValkeyStore(server.url()), AsyncValkeyStore(server.url())
    await store.poll(None)
    waiting = [asyncio.create_task(store.news(0, DEADLINE)) for _ in range(FEW)]
    while not blocked(server):  # noqa: ASYNC110 - the event is the server's
        await asyncio.sleep(0.01)
    assert blocked(server) == 1
    waiting.pop(0).cancel()  # the one who listens for all: another goes on
    await other.invalidate_user("ann")
    async with asyncio.timeout(DEADLINE):
        assert all(await asyncio.gather(*waiting))
    await store.aclose()
    await other.aclose()


def test_many_threads_wait_on_one_connection(server: Valkey) -> None:
    store, other = ValkeyStore(server.url()), ValkeyStore(server.url())
    store.poll(None)
    answers: list[int] = []
    # The first is the one who listens for all, and whose time is over soon: another goes on.
    times = [A_MOMENT, *[DEADLINE] * FEW]
    waiting = [
        threading.Thread(target=lambda seconds=seconds: answers.append(store.news(0, seconds))) for seconds in times
    ]
    for thread in waiting:
        thread.start()
    until(lambda: blocked(server), "somebody listens")
    assert blocked(server) == 1
    until(lambda: answers == [0], "the first has gone")
    other.invalidate_user("ann")
    for thread in waiting:
        thread.join(DEADLINE)
    assert all(answers[1:])
    assert len(answers) == FEW + 1
    store.close()
    other.close()
