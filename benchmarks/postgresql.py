"""A million sessions in PostgreSQL, against bare statements of psycopg."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.fleet import everything
from benchmarks.site import postgresql_site

if TYPE_CHECKING:
    from benchmarks.report import Report


async def run() -> list[Report]:
    """Measure everything that a fleet's store does."""
    async with postgresql_site() as site:
        return await everything(site)
