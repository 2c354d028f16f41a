"""Numbers of a fleet: what each worker tells of itself, and what that says of all of them.

A worker tells its counters since it began, over and over. So what has happened in a minute is a difference, which stays
right whoever comes, goes or misses a report.

The propagation time is measured and not computed. A probe is an entry of the log that outdates nothing, with the
authority's time in it; every worker notes by the same clock when it has learned of it, by the way on which it learns of
a revocation. What counts is from when on the worker could not accept what had changed: that is when it knew, or when
its lease was over, if that was earlier. A worker that proved nothing when the probe was written is not counted, for
it could accept nothing. Both times are a little too late for the sender: the entry's is taken before the commit, the
worker's counts from when its poll was sent. So the result is never too short.

Times are microseconds since the epoch, durations microseconds, where nothing else is said.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coatcheck.core.coherence import MOMENT
from coatcheck.core.times import from_micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MINUTE: Final = 60_000_000
WINDOW: Final = 30
"""How many minutes of history there are."""

KEPT: Final = (WINDOW + 2) * MINUTE
"""How long reports are kept: for the history, and for what it began with."""

PAUSE: Final = 29_000_000
"""How long after a probe nobody writes another; a little less than a multiple of the usual interval."""

MOST_SEEN: Final = 8
"""So many probes a report tells of: those of more than a minute."""

SHORTEST_INTERVAL: Final = timedelta(seconds=1)
LONGEST_INTERVAL: Final = timedelta(seconds=60)
"""How often a worker may tell."""

MOST_COUNTED: Final = 1_000_000
"""So many live sessions are counted, and stand for any more."""

LIVE_FOR: Final = 3
"""A worker that has not told for so many of its intervals is gone."""

_PROBE: Final = MOMENT + "probe@"
_DIGITS: Final = re.compile(r"[0-9]{1,18}")


def probe_subject(at: int) -> str:
    """Return the subject of a probe that is written at this time."""
    return f"{_PROBE}{at}"


def probe_time(subject: str) -> int | None:
    """Return when a probe was written; None for any other entry of the log."""
    if not subject.startswith(_PROBE):
        return None
    digits = _DIGITS.fullmatch(subject, len(_PROBE))  # the log is open to others, who may write what they like
    return None if digits is None else int(digits[0])


class WorkerRow(NamedTuple):
    """What a worker has told last in a minute, as a store keeps it.

    Attributes:
        worker: A random id, of this life of one process.
        minute: The minute of the authority's clock, counted from the epoch.
        reported_at: When it was told, by the same clock.
        active: How many live sessions it has counted in that minute; None if that was not its turn.
        report: What was told; opaque to the store.
    """

    worker: str
    minute: int
    reported_at: int
    active: int | None
    report: str


class WorkerRows(NamedTuple):
    """What all workers have told lately.

    Attributes:
        now: The time by the authority's clock.
        rows: By worker and minute, in this order.
    """

    now: int
    rows: tuple[WorkerRow, ...]


class Counts(NamedTuple):
    """What was counted: answers by the tier that had them, and what happened to sessions.

    Attributes:
        memory: Sessions that were found in memory.
        shared: In the shared cache.
        store: In the store, or at the provider.
        stale: In memory, while the authority could not be asked.
        unknown: Tokens that could be ours, and belong to nobody, or to nobody any more.
        unavailable: Questions that nobody could answer.
        created: Sessions that began.
        revoked: Sessions that were ended on purpose, by a call on one of these workers.
        evicted: Sessions that the limit per user has ended.
    """

    memory: int = 0
    shared: int = 0
    store: int = 0
    stale: int = 0
    unknown: int = 0
    unavailable: int = 0
    created: int = 0
    revoked: int = 0
    evicted: int = 0

    def plus(self, other: Counts) -> Counts:
        """Return both together."""
        return Counts._make(mine + theirs for mine, theirs in zip(self, other, strict=True))

    def since(self, before: Counts) -> Counts:
        """Return what was counted after `before` was."""
        return Counts._make(mine - earlier for mine, earlier in zip(self, before, strict=True))

    @property
    def asked(self) -> int:
        """How many tokens were to be validated."""
        return sum(self[:6])

    def share(self, tier: str) -> float | None:
        """Return which part of all answers this tier had, from 0 to 1; None if nothing was asked."""
        return getattr(self, tier) / self.asked if self.asked else None


NOTHING: Final = Counts()


def report_of(counts: Counts, *, uptime: int, every: int, seen: Mapping[int, int], ended: bool) -> str:
    """Return what a worker tells of itself.

    Args:
        counts: What it has counted since it began.
        uptime: For how long it has.
        every: How often it tells.
        seen: How long each of the latest probes took to become known here, by when it was written.
        ended: Whether this is its last word.
    """
    told = {**counts._asdict(), "uptime": uptime, "every": every, "seen": {str(at): took for at, took in seen.items()}}
    return json.dumps({**told, "ended": ended}, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Propagation:
    """How long a change took until no worker accepted what it had ended.

    Attributes:
        samples: How often that was measured: once for each probe and worker.
        p50: Half of them took no longer.
        p99: 99 of 100 took no longer.
        longest: None took longer.
    """

    samples: int
    p50: timedelta
    p99: timedelta
    longest: timedelta

    def as_json(self) -> dict[str, Any]:
        """Return it in JSON's types, durations in seconds."""
        taken = {name: getattr(self, name).total_seconds() for name in ("p50", "p99", "longest")}
        return {"samples": self.samples, **{f"{name}_seconds": value for name, value in taken.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerNumbers:
    """A worker that lives.

    Attributes:
        id: A random id, of this life of the process.
        started_at: When it began to count, in UTC by the authority's clock.
        reported_at: When it has told so last, likewise.
        counts: What it has counted since it began.
    """

    id: str
    started_at: datetime
    reported_at: datetime
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetMinute:
    """One minute of the whole fleet.

    Attributes:
        at: When it began, in UTC by the authority's clock.
        workers: How many workers have told something in it.
        active: How many live sessions were counted in it, those of anonymous visitors among them, and `MOST_COUNTED`
            for any more; None if nobody has.
        counts: What happened in it, by all workers.
        propagation: Of the probes that were written in it; None if there were none.
    """

    at: datetime
    workers: int
    active: int | None
    counts: Counts
    propagation: Propagation | None

    def as_json(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        return {
            "at": self.at.isoformat(),
            "workers": self.workers,
            "active": self.active,
            **self.counts._asdict(),
            "propagation": None if self.propagation is None else self.propagation.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReading:
    """Numbers of the whole fleet.

    Attributes:
        at: When they were read, in UTC by the authority's clock.
        workers: The workers that live: those that have told something in the last three of their intervals.
        totals: What these have counted since each of them began.
        active: How many live sessions were counted last, as in a minute of the history; None if nobody has.
        propagation: Of the probes of the whole history; None if none was written, or nobody held anything.
        history: The last half hour, minute by minute; the last one is not over.
    """

    at: datetime
    workers: tuple[WorkerNumbers, ...]
    totals: Counts
    active: int | None
    propagation: Propagation | None
    history: tuple[FleetMinute, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it in JSON's types: times as text, durations in seconds."""
        return {
            "at": self.at.isoformat(),
            "workers": [
                {
                    "id": worker.id,
                    "started_at": worker.started_at.isoformat(),
                    "reported_at": worker.reported_at.isoformat(),
                    **worker.counts._asdict(),
                }
                for worker in self.workers
            ],
            "totals": self.totals._asdict(),
            "active": self.active,
            "propagation": None if self.propagation is None else self.propagation.as_json(),
            "history": [minute.as_json() for minute in self.history],
        }


def fleet_of(told: WorkerRows) -> FleetReading:
    """Return what all that workers have told says of the fleet."""
    now, rows = told
    first = now // MINUTE - WINDOW + 1
    lives = [_Life(reports, first) for reports in _by_worker(rows)]
    workers = tuple(life.numbers() for life in lives if life.lives(now))
    minutes = [_minute(minute, lives) for minute in range(first, first + WINDOW)]
    counted = [row for row in rows if row.active is not None]
    return FleetReading(
        at=from_micros(now),
        workers=workers,
        totals=_sum(worker.counts for worker in workers),
        active=max(counted, key=lambda row: row.reported_at).active if counted else None,
        propagation=_propagation([took for life in lives for at, took in life.seen.items() if at // MINUTE >= first]),
        history=tuple(minutes),
    )


class _Told(NamedTuple):
    """A report, with its row."""

    row: WorkerRow
    counts: Counts
    more: Mapping[str, Any]


class _Life:
    """What one worker has told, in order."""

    def __init__(self, told: Sequence[_Told], first: int) -> None:
        self.last = told[-1]
        self.minutes = {each.row.minute: each.row for each in told}
        self.seen = {int(at): int(took) for each in told for at, took in each.more["seen"].items()}
        self.counts: dict[int, Counts] = {}
        # Of one that began before the history does, nobody knows any more when it counted what it told first.
        begun = told[0].row.reported_at - told[0].more["uptime"]
        before = NOTHING if begun // MINUTE >= first else told[0].counts
        for each in told:
            self.counts[each.row.minute] = each.counts.since(before)
            before = each.counts

    def lives(self, now: int) -> bool:
        more = self.last.more
        return not more["ended"] and self.last.row.reported_at > now - LIVE_FOR * more["every"]

    def numbers(self) -> WorkerNumbers:
        row, counts, more = self.last
        started = from_micros(row.reported_at - more["uptime"])
        return WorkerNumbers(id=row.worker, started_at=started, reported_at=from_micros(row.reported_at), counts=counts)


def _by_worker(rows: Iterable[WorkerRow]) -> Iterable[list[_Told]]:
    found: dict[str, list[_Told]] = {}
    for row in rows:
        more = json.loads(row.report)
        counts = Counts._make(more.get(name, 0) for name in Counts._fields)  # an older release may count less
        found.setdefault(row.worker, []).append(_Told(row, counts, more))
    return found.values()


def _minute(minute: int, lives: Sequence[_Life]) -> FleetMinute:
    rows = [life.minutes[minute] for life in lives if minute in life.minutes]
    return FleetMinute(
        at=from_micros(minute * MINUTE),
        workers=len(rows),
        active=next((row.active for row in rows if row.active is not None), None),
        counts=_sum(life.counts[minute] for life in lives if minute in life.counts),
        propagation=_propagation([took for life in lives for at, took in life.seen.items() if at // MINUTE == minute]),
    )


def _sum(counts: Iterable[Counts]) -> Counts:
    total = NOTHING
    for each in counts:
        total = total.plus(each)
    return total


def _propagation(taken: Sequence[int]) -> Propagation | None:
    if not taken:
        return None
    ordered = sorted(taken)
    # The nearest rank: a time that was measured, and none between two.
    p50, p99, longest = (timedelta(microseconds=ordered[-(-len(ordered) * part // 100) - 1]) for part in (50, 99, 100))
    return Propagation(samples=len(ordered), p50=p50, p99=p99, longest=longest)
