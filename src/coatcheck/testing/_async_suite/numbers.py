"""What workers tell of themselves, for asyncio."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from coatcheck.core.api_tokens import API
from coatcheck.core.fleet import KEPT, MINUTE, PAUSE, probe_time
from coatcheck.stores.base import TICKET, Touch
from coatcheck.testing._async_suite.common import added, head, subjects_since, time_of
from coatcheck.testing._rows import DAY, a_row, an_expired_row, to_create

if TYPE_CHECKING:
    from coatcheck.stores.async_protocol import AsyncKeepsNumbers, AsyncStore
    from coatcheck.testing.clock import ManualClock

_PAUSE = timedelta(microseconds=PAUSE)


class AsyncNumbers:
    """Tell, read and forget: a row for each worker and minute, by the authority's clock."""

    async def pass_time(self, store: AsyncStore, clock: ManualClock, duration: timedelta) -> None:  # noqa: ARG002
        """Let so much time pass for what was told."""
        clock.advance(duration)

    async def test_each_worker_has_a_row_of_what_it_told_last(self, store: AsyncStore) -> None:
        """In this minute, and with the time of the authority."""
        numbers = _keeping(store)
        assert (await numbers.reports()).rows == ()
        for worker, report in (("b", '{"n":1}'), ("a", '{"n":2}'), ("b", '{"n":3}')):
            await numbers.report(worker, report)
        now, rows = await numbers.reports()
        last = {row.worker: row for row in rows}  # the test may have begun in the last moment of a minute
        assert [last[worker].report.replace(" ", "") for worker in ("a", "b")] == ['{"n":2}', '{"n":3}']
        for row in rows:
            assert row.minute == row.reported_at // MINUTE
            assert now - MINUTE < row.reported_at <= now

    async def test_another_minute_has_another_row(self, store: AsyncStore, clock: ManualClock) -> None:
        """So that what has happened in it can be told from what was before."""
        numbers = _keeping(store)
        await numbers.report("a", '{"n":1}')
        await self.pass_time(store, clock, timedelta(minutes=1))
        await numbers.report("a", '{"n":2}')
        before, after = (await numbers.reports()).rows
        assert after.minute == before.minute + 1
        assert [row.report.replace(" ", "") for row in (before, after)] == ['{"n":1}', '{"n":2}']

    async def test_one_worker_counts_for_all_until_the_pause_is_over(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        """The live sessions and nothing that is another kind of row; and whose turn it is to write a probe."""
        numbers, now = _keeping(store), await time_of(store)
        await added(store)
        await added(store, user_id=None, authenticated_at=None)
        await added(store, an_expired_row())
        for kind in (API, TICKET):
            other = to_create(a_row(now), kind=kind)
            await store.create(other)
            await store.touch([Touch(other.record.id, now + 1, now + DAY + 1)])
        assert [await numbers.report(worker, "{}") for worker in "abab"] == [True, False, False, False]
        assert {row.worker: row.active for row in (await numbers.reports()).rows} == {"a": 2, "b": None}
        await self.pass_time(store, clock, _PAUSE + timedelta(seconds=1))
        assert [await numbers.report(worker, "{}") for worker in "ba"] == [True, False]

    async def test_a_probe_is_an_entry_with_its_time(self, store: AsyncStore) -> None:
        """By the clock by which polls are answered, and once."""
        numbers, cursor = _keeping(store), await head(store)
        before = (await numbers.reports()).now
        await numbers.probe()
        (subject,) = await subjects_since(store, cursor)
        at = probe_time(subject)
        assert at is not None
        assert before <= at <= (await numbers.reports()).now

    @pytest.mark.parametrize("by", ["report", "sweep"])
    async def test_what_was_told_long_ago_is_forgotten(self, store: AsyncStore, clock: ManualClock, by: str) -> None:
        """By whoever tells something, and by a sweep: nobody else may be there."""
        numbers = _keeping(store)
        await numbers.report("gone", "{}")
        await self.pass_time(store, clock, timedelta(microseconds=KEPT) + timedelta(minutes=1))
        if by == "sweep":
            await store.sweep(10)
            assert (await numbers.reports()).rows == ()
        else:
            await numbers.report("here", "{}")
            assert {row.worker for row in (await numbers.reports()).rows} == {"here"}


def _keeping(store: AsyncStore) -> AsyncKeepsNumbers:
    if not store.capabilities.numbers:
        pytest.skip("this store keeps no numbers of workers")
    return cast("AsyncKeepsNumbers", store)
