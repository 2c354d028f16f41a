"""The page of sessions: filters, the list, and the ways to end some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from coatcheck.console.asked import ACTIVE, BEGUN, WHO
from coatcheck.console.frame import lines
from coatcheck.console.markup import Markup, el, foreign, hidden
from coatcheck.console.wording import ago, counted_up_to, device, name_of, place, table, who
from coatcheck.device_page.words import relative
from coatcheck.devices import describe_device

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from coatcheck.console.asked import Asked
    from coatcheck.console.places import Place
    from coatcheck.core.session import Session

TITLE: Final = "Sessions"

COUNTED: Final = 10_000
"""So many sessions the list counts: it is renewed all the time, and to count a million each time would be too dear."""

COLUMNS: Final = ("User", "Device", "Place", "Last activity", "Began")
"""What the columns of a list of sessions are called."""


class Listed(NamedTuple):
    """What is to be shown.

    Attributes:
        asked: Which sessions were asked for.
        sessions: A page of them.
        total: How many there are; in the list `COUNTED` stands for any number above it.
        after: What to ask for the next page with; None on the last.
        page: What this page was asked for with; None on the first.
        all_chosen: Whether all of the page are chosen.
        now: What time it is for the store.
        base: The console's own path.
        place_of: What else knows where an address is.
    """

    asked: Asked
    sessions: Sequence[Session]
    total: int
    after: str | None
    page: str | None
    all_chosen: bool
    now: datetime
    base: str
    place_of: Place | None = None


def listing(shown: Listed) -> Markup:
    """Return the main part of the page."""
    return lines(
        el("div", el("h1", TITLE), el("span", class_="live", data_live_tools=True), class_="head"),
        _lead(shown),
        _filters(shown),
        _chips(shown),
        el("div", _body(shown), id="live", data_live="15"),
    )


def _lead(shown: Listed) -> Markup:
    whose = "" if shown.asked.who == "all" else f" of {WHO[shown.asked.who]}"
    fits = "" if shown.asked.everyone else (" fits" if shown.total == 1 else " fit") + " what you asked for"
    said = f"{counted_up_to(shown.total, COUNTED)}{whose}{fits}, latest activity first."
    return el("p", said, class_="lead", id="count", role="status")


def _filters(shown: Listed) -> Markup:
    asked, base = shown.asked, shown.base
    search = el("input", type="search", id="q", name="q", value=asked.text, maxlength="100", autocomplete="off")
    return el(
        "form",
        el(
            "div",
            el("label", "Search", for_="q"),
            search,
            class_="field wide",
        ),
        _choice("active", "Active", "at any time", {key: span.words for key, span in ACTIVE.items()}, asked.active),
        _choice("begun", "Began", "at any time", {key: span.words for key, span in BEGUN.items()}, asked.begun),
        _choice("who", "Whose", None, WHO, asked.who),
        el("input", type="hidden", name="user", value=asked.user_id) if asked.user_id else None,
        el("button", "Search"),
        class_="card filters",
        method="get",
        action=base,
        role="search",
        aria_label="Sessions",
    )


def _choice(name: str, label: str, none: str | None, choices: Mapping[str, str], chosen: str) -> Markup:
    options = [el("option", none, value="")] if none else []
    options += [el("option", words, value=key, selected=key == chosen) for key, words in choices.items()]
    return el("div", el("label", label, for_=name), el("select", *options, id=name, name=name), class_="field")


def _chips(shown: Listed) -> Markup | None:
    words = shown.asked.words()
    if not words:
        return None
    chips = (
        el(
            "li",
            el(
                "a",
                foreign(text, longest=60),
                el("span", "\N{MULTIPLICATION SIGN}", aria_hidden="true"),
                hidden(" (remove)"),
                href=shown.base + shown.asked.without(name).query(),
            ),
        )
        for name, text in words
    )
    return el("ul", *chips, class_="chips", aria_label="What narrows the list down")


def _body(shown: Listed) -> Markup:
    if not shown.sessions:
        return _empty(shown)
    boxes = [_box(each, shown) for each in shown.sessions]
    rows = [(box, *cells(each, shown)) for box, each in zip(boxes, shown.sessions, strict=True)]
    columns = (hidden("Choose"), *COLUMNS)
    return lines(
        el(
            "form",
            el("input", type="hidden", name="chosen", value="1"),
            _tools(shown),
            el("div", table("Sessions, latest activity first", columns, rows), class_="card table"),
            method="get",
            action=f"{shown.base}/end",
        ),
        _pages(shown),
    )


def _empty(shown: Listed) -> Markup:
    if shown.page:
        text = "No more sessions. Those that were listed here may have ended."
    elif shown.asked.everyone:
        text = "Nobody has a session at the moment."
    else:
        text = "No session fits what you asked for."
    way = None if shown.asked.everyone and not shown.page else el("a", "Show all sessions", href=shown.base)
    return el("div", el("h2", "Nothing here"), el("p", text), way, class_="card empty")


def _tools(shown: Listed) -> Markup:
    turn, words = ("", "Choose none of this page") if shown.all_chosen else ("page", "Choose all of this page")
    here = shown.asked.query(**{name: value for name, value in (("after", shown.page), ("choose", turn)) if value})
    everything = f"End {_all(shown.total, everyone=shown.asked.everyone)}…"
    preview = shown.asked.query(**({"everyone": "1"} if shown.asked.everyone else {}))
    return el(
        "div",
        el("button", "End chosen…", class_="quiet danger"),
        el("a", words, href=shown.base + here),
        el("a", everything, class_="button quiet danger", href=f"{shown.base}/end{preview}"),
        class_="tools",
    )


def _all(total: int, *, everyone: bool) -> str:
    if total == 1:
        return "this session" if everyone else "the one that fits"
    number = "" if total >= COUNTED else f" {total:,}"
    return f"all{number} {'sessions' if everyone else 'that fit'}"


def _box(session: Session, shown: Listed) -> Markup:
    name = f"Choose {name_of(session)[:120]}, {describe_device(session.user_agent)}, {_seen(session, shown.now)}"
    box = el(
        "input",
        type="checkbox",
        name="id",
        value=session.id,
        checked=shown.all_chosen,
        aria_label=name,
        autocomplete="off",
    )
    return el("label", box)


def _seen(session: Session, now: datetime) -> str:
    return f"last seen {relative(session.last_seen_at - now)}"


def cells(session: Session, shown: Listed, *, link: bool = True) -> tuple[Markup, ...]:
    """Return the cells of one session's row.

    Args:
        session: The session.
        shown: What is shown with it.
        link: Whether whose it is leads to the page of this session.
    """
    address = f"{shown.base}/sessions/{quote(session.id, safe='')}" if link else None
    times = (ago(session.last_seen_at, shown.now), ago(session.created_at, shown.now))
    return who(session, address), device(session), place(session, shown.place_of), *times


def _pages(shown: Listed) -> Markup | None:
    first = el("a", "Back to the latest", class_="button quiet", href=shown.base + shown.asked.query())
    following = (
        el(
            "a",
            "Earlier sessions",
            class_="button quiet",
            rel="next",
            href=shown.base + shown.asked.query(after=shown.after),
        )
        if shown.after
        else None
    )
    if not (shown.page or following):
        return None
    return el("nav", first if shown.page else None, following, class_="pages", aria_label="Pages")
