"""Sessions in plain words: whose, on what, where, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coatcheck.console.markup import Markup, el, foreign, hidden, joined
from coatcheck.console.places import describe_place
from coatcheck.device_page.words import relative
from coatcheck.devices import describe_device

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from coatcheck.console.places import Place
    from coatcheck.core.session import Session

VISITOR: Final = "Visitor"
"""Whose a session is that nobody has signed in to."""


def counted(count: int, what: str) -> str:
    """Return "1 session" or "1,024 sessions"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def up_to(count: int, most: int) -> str:
    """Return "1,024", or "10,000 or more" where the count went no further."""
    return f"{count:,}" if count < most else f"{most:,} or more"


def counted_up_to(count: int, most: int) -> str:
    """Return "1 session", or "10,000 or more sessions" where the count went no further."""
    return f"{up_to(count, most)} session{'' if count == 1 else 's'}"


def of_users(sessions: int, users: int) -> str:
    """Return "37 sessions of 12 users", or "37 sessions" where they belong to none."""
    said = counted(sessions, "session")
    return f"{said} of {counted(users, 'user')}" if users else said


def name_of(session: Session) -> str:
    """Return what to call whose session it is: by name, by address, or by id."""
    user = session.user
    said = (user.name, user.email) if user else ()
    return next((text for text in said if text and _is_seen(text)), session.user_id or VISITOR)


def _is_seen(text: str) -> bool:
    """Tell whether a name is more than spaces: nobody could see it, or the link that it is."""
    return any(letter.isprintable() and not letter.isspace() for letter in text)


def who(session: Session, address: str | None = None) -> Markup:
    """Return whose session it is, with what tells two of the same name apart.

    Args:
        session: The session.
        address: Where the name leads; None for nowhere.
    """
    name, user = name_of(session), session.user
    more = [user.email] if user and user.email and user.email != name else []
    if session.user_id is not None and session.user_id != name:
        more.append(f"id {session.user_id}")
    shown = foreign(name, longest=120)
    if address is not None:
        shown = el("a", shown, hidden(f", {describe_device(session.user_agent)}"), href=address)
    parts = [shown, *(el("span", foreign(each, longest=120), class_="sub") for each in more)]
    if session.actor_id is not None:
        acting = el("span", "acted for by ", foreign(session.actor_id, longest=120), class_="badge warn")
        parts.append(el("span", acting, class_="sub"))
    return joined(*parts)


def device(session: Session) -> Markup:
    """Return on what it is used: as far as the browser says it itself."""
    badges = [*(["Remembered"] if session.remember else []), *(["Bound to the device"] if session.device_bound else [])]
    return joined(describe_device(session.user_agent), *(el("span", each, class_="sub") for each in badges))


def place(session: Session, place_of: Place | None) -> Markup:
    """Return where it is used, with the address."""
    known = place_of(session.ip) if place_of is not None and session.ip else None
    words = foreign(known, longest=120) if known else describe_place(session.ip)
    return joined(words, _address(session.ip) if session.ip else None)


def _address(ip: str) -> Markup:
    """Return an address that is broken between its groups, where it has to be."""
    first, *others = ip.split(":")
    return el("span", first, *(part for other in others for part in (":", el("wbr"), other)), class_="sub address")


def ago(moment: datetime | None, now: datetime) -> Markup:
    """Return a time as people say it, with the exact one for machines and for whoever points at it."""
    if moment is None:
        return el("span", "never", class_="muted")
    exact = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    return el("time", relative(moment - now), datetime=exact, title=exact.replace("T", " ").replace("Z", " UTC"))


def table(
    caption: str,
    columns: Sequence[str | Markup],
    rows: Sequence[Sequence[Markup | str]],
    *,
    numbers: Sequence[int] = (),
) -> Markup:
    """Return a table that is a list of cards on a phone.

    The roles stand there although they are those of the elements: on a phone the style takes those away.

    Args:
        caption: What it lists, for screen readers.
        columns: What the columns are called; the first of the cells is the row's heading, unless it is markup of a box.
        rows: The cells.
        numbers: Which columns hold numbers.
    """
    heads = (
        el("th", each, scope="col", role="columnheader", class_="number" if place in numbers else None)
        for place, each in enumerate(columns)
    )
    return el(
        "table",
        el("caption", caption, class_="hidden"),
        el("thead", el("tr", *heads, role="row"), role="rowgroup"),
        el("tbody", *(_row(columns, cells, numbers) for cells in rows), role="rowgroup"),
        class_="list sessions",
        role="table",
    )


def _row(columns: Sequence[str | Markup], cells: Sequence[Markup | str], numbers: Sequence[int]) -> Markup:
    boxed = isinstance(columns[0], Markup)
    heading = 1 if boxed else 0
    found: list[Markup] = []
    for position, cell in enumerate(cells):
        if boxed and position == 0:
            found.append(el("td", cell, role="cell", class_="box"))
        elif position == heading:
            found.append(el("th", cell, scope="row", role="rowheader"))
        else:
            label = columns[position]
            kind = "number" if position in numbers else None
            # In an element of its own: on a phone the cell is a grid of its label and this.
            found.append(el("td", el("div", cell), role="cell", class_=kind, data_label=label))
    return el("tr", *found, role="row")
