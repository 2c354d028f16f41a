"""What stands in a D1 database, asked beforehand: D1 answers only to who awaits it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck.stores.d1.statements import Prepared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.stores.d1.wire import Wire
    from coatcheck.stores.operations import Row

_INDEXES = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1"


async def looked_at(wire: Wire, *tables: str) -> Answers:
    """Ask all that `coatcheck.stores.sqlite.keys` will ask about these tables, in two round trips.

    Raises:
        Unavailable: The database did not answer.
    """
    questions = [question for table in tables for question in (_columns(table), f'PRAGMA index_list("{table}")')]
    found = await wire.batch(
        [*(Prepared(question, ()) for question in questions), *(Prepared(_INDEXES, (table,)) for table in tables)]
    )
    rows = dict(zip(questions, found, strict=False))
    texts = {name: sql for each in found[len(questions) :] for name, sql in each}
    listed = [index[1] for question, each in rows.items() if "index_list" in question for index in each]
    more = [f'PRAGMA index_xinfo("{index}")' for index in listed]
    parts = await wire.batch([Prepared(question, ()) for question in more]) if more else []
    return Answers({**rows, **dict(zip(more, parts, strict=True))}, texts)


def _columns(table: str) -> str:
    return f'PRAGMA table_xinfo("{table}")'


class Answers:
    """A connection to somebody who has been asked everything already."""

    def __init__(self, rows: Mapping[str, list[Row]], texts: Mapping[str, str | None]) -> None:
        """Keep the rows of each question, and the texts of the indexes."""
        self._rows = rows
        self._texts = texts

    def execute(self, sql: str, parameters: Any = (), /) -> Rows:
        """Return what was answered."""
        return Rows(self._rows[sql] if sql in self._rows else [(self._texts[parameters[0]],)])


class Rows:
    """One answer."""

    def __init__(self, rows: list[Row]) -> None:
        """Keep it."""
        self._rows = rows

    def fetchall(self) -> list[Row]:
        """Return all rows."""
        return self._rows
