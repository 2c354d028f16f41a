"""What a session costs a request in each framework, beside that framework's usual session system."""

from __future__ import annotations

from contextlib import AsyncExitStack
from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.beside import BARE, FROM_SHARED, FROM_STORE, GET, LOOP, MAPPING, NOTHING, VERB, site
from benchmarks.measure import interleaved
from benchmarks.report import Goal, Report, micros, timed
from benchmarks.scale import scaled
from benchmarks.servers import valkey_server

if TYPE_CHECKING:
    from benchmarks.beside import Cases
    from benchmarks.measure import Timing

FRAMEWORKS = ("starlette", "fastapi", "litestar", "flask", "django")
_ROUNDS = 400
_UNDER_PEER = 20
_MISS = 1.5
_NOTE = (
    "The application is called directly; what others keep in Redis is in the same Valkey, as are our own sessions. A "
    "miss is compared with a GET in the same place: in a loop the server has no time to fall asleep between two."
)


async def run() -> list[Report]:
    """Measure one framework after the other; within one, all cases are interleaved."""
    reports: list[Report] = []
    async with valkey_server() as server, site(server) as at:
        for name in FRAMEWORKS:
            async with AsyncExitStack() as stack:
                cases: Cases = await import_module(f"benchmarks.{name}").cases(at, stack)
                reports.append(_report(cases, await interleaved(cases.batches, rounds=scaled(_ROUNDS))))
    return reports


def _report(cases: Cases, timings: dict[str, Timing]) -> Report:
    report = timed(f"{cases.name}: what a session adds to one request", timings)
    report.columns = ("case", "µs", "adds µs", "adds GETs", "noise")
    added = {name: timing.best - timings[BARE].best for name, timing in timings.items()}
    report.rows = [
        (name, total, *_added(added[name], added[GET], alone=name == LOOP), noise)
        for name, total, _, noise in report.rows
    ]
    if NOTHING in added:
        most = added[cases.peer] / added[NOTHING]
        report.notes.append(f"{cases.peer}, adds {most:.1f} times what is the framework's own part in it.")
    for case in (VERB, MAPPING):
        text = f"{cases.peer}, adds over what {case}, adds"
        report.goals.append(Goal(text, added[cases.peer] / added[case], _UNDER_PEER, at_least=True))
    for case in (FROM_STORE, FROM_SHARED):
        report.goals.append(Goal(f"{case}, adds over what {GET}, adds", added[case] / added[GET], _MISS))
    report.notes += [cases.note, _NOTE]
    return report


def _added(nanoseconds: float, get: float, *, alone: bool) -> tuple[str, str]:
    return ("", "") if alone else (micros(nanoseconds), f"{nanoseconds / get:.2f}")
