"""A session from memory, against the least it can cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.floor import Floor, data_version
from benchmarks.measure import calls, insist, interleaved, timing
from benchmarks.report import Goal, Report, timed
from benchmarks.scene import COOKIE, scene
from coatcheck.core.cookies import find_cookies

if TYPE_CHECKING:
    from benchmarks.measure import Batch
    from benchmarks.scene import Scene

_TIMES = 4
_ROUNDS = 200
_LIMIT = 1.6


async def run() -> list[Report]:
    """Measure `lookup` and `get` with a store that has only the lease, and with SQLite."""
    async with scene(lease_only=True) as memory, scene() as sqlite:
        connection = sqlite.connect()
        plain = Floor(memory.tokens)
        checked = Floor(sqlite.tokens, data_version(connection))
        cases: dict[str, Batch] = {
            "floor": calls(plain.lookup, memory.headers() * _TIMES),
            **_cases(memory, "lease only"),
            "floor + data_version": calls(checked.lookup_if_unchanged, sqlite.headers() * _TIMES),
            **_cases(sqlite, "SQLite"),
        }
        timings = await interleaved(cases, rounds=_ROUNDS)
        connection.close()
    report = timed("A hit in memory: cookie header to session", timings)
    best = {name: timing.best for name, timing in timings.items()}
    for name, floor in (("lease only", "floor"), ("SQLite", "floor + data_version")):
        for verb in ("lookup", "get"):
            ratio = best[f"{verb}, {name}"] / best[floor]
            report.goals.append(Goal(f"`{verb}` over its floor, {name}", ratio, _LIMIT))
    report.notes.append(
        "The floor is one plain function: cookie scan, SHA-256, dict, expiry. Ours is `find_cookies` and the verb, "
        "with the whole coherence rule; on SQLite also one `os.stat`, which sees a file put in the database's place."
    )
    report.notes.append("`await` and a coroutine of its own are in `get`; the floor, being a function, has neither.")
    return [report]


def _cases(scene: Scene, name: str) -> dict[str, Batch]:
    lookup, get = scene.sessions.lookup, scene.sessions.get
    headers = scene.headers() * _TIMES

    async def looked_up() -> float:
        await get(scene.tokens[0])  # asks for the log where the lease is over
        with timing(len(headers)) as took:
            for header in headers:
                session = lookup(find_cookies(header, COOKIE)[0])
        insist(session)
        return took.each

    async def got() -> float:
        with timing(len(headers)) as took:
            for header in headers:
                session = await get(find_cookies(header, COOKIE)[0])
        insist(session)
        return took.each

    return {f"lookup, {name}": looked_up, f"get, {name}": got}
