"""Charts, and how numbers are written."""

from __future__ import annotations

import re

import pytest

from coatcheck.console.charts import Chart, Line, Part, chart, shares
from coatcheck.console.markup import el, foreign, joined
from coatcheck.console.numbers import percent, seconds, whole
from coatcheck.console.places import describe_place
from coatcheck.console.wording import of_users


def test_a_chart_says_the_same_in_words_and_as_a_table() -> None:
    drawn = chart(Chart("Sessions", ["10:00", "10:01", "10:02"], [Line("Begun", [5, None, 1500])], whole))
    assert 'aria-label="Sessions: Begun now 1.5k, between 5 and 1.5k"' in drawn
    assert [cell for _, cell in re.findall(r"<t(d[^>]*|h scope=\"row\")>([^<]*)", drawn)] == [
        "10:02", "1.5k", "10:01", "\N{EN DASH}", "10:00", "5",
    ]  # fmt: skip


def test_lines_stay_inside_have_gaps_where_nothing_is_known_and_differ_in_more_than_colour() -> None:
    lines = [Line("p99", [0.5, None, 3.0]), Line("p50", [0.1, 0.2, None])]
    drawn = chart(Chart("Propagation", ["a", "b", "c"], lines, seconds))
    width, height = map(float, re.findall(r'viewBox="0 0 (\d+) (\d+)" role="img"', drawn)[0])
    paths = re.findall(r'<path d="([^"]*)" class="(line [a-z]+)"', drawn.partition("</svg>")[0])
    assert [kind for _, kind in paths] == ["line one", "line one", "line two"]
    for x, y in re.findall(r"([\d.]+) ([\d.]+)", " ".join(path for path, _ in paths)):
        assert 0 <= float(x) <= width
        assert 0 <= float(y) <= height


@pytest.mark.parametrize("values", [[], [None], [0], [0.0001], [1e12]])
def test_any_values_can_be_drawn(values: list[float | None]) -> None:
    assert "nan" not in chart(Chart("x", [""] * len(values), [Line("y", values)], whole))


def test_parts_of_a_whole_are_said_in_words() -> None:
    drawn = shares("Tiers", [Part("Memory", 0.9, "90%"), Part("Store", 0.1, "10%")])
    assert 'aria-label="Tiers: Memory 90%, Store 10%"' in drawn
    assert "Memory: 90%" in drawn


def test_numbers_are_written_as_people_read_them() -> None:
    assert [whole(value) for value in (0, 7, 950, 1234, 1_500_000)] == ["0", "7", "950", "1.23k", "1.5M"]
    assert [percent(value) for value in (0, 0.5, 0.99999, 1)] == ["0%", "50%", "99.9%", "100%"]
    assert [seconds(value) for value in (0, 0.0008, 0.25, 2)] == ["0", "0.8 ms", "250 ms", "2 s"]
    assert of_users(37, 12) == "37 sessions of 12 users"
    assert of_users(5000, 1) == "5,000 sessions of 1 user"
    assert of_users(1, 0) == "1 session"


def test_addresses_are_places_in_plain_words() -> None:
    assert {
        address: describe_place(address) for address in ("::1", "10.1.2.3", "fd00::1", "100.64.0.1", "fe80::1")
    } == {
        "::1": "This machine",
        "10.1.2.3": "Private network",
        "fd00::1": "Private network",
        "100.64.0.1": "Carrier's network",
        "fe80::1": "Local link",
    }
    assert describe_place("2001:db8::1") == "Internet"
    assert describe_place(None) == describe_place("nonsense") == "Unknown place"


def test_what_is_no_markup_is_escaped_in_elements_and_attributes() -> None:
    assert el("a", "<b>", el("i", "&"), None, href='"x"', hidden=True, title=None) == (
        '<a href="&quot;x&quot;" hidden>&lt;b&gt;<i>&amp;</i></a>'
    )
    assert joined("<", el("br")) == "&lt;<br>"
    assert foreign("x" * 300, longest=10) == f"<bdi>{'x' * 9}…</bdi>"
