"""A crowd of sessions, and filters that mean some of them, for the conformance suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck.stores.base import SessionFilter
from coatcheck.testing._rows import HOUR, SECOND, a_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

    from coatcheck.core.session import Record

_USERS = ("ann", "Anna", "bob%", None, "zoë", None)
_ADDRESSES = ("192.0.2.1", "2001:db8::1", None)
_BROWSERS = ("Mozilla/5.0 (100%_sure)", "curl\\8", "MOZILLA's", None)


def a_crowd(now: int) -> list[Record]:
    """Return sessions that differ in everything a filter asks for, some of them last seen at the same time."""
    return [
        a_row(
            now,
            user_id=_USERS[number % len(_USERS)],
            authenticated_at=None,
            created_at=now - (number % 7) * HOUR,
            last_seen_at=now - (number % 5) * SECOND,
            ip=_ADDRESSES[number % len(_ADDRESSES)],
            user_agent=_BROWSERS[number % len(_BROWSERS)],
        )
        for number in range(24)
    ]


def a_filter(random: Random, crowd: Sequence[Record]) -> SessionFilter:
    """Return a filter with one to three conditions, which come near to what is there."""
    names = random.sample(SessionFilter._fields, random.randint(1, 3))
    return SessionFilter(**{name: _value(name, random, crowd) for name in names})


def _value(name: str, random: Random, crowd: Sequence[Record]) -> Any:
    row = random.choice(crowd)
    if name == "text":
        return _a_part(random, row)
    if name == "user_id":
        return random.choice([row.user_id or "nobody", "ANN", "an"])
    if name == "signed_in":
        return random.choice([True, False])
    if name == "ids":
        return tuple(each.id for each in random.sample(list(crowd), random.randint(0, 5)))
    moment = row.created_at if name.startswith("created") else row.last_seen_at
    return moment + random.randint(-1, 1)


def _a_part(random: Random, row: Record) -> str:
    """Return a part of what is searched, in another case; wildcards of SQL are letters like others."""
    field = random.choice([row.id, row.user_id, row.ip, row.user_agent, "%", "_", "\\", "nothing like it"]) or "'"
    start = random.randint(0, len(field) - 1)
    part = field[start : start + random.randint(1, 8)]
    return random.choice([part, _in_capitals(part)])


def _in_capitals(text: str) -> str:
    # Letters beyond ASCII count as written, where the database knows no others.
    return text.encode().upper().decode()


def in_order(rows: Iterable[Record]) -> list[Record]:
    """Return sessions as a search lists them."""
    return sorted(rows, key=lambda row: (row.last_seen_at, row.id), reverse=True)
