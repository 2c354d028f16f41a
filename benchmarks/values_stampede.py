"""A thousand callers over four processes ask for a value that nobody has."""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.measure import insist
from benchmarks.report import Goal, Report, millis
from benchmarks.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.serving import Serving

_CALLERS = 1000
_ROUNDS = 10
_TAKES = 0.1
_AHEAD = 300_000_000
"""Nanoseconds from telling the processes to what they all do at the same moment."""


class Rush(NamedTuple):
    """One round: how many loads and errors there were, and after how many nanoseconds the last caller was served."""

    loads: int
    errors: int
    took: int


async def rushes(fleet: Sequence[Serving]) -> Sequence[Rush]:
    """Let them all ask at once, several times, each time for another key; before that, one to get ready."""
    found = [await _rush(fleet, f"cold:{number}") for number in range(scaled(_ROUNDS) + 1)]
    return found[1:]


async def _rush(fleet: Sequence[Serving], key: str) -> Rush:
    at, callers = monotonic_ns() + _AHEAD, _callers(len(fleet)) // len(fleet)
    telling = (worker.ask("stampede", key=key, callers=callers, at=at, takes=_TAKES) for worker in fleet)
    answers = await asyncio.gather(*telling)
    insist(all(answer["callers"] == callers for answer in answers))
    loads, errors = (sum(answer[name] for answer in answers) for name in ("loads", "errors"))
    return Rush(loads, errors, max(answer["served"] for answer in answers) - at)


def _callers(processes: int) -> int:
    return scaled(_CALLERS, least=2 * processes)


def report(found: Mapping[str, Sequence[Rush]], goals: Mapping[str, int], *, processes: int) -> Report:
    """Put what came out into a table; `goals` says how many loads there may be."""
    title = f"Stampede: {_callers(processes):,} callers of a cold key over {processes} processes"
    table = Report(title, ("way", "loads", "errors", "ms", "slowest ms"))
    for way, rounds in found.items():
        loads, took = sorted(rush.loads for rush in rounds), sorted(rush.took for rush in rounds)
        errors = sum(rush.errors for rush in rounds)
        table.rows.append((way, _between(loads), f"{errors:,}", millis(took[len(took) // 2]), millis(took[-1])))
        if way in goals:
            table.goals.append(Goal(f"{way}: loads", loads[-1], goals[way], "loads"))
    table.notes.append(
        f"A load takes {_TAKES * 1000:.0f} ms. The time ends when the last caller has its value; it is that of the "
        "round in the middle and of the slowest one. All that do not name a store have Valkey between the processes."
    )
    table.notes.append(
        "aiocache's lock holds back only the callers in the process that has it. Those who wait for dogpile.cache's "
        "`distributed_lock` take it one after the other, and look for it every 100 ms unless told otherwise."
    )
    return table


def _between(numbers: Sequence[int]) -> str:
    least, most = numbers[0], numbers[-1]
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
