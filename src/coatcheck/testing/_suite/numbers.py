# Generated from testing/_async_suite/numbers.py by tools/generate_sync.py: edit that, run `make generate`.
"""What workers tell of themselves, for threads."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from coatcheck.core.api_tokens import API
from coatcheck.core.fleet import KEPT, MINUTE, PAUSE, probe_time
from coatcheck.stores.base import TICKET, Touch
from coatcheck.testing._rows import DAY, a_row, an_expired_row, to_create
from coatcheck.testing._suite.common import added, head, subjects_since, time_of

if TYPE_CHECKING:
    from coatcheck.stores.protocol import KeepsNumbers, Store
    from coatcheck.testing.clock import ManualClock

_PAUSE = timedelta(microseconds=PAUSE)


class Numbers:
    """Tell, read and forget: a row for each worker and minute, by the authority's clock."""

    def pass_time(self, store: Store, clock: ManualClock, duration: timedelta) -> None:  # noqa: ARG002
        """Let so much time pass for what was told."""
        clock.advance(duration)

    def test_each_worker_has_a_row_of_what_it_told_last(self, store: Store) -> None:
        """In this minute, and with the time of the authority."""
        numbers = _keeping(store)
        assert (numbers.reports()).rows == ()
        for worker, report in (("b", '{"n":1}'), ("a", '{"n":2}'), ("b", '{"n":3}')):
            numbers.report(worker, report)
        now, rows = numbers.reports()
        last = {row.worker: row for row in rows}  # the test may have begun in the last moment of a minute
        assert [last[worker].report.replace(" ", "") for worker in ("a", "b")] == ['{"n":2}', '{"n":3}']
        for row in rows:
            assert row.minute == row.reported_at // MINUTE
            assert now - MINUTE < row.reported_at <= now

    def test_another_minute_has_another_row(self, store: Store, clock: ManualClock) -> None:
        """So that what has happened in it can be told from what was before."""
        numbers = _keeping(store)
        numbers.report("a", '{"n":1}')
        self.pass_time(store, clock, timedelta(minutes=1))
        numbers.report("a", '{"n":2}')
        before, after = (numbers.reports()).rows
        assert after.minute == before.minute + 1
        assert [row.report.replace(" ", "") for row in (before, after)] == ['{"n":1}', '{"n":2}']

    def test_one_worker_counts_for_all_until_the_pause_is_over(self, store: Store, clock: ManualClock) -> None:
        """The live sessions and nothing that is another kind of row; and whose turn it is to write a probe."""
        numbers, now = _keeping(store), time_of(store)
        added(store)
        added(store, user_id=None, authenticated_at=None)
        added(store, an_expired_row())
        for kind in (API, TICKET):
            other = to_create(a_row(now), kind=kind)
            store.create(other)
            store.touch([Touch(other.record.id, now + 1, now + DAY + 1)])
        assert [numbers.report(worker, "{}") for worker in "abab"] == [True, False, False, False]
        assert {row.worker: row.active for row in (numbers.reports()).rows} == {"a": 2, "b": None}
        self.pass_time(store, clock, _PAUSE + timedelta(seconds=1))
        assert [numbers.report(worker, "{}") for worker in "ba"] == [True, False]

    def test_a_probe_is_an_entry_with_its_time(self, store: Store) -> None:
        """By the clock by which polls are answered, and once."""
        numbers, cursor = _keeping(store), head(store)
        before = (numbers.reports()).now
        numbers.probe()
        (subject,) = subjects_since(store, cursor)
        at = probe_time(subject)
        assert at is not None
        assert before <= at <= (numbers.reports()).now

    @pytest.mark.parametrize("by", ["report", "sweep"])
    def test_what_was_told_long_ago_is_forgotten(self, store: Store, clock: ManualClock, by: str) -> None:
        """By whoever tells something, and by a sweep: nobody else may be there."""
        numbers = _keeping(store)
        numbers.report("gone", "{}")
        self.pass_time(store, clock, timedelta(microseconds=KEPT) + timedelta(minutes=1))
        if by == "sweep":
            store.sweep(10)
            assert (numbers.reports()).rows == ()
        else:
            numbers.report("here", "{}")
            assert {row.worker for row in (numbers.reports()).rows} == {"here"}


def _keeping(store: Store) -> KeepsNumbers:
    if not store.capabilities.numbers:
        pytest.skip("this store keeps no numbers of workers")
    return cast("KeepsNumbers", store)
