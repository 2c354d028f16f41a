"""What one process counts of its answers."""

from __future__ import annotations

from typing import Final

ANSWERS: Final[tuple[str, ...]] = (
    "signed_in",
    "anonymous",
    "cross_origin",
    "insufficient_scope",
    "unavailable",
    "misconfigured",
)
"""How the gate can answer."""


class Counts:
    """How often the gate has answered in which way, since the process began."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        """Begin at zero."""
        self._found = dict.fromkeys(ANSWERS, 0)

    def add(self, answer: str) -> None:
        """Count an answer."""
        self._found[answer] += 1

    def answers(self) -> dict[str, int]:
        """Return the counts by answer."""
        return dict(self._found)
