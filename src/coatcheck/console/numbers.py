"""The page of numbers: of all workers where they tell them, otherwise of the one that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.console.charts import Chart, Line, Part, chart, shares
from coatcheck.console.frame import lines
from coatcheck.console.markup import UNKNOWN, Markup, el, joined
from coatcheck.console.wording import ago, counted, counted_up_to, up_to

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from coatcheck.core.fleet import FleetMinute, FleetReading, Propagation
    from coatcheck.core.health import Health

TITLE: Final = "Numbers"

_UNMEASURED: Final = (
    "Nothing could be measured: all workers were idle, or the store is SQLite, which each request looks into itself."
)
_TIERS: Final = (("Memory", "memory"), ("Shared cache", "shared"), ("Store", "store"))


class Numbers(NamedTuple):
    """What is to be shown.

    Attributes:
        active: How many live sessions there are, those of anonymous visitors among them.
        most: How far they were counted.
        health: How the worker that answers is.
        fleet: What all workers have told; None where they do not.
        now: What time it is for the store.
    """

    active: int
    most: int
    health: Health
    fleet: FleetReading | None
    now: datetime


def numbers(shown: Numbers) -> Markup:
    """Return the main part of the page."""
    cards = _of_one(shown) if shown.fleet is None else _of_all(shown, shown.fleet)
    return lines(
        el("div", el("h1", TITLE), el("span", class_="live", data_live_tools=True), class_="head"),
        el("p", _lead(shown), class_="lead", id="count", role="status"),
        el("div", el("div", *cards, class_="figures"), _parts(shown.health), id="live", data_live="10"),
    )


def _lead(shown: Numbers) -> str:
    said = f"{counted_up_to(shown.active, shown.most)} alive, those of visitors among them."
    if shown.fleet is None:
        return f"{said} What follows is only of the worker that has answered you: the others do not tell theirs."
    return f"{said} The numbers of {counted(len(shown.fleet.workers), 'worker')}, and the last half hour."


# --- all workers


def _of_all(shown: Numbers, fleet: FleetReading) -> list[Markup]:
    history = fleet.history
    labels = [minute.at.strftime("%H:%M") for minute in history]
    return [
        _card("Live sessions", up_to(shown.active, shown.most), _active(history, labels)),
        _card(
            "Created and ended",
            _last(history),
            _hint("In the last half hour."),
            _begun_and_ended(history, labels),
        ),
        _card(
            "Answered by",
            _hit_ratio(fleet),
            _hint("Since the workers began." if fleet.totals.asked else "Nobody has asked yet."),
            shares("Which tier answered", _tiers(fleet)),
            _hits(history, labels),
        ),
        _card(
            "Propagation of a revocation",
            _propagated(fleet.propagation),
            None if fleet.propagation else _hint(_UNMEASURED),
            _propagations(history, labels),
        ),
        _card("Answers a minute", _rate(history), _answers(history, labels)),
        _workers(fleet, shown.now),
    ]


def _active(history: Sequence[FleetMinute], labels: Sequence[str]) -> Markup:
    values = [minute.active for minute in history]
    return chart(Chart("Live sessions, visitors among them", labels, [Line("Live sessions", values)], whole))


def _begun_and_ended(history: Sequence[FleetMinute], labels: Sequence[str]) -> Markup:
    begun = Line("Created", [_of(minute, minute.counts.created) for minute in history])
    ended = Line(
        "Revoked or evicted", [_of(minute, minute.counts.revoked + minute.counts.evicted) for minute in history]
    )
    return chart(Chart("Sessions created and ended in each minute", labels, [begun, ended], whole))


def _answers(history: Sequence[FleetMinute], labels: Sequence[str]) -> Markup:
    asked = Line("Tokens validated", [_of(minute, minute.counts.asked) for minute in history])
    return chart(Chart("Tokens validated in each minute", labels, [asked], whole))


def _hits(history: Sequence[FleetMinute], labels: Sequence[str]) -> Markup:
    shares_ = [minute.counts.share("memory") for minute in history]
    return chart(Chart("Share of answers from memory", labels, [Line("From memory", shares_)], percent, least=1))


def _propagations(history: Sequence[FleetMinute], labels: Sequence[str]) -> Markup:
    def of(kind: Callable[[Propagation], timedelta]) -> list[float | None]:
        return [None if each.propagation is None else kind(each.propagation).total_seconds() for each in history]

    drawn = [Line("p99", of(lambda each: each.p99)), Line("p50", of(lambda each: each.p50))]
    return chart(Chart("Time until no worker accepts what has ended", labels, drawn, seconds, least=0.004))


def _of(minute: FleetMinute, count: int) -> int | None:
    """Return a count; None for a minute of which no worker has told anything."""
    return count if minute.workers else None


def _last(history: Sequence[FleetMinute]) -> Markup:
    created = sum(minute.counts.created for minute in history)
    ended = sum(minute.counts.revoked + minute.counts.evicted for minute in history)
    return joined(f"{created:,} ", el("small", "created "), f"{ended:,} ", el("small", "ended"))


def _hit_ratio(fleet: FleetReading) -> str:
    share = fleet.totals.share("memory")
    return UNKNOWN if share is None else f"{percent(share)} memory"


def _tiers(fleet: FleetReading) -> list[Part]:
    found: list[Part] = []
    for words, name in _TIERS:
        count, share = getattr(fleet.totals, name), fleet.totals.share(name) or 0
        found.append(Part(words, share, f"{percent(share)} ({count:,})"))
    return found


def _propagated(found: Propagation | None) -> str:
    if found is None:
        return UNKNOWN
    return f"{seconds(found.p99.total_seconds())} p99"


def _rate(history: Sequence[FleetMinute]) -> str:
    whole_minutes = [minute for minute in history[:-1] if minute.workers]
    return f"{whole_minutes[-1].counts.asked:,}" if whole_minutes else UNKNOWN


def _workers(fleet: FleetReading, now: datetime) -> Markup:
    rows = (
        el(
            "tr",
            el("th", el("code", worker.id[:8]), scope="row"),
            el("td", ago(worker.started_at, now)),
            el("td", f"{worker.counts.asked:,}", class_="number"),
        )
        for worker in fleet.workers
    )
    head = el(
        "tr",
        el("th", "Worker", scope="col"),
        el("th", "Since", scope="col"),
        el("th", "Answers", scope="col", class_="number"),
    )
    table = el(
        "table",
        el("caption", "Workers that live", class_="hidden"),
        el("thead", head),
        el("tbody", *rows),
        class_="plain",
    )
    return _card("Workers", f"{len(fleet.workers):,}", el("div", table, class_="chart"))


# --- the worker that answers


def _of_one(shown: Numbers) -> list[Markup]:
    cards = [_card("Live sessions", up_to(shown.active, shown.most), _hint("In the store, for all workers."))]
    memory, shared = shown.health.part("local_cache"), shown.health.part("shared_cache")
    if memory is not None:
        share = memory.numbers["entries"] / max(1, memory.numbers["max_entries"])
        text = f"of {memory.numbers['max_entries']:,.0f} that fit"
        cards.append(
            _card(
                "In memory",
                f"{memory.numbers['entries']:,.0f}",
                shares("Memory in use", [Part("In use", share, percent(share))]),
                _hint(text),
            )
        )
    if shared is not None:
        hits, misses = shared.numbers.get("hits", 0), shared.numbers.get("misses", 0)
        share = hits / max(1, hits + misses)
        cards.append(
            _card(
                "Shared cache hits",
                percent(share),
                shares(
                    "Shared cache", [Part("Hits", share, f"{hits:,.0f}"), Part("Misses", 1 - share, f"{misses:,.0f}")]
                ),
            )
        )
    return cards


def _parts(health: Health) -> Markup:
    rows = (
        el(
            "tr",
            el("th", part.name.replace("_", " ").capitalize(), scope="row"),
            el("td", _status(part.status)),
            el("td", part.detail),
        )
        for part in health.parts
    )
    head = el("tr", *(el("th", words, scope="col") for words in ("Part", "Is", "What that means")))
    table = el(
        "table",
        el("caption", "Parts of the worker that answers", class_="hidden"),
        el("thead", head),
        el("tbody", *rows),
        class_="plain",
    )
    return el("div", el("h2", "The worker that answers you"), table, class_="card")


def _status(status: str) -> Markup:
    return el("span", status, class_="badge" if status == "ok" else "badge warn")


def _hint(text: str) -> Markup:
    return el("p", text, class_="hint")


def _card(title: str, figure: str, *content: Markup | None) -> Markup:
    return el("section", el("h2", title), el("p", figure, class_="figure"), *content, class_="card")


# --- how numbers are written


def whole(value: float) -> str:
    """Return a count: 950, 1.2k, 3.4M."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:g}"


def percent(share: float) -> str:
    """Return a share as a percentage; never 100 % of what is less than all."""
    return f"{100 * share if share == 1 else min(100 * share, 99.9):.3g}%"


def seconds(value: float) -> str:
    """Return a duration in the unit that fits."""
    if value == 0:
        return "0"
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"
