"""What a store cannot do is refused when things are wired together, and the suite says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck import AsyncSessions, ConfigurationError, Policy, Sessions
from coatcheck.testing import AsyncMemoryStore, MemoryStore
from coatcheck.testing.async_conformance import AsyncStoreConformance
from coatcheck.testing.conformance import StoreConformance

if TYPE_CHECKING:
    from coatcheck.testing import ManualClock


class AsyncStoreWithoutLimits(AsyncMemoryStore):
    capabilities = AsyncMemoryStore.capabilities._replace(exact_limits=False)


class StoreWithoutLimits(MemoryStore):
    capabilities = MemoryStore.capabilities._replace(exact_limits=False)


@pytest.mark.anyio
class TestAsyncStoreWithoutLimits(AsyncStoreConformance):
    """A store that keeps no limits conforms, for it says so."""

    @pytest.fixture
    def store(self, clock: ManualClock) -> AsyncMemoryStore:
        return AsyncStoreWithoutLimits(clock=clock)


class TestStoreWithoutLimits(StoreConformance):
    """The same for threads."""

    @pytest.fixture
    def store(self, clock: ManualClock) -> MemoryStore:
        return StoreWithoutLimits(clock=clock)


@pytest.mark.parametrize("limit", [3, len], ids=["number", "function"])
def test_L15_a_limit_that_the_store_cannot_keep_is_refused(limit: int) -> None:
    """Before the first request, with the fix."""
    policy = Policy(max_sessions=limit)
    with pytest.raises(ConfigurationError, match=r"max_sessions.*exact limits"):
        AsyncSessions(AsyncStoreWithoutLimits(), policy=policy)
    with pytest.raises(ConfigurationError, match=r"max_sessions.*exact limits"):
        Sessions(StoreWithoutLimits(), policy=policy)
    Sessions(MemoryStore(), policy=policy)
