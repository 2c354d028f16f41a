# Generated from _async/leases.py by tools/generate_sync.py: edit that, run `make generate`.
"""Leases on places in the shared cache: one worker alone loads what belongs there. They save work and prove nothing."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from coatcheck._sync._pair import Timer, sleep

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck._sync.shared_tier import SharedTier
    from coatcheck.clock import Clock
    from coatcheck.core.sealing import Place

_SECOND = 1_000_000_000

_LEASE = 2 * _SECOND
"""A worker that dies while it loads holds the others up for so long."""

_RENEW = 0.7
"""Seconds after which a lease that is still held is held for longer."""

_FIRST_LOOK, _LAST_LOOK = 0.005, 0.2
"""Seconds between two looks at what somebody else loads: the longer it takes, the less often."""


class Leases:
    """The leases that this process holds."""

    def __init__(self, shared: SharedTier, clock: Clock, patience: int) -> None:
        """Wire them to the shared tier.

        Args:
            shared: Where they lie.
            clock: Where the time comes from.
            patience: For how many nanoseconds one is held, or waited for, at the most.
        """
        self._shared = shared
        self._clock = clock
        self._patience = patience
        self.forked()

    def forked(self) -> None:
        """Start anew: the parent's leases are the parent's."""
        self._held: dict[Place, int] = {}
        self._timer = Timer(self._renew)

    def take(self, there: Place, look: Callable[[], bytes | None], *, wait: bool) -> tuple[bool, bytes | None]:
        """Take the lease on a place, or wait for what its holder brings.

        Args:
            there: The place.
            look: Returns what lies there, if it is of use.
            wait: Whether to wait at all.

        Returns:
            Whether the lease is ours, and what has come instead; neither when the others take too long.
        """
        until = self._clock.monotonic() + (self._patience if wait else 0)
        pause = _FIRST_LOOK
        while not self._shared.take(there, _LEASE):
            if self._clock.monotonic() >= until:
                return False, None
            sleep(pause * random.uniform(0.5, 1))  # noqa: S311
            pause = min(2 * pause, _LAST_LOOK)
            if (copy := look()) is not None:
                return False, copy
        self._held[there] = self._clock.monotonic() + self._patience
        self._timer.start(_RENEW)
        try:
            copy = look()  # its last holder may have put it there since we looked
        except BaseException:
            self.end(there, given=False)
            raise
        if copy is not None:
            self.end(there, given=False)
        return copy is None, copy

    def end(self, there: Place, *, given: bool) -> None:
        """Let a lease go; what was `given` to the shared tier with a copy is given back by it, after the copy."""
        self._held.pop(there, None)
        if not given:
            self._shared.give(there)

    def _renew(self) -> None:
        for there in list(self._held):
            if self._clock.monotonic() < self._held.get(there, 0):
                self._shared.renew(there, _LEASE)
                if there not in self._held:
                    self._shared.give(there)  # it ended meanwhile, and would hold the others up
            else:
                self._held.pop(there, None)
        if self._held:
            self._timer.start(_RENEW)

    def close(self) -> None:
        """Renew nothing any more."""
        self._held.clear()
        self._timer.stop()
