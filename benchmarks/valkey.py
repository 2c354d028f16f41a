"""A million sessions in Valkey, against bare commands of redis-py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.fleet import everything
from benchmarks.site import valkey_site

if TYPE_CHECKING:
    from benchmarks.report import Report


async def run() -> list[Report]:
    """Measure everything that a fleet's store does."""
    async with valkey_site() as site:
        return await everything(site)
