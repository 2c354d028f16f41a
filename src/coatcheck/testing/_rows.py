"""Rows for the conformance suite."""

from __future__ import annotations

from secrets import token_bytes
from typing import TYPE_CHECKING, Any

from coatcheck.core.coherence import EVERYONE, session_subject, user_subject
from coatcheck.core.session import Record
from coatcheck.core.tokens import new_session_id
from coatcheck.stores.base import NewSession

if TYPE_CHECKING:
    from collections.abc import Collection

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
LONG_AGO = 1_000 * DAY
"""1972: expired by every clock, whatever the test has done to its own."""

MANY_BYTES = 16_384


def a_row(now: int, **changes: Any) -> Record:
    """Return a new session of "ann", signed in at `now` (microseconds)."""
    row = Record(
        id=new_session_id(),
        user_id="ann",
        created_at=now,
        authenticated_at=now,
        last_seen_at=now,
        idle_expires_at=now + DAY,
        expires_at=now + 30 * DAY,
        idle_timeout=DAY,
        remember=False,
        ip="192.0.2.1",
        user_agent="Mozilla/5.0",
        data='{"theme": "dark"}',
    )
    return row._replace(**changes)


def an_expired_row(**changes: Any) -> Record:
    """Return a session that ended long ago."""
    return a_row(LONG_AGO, **changes)


def to_create(row: Record, **conditions: Any) -> NewSession:
    """Return the order to insert a row under a new token hash."""
    return NewSession(a_hash(), row, **conditions)


def a_hash() -> bytes:
    """Return a token hash that nothing has yet."""
    return token_bytes(32)


def named(row: Record, subjects: Collection[str]) -> bool:
    """Tell whether log entries with these subjects outdate the copies of a session."""
    wanted = {EVERYONE, session_subject(row.id)}
    if row.user_id is not None:
        wanted.add(user_subject(row.user_id))
    return not wanted.isdisjoint(subjects)
