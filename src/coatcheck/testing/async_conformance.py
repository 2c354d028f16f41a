"""Whether a store keeps its promises, for asyncio."""

from __future__ import annotations

import pytest

from coatcheck.testing._async_suite.acting import AsyncActing
from coatcheck.testing._async_suite.auditing import AsyncAuditing
from coatcheck.testing._async_suite.changes import AsyncChanges
from coatcheck.testing._async_suite.devices import AsyncDevices
from coatcheck.testing._async_suite.endings import AsyncEndings
from coatcheck.testing._async_suite.kinds import AsyncKinds
from coatcheck.testing._async_suite.limits import AsyncLimits
from coatcheck.testing._async_suite.log import AsyncLog
from coatcheck.testing._async_suite.numbers import AsyncNumbers
from coatcheck.testing._async_suite.retiring import AsyncRetiring
from coatcheck.testing._async_suite.rows import AsyncRows
from coatcheck.testing._async_suite.searching import AsyncSearching
from coatcheck.testing._async_suite.spending import AsyncSpending
from coatcheck.testing.clock import ManualClock


class AsyncStoreConformance(
    AsyncRows,
    AsyncActing,
    AsyncAuditing,
    AsyncChanges,
    AsyncDevices,
    AsyncEndings,
    AsyncKinds,
    AsyncLimits,
    AsyncLog,
    AsyncNumbers,
    AsyncRetiring,
    AsyncSearching,
    AsyncSpending,
):
    """The promises of `coatcheck.stores`, each with a test.

    Subclass it under a name that pytest collects, and give it a fixture `store`: a store that is open, empty and
    reads its time from the fixture `clock`.

        class TestMyStore(AsyncStoreConformance):
            @pytest.fixture
            async def store(self, clock):
                store = AsyncMyStore(clock=clock)
                await store.open()
                yield store
                await store.aclose()

    What the store can is what its `capabilities` say; of a power it lacks, the suite tests that relying on it is
    refused. A store whose time is a server's overrides `age_log` and `end_grace`.
    """

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The time, which only a test moves."""
        return ManualClock()


class AsyncEventualStoreConformance(AsyncRows, AsyncChanges, AsyncEndings, AsyncKinds, AsyncLimits):
    """The promises of a store that is consistent only after a while, and has no invalidation log.

    It is to be subclassed in the same way; what the store lacks, its `capabilities` say: `eventual`.
    """

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The time, which only a test moves."""
        return ManualClock()
