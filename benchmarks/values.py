"""A cache for any value, beside cashews, aiocache and dogpile.cache: hits, stampedes, and what others have changed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks import values_invalidation, values_stampede
from benchmarks.scale import scaled
from benchmarks.values_fleet import place, workers
from benchmarks.values_hits import in_memory, in_valkey
from benchmarks.values_ways import BOUNDS, SLOW, WAYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.report import Report
    from benchmarks.values_fleet import Place
    from benchmarks.values_invalidation import Found
    from benchmarks.values_stampede import Rush

_PROCESSES = 4


async def run() -> list[Report]:
    """Have each of them do the same work."""
    async with place() as servers:
        return [*await in_memory(servers), *await in_valkey(servers), *await _together(servers)]


async def _together(servers: Place) -> list[Report]:
    """Measure what takes several processes."""
    rushes: dict[str, Sequence[Rush]] = {}
    calm: dict[str, Found] = {}
    hasty: dict[str, Found] = {}
    processes = scaled(_PROCESSES, least=2)
    for way in WAYS:
        print(f"values: {way}", file=sys.stderr)
        async with workers(processes, way, servers.fresh()) as fleet:
            rushes[way] = await values_stampede.rushes(fleet)
            calm[way] = await values_invalidation.changes(fleet, together=1, slow=way in SLOW)
            hasty[way] = await values_invalidation.changes(fleet, together=2, slow=way in SLOW)
    loads = {way: processes if bound.alone else 1 for way, bound in BOUNDS.items()}
    stale = {way: bound.stale for way, bound in BOUNDS.items()}
    reports = [
        values_stampede.report(rushes, loads, processes=processes),
        values_invalidation.report(calm, stale, title="Invalidated by another process"),
        values_invalidation.report(hasty, stale, title="Invalidated by another process, and again while it is loaded"),
    ]
    reports[1].notes += [_TIMES, _WHERE]
    return reports


_TIMES = (
    "From the begin of the call that invalidates until the process that reads all the time has served the new value, "
    "which takes 5 ms to load. A read is stale if it began after that call had returned and got what was before; "
    "whoever is faster reads, and counts, more of them in the same time. What was not served within half a second "
    "counts as later: where what was before got back into the cache, it stays until its time is over."
)
_WHERE = (
    "aiocache and dogpile.cache have no memory in front of Valkey that hears of others, so each of their reads goes "
    "there, as those of cashews without its client side do. With it and the protocol that redis-py 8 chooses (RESP3), "
    "cashews never hears of a change; RESP2 has to be asked for."
)
