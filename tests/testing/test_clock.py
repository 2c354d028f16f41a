"""The manual clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from coatcheck import Session, Sessions
from coatcheck.testing import ManualClock, MemoryStore

SECOND = 10**9


def test_it_stands_still() -> None:
    """However often one looks."""
    clock = ManualClock()
    assert clock.now() == clock.now() == int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * SECOND
    assert clock.monotonic() == clock.monotonic() > 0


def test_time_passes_on_both_clocks() -> None:
    """By exactly so much."""
    clock = ManualClock(datetime(2030, 5, 1, tzinfo=UTC))
    wall, uptime = clock.now(), clock.monotonic()
    clock.advance(timedelta(days=3, microseconds=7))
    assert clock.now() - wall == clock.monotonic() - uptime == 3 * 86_400 * SECOND + 7_000


def test_time_never_goes_back() -> None:
    """Only the wall clock can be set back."""
    clock = ManualClock()
    wall, uptime = clock.now(), clock.monotonic()
    with pytest.raises(ValueError, match="jump_wall"):
        clock.advance(timedelta(seconds=-1))
    clock.jump_wall(timedelta(hours=-1))
    assert clock.now() == wall - 3600 * SECOND
    assert clock.monotonic() == uptime


def test_sessions_run_on_it() -> None:
    """An idle timeout passes without anybody waiting for it."""
    clock = ManualClock()
    sessions = Sessions(MemoryStore(clock=clock), clock=clock)
    token = sessions.create("ann").token
    assert isinstance(sessions.get(token), Session)
    clock.advance(sessions.policy.idle_timeout)
    assert not sessions.get(token)
