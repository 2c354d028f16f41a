"""The coherence rule: when a cached copy may be served.

A store keeps an invalidation log: "whatever you know about this subject, read before this position, is out of
date". A worker polls the log; a complete poll proves that the worker knew, when it *sent* the poll, every
entry there was. A cached copy names the position at which it was read (`as_of`), and is served if and only if

1. lease: less than one lease has passed since the last proof was sent;
2. floor: `as_of` is not below the position from which the worker knows every entry;
3. log: no known entry for the copy's subjects, or for everyone, stands at or after `as_of`;
4. expiry: its time to live is not over.

Caches may therefore be late, lossy and stale: a fill that arrives after the revocation it missed carries an old
`as_of` and loses whenever it lands. Positions are numbers in commit order; `as_of` is the next one. What the copies
say is no matter of the rule: whoever keeps them tells their subjects.
Times are integers in nanoseconds: monotonic ones from a clock that counts suspended time, authority times
since the epoch.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_ENTRIES = 100_000
"""More entries than this are not remembered: the floor rises over the older half of them instead, and the copies from
below it are read once more."""

EVERYONE = "*"
"""The subject of an entry that ends every copy."""


_MOMENT = re.compile(r"(w:.*)@([0-9]{1,18})")

MOMENT = "w:"
"""What a subject begins with that has a time behind it: "w:<name>@<number>". Of each name the latest counts."""


def session_subject(session_id: str) -> str:
    """Return the subject of the entries about one session."""
    return "s:" + session_id


def user_subject(user_id: str) -> str:
    """Return the subject of the entries about one user."""
    return "u:" + user_id


class Entry(NamedTuple):
    """One line of the invalidation log."""

    position: int
    subject: str


class LogPage(NamedTuple):
    """What one poll read, in one snapshot of the authority.

    Attributes:
        epoch: The log's identity; positions of different epochs cannot be compared.
        floor: The position before which entries may have been trimmed away.
        entries: All entries since the cursor, or since the floor when there was no usable cursor.
        cursor: What the next poll continues from; opaque to everyone but the store.
        now: The authority's clock, in nanoseconds since the epoch.
        resumed: False when the entries do not continue from the cursor (a new epoch, a restored backup), so
            that everything known before is void.
        as_of: The position that whatever is read after this page has arrived may claim: all entries before it are in
            this page, or in those before it.
    """

    epoch: str
    floor: int
    entries: tuple[Entry, ...]
    cursor: Any
    now: int
    resumed: bool
    as_of: int


class Knowledge:
    """All that one worker knows in one epoch of the log: entries, floor and proof.

    Copies are judged by the knowledge of the epoch they were read in. Whoever keeps them keeps both together, so that
    a new epoch drops both at once, and a fill that began under the old one lands where nobody looks.
    """

    __slots__ = (
        "_entries",
        "_moments",
        "as_of",
        "began",
        "clear_from",
        "cursor",
        "doubted",
        "epoch",
        "everyone",
        "floor",
        "lease",
        "newest",
        "offset",
        "proven_until",
    )

    def __init__(self, epoch: str, *, lease: int) -> None:
        """Start knowing nothing: no proof, so nothing is served.

        Args:
            epoch: The log's identity.
            lease: For how many nanoseconds a proof is good.
        """
        self.epoch = epoch
        self.lease = lease
        self.cursor: Any = None
        self.began: int | None = None
        self.floor = 0
        self.as_of = 0
        """All entries before this position are known, so what is read from now on may claim it."""
        self.newest = -1
        self.everyone = -1
        self.clear_from = 0
        """Rules 2 and 3 have nothing against copies read at this position or later."""
        self.proven_until = 0
        self.doubted = 0
        self.offset = 0
        self._entries: dict[str, int] = {}
        self._moments: dict[str, tuple[int, int]] = {}

    def apply(self, page: LogPage, sent: int) -> None:
        """Learn one page of the log.

        Args:
            page: What the poll brought; it continues from a cursor this knowledge has reached.
            sent: When the poll was sent, by the monotonic clock. The lease counts from here, never from the
                moment of receipt, because the log may have grown while the answer travelled.
        """
        if self.began is None:
            self.began = page.now
        for position, subject in page.entries:
            self._remember(position, subject)
        floor = max(page.floor, self._middle()) if len(self) > MOST_ENTRIES else page.floor
        if floor > self.floor:
            self._raise_floor(floor)
        self.clear_from = max(self.floor, self.newest + 1)
        self.as_of = page.as_of  # after the entries: another thread may take it for what it has judged by
        self.cursor = page.cursor
        if sent >= self.doubted and sent + self.lease > self.proven_until:
            self.proven_until = sent + self.lease
            self.offset = page.now - sent

    def doubt(self, now: int) -> None:
        """End the lease: something was changed here, and only a poll sent from now on can know of it."""
        self.doubted = now
        self.proven_until = min(self.proven_until, now)

    def _remember(self, position: int, subject: str) -> None:
        if subject == EVERYONE:
            self.everyone = max(self.everyone, position)
        elif subject.startswith(MOMENT) and (moment := _MOMENT.fullmatch(subject)) is not None:
            self._remember_moment(position, moment[1], int(moment[2]))
        elif position > self._entries.get(subject, -1):
            self._entries[subject] = position
        self.newest = max(self.newest, position)

    def _remember_moment(self, position: int, name: str, moment: int) -> None:
        known, at = self._moments.get(name, (-1, -1))
        # The later moment, kept for as long as the later entry: one that comes late must not shorten the other.
        self._moments[name] = max(known, moment), max(at, position)

    def _middle(self) -> int:
        """Return the position from which half of the entries are remembered at the most."""
        # The newer half stays: what has just ended at a provider may not have ended there yet.
        positions = sorted([*self._entries.values(), *(position for _, position in self._moments.values())])
        return positions[len(positions) // 2] + 1

    def _raise_floor(self, floor: int) -> None:
        self.floor = floor
        # Copies from below the floor are refused by rule 2, so entries from below it have nothing left to refuse.
        self._entries = {subject: at for subject, at in self._entries.items() if at >= floor}
        self._moments = {name: (moment, at) for name, (moment, at) in self._moments.items() if at >= floor}

    def admits(self, as_of: int, subjects: Iterable[str]) -> bool:
        """Tell whether rules 2 and 3 admit a copy that was read at a position and is about these subjects."""
        if as_of <= self.newest and self.outdated(as_of, subjects):
            return False
        return as_of >= self.floor  # last: another thread raises it before it drops the entries below it

    def outdated(self, as_of: int, subjects: Iterable[str]) -> bool:
        """Tell whether an entry for one of the subjects stands at or after `as_of` (rule 3)."""
        if self.everyone >= as_of:
            return True
        return any(self._entries.get(subject, -1) >= as_of for subject in subjects)

    def knows(self, subject: str) -> bool:
        """Tell whether any entry for the subject is remembered, wherever it stands."""
        return subject in self._entries

    def latest(self, name: str) -> int | None:
        """Return the latest moment that an entry has told of a name, while one is remembered."""
        known = self._moments.get(name)
        return None if known is None else known[0]

    def __len__(self) -> int:
        return len(self._entries) + len(self._moments)
