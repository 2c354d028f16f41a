"""Tables of results, with each goal and whether it was met."""

from __future__ import annotations

import os
import platform
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.measure import Timing


class Goal(NamedTuple):
    """One number that must not be above, or below, its limit."""

    text: str
    value: float
    limit: float
    unit: str = "times"
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it was reached in this run."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        bound = "at least" if self.at_least else "at most"
        verdict = "met" if self.met else "NOT MET"
        return f"{self.text}: {_number(self.value)} {self.unit}; goal: {bound} {_number(self.limit)}: {verdict}"


@dataclass
class Report:
    """What one benchmark found."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Return the report as Markdown, which is readable on a terminal as well."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = [f"## {self.title}", "", _row(self.columns, widths), _row(["-" * width for width in widths], widths)]
        lines += [_row(row, widths) for row in self.rows]
        lines += ["", *(f"- **{goal}**" for goal in self.goals), *(f"- {note}" for note in self.notes), ""]
        return "\n".join(lines)


def timed(title: str, timings: dict[str, Timing], *, over: str | None = None) -> Report:
    """Return a report with one row for each timing.

    Args:
        title: What was measured.
        timings: The cases, in the order to be shown.
        over: The case to which the others are compared; the first one if it is not said.
    """
    base = timings[over or next(iter(timings))]
    report = Report(title, ("case", "µs", "ratio", "noise"))
    for name, timing in timings.items():
        report.rows.append((name, micros(timing.best), f"{timing.best / base.best:.2f}", f"+{timing.noise:.0%}"))
    return report


def micros(nanoseconds: float) -> str:
    """Return nanoseconds as microseconds, with as many digits as mean something."""
    return _number(nanoseconds / 1000)


def millis(nanoseconds: float) -> str:
    """Return nanoseconds as milliseconds."""
    return _number(nanoseconds / 1e6)


def setting() -> str:
    """Say on what this run took place."""
    return (
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} cores. Each time is the fastest of several interleaved rounds; "
        "noise is how much slower the median round was. Compare ratios within one table, not times: tables "
        "may be of different runs."
    )


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"  # noqa: PLR2004 - digits


def _row(cells: Iterable[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
