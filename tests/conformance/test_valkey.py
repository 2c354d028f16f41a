"""The Valkey stores keep the promises of a store, on Valkey and on Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck.stores.valkey import AsyncValkeyStore, ValkeyStore
from coatcheck.testing.async_conformance import AsyncStoreConformance
from coatcheck.testing.conformance import StoreConformance
from tests.servers.installations import program
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from coatcheck.testing import ManualClock


@pytest.fixture(scope="module", params=["valkey", "redis"])
def server(request: pytest.FixtureRequest) -> Iterator[Valkey]:
    with Valkey(program("redis-server") if request.param == "redis" else None) as server:
        yield server


@pytest.fixture
def url(server: Valkey) -> str:
    server.empty()
    return server.url()


@pytest.mark.anyio
class TestAsyncValkeyStore(AsyncStoreConformance):
    @pytest.fixture
    async def store(self, url: str, clock: ManualClock) -> AsyncIterator[AsyncValkeyStore]:
        store = AsyncValkeyStore(url, clock=clock)
        await store.open()
        yield store
        await store.aclose()


class TestValkeyStore(StoreConformance):
    @pytest.fixture
    def store(self, url: str, clock: ManualClock) -> Iterator[ValkeyStore]:
        store = ValkeyStore(url, clock=clock)
        store.open()
        yield store
        store.close()
