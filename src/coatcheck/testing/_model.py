"""What sessions do, said with dictionaries: the model that the machine compares `Sessions` with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from coatcheck.core.session import Session
from coatcheck.core.times import duration_micros, duration_nanos, to_micros

if TYPE_CHECKING:
    from coatcheck.core.answers import NotSignedIn
    from coatcheck.core.tokens import Token
    from coatcheck.testing.clock import ManualClock

LIMIT = 3
IDLE = timedelta(hours=1)
LIFETIME = timedelta(hours=4)
GRACE = timedelta(seconds=30)
ADDRESS = "192.0.2.1"


@dataclass
class Expected:
    """One session; times of the past by the monotonic clock in nanoseconds, expiries in microseconds since the epoch.

    Attributes:
        id: The public id.
        user_id: Whose it is.
        created_at: When it began, in microseconds since the epoch.
        idle_expires_at: When it ends if it is not used.
        expires_at: When it ends whatever happens.
        contents: What it says: address and data.
        former: What it said before, and until when.
        ended: Since when it is gone.
    """

    id: str
    user_id: str | None
    created_at: int
    idle_expires_at: int
    expires_at: int
    contents: dict[str, Any]
    former: list[tuple[int, dict[str, Any]]] = field(default_factory=list[tuple[int, dict[str, Any]]])
    ended: int | None = None


@dataclass
class Ticket:
    """One token, by the monotonic clock in nanoseconds.

    Attributes:
        token: The token.
        expected: The session it was issued for.
        dead: Since when it is dead, or from when it will be.
        until: When its grace ends, if it was retired.
        successor: What came next then.
        refused_by: Which workers have refused it.
    """

    token: Token
    expected: Expected
    dead: int | None = None
    until: int | None = None
    successor: Ticket | None = None
    refused_by: set[int] = field(default_factory=set[int])


class Model:
    """All sessions there ever were, and what may be answered about them."""

    def __init__(self, clock: ManualClock, bound: timedelta, workers: int) -> None:
        """Start empty.

        Args:
            clock: The time.
            bound: For how long what has ended or changed may still be served.
            workers: How many workers gather uses.
        """
        self._clock = clock
        self._bound = duration_nanos(bound)
        self.sessions: dict[str, Expected] = {}
        self.tickets: list[Ticket] = []
        self._uses: list[dict[str, tuple[int, int]]] = [{} for _ in range(workers)]

    # --- judging answers

    def check_ticket(self, worker: int, ticket: Ticket, answer: Session | NotSignedIn) -> None:
        """Compare a worker's answer about a token with what is true."""
        if isinstance(answer, Session):
            assert self._recent(ticket.dead), "a dead token was accepted"
            assert worker not in ticket.refused_by, "a token came back to life"
            self.check_accepted(ticket.expected, answer)
            return
        assert not self.holds(ticket), f"valid, but refused: {answer}"
        ticket.refused_by.add(worker)
        if ticket.until is not None and self._clock.monotonic() >= ticket.until and self.alive(ticket.expected):
            self.end(ticket.expected)  # two have had it, and one of them is a thief

    def check_accepted(self, expected: Expected, session: Session) -> None:
        """Compare a session that was accepted with what is true, or was within the bound."""
        assert self._recent(expected.ended), "an ended session was accepted"
        assert self._now() < _end(expected), "an expired session was accepted"
        assert (session.id, session.user_id) == (expected.id, expected.user_id)
        possible = [expected.contents, *(contents for until, contents in expected.former if self._recent(until))]
        assert {"ip": session.ip, **session.data} in possible, "outdated contents"

    def alive(self, expected: Expected) -> bool:
        """Tell whether a session is valid."""
        return expected.ended is None and self._now() < _end(expected)

    def holds(self, ticket: Ticket) -> bool:
        """Tell whether a token leads to a valid session."""
        over = ticket.dead is not None and self._clock.monotonic() >= ticket.dead
        return not over and self.alive(ticket.expected)

    def leads(self, ticket: Ticket) -> bool:
        """Tell whether a token ends a session: by itself, or as the one before the session's own."""
        latest = ticket if ticket.successor is None else ticket.successor
        return latest.dead is None and ticket.expected.ended is None

    def rows_of(self, user: str | None) -> list[Expected]:
        """Return a user's sessions that were not ended, oldest first; they may have expired."""
        rows = [row for row in self.sessions.values() if row.user_id == user and row.ended is None]
        return sorted(rows, key=lambda row: row.created_at)

    def live_of(self, user: str | None) -> list[Expected]:
        """Return a user's valid sessions, oldest first."""
        return [row for row in self.rows_of(user) if self.alive(row)]

    def _recent(self, since: int | None) -> bool:
        return since is None or self._clock.monotonic() < since + self._bound

    def _now(self) -> int:
        return self._clock.now() // 1000

    # --- what happens

    def created(self, session: Session) -> Expected:
        """Remember a session that begins now."""
        now = self._now()
        idle, end = now + duration_micros(IDLE), now + duration_micros(LIFETIME)
        expected = Expected(session.id, session.user_id, now, idle, end, {"ip": ADDRESS, "n": 0})
        self.sessions[session.id] = expected
        self.check_accepted(expected, session)
        return expected

    def issued(self, token: Token, expected: Expected) -> Ticket:
        """Remember a token."""
        ticket = Ticket(token, expected)
        self.tickets.append(ticket)
        return ticket

    def rotated(self, ticket: Ticket, *, reauthenticated: bool) -> None:
        """Forget a token and the one before it, and start the timers anew if the user has proved who they are."""
        now = self._clock.monotonic()
        for each in self.tickets:
            if each.expected is ticket.expected and (each.dead is None or each.dead > now):
                each.dead = now
        if reauthenticated:
            ticket.expected.idle_expires_at = self._now() + duration_micros(IDLE)
            ticket.expected.expires_at = self._now() + duration_micros(LIFETIME)

    def retired(self, ticket: Ticket, successor: Token) -> Ticket:
        """Remember a token's successor, and when its grace ends; that of the one before it is over."""
        now = self._clock.monotonic()
        for each in self.tickets:
            if each.successor is ticket:
                each.dead = min(now, each.dead or now)
        ticket.dead = ticket.until = now + duration_nanos(GRACE)
        ticket.successor = self.issued(successor, ticket.expected)
        return ticket.successor

    def changed(self, expected: Expected, contents: dict[str, Any]) -> None:
        """Replace what a session says."""
        expected.former.append((self._clock.monotonic(), expected.contents))
        expected.contents = contents

    def used(self, worker: int, session: Session) -> None:
        """Remember that a use was noted, unless an earlier one waits for the flush still."""
        seen = self._now()
        idle = max(to_micros(session.idle_expires_at), seen + duration_micros(IDLE))
        assert session.expires_at is not None
        self._uses[worker].setdefault(session.id, (seen, min(idle, to_micros(session.expires_at))))

    def flushed(self, worker: int) -> None:
        """Move the idle expiry of what was used and is still valid."""
        for session_id, (seen, idle) in self._uses[worker].items():
            expected = self.sessions[session_id]
            if self.alive(expected) and seen < _end(expected):
                expected.idle_expires_at = max(expected.idle_expires_at, idle)
        self._uses[worker].clear()

    def restarted(self, worker: int) -> None:
        """Forget which tokens the worker before has refused."""
        for ticket in self.tickets:
            ticket.refused_by.discard(worker)

    def end(self, *sessions: Expected) -> None:
        """End sessions, once."""
        for expected in sessions:
            if expected.ended is None:
                expected.ended = self._clock.monotonic()


def _end(expected: Expected) -> int:
    return min(expected.idle_expires_at, expected.expires_at)
