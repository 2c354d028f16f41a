"""How large a run is: everything that the fleet's benchmarks count in thousands is multiplied by one factor."""

from __future__ import annotations

FACTOR = 1.0
"""1 for the numbers that the tables speak of; the tests, which only want to see that all of it runs, take less."""


def scaled(count: int, *, least: int = 1) -> int:
    """Return a number of things, or of rounds, in this run."""
    return max(least, round(count * FACTOR))
