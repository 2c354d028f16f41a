"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from coatcheck.core.times import duration_nanos, to_micros

START = datetime(2100, 1, 1, tzinfo=UTC)
"""Later than any real clock that runs the tests: SQLite's triggers compare expiries with the real time, and what
is alive by a manual clock must be alive for them too."""

_BOOTED = 10**15


class ManualClock:
    """Both clocks of a process, moved by hand."""

    def __init__(self, start: datetime = START) -> None:
        """Stand still at `start`, an aware datetime."""
        self._wall = to_micros(start) * 1000
        self._uptime = _BOOTED

    def now(self) -> int:
        """Return the wall clock's time, in nanoseconds since the epoch."""
        return self._wall

    def monotonic(self) -> int:
        """Return the time that has passed since some moment, in nanoseconds."""
        return self._uptime

    def advance(self, duration: timedelta) -> None:
        """Let time pass, on both clocks.

        Raises:
            ValueError: The duration is negative; only the wall clock can go back.
        """
        if duration < timedelta(0):
            msg = f"time cannot pass by {duration}; use jump_wall to set the wall clock back"
            raise ValueError(msg)
        self._wall += duration_nanos(duration)
        self._uptime += duration_nanos(duration)

    def jump_wall(self, by: timedelta) -> None:
        """Set the wall clock forwards or back, while no time passes."""
        self._wall += duration_nanos(by)
