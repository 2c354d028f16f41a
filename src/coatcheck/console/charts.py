"""Small charts, drawn on the server as SVG, each with a table of the same numbers.

Colours are of the style sheet, for light and dark screens; no two lines are told apart by colour alone.
"""

from __future__ import annotations

from itertools import groupby
from math import ceil, log10
from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.console.markup import UNKNOWN, Markup, el, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_WIDTH, _HEIGHT = 360, 120
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 8, 8, 22
_KINDS: Final = ("one", "two")
_BARS: Final = ("bar-one", "bar-two", "bar-three")


class Line(NamedTuple):
    """One line of a chart.

    Attributes:
        name: What it shows.
        values: Its values, from the oldest to the latest; None where nothing is known.
    """

    name: str
    values: Sequence[float | None]


class Chart(NamedTuple):
    """Lines over time.

    Attributes:
        title: What it is about, for screen readers.
        labels: What the moments are called, from the oldest to the latest.
        lines: One or two lines.
        shown: How a value is written.
        least: The least value that the axis reaches up to.
    """

    title: str
    labels: Sequence[str]
    lines: Sequence[Line]
    shown: Callable[[float], str]
    least: float = 4


class Part(NamedTuple):
    """A part of a whole.

    Attributes:
        name: What it is.
        share: How much of the whole, from 0 to 1.
        shown: The same in words.
    """

    name: str
    share: float
    shown: str


def chart(wanted: Chart) -> Markup:
    """Return lines over time, with a table of their values to be opened."""
    top = _ceiling(
        max((value for line in wanted.lines for value in line.values if value is not None), default=0), wanted.least
    )
    drawn = [
        part
        for kind, line in zip(_KINDS, wanted.lines, strict=False)
        for part in _line(kind, line, top, area=len(wanted.lines) == 1)
    ]
    picture = el(
        "svg",
        *_axes(wanted, top),
        *drawn,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"{wanted.title}: {_summary(wanted)}",
    )
    key = _key([(line.name, f"line {kind}") for kind, line in zip(_KINDS, wanted.lines, strict=False)])
    return el("div", picture, key if len(wanted.lines) > 1 else None, _as_table(wanted), class_="chart")


def shares(title: str, parts: Sequence[Part]) -> Markup:
    """Return parts of a whole as one bar, with each in words below."""
    at = 0.0
    drawn = [el("rect", width=str(_WIDTH), height="14", rx="3", class_="track")]
    for kind, part in zip(_BARS, parts, strict=False):
        width = part.share * _WIDTH
        drawn.append(
            el("rect", x=f"{at:.1f}", y="0", width=f"{max(0, width - 2):.1f}", height="14", rx="3", class_=kind)
        )
        at += width
    said = ", ".join(f"{part.name} {part.shown}" for part in parts)
    picture = el("svg", *drawn, viewBox=f"0 0 {_WIDTH} 14", role="img", aria_label=f"{title}: {said}")
    key = _key([(f"{part.name}: {part.shown}", kind) for kind, part in zip(_BARS, parts, strict=False)])
    return el("div", picture, key, class_="chart")


def _key(entries: Sequence[tuple[str, str]]) -> Markup:
    """Return what the colours and strokes mean."""
    return el("ul", *(el("li", _sample(kind), name) for name, kind in entries), class_="key")


def _sample(kind: str) -> Markup:
    if kind.startswith("bar"):
        drawn = el("rect", width="14", height="14", rx="3", class_=kind)
    else:
        drawn = el("path", d="M0 7H14", class_=kind)
    return el("svg", drawn, viewBox="0 0 14 14", aria_hidden="true")


def _line(kind: str, line: Line, top: float, *, area: bool) -> Iterator[Markup]:
    """Yield a line, which has a gap where nothing is known, and what fills the space below it."""
    for known, group in groupby(enumerate(line.values), key=lambda pair: pair[1] is not None):
        points = [(_x(place, len(line.values)), _y(value or 0, top)) for place, value in group]
        if not known:
            continue
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        if area:
            yield el(
                "path", d=f"M{points[0][0]:.1f} {_y(0, top)}L{path}L{points[-1][0]:.1f} {_y(0, top)}Z", class_="area"
            )
        if len(points) == 1:
            yield el("circle", cx=f"{points[0][0]:.1f}", cy=f"{points[0][1]:.1f}", r="2.5", class_="dot")
        yield el("path", d=f"M{path}", class_=f"line {kind}")


def _axes(wanted: Chart, top: float) -> Iterator[Markup]:
    for value in (0.0, top / 2, top):
        y = f"{_y(value, top):.1f}"
        yield el("path", d=f"M{_LEFT} {y}H{_WIDTH - _RIGHT}", class_="axis")
        yield el("text", wanted.shown(value), x=str(_LEFT - 6), y=y, dy="0.35em", text_anchor="end", aria_hidden="true")
    last = f"{wanted.labels[-1]} UTC" if wanted.labels else ""
    ends = ((wanted.labels[0], _LEFT, "start"), (last, _WIDTH - _RIGHT, "end")) if wanted.labels else ()
    for label, x, anchor in ends:
        yield el("text", label, x=str(x), y=str(_HEIGHT - 5), text_anchor=anchor, aria_hidden="true")


def _x(place: int, count: int) -> float:
    return _LEFT + place * (_WIDTH - _LEFT - _RIGHT) / max(1, count - 1)


def _y(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM)


def _ceiling(most: float, least: float) -> float:
    """Return the round number that an axis ends with."""
    if most <= least:
        return least
    size = 10.0 ** (ceil(log10(most)) - 1)
    return next(size * step for step in (1, 2, 4, 5, 6, 8, 10) if most <= size * step)


def _summary(wanted: Chart) -> str:
    said: list[str] = []
    for line in wanted.lines:
        known = [value for value in line.values if value is not None]
        if known:
            most, least = wanted.shown(max(known)), wanted.shown(min(known))
            said.append(f"{line.name} now {wanted.shown(known[-1])}, between {least} and {most}")
    return "; ".join(said) or "nothing is known yet"


def _as_table(wanted: Chart) -> Markup:
    head = el(
        "tr",
        el("th", "Time (UTC)", scope="col"),
        *(el("th", line.name, scope="col", class_="number") for line in wanted.lines),
    )
    rows = [
        el(
            "tr",
            el("th", label, scope="row"),
            *(el("td", _cell(line.values[place], wanted), class_="number") for line in wanted.lines),
        )
        for place, label in reversed(list(enumerate(wanted.labels)))
    ]
    table = el(
        "table", el("caption", wanted.title, class_="hidden"), el("thead", head), el("tbody", *rows), class_="plain"
    )
    # A region that scrolls has to be reached by keyboard.
    region = el("div", table, class_="scroll", tabindex="0", role="region", aria_label=f"Table: {wanted.title}")
    return el("details", el("summary", joined("As a table")), region)


def _cell(value: float | None, wanted: Chart) -> str:
    return UNKNOWN if value is None else wanted.shown(value)
