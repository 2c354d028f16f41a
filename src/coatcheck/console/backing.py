"""What the console can show of all workers, where they tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from coatcheck.core.fleet import FleetReading


class Numbers(Protocol):
    """Reads what all workers have told of themselves: `AsyncFleetNumbers`."""

    async def read(self) -> FleetReading:
        """Return what they have told in the last half hour."""
        ...
