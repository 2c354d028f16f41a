# Generated from _async/pending_sign_ins.py by tools/generate_sync.py: edit that, run `make generate`.
"""Between two factors: a state of its own, with a cookie of its own, that is a session on no path (rule A3)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from coatcheck._sync.tickets import Tickets
from coatcheck.core.refusals import refuse
from coatcheck.core.tickets import PendingSignIn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coatcheck._sync.sessions import Sessions
    from coatcheck.core.tickets import Ticket
    from coatcheck.core.tokens import Token

_MOST_ATTEMPTS = 100


class PendingSignIns:
    """Users who have proved one factor, as tickets: each is good for one attempt at the next.

    So a code cannot be guessed by many requests at once: of those that present one ticket, one gets to try.
    """

    def __init__(self, sessions: Sessions, *, lifetime: timedelta = timedelta(minutes=10), attempts: int = 5) -> None:
        """Wire them to the sessions that will begin.

        Args:
            sessions: The sessions.
            lifetime: Until when the second factor must be there.
            attempts: How many proofs of it may be tried before the first must be given again.

        Raises:
            ConfigurationError: A setting is out of bounds, or the store sees a change only after a while.
        """
        if not 1 <= attempts <= _MOST_ATTEMPTS:
            refuse("attempts", attempts, f"use 1 to {_MOST_ATTEMPTS}", of="pending sign-in")
        self.lifetime = lifetime
        self._tickets = Tickets(sessions, purpose="pending-sign-in", lifetime=lifetime)
        self._attempts = attempts

    def well_formed(self, token: str | bytes | Token) -> bool:
        """Tell whether this could be one of these."""
        return self._tickets.well_formed(token)

    def begin(
        self, user_id: str, *, methods: Sequence[str], remember: bool = False, data: Mapping[str, Any] | None = None
    ) -> Token:
        """Note that a user has proved one factor; the token goes into a cookie of its own.

        Raises:
            DataError: The data is not JSON or too large.
            Unavailable: The store did not answer.
        """
        said = {"user_id": user_id, "methods": list(methods), "remember": remember, "data": dict(data or {})}
        return self._tickets.issue({**said, "attempts": self._attempts})

    def redeem(self, token: str | bytes | Token | None) -> PendingSignIn | None:
        """Return who is to try the next factor, and use the token up; None if there is nobody.

        Raises:
            Unavailable: The store did not answer.
        """
        ticket = self._tickets.redeem(token)
        return None if ticket is None else _pending(ticket)

    def peek(self, token: str | bytes | Token | None) -> PendingSignIn | None:
        """Return who could try the next factor: to show the page that asks for it, never to act on it."""
        ticket = self._tickets.peek(token)
        return None if ticket is None else _pending(ticket)

    def again(self, pending: PendingSignIn) -> Token | None:
        """Let them try once more after a wrong proof, no longer than before; None after the last attempt.

        Raises:
            Unavailable: The store did not answer.
        """
        if pending.attempts <= 1:
            return None
        said = {**pending._asdict(), "methods": list(pending.methods), "attempts": pending.attempts - 1}
        del said["ends_at"]
        return self._tickets.issue({**said, "data": dict(pending.data)}, ends_at=pending.ends_at)


def _pending(ticket: Ticket) -> PendingSignIn:
    said = ticket.data
    return PendingSignIn(
        user_id=said["user_id"],
        methods=tuple(said["methods"]),
        remember=said["remember"],
        data=said["data"],
        attempts=said["attempts"],
        ends_at=ticket.ends_at,
    )
