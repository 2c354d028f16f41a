"""How long after a commit the last acceptance anywhere begins, over many ends and many workers."""

from __future__ import annotations

import time
from statistics import quantiles
from typing import TYPE_CHECKING, NamedTuple

from tests.fleet.rounds import scene

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.fleet.rounds import Scene
    from tests.servers.postgresql import PostgreSQL

KINDS = ("async",) * 6 + ("sync",) * 2
_AT_ONCE = 20
"""Sessions of one round: a look at all of them, in eight workers, must leave the machine to the servers."""

_PACE = 0.02
"""Seconds between two ends: each of them makes eight workers ask the log."""

_PAUSE = 0.002
"""Seconds between two looks of a worker at all sessions, and so how finely it can tell."""


class Delays(NamedTuple):
    """Milliseconds from the commit to the last acceptance, of those ended by the API and by SQL."""

    api: Sequence[float]
    sql: Sequence[float]


def measure(
    server: PostgreSQL, url: str, cache: str | None, *, ends: int, say: Callable[[str], None] = lambda _: None
) -> Delays:
    """End so many sessions, one after the other, in the sight of eight workers."""
    found = Delays([], [])
    with scene(url, lambda _: None, server=server, cache=cache, kinds=KINDS, lease=2.0, pause=_PAUSE) as site:
        for done in range(0, ends, _AT_ONCE):
            api, sql = _round(site, min(_AT_ONCE, ends - done))
            found = Delays([*found.api, *api], [*found.sql, *sql])
            say(f"{len(found.api) + len(found.sql)} of {ends}")
    return found


def _round(site: Scene, ends: int) -> Delays:
    with site.round("", doomed=ends) as current:
        for index in range(ends):
            current.end(some=slice(index, index + 1))
            time.sleep(_PACE)
        current.until_refused()
    return Delays(current.delays("api"), current.delays("sql"))


def percentiles(delays: Sequence[float]) -> tuple[float, float, float]:
    """Return the median, the 99th percentile and the maximum."""
    cuts = quantiles(delays, n=100, method="inclusive")
    return cuts[49], cuts[98], max(delays)
