"""The page of the audit trail: what was done, by whom, the latest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

from coatcheck.console.frame import lines
from coatcheck.console.markup import UNKNOWN, Markup, el, foreign, joined
from coatcheck.console.wording import ago, table
from coatcheck.devices import describe_device

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from coatcheck.core.audit import AuditEntry

TITLE: Final = "Audit trail"

FILTERS: Final[Mapping[str, str]] = {"actor": "By", "user_id": "About the user"}
"""By what entries can be found, exactly as it stands in them, and what that is called."""

WORDS: Final[Mapping[str, str]] = {
    "console.sign_in": "Signed in here",
    "console.sign_in_failed": "Sign-in here failed",
    "console.sign_out": "Signed out here",
    "console.confirm": "Gave the password again",
    "console.confirm_failed": "Gave a wrong password",
    "console.ending": "Began to end sessions",
    "console.ended": "Ended sessions",
    "created": "Session began",
    "revoked": "Session ended",
    "evicted": "Session ended by the limit",
    "rotated": "Session got a new token",
    "reused": "Old token was used",
    "expired": "Session expired",
    "bound": "Session bound to a device",
    "new_device": "Signed in from elsewhere",
    "unproven": "Refused without its proof",
}
"""What actions are called: the console's own, and events of sessions where the policy keeps a trail of them."""

_LONGEST_DETAIL: Final = 1000


class Trailed(NamedTuple):
    """What is to be shown.

    Attributes:
        entries: A page of entries.
        after: What to ask for the next page with; None on the last.
        page: What this page was asked for with; None on the first.
        wanted: What was asked for, by the names of `FILTERS`.
        now: What time it is for the store.
        base: The console's own path.
    """

    entries: Sequence[AuditEntry]
    after: str | None
    page: str | None
    wanted: Mapping[str, str]
    now: datetime
    base: str


def trail(shown: Trailed) -> Markup:
    """Return the main part of the page."""
    return lines(
        el("h1", TITLE),
        el(
            "p",
            "What was done, by whom and from where, the latest first. Nobody can change it from here.",
            class_="lead",
        ),
        _filters(shown),
        _list(shown),
        _pages(shown),
    )


def _filters(shown: Trailed) -> Markup:
    fields = (
        el(
            "div",
            el("label", words, for_=name),
            el("input", id=name, name=name, value=shown.wanted[name], maxlength="255", autocomplete="off"),
            class_="field",
        )
        for name, words in FILTERS.items()
    )
    return el(
        "form",
        *fields,
        el("button", "Search"),
        class_="card filters few",
        method="get",
        action=f"{shown.base}/trail",
        role="search",
        aria_label=TITLE,
    )


def _list(shown: Trailed) -> Markup:
    if not shown.entries:
        text = "No entry fits what you asked for." if any(shown.wanted.values()) else "Nothing has been done yet."
        return el("div", el("h2", "Nothing here"), el("p", text), class_="card empty")
    rows = [_cells(each, shown.now) for each in shown.entries]
    columns = ("What", "By", "When", "From", "Details")
    return el("div", table("Entries, the latest first", columns, rows), class_="card table")


def _cells(entry: AuditEntry, now: datetime) -> tuple[Markup | str, ...]:
    return (
        WORDS.get(entry.action) or foreign(entry.action),
        _by(entry),
        ago(entry.at, now),
        entry.address or UNKNOWN,
        _details(entry),
    )


def _by(entry: AuditEntry) -> Markup:
    if entry.actor is not None:
        return foreign(entry.actor)
    return el("span", "nobody known" if entry.user_id is None else "the user", class_="muted")


def _details(entry: AuditEntry) -> Markup:
    # Of a session that a user has begun it is the browser's own words.
    by_browser = entry.action == "created" and entry.actor is None
    detail = describe_device(entry.detail) if by_browser else entry.detail
    about = (("", detail), ("user ", entry.user_id), ("session ", entry.session_id))
    known = [el("span", name, foreign(text, longest=_LONGEST_DETAIL), class_="sub") for name, text in about if text]
    return joined(*known) if known else Markup(UNKNOWN)


def _pages(shown: Trailed) -> Markup | None:
    given = {name: value for name, value in shown.wanted.items() if value}
    first = el("a", "Back to the latest", class_="button quiet", href=_address(shown, given)) if shown.page else None
    following = None
    if shown.after:
        address = _address(shown, {**given, "after": shown.after})
        following = el("a", "Earlier entries", class_="button quiet", rel="next", href=address)
    return el("nav", first, following, class_="pages", aria_label="Pages") if first or following else None


def _address(shown: Trailed, query: Mapping[str, str]) -> str:
    return f"{shown.base}/trail{'?' if query else ''}{urlencode(query)}"
