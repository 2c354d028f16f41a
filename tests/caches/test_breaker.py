"""The breaker: when it opens, for how long, and who may try."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.core.breaker import Breaker, Ticket


def _breaker() -> Breaker:
    return Breaker(failures=3, pause=500, longest_pause=10_000)


def _entered(breaker: Breaker, now: int) -> Ticket:
    ticket = breaker.enter(now)
    assert ticket is not None
    return ticket


def _open(breaker: Breaker, now: int = 0, lot: float = 0.0) -> None:
    """Let three calls fail."""
    told = [breaker.fail(_entered(breaker, now), now, lot) for _ in range(3)]
    assert told == [False, False, True]


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = _breaker()
    _open(breaker)
    assert not breaker.closed
    assert breaker.enter(0) is None


def test_calls_that_fail_together_are_one_failure() -> None:
    """Each request has paid once, and only what began after a failure says that it lasts."""
    breaker = _breaker()
    for rounds in range(3):
        together = [_entered(breaker, rounds) for _ in range(100)]
        told = [breaker.fail(ticket, rounds, 0.0) for ticket in together]
        assert told == [rounds == 2, *[False] * 99]
    assert not breaker.closed


def test_one_answer_among_many_failures_keeps_it_closed() -> None:
    breaker = _breaker()
    for _ in range(10):
        first, second, third = (_entered(breaker, 0) for _ in range(3))
        assert not breaker.fail(first, 0, 0.0)
        assert not breaker.succeed(second)
        assert not breaker.fail(third, 0, 0.0)
    assert breaker.closed


def test_a_success_between_starts_the_count_anew() -> None:
    breaker = _breaker()
    for _ in range(5):
        assert not breaker.fail(_entered(breaker, 0), 0, 0.0)
        assert not breaker.fail(_entered(breaker, 0), 0, 0.0)
        assert not breaker.succeed(_entered(breaker, 0))
    assert breaker.closed


def test_after_the_pause_one_call_may_try_and_no_other() -> None:
    breaker = _breaker()
    _open(breaker)
    assert breaker.enter(499) is None
    assert breaker.rests(499)
    assert not breaker.rests(500)
    trying = _entered(breaker, 500)
    assert breaker.rests(500)
    assert [breaker.enter(now) for now in (500, 501, 100_000)] == [None, None, None]
    assert breaker.succeed(trying)
    assert breaker.closed
    assert not breaker.succeed(_entered(breaker, 501))


def test_each_pause_without_a_success_is_twice_as_long_up_to_the_longest() -> None:
    breaker = _breaker()
    _open(breaker)
    now, pauses = 0, []
    for _ in range(7):
        pause = next(after for after in range(500, 20_001, 500) if not breaker.rests(now + after))
        pauses.append(pause)
        now += pause
        assert not breaker.fail(_entered(breaker, now), now, 0.0), "it was open before"
    assert pauses == [500, 1000, 2000, 4000, 8000, 10_000, 10_000]


def test_it_stays_away_for_the_longest_pause_however_long_the_outage_is() -> None:
    breaker = _breaker()
    _open(breaker)
    for number in range(1, 100):
        breaker.fail(_entered(breaker, number * 10_000), number * 10_000, 0.0)
    assert breaker.rests(99 * 10_000 + 9_999)
    assert not breaker.rests(99 * 10_000 + 10_000)


def test_after_a_success_the_pauses_start_anew() -> None:
    breaker = _breaker()
    _open(breaker)
    breaker.fail(_entered(breaker, 500), 500, 0.0)
    assert breaker.succeed(_entered(breaker, 1_500))
    _open(breaker, 2_000)
    assert breaker.rests(2_499)
    assert not breaker.rests(2_500)


@given(st.floats(0, 1), st.integers(0, 6))
def test_the_lot_shortens_a_pause_by_up_to_a_half(lot: float, earlier: int) -> None:
    breaker = _breaker()
    _open(breaker, 0, lot)
    now = 0
    for _ in range(earlier):
        now += 10_000
        breaker.fail(_entered(breaker, now), now, lot)
    pause = min(10_000, 500 * 2**earlier)
    assert breaker.rests(now + pause // 2 - 1)
    assert not breaker.rests(now + pause)


def test_the_lot_makes_a_difference() -> None:
    early, late = _breaker(), _breaker()
    _open(early, 0, 1.0)
    _open(late, 0, 0.0)
    assert not early.rests(250)
    assert late.rests(499)


@pytest.mark.parametrize("ending", ["succeed", "fail", "withdraw"])
def test_what_was_under_way_when_it_opened_changes_nothing(ending: str) -> None:
    """A hundred calls that time out together are one outage, and a late answer is no proof that it is over."""
    breaker = _breaker()
    earlier = _entered(breaker, 0)
    _open(breaker)
    trying = _entered(breaker, 500)
    if ending == "succeed":
        assert not breaker.succeed(earlier)
    elif ending == "fail":
        assert not breaker.fail(earlier, 500, 0.0)
    else:
        breaker.withdraw(earlier)
    assert breaker.enter(500) is None, "the one who tries is still under way"
    assert breaker.succeed(trying)


def test_the_next_may_try_when_the_one_who_tried_has_withdrawn() -> None:
    breaker = _breaker()
    _open(breaker)
    breaker.withdraw(_entered(breaker, 500))
    assert not breaker.closed
    assert breaker.succeed(_entered(breaker, 500))


def test_a_withdrawal_while_closed_is_no_failure() -> None:
    breaker = _breaker()
    for _ in range(10):
        breaker.withdraw(_entered(breaker, 0))
    assert breaker.closed


def test_tripping_opens_at_once_and_tells_only_the_first_time() -> None:
    breaker = _breaker()
    assert breaker.trip(0, 0.0)
    assert breaker.rests(499)
    assert not breaker.trip(0, 0.0)
