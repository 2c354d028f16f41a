"""The user behind a session, and the JSON in which records carry them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coatcheck.core.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


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
    """Return the user of a record's JSON."""
    known: dict[str, Any] = json.loads(raw)
    for name in ("created_at", "updated_at"):
        if known.get(name) is not None:
            known[name] = from_micros(known[name])
    if "labels" in known:
        known["labels"] = tuple(known["labels"])
    return User(**known)
