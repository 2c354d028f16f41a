"""A look into the SQLite store, with ten thousand sessions in it and with a million."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.measure import awaits, interleaved
from benchmarks.report import Goal, Report, timed
from benchmarks.scene import fill, hash_of
from coatcheck.stores.sqlite import AsyncSQLiteStore

if TYPE_CHECKING:
    from benchmarks.measure import Batch

FEW, MANY = 10_000, 1_000_000
_LOOKUPS = 1000
_ROUNDS = 40
_LIMIT = 1.5


async def run() -> list[Report]:
    """Read sessions drawn by lot."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="coatcheck-bench-")))
        cases = {f"{count:,} sessions": await _reads(stack, folder, count) for count in (FEW, MANY)}
        timings = await interleaved(cases, rounds=_ROUNDS)
    report = timed("`AsyncSQLiteStore.read` by token", timings)
    few, many = (timing.best for timing in timings.values())
    report.goals.append(Goal(f"{MANY:,} sessions over {FEW:,}", many / few, _LIMIT))
    report.notes.append("The sessions are drawn by lot, so that nearly each look ends on another page of the file.")
    return [report]


async def _reads(stack: AsyncExitStack, folder: Path, count: int) -> Batch:
    path = str(folder / f"{count}.db")
    store = AsyncSQLiteStore(path)
    await store.open()
    stack.push_async_callback(store.aclose)
    fill(path, count)
    drawn = random.Random(2).choices(range(count), k=_LOOKUPS)  # noqa: S311 - no secret
    return awaits(store.read, [hash_of(number) for number in drawn])
