# Generated from testing/async_conformance.py by tools/generate_sync.py: edit that, run `make generate`.
"""Whether a store keeps its promises, for threads."""

from __future__ import annotations

import pytest

from coatcheck.testing._suite.acting import Acting
from coatcheck.testing._suite.auditing import Auditing
from coatcheck.testing._suite.changes import Changes
from coatcheck.testing._suite.devices import Devices
from coatcheck.testing._suite.endings import Endings
from coatcheck.testing._suite.kinds import Kinds
from coatcheck.testing._suite.limits import Limits
from coatcheck.testing._suite.log import Log
from coatcheck.testing._suite.numbers import Numbers
from coatcheck.testing._suite.retiring import Retiring
from coatcheck.testing._suite.rows import Rows
from coatcheck.testing._suite.searching import Searching
from coatcheck.testing._suite.spending import Spending
from coatcheck.testing.clock import ManualClock


class StoreConformance(
    Rows,
    Acting,
    Auditing,
    Changes,
    Devices,
    Endings,
    Kinds,
    Limits,
    Log,
    Numbers,
    Retiring,
    Searching,
    Spending,
):
    """The promises of `coatcheck.stores`, each with a test.

    Subclass it under a name that pytest collects, and give it a fixture `store`: a store that is open, empty and
    reads its time from the fixture `clock`.

        class TestMyStore(StoreConformance):
            @pytest.fixture
            def store(self, clock):
                store = MyStore(clock=clock)
                store.open()
                yield store
                store.close()

    What the store can is what its `capabilities` say; of a power it lacks, the suite tests that relying on it is
    refused. A store whose time is a server's overrides `age_log` and `end_grace`.
    """

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The time, which only a test moves."""
        return ManualClock()


class EventualStoreConformance(Rows, Changes, Endings, Kinds, Limits):
    """The promises of a store that is consistent only after a while, and has no invalidation log.

    It is to be subclassed in the same way; what the store lacks, its `capabilities` say: `eventual`.
    """

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The time, which only a test moves."""
        return ManualClock()
