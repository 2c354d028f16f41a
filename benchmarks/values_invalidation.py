"""One process invalidates what another one reads all the time."""

from __future__ import annotations

from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from benchmarks.measure import insist
from benchmarks.report import Goal, Report, millis
from benchmarks.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.serving import Serving

_ROUNDS = 200
_TAKES = 0.005
_PATIENCE = 0.5
"""Seconds until a value that has not been seen is given up; the next change then brings it along."""


class Found(NamedTuple):
    """What became of many changes, in nanoseconds.

    Attributes:
        calls: How long each invalidation took.
        delays: From the begin of that call until the other process served the new value, where it did in time.
        later: How many rounds ended without.
        reads: How many reads there were.
        stale: How many of them began after the invalidation had returned, and got the value of before.
        longest: How long after that return the last of these began.
    """

    calls: Sequence[int]
    delays: Sequence[float]
    later: int
    reads: int
    stale: int
    longest: int

    @classmethod
    def of(cls, changes: Sequence[Sequence[int]], told: Mapping[str, Any], *, together: int) -> Self:
        """Put together what the two processes have told."""
        returned, seen = {version: ended for version, _, ended in changes}, dict(told["seen"])
        last_of_each = changes[together - 1 :: together]
        delays = [seen.get(version, float("inf")) - called for version, called, _ in last_of_each]
        there = [delay for delay in delays if delay < _PATIENCE * 1e9]
        return cls(
            calls=[ended - called for _, called, ended in changes],
            delays=there,
            later=len(delays) - len(there),
            reads=told["reads"],
            stale=sum(times for _, times, _ in told["stale"]),
            longest=max((last - returned[version] for version, _, last in told["stale"]), default=0),
        )


async def changes(fleet: Sequence[Serving], *, together: int, slow: bool) -> Found:
    """Change one thing again and again, and watch what another process is served.

    Args:
        fleet: The processes, of which two are needed.
        together: How many changes there are in a row, each of which comes while the one before is being loaded.
        slow: Whether each takes so long that there can be few.
    """
    reader, writer = fleet[:2]
    key, rounds = f"item:{together}", scaled(_ROUNDS // together // (10 if slow else 1))
    insist(await reader.ask("watch", key=key, takes=_TAKES))
    asked = {"key": key, "rounds": rounds, "together": together, "patience": _PATIENCE, "takes": _TAKES}
    made = await writer.ask("change", **asked)
    return Found.of(made["changes"], await reader.ask("stop"), together=together)


def report(found: Mapping[str, Found], goals: Mapping[str, float], *, title: str) -> Report:
    """Put what came out into a table; `goals` says for how many milliseconds what was before may be served."""
    table = Report(
        title, ("way", "call ms", "p50 ms", "p99 ms", "slowest ms", "later", "reads", "stale", "stale for ms")
    )
    for way, each in found.items():
        counts = (f"{each.later:,}", f"{each.reads:,}", f"{each.stale:,}", millis(each.longest))
        table.rows.append((way, millis(median(each.calls)), *_percentiles(each.delays), *counts))
        if way in goals:
            table.goals.append(_goal(way, each, goals[way]))
    return table


def _goal(way: str, found: Found, limit: float) -> Goal:
    if not limit:
        return Goal(f"{way}: stale reads", found.stale, 0, "reads")
    return Goal(f"{way}: stale after the return, against the lease", found.longest / 1e6, limit, "ms")


def _percentiles(delays: Sequence[float]) -> tuple[str, str, str]:
    if not delays:
        return "", "", ""
    cuts = quantiles([*delays, max(delays)], n=100, method="inclusive")  # of one delay there are none
    return millis(cuts[49]), millis(cuts[98]), millis(max(delays))
