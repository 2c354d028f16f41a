"""The clock that shells and stores read; the core gets its times as arguments."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """Two clocks: one for what time it is, one for how much of it has passed."""

    @property
    def now(self) -> Callable[[], int]:
        """The wall clock, in nanoseconds since the epoch; may jump."""
        ...

    @property
    def monotonic(self) -> Callable[[], int]:
        """A clock in nanoseconds that never jumps and goes on while the machine is suspended."""
        ...


def _monotonic() -> Callable[[], int]:
    if sys.platform == "linux":
        # CLOCK_MONOTONIC stands still while a laptop or a virtual machine sleeps, and a lease would survive it.
        return partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":
        return partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC)
    return time.monotonic_ns


class SystemClock:
    """The operating system's clocks."""

    now = staticmethod(time.time_ns)
    monotonic = staticmethod(_monotonic())
