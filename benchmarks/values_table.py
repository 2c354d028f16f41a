"""A table of hits: a row for each way to keep values, a pair of columns for each kind of value."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from benchmarks.measure import awaits, calls, insist, interleaved
from benchmarks.report import Goal, Report, micros
from benchmarks.values_things import KINDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from benchmarks.measure import Batch, Timing
    from benchmarks.values_things import Kind

    Get = Callable[[str], Awaitable[object]]
    SyncGet = Callable[[str], object]

OURS = "coatcheck"
GET = "`get`"
"""How the name of a way ends that loads nothing."""

_PASSES = 100
_MISSES = 0.001
"""The share of reads that may have loaded: whoever asks a server gives up when the machine is busy elsewhere."""


class Table:
    """The cases of one table."""

    def __init__(self, title: str, *, floors: Sequence[str], keys: Sequence[str]) -> None:
        """Begin with nothing in it.

        Args:
            title: What it shows.
            floors: The rows above the others; with the first of them everything is compared.
            keys: What one batch asks for.
        """
        self._title = title
        self._floors = floors
        self._keys = keys
        self._names: dict[str, None] = dict.fromkeys(floors)
        self._cases: dict[str, Batch] = {}
        self._timings: dict[str, Timing] = {}

    async def add(self, kind: Kind, cases: Mapping[str, Get]) -> None:
        """Add ways that are awaited; each is asked for every key until nothing of it has to be loaded."""
        for name, get in cases.items():
            for _ in self._loading(name, kind):
                for key in self._keys:
                    self._verify(name, kind, await get(key))
            self._put(name, kind, awaits(get, self._keys))

    def add_sync(self, kind: Kind, cases: Mapping[str, SyncGet]) -> None:
        """Add ways that are called."""
        for name, get in cases.items():
            for _ in self._loading(name, kind):
                for key in self._keys:
                    self._verify(name, kind, get(key))
            self._put(name, kind, calls(get, self._keys))

    def _loading(self, name: str, kind: Kind) -> Iterator[None]:
        for _ in range(_PASSES):
            before = kind.loads
            yield
            if kind.loads == before:
                return
        raise RuntimeError(f"{name} keeps nothing")

    def _verify(self, name: str, kind: Kind, got: object) -> None:
        insist(got == kind.value if name not in self._floors else got)

    def _put(self, name: str, kind: Kind, batch: Batch) -> None:
        self._names[name] = None
        self._cases[name + kind.name] = batch

    async def measured(self, rounds: int) -> Report:
        """Run everything, and return the report."""
        before = sum(kind.loads for kind in KINDS)
        self._timings = await interleaved(self._cases, rounds=rounds)
        loads = sum(kind.loads for kind in KINDS) - before
        insist(loads <= _MISSES * len(self._cases) * len(self._keys) * rounds)
        pairs = (column for kind in KINDS for column in (f"{kind.name} µs", "ratio"))
        report = Report(self._title, ("case", *pairs, "noise"))
        report.rows += [self._row(name) for name in self._names]
        return report

    def _row(self, name: str) -> tuple[str, ...]:
        timings = [self._timings[name + kind.name] for kind in KINDS]
        pairs = [(micros(self.best(kind, name)), f"{self.over(kind, name):.2f}") for kind in KINDS]
        return (name, *itertools.chain(*pairs), f"+{max(timing.noise for timing in timings):.0%}")

    def best(self, kind: Kind, name: str) -> float:
        """Return what the fastest round of a case took."""
        return self._timings[name + kind.name].best

    def over(self, kind: Kind, name: str) -> float:
        """Compare a case with the floor."""
        return self.best(kind, name) / self.best(kind, self._floors[0])

    def goals(self, name: str) -> list[Goal]:
        """Compare one of ours with the fastest of the others that would load what is not there."""
        others = [other for other in self._names if other not in self._floors and not other.startswith(OURS)]
        loading = [other for other in others if not other.endswith(GET)]
        return [self._goal(name, kind, min(loading, key=lambda other: self.best(kind, other))) for kind in KINDS]

    def _goal(self, name: str, kind: Kind, fastest: str) -> Goal:
        ratio = self.best(kind, name) / self.best(kind, fastest)
        return Goal(f"{name} over {fastest}, {kind.name}", ratio, 1)
