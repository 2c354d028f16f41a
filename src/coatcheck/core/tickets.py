"""What a ticket says: something that somebody may do once, and soon."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from coatcheck.core.base64url import text_of

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


class LoginFlow(NamedTuple):
    """One sign-in that is under way at an OAuth or OpenID provider (rule J6).

    Attributes:
        state: What the provider sends back with the browser (RFC 6749 section 10.12).
        nonce: What the ID token must hold (OpenID Connect Core section 3.1.2.1).
        code_verifier: What the code is exchanged with (RFC 7636 section 4.1).
        data: What the application keeps of it, such as where to go afterwards.
    """

    state: str
    nonce: str
    code_verifier: str
    data: Mapping[str, Any]

    @property
    def code_challenge(self) -> str:
        """What the provider gets beforehand, with `code_challenge_method=S256` (RFC 7636 section 4.2)."""
        return text_of(sha256(self.code_verifier.encode("ascii")).digest())

    def __repr__(self) -> str:
        """Show nothing that is secret (rule T9)."""
        return "<LoginFlow>"


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
