"""Runs the benchmarks by name and prints their tables; --write keeps them in benchmarks/results.md."""

from __future__ import annotations

import argparse
import asyncio
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import scale
from benchmarks.report import setting

if TYPE_CHECKING:
    from benchmarks.report import Report

NAMES = (
    *("hits", "middleware", "frameworks", "million", "rows", "ways", "costs", "path", "search"),
    *("postgresql", "valkey", "shared", "connections", "propagation", "values", "providers", "gate"),
)
RESULTS = Path(__file__).parent / "results.md"


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which of {', '.join(NAMES)}; all if none is named")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the sizes of a fleet: 0.01 is a look")
    parser.add_argument("--write", action="store_true", help=f"write the tables to {RESULTS.name}")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"{', '.join(unknown)} is not among {', '.join(NAMES)}")
    scale.FACTOR = options.scale
    print(setting(), end="\n\n")
    reports: list[Report] = []
    for name in options.names or NAMES:
        for report in asyncio.run(import_module(f"benchmarks.{name}").run()):
            print(report.markdown())
            reports.append(report)
    if options.write:
        RESULTS.write_text(_with(RESULTS.read_text() if RESULTS.exists() else "", reports))
    return 0


def _with(before: str, reports: list[Report]) -> str:
    """Return the results with new tables in the place of those of the same title; the others stay."""
    tables = {table.partition("\n")[0]: f"## {table}" for table in before.split("\n## ")[1:]}
    tables |= {report.title: report.markdown() for report in reports}
    return "\n".join(
        [f"# Results of `make bench`\n\n{setting()}\n", *(f"{table.rstrip()}\n" for table in tables.values())]
    )


if __name__ == "__main__":
    sys.exit(main())
