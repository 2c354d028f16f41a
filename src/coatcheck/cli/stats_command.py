"""The command that prints the numbers of the whole fleet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from coatcheck._sync.fleet_numbers import FleetNumbers
from coatcheck.cli.output import aligned, counted, utc
from coatcheck.cli.target import opened_store
from coatcheck.core.fleet import Counts

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from datetime import timedelta

    from coatcheck.core.fleet import FleetReading, WorkerNumbers

_TIERS = ("memory", "shared", "store", "stale", "unknown", "unavailable")


def stats(arguments: argparse.Namespace) -> int:
    """Print what all workers have told."""
    with opened_store(arguments) as sessions:
        reading = FleetNumbers(sessions).read()
    if arguments.json:
        print(json.dumps(reading.as_json(), indent=2))
        return 0
    for line in aligned(list(_summary(reading))):
        print(line)
    if reading.workers:
        print()
        for line in aligned([("WORKER", "STARTED", "TOLD", "ANSWERS", "MEMORY"), *map(_row, reading.workers)]):
            print(line)
    return 0


def _summary(reading: FleetReading) -> Iterator[tuple[str, str]]:
    lately = Counts()
    for minute in reading.history:
        lately = lately.plus(minute.counts)
    yield "workers", counted(len(reading.workers), "worker") if reading.workers else "none that tells its numbers"
    yield "sessions", "not counted yet" if reading.active is None else f"{reading.active} alive"
    yield "last half hour", f"{lately.created} created, {lately.revoked} revoked, {lately.evicted} evicted"
    yield "answers", f"{lately.asked}: {', '.join(f'{tier} {_share(lately, tier)}' for tier in _TIERS)}"
    propagation = reading.propagation
    if propagation is None:
        yield "propagation", "not measured"
    else:
        named = zip(("p50", "p99", "longest"), (propagation.p50, propagation.p99, propagation.longest), strict=True)
        took = ", ".join(f"{name} {_milliseconds(each)}" for name, each in named)
        yield "propagation", f"{took}, of {counted(propagation.samples, 'measurement')}"


def _row(worker: WorkerNumbers) -> tuple[str, ...]:
    times = (utc(worker.started_at) or "-", utc(worker.reported_at) or "-")
    return (worker.id, *times, str(worker.counts.asked), _share(worker.counts, "memory"))


def _share(counts: Counts, tier: str) -> str:
    share = counts.share(tier)
    return "-" if share is None else f"{share:.1%}"


def _milliseconds(duration: timedelta) -> str:
    return f"{duration.total_seconds() * 1000:.1f} ms"
