"""The D1 store, on workerd's D1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.stores.d1 import AsyncD1Store
from coatcheck.stores.d1.statements import Prepared
from coatcheck.stores.d1.wire import Wire
from coatcheck.testing.async_conformance import AsyncStoreConformance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from coatcheck.testing.clock import ManualClock


_OURS = "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'"


async def run(database: Any, *statements: str) -> list[list[tuple[Any, ...]]]:
    """Run statements without parameters as one batch."""
    return await Wire(database, timeout=10).batch([Prepared(statement, ()) for statement in statements])


async def emptied(database: Any) -> Any:
    """Return the database without tables."""
    (found,) = await run(database, _OURS)
    gone = [f"DROP {kind} {name}" for wanted in ("trigger", "table") for kind, name in found if kind == wanted]
    if gone:
        await run(database, *gone)
    return database


class TestD1Store(AsyncStoreConformance):
    """All that a store promises."""

    @pytest.fixture
    async def store(self, env: Any, clock: ManualClock) -> AsyncIterator[AsyncD1Store]:
        store = AsyncD1Store(await emptied(env.DB), migrate=True, clock=clock)
        await store.open()
        yield store
        await store.aclose()
