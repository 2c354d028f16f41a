"""How soon eight worker processes refuse a session that has ended: PostgreSQL, with and without Valkey."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from benchmarks.report import Goal, Report
from tests.fleet.propagation import measure, percentiles
from tests.servers.postgresql import PostgreSQL
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.fleet.propagation import Delays

_ENDS = 5_000
_GOAL = 10.0
_LEASE = 2_000.0


async def run() -> list[Report]:
    """End sessions one after the other, by the API and in psql by turns."""
    return [_report(await asyncio.to_thread(_measured))]


def _measured() -> Mapping[str, Delays]:
    with PostgreSQL() as server, Valkey() as cache:
        caches = {"PostgreSQL": None, "PostgreSQL and Valkey": cache.url()}
        return {
            name: measure(server, server.url(server.create_database()), url, ends=_ENDS, say=_say)
            for name, url in caches.items()
        }


def _report(measured: Mapping[str, Delays]) -> Report:
    report = Report("From the commit to the last acceptance by any of eight workers", _COLUMNS)
    for name, delays in measured.items():
        for way, times in {"the API": delays.api, "psql": delays.sql}.items():
            p50, p99, most = percentiles(times)
            report.rows.append((name, way, f"{len(times):,}", f"{p50:.1f}", f"{p99:.1f}", f"{most:.1f}"))
            report.goals.append(Goal(f"{name}, {way}: p99", p99, _GOAL, "ms"))
            report.goals.append(Goal(f"{name}, {way}: maximum, against the lease", most, _LEASE, "ms"))
    report.notes.append(
        "Six workers on asyncio and two on threads look at 20 sessions about every two milliseconds, which is also how "
        "finely they can tell. They, the servers and whoever ends the sessions share this machine's cores: with "
        "anything else on them, these are the figures of its scheduler."
    )
    return report


_COLUMNS = ("store and cache", "ended by", "ends", "p50 ms", "p99 ms", "maximum ms")


def _say(progress: str) -> None:
    print(f"\r{progress} ", end="", file=sys.stderr, flush=True)
