"""What the reports of all workers say of the fleet: pure sums and differences."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from coatcheck.core.fleet import (
    MINUTE,
    WINDOW,
    Counts,
    FleetReading,
    WorkerRow,
    WorkerRows,
    fleet_of,
    probe_subject,
    probe_time,
    report_of,
)

SECOND = 1_000_000
NOW = 29_000_000 * MINUTE + 30 * SECOND
"""In the middle of a minute."""
EVERY = 10 * SECOND


def row(
    worker: str,
    ago: int,
    *,
    uptime: int = 10 * SECOND,
    seen: dict[int, int] | None = None,
    active: int | None = None,
    ended: bool = False,
    **counts: int,
) -> WorkerRow:
    """Return what a worker has told so many microseconds ago."""
    report = report_of(Counts(**counts), uptime=uptime, every=EVERY, seen=seen or {}, ended=ended)
    return WorkerRow(worker, (NOW - ago) // MINUTE, NOW - ago, active, report)


def reading(*rows: WorkerRow) -> FleetReading:
    return fleet_of(WorkerRows(NOW, tuple(sorted(rows))))


def test_nobody_has_told_anything() -> None:
    """The history is as long as ever, and everything in it is nothing."""
    found = reading()
    assert (found.workers, found.totals, found.active, found.propagation) == ((), Counts(), None, None)
    assert len(found.history) == WINDOW
    assert found.history[-1].at <= found.at < found.history[-1].at + timedelta(minutes=1)


def test_totals_are_those_of_workers_that_live() -> None:
    """Three intervals after its last word a worker is gone, and at once when it has said that it was the last."""
    found = reading(
        row("here", 29 * SECOND, memory=3, created=1),
        row("there", 0, memory=4, store=2),
        row("dead", 30 * SECOND, memory=100),
        row("stopped", 0, memory=100, ended=True),
    )
    assert [worker.id for worker in found.workers] == ["here", "there"]
    assert found.totals == Counts(memory=7, store=2, created=1)
    assert found.workers[0].started_at == found.at - timedelta(seconds=39)


def test_history_is_differences_and_stays_right_when_a_worker_has_gone() -> None:
    """Also where a worker began, missed a minute, or was there before the history begins."""
    old = WINDOW * MINUTE
    found = reading(
        row("old", old, uptime=99 * MINUTE, memory=1000),
        row("old", 2 * MINUTE, uptime=99 * MINUTE + old, memory=1010),
        row("old", 0, uptime=99 * MINUTE + old, memory=1011),
        row("dead", 3 * MINUTE, created=5),
        row("dead", 2 * MINUTE, uptime=70 * SECOND, created=7),
    )
    assert [minute.counts.memory for minute in found.history[-4:]] == [0, 10, 0, 1]
    assert [minute.counts.created for minute in found.history[-4:]] == [5, 2, 0, 0]
    assert [minute.workers for minute in found.history[-4:]] == [1, 2, 0, 1]
    assert sum(minute.counts.memory for minute in found.history) == 11


def test_what_a_worker_counted_before_the_history_is_in_no_minute_of_it() -> None:
    """Nobody knows any more when that was."""
    found = reading(row("old", 0, uptime=99 * MINUTE, memory=1000))
    assert found.totals.memory == 1000
    assert sum(minute.counts.memory for minute in found.history) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, WINDOW - 2), st.integers(0, 9)), max_size=40))
def test_the_minutes_add_up_to_what_all_have_counted(happened: list[tuple[str, int, int]]) -> None:
    """Whoever reported when: of workers that began in the history nothing is lost and nothing counted twice."""
    counted: dict[str, int] = {}
    rows: dict[tuple[str, int], WorkerRow] = {}
    for worker, ago, hits in sorted(happened, key=lambda each: -each[1]):
        counted[worker] = counted.get(worker, 0) + hits
        rows[worker, ago] = row(worker, ago * MINUTE, uptime=0, memory=counted[worker])
    found = reading(*rows.values())
    assert sum(minute.counts.memory for minute in found.history) == sum(counted.values())


def test_active_sessions_are_those_that_were_counted_last() -> None:
    """By whoever had the turn."""
    found = reading(row("a", MINUTE, active=7), row("b", 0), row("c", SECOND, active=8))
    assert found.active == 8
    assert [minute.active for minute in found.history[-3:]] == [None, 7, 8]


def test_propagation_is_what_was_measured_each_once() -> None:
    """A report repeats the probes of the one before; a rank is a time that was measured."""
    probes = {NOW - ago * SECOND: took for ago, took in ((70, 400), (40, 200), (10, 100))}
    newest = dict(sorted(probes.items())[-1:])
    found = reading(
        row("a", MINUTE, seen=dict(list(probes.items())[:1])), row("a", 0, seen=probes), row("b", 0, seen=newest)
    )
    assert found.propagation is not None
    assert found.propagation.samples == 4
    took = (found.propagation.p50, found.propagation.p99, found.propagation.longest)
    assert [each // timedelta(microseconds=1) for each in took] == [100, 400, 400]
    last = found.history[-1].propagation
    assert last is not None
    assert (last.samples, last.longest) == (2, timedelta(microseconds=100))


def test_a_probe_says_when_it_was_written_and_nothing_else_does() -> None:
    """The log is open to others: whatever they write, no poll fails for it."""
    assert probe_time(probe_subject(NOW)) == NOW
    for odd in ("*", "s:1", "w:probe@", "w:probe@-1", "w:probe@1.5", "w:probe@\u0661", "w:probe@" + "9" * 5000):
        assert probe_time(odd) is None


def test_a_tier_has_its_share_of_the_answers() -> None:
    """Of all that was asked, what nobody could answer included."""
    counts = Counts(memory=6, shared=1, store=1, unknown=1, unavailable=1, created=50)
    assert (counts.asked, counts.share("memory"), counts.share("shared")) == (10, 0.6, 0.1)
    assert Counts().share("memory") is None


def test_json_has_only_its_own_types_and_names_units() -> None:
    """As the console gets it."""
    found = reading(row("a", 0, seen={NOW - SECOND: 1500}, memory=1)).as_json()
    assert found["propagation"] == {
        "samples": 1,
        "p50_seconds": 0.0015,
        "p99_seconds": 0.0015,
        "longest_seconds": 0.0015,
    }
    assert found["workers"][0]["memory"] == found["totals"]["memory"] == found["history"][-1]["memory"] == 1
