"""The store in memory keeps the promises of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck.testing import AsyncMemoryStore, MemoryStore
from coatcheck.testing.async_conformance import AsyncStoreConformance
from coatcheck.testing.conformance import StoreConformance

if TYPE_CHECKING:
    from coatcheck.testing import ManualClock


@pytest.mark.anyio
class TestAsyncMemoryStore(AsyncStoreConformance):
    @pytest.fixture
    def store(self, clock: ManualClock) -> AsyncMemoryStore:
        return AsyncMemoryStore(clock=clock)


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self, clock: ManualClock) -> MemoryStore:
        return MemoryStore(clock=clock)
