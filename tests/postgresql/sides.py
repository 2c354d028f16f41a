"""The PostgreSQL store of either kind."""

from __future__ import annotations

from coatcheck.stores.postgresql import AsyncPostgreSQLStore, PostgreSQLStore
from tests import sides


class Side(sides.Side):
    """A PostgreSQL store of one of the two kinds."""

    for_asyncio = AsyncPostgreSQLStore
    for_threads = PostgreSQLStore
