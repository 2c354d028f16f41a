"""What one worker sees of some tokens: a loop that answers from memory, and never waits for anything else.

A call that has to ask somebody runs beside the loop. So a store that hangs cannot hide what memory would have accepted
meanwhile.
"""

from __future__ import annotations

from array import array
from collections import deque
from typing import TYPE_CHECKING, Any

from coatcheck import Session
from coatcheck.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coatcheck import NotSignedIn

now = SystemClock.monotonic

_AGAIN = 500_000_000
"""Nanoseconds until a token that was refused is tried again: each try asks the store."""


class Watch:
    """The tokens, and all that became of them.

    Times are noted as in `tests.processes.worker`: the begin of a call that accepted, the end of one that refused.
    """

    def __init__(
        self, tokens: Sequence[str], lookup: Callable[[bytes], Session | None], ask: Callable[[int, int], None]
    ) -> None:
        """Begin to watch.

        Args:
            tokens: The tokens.
            lookup: Answers from memory or not at all.
            ask: Asks for a token, by its index and the time, and calls `note` or `failed` with the answer.
        """
        self._presented = [token.encode() for token in tokens]
        self._lookup = lookup
        self._ask = ask
        self._looked_at = list(range(len(tokens)))
        self._resting: deque[tuple[int, int]] = deque()
        self._accepted = [array("q") for _ in tokens]
        self._last_accepted = [0] * len(tokens)
        self._first_refused = [0] * len(tokens)
        self._last_unavailable = [0] * len(tokens)
        self._first_unavailable = 0
        self._unavailable = 0
        self._refused = 0
        self._errors: set[str] = set()
        self._slowest = 0
        self.pending: set[int] = set()

    def step(self) -> None:
        """Look at each token once; at one that was refused less often."""
        while self._resting and self._resting[0][0] <= now():
            self._looked_at.append(self._resting.popleft()[1])
        missed = []
        for index in self._looked_at:
            begin = now()
            if self._lookup(self._presented[index]) is not None:
                self._accepted[index].append(begin)
                self._last_accepted[index] = begin
            else:
                missed.append((index, begin))
        for index, begin in missed:
            self._looked_at.remove(index)
            self.pending.add(index)
            self._ask(index, begin)

    def everything(self) -> None:
        """Let the next step look at each token; none may be pending."""
        self._looked_at = list(range(len(self._presented)))
        self._resting.clear()

    def note(self, index: int, begin: int, answer: Session | NotSignedIn) -> None:
        """Note what an asked token's answer was."""
        end = now()
        if isinstance(answer, Session):
            self._accepted[index].append(begin)
            self._last_accepted[index] = max(begin, self._last_accepted[index])
            self._slowest = max(self._slowest, end - begin)
            self._looked_at.append(index)
        else:
            self._refused += 1
            self._first_refused[index] = self._first_refused[index] or end
            self._resting.append((end + _AGAIN, index))
        self.pending.discard(index)

    def unavailable(self, index: int, begin: int) -> None:
        """Note that nobody could tell."""
        self._unavailable += 1
        self._first_unavailable = self._first_unavailable or begin
        self._last_unavailable[index] = begin
        self._looked_at.append(index)
        self.pending.discard(index)

    def failed(self, index: int, error: BaseException) -> None:
        """Note what must not happen."""
        self._errors.add(repr(error))
        self._looked_at.append(index)
        self.pending.discard(index)

    def told(self, ends: Sequence[int] = ()) -> dict[str, Any]:
        """Return what has been noted, and how often tokens were accepted by calls that began after their end."""
        ended = zip(self._accepted, ends, strict=False)
        return {
            "accepted": sum(map(len, self._accepted)),
            "refused": self._refused,
            "unavailable": self._unavailable,
            "first_unavailable": self._first_unavailable,
            "last_unavailable": self._last_unavailable,
            "last_accepted": self._last_accepted,
            "first_refused": self._first_refused,
            "after": [sum(begin > end for begin in times) if end else 0 for times, end in ended],
            "slowest": self._slowest,
            "errors": sorted(self._errors),
        }
