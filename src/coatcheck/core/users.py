"""The user behind a session, and the JSON in which records carry them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from coatcheck.core.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class User:
    """The user behind a session, as the users table, the loader or the provider described them.

    They are joined, loaded or asked for, never frozen into the session (ASVS 8.3.2, rule L18).

    Attributes:
        id: The user's id.
        name: Their display name.
        email: Their address.
        role: Their role.
        attributes: What else is known of them. Of a provider it is what came without being checked: show or trust
            only what you know.
        email_verified: Whether they have proved that the address is theirs; None where nobody says.
        labels: Their labels, such as a tier.
        created_at: When they registered, in UTC.
        updated_at: When anything of this last changed, in UTC.
    """

    id: str
    name: str | None = None
    email: str | None = None
    role: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    email_verified: bool | None = field(default=None, repr=False)
    labels: tuple[str, ...] = field(default=(), repr=False)
    created_at: datetime | None = field(default=None, repr=False)
    updated_at: datetime | None = field(default=None, repr=False)


def user_json(user: User | None) -> str | None:
    """Return a user as the JSON that a record carries: only what is known, times in microseconds since the epoch."""
    if user is None:
        return None
    known: dict[str, Any] = {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "role": user.role,
        "attributes": dict(user.attributes),
        "email_verified": user.email_verified,
        "labels": user.labels,
        "created_at": None if user.created_at is None else to_micros(user.created_at),
        "updated_at": None if user.updated_at is None else to_micros(user.updated_at),
    }
    return json.dumps({name: value for name, value in known.items() if value not in (None, (), {})})


def user_of(raw: bytes) -> User:
    """Return the user of a record's JSON; what a users table has instead of a time, flag or labels is left out."""
    known: dict[str, Any] = json.loads(raw)
    for name, read in _READ.items():
        if name in known:
            known[name] = read(known[name])
    return User(**known)


def _time(value: Any) -> datetime | None:
    try:
        if isinstance(value, int):
            return from_micros(value)
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _flag(value: Any) -> bool | None:
    # Not by its truth: a column may hold the text "false".
    return bool(value) if isinstance(value, int) else None


def _labels(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = _array(value) if value.startswith("[") else [value]
    texts = cast("Sequence[Any]", value) if isinstance(value, list) else ()
    return tuple(text for text in texts if isinstance(text, str) and text)


def _array(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "email_verified": _flag,
    "labels": _labels,
    "created_at": _time,
    "updated_at": _time,
}
"""How the fields are read that a database may hold in more than one way."""
