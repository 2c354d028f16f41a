"""The PostgreSQL stores keep the promises of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck.stores.postgresql import AsyncPostgreSQLStore, PostgreSQLStore
from coatcheck.testing.async_conformance import AsyncStoreConformance
from coatcheck.testing.conformance import StoreConformance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from coatcheck.testing import ManualClock


@pytest.mark.anyio
class TestAsyncPostgreSQLStore(AsyncStoreConformance):
    @pytest.fixture
    async def store(self, postgresql_url: str, clock: ManualClock) -> AsyncIterator[AsyncPostgreSQLStore]:
        store = AsyncPostgreSQLStore(postgresql_url, clock=clock)
        await store.open()
        yield store
        await store.aclose()


class TestPostgreSQLStore(StoreConformance):
    @pytest.fixture
    def store(self, postgresql_url: str, clock: ManualClock) -> Iterator[PostgreSQLStore]:
        store = PostgreSQLStore(postgresql_url, clock=clock)
        store.open()
        yield store
        store.close()
