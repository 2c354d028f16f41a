"""What may count once, for asyncio."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, cast

import pytest

from coatcheck.testing._async_pair import async_together
from coatcheck.testing._rows import a_hash

if TYPE_CHECKING:
    from coatcheck.stores.async_protocol import AsyncSpends, AsyncStore
    from coatcheck.testing.clock import ManualClock

_HOUR = 3_600_000_000


class AsyncSpending:
    """Spend: whoever comes first is told so, and nobody else."""

    async def test_what_is_spent_is_spent_once(self, store: AsyncStore) -> None:
        """Each by its own name."""
        spending, name, other = _spending(store), a_hash(), a_hash()
        assert [await spending.spend(name, _HOUR) for _ in range(3)] == [True, False, False]
        assert await spending.spend(other, _HOUR)

    async def test_of_many_who_spend_at_once_one_is_the_first(self, store: AsyncStore) -> None:
        """However many there are."""
        spending, name = _spending(store), a_hash()
        assert sum(await async_together([partial(spending.spend, name, _HOUR) for _ in range(16)])) == 1

    async def test_what_is_over_keeps_nothing_from_being_noted(self, store: AsyncStore, clock: ManualClock) -> None:
        """It is forgotten as others come, and those are not."""
        spending, kept, again = _spending(store), a_hash(), a_hash()
        assert await spending.spend(again, 1)
        for _ in range(8):
            assert await spending.spend(a_hash(), 1)
        assert await spending.spend(kept, _HOUR)
        for _ in range(8):
            assert await spending.spend(a_hash(), _HOUR)
        assert not await spending.spend(kept, _HOUR)
        while not await spending.spend(again, _HOUR):  # it was a lease, which is over
            clock.advance(timedelta(milliseconds=1))
        assert not await spending.spend(again, _HOUR)


def _spending(store: AsyncStore) -> AsyncSpends:
    if not store.capabilities.spends:
        pytest.skip("this store cannot note what is used up")
    return cast("AsyncSpends", store)
