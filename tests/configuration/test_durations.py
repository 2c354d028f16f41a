"""Durations as people write them, and what is none."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.configuration.durations import NoDuration, duration
from coatcheck.describe import in_words

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30 days", timedelta(days=30)),
        ("1 day", timedelta(days=1)),
        ("2 weeks", timedelta(days=14)),
        ("15m", 15 * MINUTE),
        ("15 min", 15 * MINUTE),
        ("2s", 2 * SECOND),
        ("2 Seconds", 2 * SECOND),
        ("250ms", SECOND / 4),
        ("1.5 hours", HOUR * 1.5),
        ("1h30m", 1.5 * HOUR),
        ("1h 30m", 1.5 * HOUR),
        ("1 hour, 30 minutes", 1.5 * HOUR),
        ("1 hour and 30 minutes", 1.5 * HOUR),
        ("  7d ", timedelta(days=7)),
        ("PT15M", 15 * MINUTE),
        ("P30D", timedelta(days=30)),
        ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("PT0,5S", SECOND / 2),
        ("P2W", timedelta(days=14)),
        ("90", 90 * SECOND),
        ("0.05", SECOND / 20),
        ("0", timedelta(0)),
        (90, 90 * SECOND),
        (0.5, SECOND / 2),
        (HOUR, HOUR),
    ],
    ids=repr,
)
def test_what_people_write_is_understood(written: Any, meant: timedelta) -> None:
    assert duration(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "soon",
        "m",
        "-5s",
        "+5s",
        "5 fortnights",
        "5 S",
        "15M",
        "1h 1h",
        "1h,",
        "1h and",
        "and 1h",
        "1h;30m",
        "1..5h",
        ".5h",
        "5.",
        "1e3",
        "0x10",
        "1_000",
        "٣ days",
        "nan",
        "inf",
        "0:15:00",
        "15:00",
        "7 days, 0:00:00",
        "1 month",
        "2 years",
        "P1M",
        "P1Y",
        "P",
        "PT",
        "P1DT",
        "P0.5DT1H",
        "P1W2D",
        "pt15m",
        "5 s\n6",
        "99999999999999 days",
        "9" * 400,
        "101 weeks and 9000000 hours",
        -1,
        float("nan"),
        float("inf"),
        10**400,
        True,
        None,
        time(0, 15),
        [15],
        timedelta(seconds=-1),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_nonsense_is_refused_with_the_fix(written: Any) -> None:
    with pytest.raises(NoDuration, match=r"write|use|only the last|units"):
        duration(written)


@pytest.mark.parametrize("written", ["1 month", "3 months", "1 year", "2y"])
def test_a_unit_without_a_fixed_length_says_what_to_write(written: str) -> None:
    with pytest.raises(NoDuration, match="write days"):
        duration(written)


@given(st.integers(0, 10**9))
def test_what_check_prints_can_be_written_back(milliseconds: int) -> None:
    """`coatcheck check` prints durations in words, and people copy them."""
    meant = timedelta(milliseconds=milliseconds)
    assert duration(in_words(meant)) == meant


@given(st.text())
def test_no_text_does_anything_but_be_read_or_refused(text: str) -> None:
    try:
        assert duration(text) >= timedelta(0)
    except NoDuration as error:
        assert str(error)  # noqa: PT017 - both outcomes are good
