"""What the shared tier does differently with threads. Its twin for asyncio is `_async/_errands.py`, by hand as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.clock import Clock


class Deadline:
    """Notices what has taken longer than so many nanoseconds: a thread cannot be interrupted.

    Attributes:
        missed: Whether it took longer.
    """

    missed = False

    def __init__(self, nanoseconds: int, clock: Clock) -> None:
        """Set the time; it runs from the entry on."""
        self._nanoseconds = nanoseconds
        self._clock = clock

    def __enter__(self) -> Self:
        self._began = self._clock.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.missed = self._clock.monotonic() - self._began > self._nanoseconds


class Errands:
    """Small jobs, done at once: a thread for each would cost more than they do."""

    def __init__(self, *, at_once: int, most: int) -> None:
        """Take the bounds of the other side, and need none."""

    def run(self, job: Callable[[], None]) -> bool:
        """Run a job."""
        job()
        return True

    def close(self) -> None:
        """Do nothing: nothing runs."""
