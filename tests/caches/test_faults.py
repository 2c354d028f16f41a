"""A real server that is stopped, killed, emptied, set back or unreachable costs no request more than its timeout.

The tests count calls: after three that failed, none of the next hundred may reach the cache.
"""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.caches.valkey import AsyncValkeyCache, ValkeyCache
from tests.caches.copies import KEY, MINUTE, OTHER_KEY, a_copy, async_tier, place, places, tier
from tests.servers.proxy import Proxy
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from coatcheck._async.shared_tier import AsyncSharedTier
    from coatcheck._sync.shared_tier import SharedTier
    from tests.servers.valkey import Valkey

COPY, OTHER_COPY = a_copy(), a_copy(user_id="bob")
TIMEOUT = timedelta(milliseconds=250)
"""Longer than a busy machine takes for an answer: what fails here fails because of the fault."""

PATIENT = timedelta(seconds=1)
SHORT = timedelta(milliseconds=10)
SOON = {"timeout": TIMEOUT, "pause": SHORT, "longest_pause": SHORT}
CALM = {**SOON, "timeout": PATIENT}
LATER = {"timeout": TIMEOUT, "pause": timedelta(minutes=1), "longest_pause": timedelta(minutes=1)}


@pytest.fixture
def proxy(server: Valkey) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


class Counted:
    """A cache that counts who asks it."""

    def __init__(self, cache: Any) -> None:
        self.cache = cache
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        self.asked += name in {"get", "put"}
        return getattr(self.cache, name)


def _refuse(proxy: Proxy) -> None:
    proxy.refuse()
    proxy.cut(reset=True)


FAULTS: dict[str, Callable[[Valkey, Proxy], None]] = {
    "stopped": lambda server, _: server.pause(),
    "killed": lambda server, _: server.kill(),
    "black hole": lambda _, proxy: proxy.black_hole(new_ones_work=False),
    "refused": lambda _, proxy: _refuse(proxy),
    "slow": lambda _, proxy: proxy.delay(2.0),
}
REPAIRS: dict[str, Callable[[Valkey, Proxy], None]] = {
    "stopped": lambda server, _: server.resume(),
    "killed": lambda server, _: server.start(),
    "black hole": lambda _, proxy: proxy.restore(),
    "refused": lambda _, proxy: proxy.restore(),
    "slow": lambda _, proxy: proxy.restore(),
}


# --- asyncio


@pytest.fixture
async def opened(server: Valkey, proxy: Proxy) -> AsyncIterator[Callable[..., Any]]:
    """Return tiers over a working server."""
    caches: list[AsyncValkeyCache] = []

    async def a_tier(*, connections: int = 32, **settings: Any) -> AsyncSharedTier:
        url = proxy.through(server.url())
        caches.append(AsyncValkeyCache(url, timeout=settings["timeout"], max_connections=connections))
        counted: Any = Counted(caches[-1])
        made = async_tier(counted, **settings)
        await made.open()
        await _until_found(made, KEY, COPY)
        return made

    yield a_tier
    for cache in caches:
        await cache.aclose()
    gc.collect()  # a connection that was not closed would be a warning now


async def _put(made: AsyncSharedTier, key: bytes, copy: bytes) -> None:
    made.put(place(key), copy, MINUTE)
    await made._errands.aclose()


async def _until_found(made: AsyncSharedTier, key: bytes, copy: bytes) -> None:
    """Put a copy and look for it, until both succeed."""
    async with asyncio.timeout(DEADLINE):
        while await made.get(places(key)) != copy:
            await _put(made, key, copy)


@pytest.mark.anyio
@pytest.mark.parametrize("fault", FAULTS)
async def test_an_outage_costs_three_requests_their_timeout_and_the_others_nothing(
    fault: str, server: Valkey, proxy: Proxy, opened: Callable[..., Any]
) -> None:
    made: AsyncSharedTier = await opened(**LATER)
    asked = made.cache.asked  # type: ignore[attr-defined]
    FAULTS[fault](server, proxy)
    async with asyncio.timeout(DEADLINE):
        answers = [await made.get(places(KEY)) for _ in range(103)]
    assert answers == [None] * 103
    made.put(place(KEY), COPY, MINUTE)
    await made._errands.aclose()
    assert made.cache.asked - asked == made.failures == 3  # type: ignore[attr-defined]
    assert (made.dropped, made.available) == (1, False)
    REPAIRS[fault](server, proxy)


@pytest.mark.anyio
@pytest.mark.parametrize("fault", FAULTS)
async def test_it_is_used_again_by_itself_when_it_is_back(
    fault: str, server: Valkey, proxy: Proxy, opened: Callable[..., Any]
) -> None:
    made = await opened(**SOON)
    FAULTS[fault](server, proxy)
    while made.available:
        await made.get(places(KEY))
    REPAIRS[fault](server, proxy)
    await _until_found(made, KEY, COPY)
    await _until_found(made, OTHER_KEY, OTHER_COPY)
    assert made.available
    assert made.refused == 0


@pytest.mark.anyio
async def test_S11_an_answer_that_comes_too_late_is_nobody_elses(
    server: Valkey, proxy: Proxy, opened: Callable[..., Any]
) -> None:
    """A connection whose question was given up is closed: the next one would read the answer to the last."""
    made = await opened(**SOON, failures=1000)
    await _until_found(made, OTHER_KEY, OTHER_COPY)
    for _ in range(5):
        proxy.delay(TIMEOUT.total_seconds() * 2)
        given_up = await asyncio.gather(*(made.get(places(key)) for key in (KEY, OTHER_KEY)))
        assert given_up == [None, None]
        proxy.delay(0.0)
        await _until_found(made, KEY, COPY)
        await _until_found(made, OTHER_KEY, OTHER_COPY)
    assert made.refused == 0, "an answer to another question would not have opened"


