"""What a ticket says: something that somebody may do once, and soon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Ticket(NamedTuple):
    """A ticket that was redeemed, or looked at. All times are aware datetimes in UTC.

    Attributes:
        data: What was put into it.
        created_at: When it was issued.
        ends_at: Until when it could be redeemed.
    """

    data: Mapping[str, Any]
    created_at: datetime
    ends_at: datetime


class PendingSignIn(NamedTuple):
    """A user who has proved who they are by one factor, and is not signed in before another (rule A3).

    Attributes:
        user_id: Who that would be.
        methods: How they have proved it, by the names of RFC 8176.
        remember: Whether they asked to be remembered on this device.
        data: What the application keeps of it.
        attempts: How many more proofs they may try, this one included.
        ends_at: When it is over, whatever happens; aware, in UTC.
    """

    user_id: str
    methods: tuple[str, ...]
    remember: bool
    data: Mapping[str, Any]
    attempts: int
    ends_at: datetime
