"""The page of one session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from coatcheck.console.frame import lines
from coatcheck.console.markup import Markup, el, foreign, joined
from coatcheck.console.wording import VISITOR, ago, name_of, place
from coatcheck.devices import describe_device

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from coatcheck.console.places import Place
    from coatcheck.core.session import Session

TITLE: Final = "Session"


class Detail(NamedTuple):
    """What is to be shown.

    Attributes:
        session: The session.
        now: What time it is for the store.
        base: The console's own path.
        place_of: What else knows where an address is.
    """

    session: Session
    now: datetime
    base: str
    place_of: Place | None = None


def detail(shown: Detail) -> Markup:
    """Return the main part of the page."""
    facts = (el("div", el("dt", name), el("dd", value)) for name, value in _facts(shown))
    return lines(
        el("h1", joined("Session of ", foreign(name_of(shown.session), longest=60))),
        el("p", describe_device(shown.session.user_agent), class_="lead"),
        el("div", el("dl", *facts, class_="facts"), class_="card"),
        _ways(shown),
    )


def _facts(shown: Detail) -> Iterator[tuple[str, Markup | str]]:
    """Yield what is known of it; of the application's data only the keys, for the values are the application's."""
    one, now = shown.session, shown.now
    user = one.user
    if user is not None:
        told = (("Name", user.name), ("E-mail", user.email), ("Role", user.role))
        yield from ((words, foreign(value)) for words, value in told if value)
    yield "User id", foreign(one.user_id) if one.user_id is not None else VISITOR
    if one.actor_id is not None:
        yield "Acted for by", foreign(one.actor_id)
    yield "Browser's own words", el("code", foreign(one.user_agent, longest=512)) if one.user_agent else "none"
    yield "Place", place(one, shown.place_of)
    yield "Last activity", ago(one.last_seen_at, now)
    yield "Began", ago(one.created_at, now)
    yield "Proved who they are", _proofs(shown)
    yield "Ends if not used", ago(one.idle_expires_at, now)
    yield "Ends in any case", ago(one.expires_at, now)
    yield "Remembered", "yes" if one.remember else "no"
    yield "Bound to the device", "yes" if one.device_bound else "no"
    yield "Data", joined(foreign(", ".join(sorted(one.data)), longest=400)) if one.data else "none"
    yield "Public id", el("code", one.id)


def _proofs(shown: Detail) -> Markup:
    moment = ago(shown.session.authenticated_at, shown.now)
    methods = ", ".join(shown.session.methods)
    return joined(moment, " by ", foreign(methods)) if methods else moment


def _ways(shown: Detail) -> Markup:
    one, base = shown.session, shown.base
    this = f"{base}/end?chosen=1&id={quote(one.id, safe='')}"
    ways = [el("a", "End this session…", class_="button danger", href=this)]
    if one.user_id is not None:
        whose = quote(one.user_id, safe="")
        ways.append(el("a", "End all of this user…", class_="button quiet danger", href=f"{base}/end?user={whose}"))
        ways.append(el("a", "Show all of this user", class_="button quiet", href=f"{base}?user={whose}"))
    ways.append(el("a", "Back to the sessions", class_="button quiet", href=base))
    return el("div", *ways, class_="actions")
