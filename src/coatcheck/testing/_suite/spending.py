# Generated from testing/_async_suite/spending.py by tools/generate_sync.py: edit that, run `make generate`.
"""What may count once, for threads."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, cast

import pytest

from coatcheck.testing._pair import together
from coatcheck.testing._rows import a_hash

if TYPE_CHECKING:
    from coatcheck.stores.protocol import Spends, Store
    from coatcheck.testing.clock import ManualClock

_HOUR = 3_600_000_000


class Spending:
    """Spend: whoever comes first is told so, and nobody else."""

    def test_what_is_spent_is_spent_once(self, store: Store) -> None:
        """Each by its own name."""
        spending, name, other = _spending(store), a_hash(), a_hash()
        assert [spending.spend(name, _HOUR) for _ in range(3)] == [True, False, False]
        assert spending.spend(other, _HOUR)

    def test_of_many_who_spend_at_once_one_is_the_first(self, store: Store) -> None:
        """However many there are."""
        spending, name = _spending(store), a_hash()
        assert sum(together([partial(spending.spend, name, _HOUR) for _ in range(16)])) == 1

    def test_what_is_over_keeps_nothing_from_being_noted(self, store: Store, clock: ManualClock) -> None:
        """It is forgotten as others come, and those are not."""
        spending, kept, again = _spending(store), a_hash(), a_hash()
        assert spending.spend(again, 1)
        for _ in range(8):
            assert spending.spend(a_hash(), 1)
        assert spending.spend(kept, _HOUR)
        for _ in range(8):
            assert spending.spend(a_hash(), _HOUR)
        assert not spending.spend(kept, _HOUR)
        while not spending.spend(again, _HOUR):  # it was a lease, which is over
            clock.advance(timedelta(milliseconds=1))
        assert not spending.spend(again, _HOUR)


def _spending(store: Store) -> Spends:
    if not store.capabilities.spends:
        pytest.skip("this store cannot note what is used up")
    return cast("Spends", store)
