"""Every cache keeps the promises of a cache."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from coatcheck.caches.valkey import AsyncValkeyCache, ValkeyCache
from coatcheck.testing import AsyncMemoryCache, ManualClock, MemoryCache
from coatcheck.testing.async_cache_conformance import AsyncCacheConformance
from coatcheck.testing.cache_conformance import CacheConformance
from tests.servers.cluster import Cluster
from tests.servers.ports import Port
from tests.servers.sentinel import Sentinel
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from coatcheck.caches.async_protocol import AsyncSharedCache
    from coatcheck.caches.protocol import SharedCache
    from tests.servers.valkey import Valkey

PATIENT = timedelta(seconds=5)
"""These tests are about what a cache answers, and none of them about how soon."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.mark.anyio
class TestAsyncMemoryCache(AsyncCacheConformance):
    @pytest.fixture
    def cache(self, clock: ManualClock) -> AsyncMemoryCache:
        self.clock = clock
        return AsyncMemoryCache(clock=clock)

    @pytest.fixture
    def unreachable(self) -> AsyncMemoryCache:
        cache = AsyncMemoryCache()
        cache.fail("open", "ping", "get", "put", "add", "remove")
        return cache

    async def let_pass(self, cache: AsyncSharedCache, key: bytes, milliseconds: int) -> None:
        self.clock.advance(timedelta(milliseconds=milliseconds))


class TestMemoryCache(CacheConformance):
    @pytest.fixture
    def cache(self, clock: ManualClock) -> MemoryCache:
        self.clock = clock
        return MemoryCache(clock=clock)

    @pytest.fixture
    def unreachable(self) -> MemoryCache:
        cache = MemoryCache()
        cache.fail("open", "ping", "get", "put", "add", "remove")
        return cache

    def let_pass(self, cache: SharedCache, key: bytes, milliseconds: int) -> None:
        self.clock.advance(timedelta(milliseconds=milliseconds))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def sentinel() -> Iterator[Sentinel]:
    with Sentinel() as sentinel:
        yield sentinel


def _places(addresses: list[tuple[str, int]]) -> str:
    return ",".join(f"{host}:{port}" for host, port in addresses)


@pytest.fixture(params=["valkey", "redis", "cluster", "sentinel"])
def url(request: pytest.FixtureRequest) -> str:
    """Give the address of an empty server, or of several."""
    if request.param == "cluster":
        cluster: Cluster = request.getfixturevalue("cluster")
        for node in cluster.nodes:
            node.empty()
        return f"valkey+cluster://{_places(cluster.addresses)}"
    if request.param == "sentinel":
        sentinel: Sentinel = request.getfixturevalue("sentinel")
        sentinel.master.empty()
        return f"valkey+sentinel://{_places(sentinel.addresses)}/{sentinel.master_name}/0"
    server: Valkey = request.getfixturevalue("valkey" if request.param == "valkey" else "redis_server")
    server.empty()
    return server.url(3)


@pytest.fixture(params=["redis", "valkey+cluster", "valkey+sentinel"])
def nobody(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give an address where nobody listens."""
    port = Port()
    yield f"{request.param}://127.0.0.1:{port.number}" + ("/coats/0" if "sentinel" in request.param else "")
    port.close()


@pytest.mark.anyio
class TestAsyncValkeyCache(AsyncCacheConformance):
    @pytest.fixture
    async def cache(self, url: str) -> AsyncIterator[AsyncValkeyCache]:
        cache = AsyncValkeyCache(url, timeout=PATIENT)
        await cache.open()
        yield cache
        await cache.aclose()

    @pytest.fixture
    def unreachable(self, nobody: str) -> AsyncValkeyCache:
        return AsyncValkeyCache(nobody, timeout=PATIENT)

    async def let_pass(self, cache: AsyncSharedCache, key: bytes, milliseconds: int) -> None:
        while await cache.get(key) is not None:  # as long as the test's own limit lets it
            pass


class TestValkeyCache(CacheConformance):
    @pytest.fixture
    def cache(self, url: str) -> Iterator[ValkeyCache]:
        cache = ValkeyCache(url, timeout=PATIENT)
        cache.open()
        yield cache
        cache.close()

    @pytest.fixture
    def unreachable(self, nobody: str) -> ValkeyCache:
        return ValkeyCache(nobody, timeout=PATIENT)

    def let_pass(self, cache: SharedCache, key: bytes, milliseconds: int) -> None:
        until(lambda: cache.get(key) is None, "the value ends")
