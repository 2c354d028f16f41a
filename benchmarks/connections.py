"""What taking a connection and giving it back costs: ours, psycopg_pool's, and none at all."""

from __future__ import annotations

from contextlib import AsyncExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING

import psycopg

from benchmarks.measure import awaits, calls, interleaved
from benchmarks.report import Goal, Report, timed
from benchmarks.scale import scaled
from benchmarks.servers import postgresql
from coatcheck.stores.operations import Statement
from coatcheck.stores.postgresql.async_connections import AsyncConnections
from coatcheck.stores.postgresql.connections import Connections

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.measure import Batch, Timing
    from coatcheck.stores.operations import Operation, Row

_LOOKS = 100
_ROUNDS = 100
_SQL = "SELECT 1"
_OVER_POOL = 1.0
_POOL = "psycopg_pool"


async def run() -> list[Report]:
    """Run the smallest statement there is, on a connection from each place."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(postgresql())
        url, times = server.url(), range(scaled(_LOOKS, least=4))
        tasks = {name: awaits(case, times) for name, case in (await _tasks(stack, url)).items()}
        others = {name + " ": calls(case, times) for name, case in _threads(stack, url).items()}
        cases: dict[str, Batch] = {**tasks, **others}
        timings = await interleaved(cases, rounds=scaled(_ROUNDS))
    return [
        _compared("asyncio", {name: timings[name] for name in tasks}),
        _compared("threads", {name.strip(): timings[name] for name in others}),
    ]


def _compared(side: str, timings: dict[str, Timing]) -> Report:
    report = timed(f"`{_SQL}` on a connection from a pool, {side}", timings)
    best = {name: timing.best for name, timing in timings.items()}
    if _POOL in best:
        report.goals.append(Goal(f"Ours over {_POOL}", best["ours"] / best[_POOL], _OVER_POOL))
    else:
        report.notes.append(f"{_POOL} is not installed.")
    return report


def _one() -> Operation[Row]:
    rows = yield Statement(_SQL, {})
    return rows[0]


async def _tasks(stack: AsyncExitStack, url: str) -> dict[str, Callable[[int], Awaitable[object]]]:
    bare = await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=0)
    stack.push_async_callback(bare.close)
    ours = AsyncConnections(url, size=8, timeout=5, prepare=True)
    stack.push_async_callback(ours.drain)

    async def no_pool(_: int) -> object:
        return await (await bare.execute(_SQL)).fetchall()

    async def our_pool(_: int) -> object:
        return await ours.single(_one, reads=True)

    cases: dict[str, Callable[[int], Awaitable[object]]] = {"one connection, no pool": no_pool, "ours": our_pool}
    if find_spec(_POOL):
        from psycopg_pool import AsyncConnectionPool  # noqa: PLC0415 - no dependency of ours

        settings = {"autocommit": True, "prepare_threshold": 0}
        pool = await stack.enter_async_context(AsyncConnectionPool(url, min_size=8, kwargs=settings, open=False))
        await pool.wait()

        async def theirs(_: int) -> object:
            async with pool.connection() as connection:
                return await (await connection.execute(_SQL)).fetchall()

        cases[_POOL] = theirs
    return cases


def _threads(stack: AsyncExitStack, url: str) -> dict[str, Callable[[int], object]]:
    bare = stack.enter_context(psycopg.connect(url, autocommit=True, prepare_threshold=0))
    ours = Connections(url, size=8, timeout=5, prepare=True)
    stack.callback(ours.drain)

    def no_pool(_: int) -> object:
        return bare.execute(_SQL).fetchall()

    def our_pool(_: int) -> object:
        return ours.single(_one, reads=True)

    cases: dict[str, Callable[[int], object]] = {"one connection, no pool": no_pool, "ours": our_pool}
    if find_spec(_POOL):
        from psycopg_pool import ConnectionPool  # noqa: PLC0415 - no dependency of ours

        settings = {"autocommit": True, "prepare_threshold": 0}
        pool = stack.enter_context(ConnectionPool(url, min_size=8, kwargs=settings, open=False))
        pool.wait()

        def theirs(_: int) -> object:
            with pool.connection() as connection:
                return connection.execute(_SQL).fetchall()

        cases[_POOL] = theirs
    return cases
