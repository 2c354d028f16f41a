"""A thousand workers over one database, on a virtual clock: see `stampede.py`, which prints the numbers."""

from __future__ import annotations

import logging

import pytest

from tests.coherence.stampede import EVENTS, PROCESSORS, SERVICE, measure

WORKERS = 1000
FEW = 300
"""Enough to keep the database busy with a hundred revocations a second."""

ALL_ONCE = WORKERS * SERVICE / PROCESSORS
"""Seconds that the database needs to answer every worker once."""

LEASE = 2.0
SLACK = 0.05


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "coatcheck")


@pytest.mark.parametrize("event", EVENTS)
def test_I1_I4_polls_queue_and_news_stay_bounded(event: str) -> None:
    """No worker has more than one poll under way besides what it has given up on, and rests after each."""
    workers = FEW if "100" in event else WORKERS
    measured = measure(event, workers)
    paused = "paused" in event
    assert measured.queue <= workers * (2 if paused else 1)
    assert measured.slowest < min(LEASE, 4 * ALL_ONCE + SLACK)
    assert measured.recovered < LEASE
    assert bool(measured.failed) == paused
    if "100" not in event:
        assert measured.polls < 2 * WORKERS


def test_the_rest_after_a_poll_keeps_the_queue_short() -> None:
    """Without it every worker would always stand in the queue while there are news."""
    event = "100 revocations a second"
    assert measure(event, FEW, rest=False).usual > FEW * 0.8
    assert measure(event, FEW).usual < FEW * 0.6
