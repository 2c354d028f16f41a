"""The numbers of the whole fleet, in the text that Prometheus reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck.core.fleet import FleetReading, Propagation

_TIERS = ("memory", "shared", "store", "stale", "unknown", "unavailable")
_EVENTS = ("created", "revoked", "evicted")


def fleet_lines(reading: FleetReading) -> Iterator[str]:
    """Yield the lines. Counters are each worker's own, and begin anew with it: so rates of their sum are right."""
    yield "# HELP coatcheck_fleet_workers How many workers live."
    yield "# TYPE coatcheck_fleet_workers gauge"
    yield f"coatcheck_fleet_workers {len(reading.workers)}"
    if reading.active is not None:
        yield "# HELP coatcheck_fleet_sessions_active How many sessions were alive when they were counted last."
        yield "# TYPE coatcheck_fleet_sessions_active gauge"
        yield f"coatcheck_fleet_sessions_active {reading.active}"
    yield from _counters(reading, "answers", "tier", _TIERS, "Which tier has answered.")
    yield from _counters(reading, "sessions", "event", _EVENTS, "What has happened to sessions.")
    if reading.propagation is not None:
        yield from _propagation(reading.propagation)


def _counters(reading: FleetReading, name: str, label: str, fields: tuple[str, ...], says: str) -> Iterator[str]:
    yield f"# HELP coatcheck_fleet_{name}_total {says}"
    yield f"# TYPE coatcheck_fleet_{name}_total counter"
    for worker in reading.workers:
        for field in fields:
            count = getattr(worker.counts, field)
            yield f'coatcheck_fleet_{name}_total{{worker="{worker.id}",{label}="{field}"}} {count}'


def _propagation(propagation: Propagation) -> Iterator[str]:
    yield "# HELP coatcheck_fleet_propagation_seconds How long a change took to reach the workers, in half an hour."
    yield "# TYPE coatcheck_fleet_propagation_seconds gauge"
    for quantile, took in (("0.5", propagation.p50), ("0.99", propagation.p99), ("1", propagation.longest)):
        yield f'coatcheck_fleet_propagation_seconds{{quantile="{quantile}"}} {took.total_seconds():g}'
