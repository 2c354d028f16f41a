"""Waiting for an event, with a deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

DEADLINE = 60.0
"""How many seconds anything may take before the test gives up."""

_PAUSE = 0.005


def until(event: Callable[[], T], what: str, deadline: float = DEADLINE) -> T:
    """Ask again and again, and return the first true answer.

    Raises:
        TimeoutError: There was none before the deadline.
    """
    end = time.monotonic() + deadline
    while not (answer := event()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {deadline:g} seconds: {what}")
        time.sleep(_PAUSE)
    return answer
