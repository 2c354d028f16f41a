"""One process changes what is true, and another one is watched while it is served."""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.values_things import Item
    from benchmarks.values_truth import Truth


class Watch:
    """Every read of a key, judged.

    A read is stale if it began after the invalidation of what it got had returned. No clock is asked for that: what has
    returned stands in the file that both processes see, and is looked up before the read begins.
    """

    def __init__(self, truth: Truth) -> None:
        """Begin."""
        self._truth = truth
        self._reads = 0
        self._stale: dict[int, tuple[int, int]] = {}
        self._seen: dict[int, int] = {}
        self.over = False

    def before(self) -> tuple[int, int]:
        """Return what a read that begins now has to respect, and the time."""
        return self._truth.settled, monotonic_ns()

    def note(self, before: tuple[int, int], got: Item) -> None:
        """Judge a read that has ended."""
        self._reads += 1
        settled, began = before
        if got.version < settled:
            times, last = self._stale.get(settled, (0, 0))
            self._stale[settled] = times + 1, max(last, began)
        elif got.version > self._truth.seen:
            self._seen[got.version] = monotonic_ns()
            self._truth.seen = got.version

    def told(self) -> dict[str, Any]:
        """Return how many reads there were, when each version was first served, and how often and how long others."""
        return {
            "reads": self._reads,
            "seen": sorted(self._seen.items()),
            "stale": [(version, times, last) for version, (times, last) in self._stale.items()],
        }


class Changes:
    """Changes of what is true, each followed by its invalidation."""

    def __init__(self, truth: Truth, patience: float) -> None:
        """Begin; `patience` is how many seconds to wait for the other process to serve what is true."""
        self._truth = truth
        self._patience = round(patience * 1e9)
        self._called = 0
        self.made: list[tuple[int, int, int]] = []
        """The version, and when the call that invalidates those before it began and returned."""

    def begin(self) -> None:
        """Change it; the invalidation is called next."""
        self._truth.version += 1
        self._called = monotonic_ns()

    def end(self) -> None:
        """Note that the invalidation has returned; the time first, so that no read is judged before it."""
        self.made.append((self._truth.version, self._called, monotonic_ns()))
        self._truth.settled = self._truth.version

    @property
    def waiting(self) -> bool:
        """Whether the other process still has to serve the last change, and has time to."""
        return self._truth.seen < self._truth.version and monotonic_ns() < self._called + self._patience
