"""The SQLite stores keep the promises of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.testing.async_conformance import AsyncStoreConformance
from coatcheck.testing.conformance import StoreConformance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from coatcheck.testing import ManualClock


@pytest.mark.anyio
class TestAsyncSQLiteStore(AsyncStoreConformance):
    @pytest.fixture
    async def store(self, tmp_path: Path, clock: ManualClock) -> AsyncIterator[AsyncSQLiteStore]:
        store = AsyncSQLiteStore(str(tmp_path / "sessions.db"), clock=clock)
        await store.open()
        yield store
        await store.aclose()


class TestSQLiteStore(StoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path, clock: ManualClock) -> Iterator[SQLiteStore]:
        store = SQLiteStore(str(tmp_path / "sessions.db"), clock=clock)
        store.open()
        yield store
        store.close()
