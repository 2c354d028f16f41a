"""Pages of the log, from the rows of `poll.sql`: for every database that speaks SQLite's SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from coatcheck.core.coherence import Entry, LogPage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.stores.operations import Row

KEEP_LOG = 2 * 3600
"""Entries are kept for so many seconds: longer than any cached copy lives."""


class Cursor(NamedTuple):
    """How far a poll has read.

    Attributes:
        position: The next position.
        mark: The mark of the entry before it.
        schema: SQLite's number for the file's schema, which grows with every restored backup.
        epoch: The log's identity and the file's.
    """

    position: int
    mark: int
    schema: int
    epoch: str


def first_of(cursor: Cursor | None) -> int:
    """Return the position to read from: that of the entry before the cursor, which must still be the same one."""
    return 0 if cursor is None else cursor.position - 1


def continues(row: Row, cursor: Cursor) -> bool:
    """Tell whether a page with this first row belongs to the same log as the cursor, and leaves no gap."""
    _, schema, floor, position, _, mark = row
    if schema != cursor.schema:
        return False
    return cursor.position <= floor or (position, mark) == (cursor.position - 1, cursor.mark)


def page_of(epoch: str, rows: Sequence[Row], now: int) -> LogPage:
    """Return the page of these rows."""
    _, schema, floor, *_ = rows[0]
    entries = tuple(Entry(row[3], row[4]) for row in rows if row[3] is not None)
    position, mark = (max(floor, rows[-1][3] + 1), rows[-1][5]) if entries else (floor, 0)
    cursor = Cursor(position, mark, schema, epoch)
    return LogPage(epoch, floor, entries, cursor, now, resumed=True, as_of=position)


def interrupted(epoch: str, row: Row, now: int) -> LogPage:
    """Return the page that tells a worker that its cursor leads nowhere."""
    return LogPage(epoch, row[2], (), None, now, resumed=False, as_of=0)


def flooded(epoch: str, schema: int, head: Row, now: int) -> LogPage:
    """Return a page without entries from the row of `head.sql`: there are too many, and the floor rises instead."""
    _, floor, mark = head
    return LogPage(epoch, floor, (), Cursor(floor, mark, schema, epoch), now, resumed=True, as_of=floor)
