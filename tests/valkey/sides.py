"""The Valkey store of either kind."""

from __future__ import annotations

from coatcheck.stores.valkey import AsyncValkeyStore, ValkeyStore
from tests import sides


class Side(sides.Side):
    """A Valkey store of one of the two kinds."""

    for_asyncio = AsyncValkeyStore
    for_threads = ValkeyStore

    def renew_polls(self) -> None:
        """Let the next poll connect anew."""
        self.wait_for(self.store._reserved.renew())
