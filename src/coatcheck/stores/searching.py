"""Which sessions a filter means, in SQL and in Python."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from coatcheck.core.session import NEVER
from coatcheck.core.times import to_micros
from coatcheck.stores.base import SessionFilter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from coatcheck.core.filters import Filter
    from coatcheck.core.session import Record

MANY: Final = 1000
"""A change that ends more sessions than this at once writes one log entry, for everyone."""

START: Final = (NEVER, "")
"""The place in the list that comes before all others."""

_NAME: Final = re.compile(r"(?<![:\w]):([a-z_]+)")


def stored(wanted: Filter | None) -> SessionFilter:
    """Return what a store is asked for, of what an application asks for."""
    if wanted is None:
        return SessionFilter()
    return SessionFilter(
        text=wanted.text or None,
        user_id=wanted.user_id,
        signed_in=wanted.signed_in,
        active_since=_micros(wanted.active_since),
        active_before=_micros(wanted.active_before),
        created_since=_micros(wanted.created_since),
        created_before=_micros(wanted.created_before),
        ids=wanted.ids,
    )


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def values_of(wanted: SessionFilter) -> dict[str, Any]:
    """Return the parameters of a statement: those that the filter gives a value."""
    values = {name: value for name, value in wanted._asdict().items() if value is not None}
    return values if wanted.ids is None else {**values, "ids": json.dumps(wanted.ids)}


def condition(text: str, values: Mapping[str, Any]) -> str:
    """Return the lines of a condition whose parameters have a value, or that have none but the time."""
    lines = (line for line in text.splitlines() if not line.startswith("--"))
    return "\n".join(line for line in lines if set(_NAME.findall(line)) <= {"now", *values})


def matches(wanted: SessionFilter, record: Record) -> bool:
    """Tell whether a filter means a live session; the same as the condition in SQL, where no users are joined."""
    return (
        wanted.user_id in {None, record.user_id}
        and wanted.signed_in in {None, record.user_id is not None}
        and _within(record.last_seen_at, wanted.active_since, wanted.active_before)
        and _within(record.created_at, wanted.created_since, wanted.created_before)
        and (wanted.ids is None or record.id in wanted.ids)
        and (wanted.text is None or _lowered(wanted.text) in _lowered(_searched(record)))
    )


def _within(moment: int, since: int | None, before: int | None) -> bool:
    return (since is None or moment >= since) and (before is None or moment < before)


def _searched(record: Record) -> str:
    return "\n".join(part or "" for part in (record.id, record.user_id, record.ip, record.user_agent))


def _lowered(text: str) -> str:
    # As SQLite and Valkey do: other letters stay as they are.
    return text.encode().lower().decode()
