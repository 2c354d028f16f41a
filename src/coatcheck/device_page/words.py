"""Times as people say them."""

from __future__ import annotations

from datetime import timedelta

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_A_MOMENT = 5


def relative(distance: timedelta) -> str:
    """Return how far away a moment is, in the largest unit that fits: "3 minutes ago", "in 7 days"."""
    seconds = round(abs(distance.total_seconds()))
    if seconds < _A_MOMENT:
        return "just now"
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size)
    count = round(seconds / size)
    text = f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"in {text}" if distance > timedelta(0) else f"{text} ago"