@pytest.mark.anyio
async def test_S11_a_request_that_is_cancelled_leaves_no_answer_behind(
    server: Valkey, proxy: Proxy, opened: Callable[..., Any]
) -> None:
    made = await opened(**CALM, connections=1)
    await _until_found(made, OTHER_KEY, OTHER_COPY)
    for steps in range(30):
        asking = asyncio.create_task(made.get(places(KEY)))
        for _ in range(steps):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        assert await made.get(places(OTHER_KEY)) == OTHER_COPY
    assert (made.refused, made.failures) == (0, 0)


@pytest.mark.anyio
async def test_what_was_flushed_or_set_back_is_a_miss_or_older_and_no_failure(
    server: Valkey, opened: Callable[..., Any]
) -> None:
    made = await opened(**CALM)
    snapshot = server.snapshot()
    await _put(made, KEY, OTHER_COPY)
    assert await made.get(places(KEY)) == OTHER_COPY
    server.empty()
    assert await made.get(places(KEY)) is None
    assert made.failures == 0
    server.restart_from(snapshot)
    async with asyncio.timeout(DEADLINE):
        while (found := await made.get(places(KEY))) is None:
            pass
    assert found == COPY, "the rule refuses it where it must: its as_of is as old as it is"


@pytest.mark.anyio
async def test_connections_that_were_closed_while_idle_cost_nothing(
    server: Valkey, proxy: Proxy, opened: Callable[..., Any]
) -> None:
    made = await opened(**CALM)
    await asyncio.gather(*(made.get(places(KEY)) for _ in range(20)))
    with server.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
    until(lambda: proxy.connections == 0, "the proxy has closed its ends, too")
    for _ in range(3):
        await asyncio.sleep(0)  # the event loop reads what has come, here the end of each connection
    assert [await made.get(places(KEY)) for _ in range(20)] == [COPY] * 20
    assert made.failures == 0


@pytest.mark.anyio
async def test_a_server_that_is_full_is_read_all_the_same(server: Valkey, opened: Callable[..., Any]) -> None:
    made = await opened(**CALM)
    with server.client() as client:
        client.config_set("maxmemory", "1")
    for _ in range(5):
        await _put(made, OTHER_KEY, OTHER_COPY)
        assert await made.get(places(KEY)) == COPY
    assert made.available
    assert made.failures == made.dropped == 5


def test_a_cache_serves_one_event_loop_after_another(server: Valkey) -> None:
    cache = AsyncValkeyCache(server.url(), timeout=PATIENT)

    async def use(number: int) -> None:
        await cache.open()
        await cache.put(b"key", b"%d" % number, 60_000)
        assert await cache.get(b"key") == b"%d" % number
        await cache.aclose()

    for number in range(3):
        asyncio.run(use(number))
    gc.collect()  # a connection that was not closed would be a warning now


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore:loop is closed:ResourceWarning")
def test_connections_of_a_loop_that_has_ended_are_not_used_in_the_next(server: Valkey) -> None:
    """Whoever does not close loses them, and nothing else."""
    cache = AsyncValkeyCache(server.url(), timeout=PATIENT)

    async def use(*, close: bool) -> None:
        await cache.put(b"key", b"value", 60_000)
        assert await cache.get(b"key") == b"value"
        if close:
            await cache.aclose()

    for close in (False, False, True):
        asyncio.run(use(close=close))
    gc.collect()


# --- threads


@pytest.fixture
def opened_for_threads(server: Valkey, proxy: Proxy) -> Iterator[Callable[..., Any]]:
    caches: list[ValkeyCache] = []

    def a_tier(**settings: Any) -> SharedTier:
        caches.append(ValkeyCache(proxy.through(server.url()), timeout=settings["timeout"]))
        counted: Any = Counted(caches[-1])
        made = tier(counted, **settings)
        made.open()
        _found(made, KEY, COPY)
        return made

    yield a_tier
    for cache in caches:
        cache.close()


def _found(made: SharedTier, key: bytes, copy: bytes) -> None:
    def found() -> bool:
        made.put(place(key), copy, MINUTE)
        return made.get(places(key)) == copy

    until(found, "what was put is found")


@pytest.mark.parametrize("fault", FAULTS)
def test_an_outage_costs_three_requests_of_threads_and_the_others_nothing(
    fault: str, server: Valkey, proxy: Proxy, opened_for_threads: Callable[..., Any]
) -> None:
    made: SharedTier = opened_for_threads(**LATER)
    asked = made.cache.asked  # type: ignore[attr-defined]
    FAULTS[fault](server, proxy)
    assert [made.get(places(KEY)) for _ in range(103)] == [None] * 103
    made.put(place(KEY), COPY, MINUTE)
    assert made.cache.asked - asked == made.failures == 3  # type: ignore[attr-defined]
    assert (made.dropped, made.available) == (1, False)
    REPAIRS[fault](server, proxy)


@pytest.mark.parametrize("fault", FAULTS)
def test_threads_use_it_again_when_it_is_back(
    fault: str, server: Valkey, proxy: Proxy, opened_for_threads: Callable[..., Any]
) -> None:
    made = opened_for_threads(**SOON)
    FAULTS[fault](server, proxy)
    while made.available:
        made.get(places(KEY))
    REPAIRS[fault](server, proxy)
    _found(made, KEY, COPY)
    _found(made, OTHER_KEY, OTHER_COPY)
    assert made.available
    assert made.refused == 0
