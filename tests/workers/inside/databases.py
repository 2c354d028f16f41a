"""D1 databases for the tests."""

from __future__ import annotations

from typing import Any

from coatcheck.stores.d1.statements import Prepared
from coatcheck.stores.d1.wire import Wire

_TABLES = r"SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' AND name NOT LIKE '\_cf\_%' ESCAPE '\'"


async def run(database: Any, *statements: str) -> list[list[tuple[Any, ...]]]:
    """Run statements without parameters as one batch."""
    return await Wire(database, timeout=10).batch([Prepared(statement, ()) for statement in statements])


async def emptied(database: Any) -> Any:
    """Return the database without tables."""
    (found,) = await run(database, _TABLES)
    gone = [f"DROP {kind} {name}" for wanted in ("trigger", "table") for kind, name in found if kind == wanted]
    if gone:
        await run(database, *gone)
    return database


class Counted:
    """A D1 binding that counts what is asked of it, and may be stopped."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.trips: list[int] = []
        self.error: Exception | None = None

    def prepare(self, sql: str) -> Any:
        return self._database.prepare(sql)

    async def batch(self, statements: Any) -> Any:
        self.trips.append(len(statements))
        if self.error is not None:
            raise self.error
        return await self._database.batch(statements)

    async def batch_of(self, *statements: str) -> None:
        """Run statements without parameters, uncounted."""
        await run(self._database, *statements)

    def withSession(self) -> None:
        """Be taken for a D1 database."""
