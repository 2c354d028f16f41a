"""The breaker before something that may fail: after some failures in a row it is left alone for a while."""

from __future__ import annotations

from typing import NamedTuple

_MOST_DOUBLINGS = 16


class Ticket(NamedTuple):
    """What was so when a call began: the state, and how many failures had counted by then."""

    state: int
    failures: int


class Breaker:
    """Closed while calls succeed; open for a pause when they do not; then one call tries, and the others stay away.

    A caller gets a ticket, and hands it back with the result. A result of an earlier state counts no more: what was
    under way when the breaker opened can neither close it nor prolong the pause. Calls that were under way together
    and fail together are one failure: a hundred requests that a busy process kept waiting say nothing of the cache.
    """

    __slots__ = (
        *("_counted", "_doublings", "_limit", "_longest", "_pause", "_retry_at", "_row", "_state", "_trying"),
        "closed",
    )

    def __init__(self, *, failures: int, pause: int, longest_pause: int) -> None:
        """Start closed.

        Args:
            failures: After how many in a row it opens.
            pause: The first pause; each further one without a success between is twice as long.
            longest_pause: The longest one, in the same unit as the times given later.
        """
        self._limit = failures
        self._pause = pause
        self._longest = longest_pause
        self._state = 0
        self._counted = 0
        self._row = 0
        self._doublings = 0
        self._retry_at = 0
        self._trying = False
        self.closed = True

    def enter(self, now: int) -> Ticket | None:
        """Return the ticket for a call, or None: leave it."""
        if self.rests(now):
            return None
        self._trying = not self.closed
        return Ticket(self._state, self._counted)

    def rests(self, now: int) -> bool:
        """Tell whether a call would be turned away."""
        return not self.closed and (self._trying or now < self._retry_at)

    def withdraw(self, ticket: Ticket) -> None:
        """End a call that had no result: it was cancelled. The next one may try."""
        if ticket.state == self._state:
            self._trying = False

    def succeed(self, ticket: Ticket) -> bool:
        """End a call that succeeded; tells whether that has closed the breaker."""
        if ticket.state != self._state:
            return False
        self._row = 0
        if self.closed:
            return False
        self._change(closed=True)
        self._doublings = 0
        return True

    def fail(self, ticket: Ticket, now: int, lot: float) -> bool:
        """End a call that failed; tells whether that has opened the breaker, which was closed.

        Args:
            ticket: The call's.
            now: The time.
            lot: A random number from 0 to 1; it shortens the pause by up to a half, so that not all come back at once.
        """
        if ticket != (self._state, self._counted):
            return False
        self._counted += 1
        self._row += 1
        if self.closed and self._row < self._limit:
            return False
        return self.trip(now, lot)

    def trip(self, now: int, lot: float) -> bool:
        """Open now, whatever the count; tells whether the breaker was closed."""
        was_closed = self.closed
        pause = min(self._longest, self._pause << self._doublings)
        self._doublings = min(self._doublings + 1, _MOST_DOUBLINGS)
        self._retry_at = now + pause - int(pause * lot / 2)
        self._change(closed=False)
        return was_closed

    def _change(self, *, closed: bool) -> None:
        self.closed = closed
        self._trying = False
        self._row = 0
        self._state += 1
