"""Which sessions an operator has asked for: one object for the list, the preview and the end, and its form in a URL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

from coatcheck.core.filters import Filter
from coatcheck.core.times import from_micros, to_micros
from coatcheck.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.console.forms import Fields

MOST_CHOSEN: Final = 100
"""How many sessions may be chosen one by one; a page of the list has fewer."""

_LONGEST_TEXT: Final = 100
_LONGEST_LIST: Final = 4000
_LATEST: Final = 2**53
_LONGEST_TIME: Final = 16
_EVER: Final = from_micros(0)


class Span(NamedTuple):
    """A choice of times, relative to the moment of the list.

    Attributes:
        words: As the form has it.
        ago: How long before that moment.
        before: Whether what is meant lies before that, and not since.
    """

    words: str
    ago: timedelta
    before: bool = False


ACTIVE: Final[Mapping[str, Span]] = {
    "15m": Span("in the last 15 minutes", timedelta(minutes=15)),
    "1h": Span("in the last hour", timedelta(hours=1)),
    "1d": Span("in the last day", timedelta(days=1)),
    "7d": Span("in the last week", timedelta(days=7)),
    "not-1d": Span("not for a day", timedelta(days=1), before=True),
    "not-7d": Span("not for a week", timedelta(days=7), before=True),
    "not-30d": Span("not for 30 days", timedelta(days=30), before=True),
}
"""When sessions were last used."""

BEGUN: Final[Mapping[str, Span]] = {
    "1h": Span("in the last hour", timedelta(hours=1)),
    "1d": Span("in the last day", timedelta(days=1)),
    "7d": Span("in the last week", timedelta(days=7)),
    "not-7d": Span("more than a week ago", timedelta(days=7), before=True),
    "not-30d": Span("more than 30 days ago", timedelta(days=30), before=True),
}
"""When they began."""

WHO: Final[Mapping[str, str]] = {"users": "users", "visitors": "visitors who have not signed in", "all": "everybody"}
"""Whose they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which sessions are meant.

    Attributes:
        text: What is searched for.
        user_id: One user's.
        active: One of `ACTIVE`, or nothing.
        begun: One of `BEGUN`, or nothing.
        who: One of `WHO`.
        ids: Chosen one by one: only these. None if they were not.
        at: The moment that `active` and `begun` are relative to, so that list, preview and end mean the same.
    """

    at: datetime
    text: str = ""
    user_id: str = ""
    active: str = ""
    begun: str = ""
    who: str = "users"
    ids: tuple[str, ...] | None = None

    def filter(self) -> Filter:
        """Return it as the store is asked.

        It always gives something: a filter that gives nothing is whatever the store has, operators' sessions too.
        """
        found = Filter(
            text=self.text or None,
            user_id=self.user_id or None,
            signed_in={"users": True, "visitors": False}.get(self.who),
            ids=self.ids,
            **_times("active", ACTIVE.get(self.active), self.at),
            **_times("created", BEGUN.get(self.begun), self.at),
        )
        return replace(found, created_since=_EVER) if found.everything else found

    @property
    def everyone(self) -> bool:
        """Whether nothing narrows it down but whether they are signed in."""
        return self.ids is None and not (self.text or self.user_id or self.active or self.begun)

    def fields(self) -> list[tuple[str, str]]:
        """Return it as fields of a form, or parameters."""
        given = [("q", self.text), ("user", self.user_id), ("active", self.active), ("begun", self.begun)]
        found = [(name, value) for name, value in given if value]
        if self.who != "users":
            found.append(("who", self.who))
        if self.active or self.begun:
            found.append(("at", str(to_micros(self.at))))
        if self.ids is not None:
            found += [("chosen", "1"), *(("id", each) for each in self.ids)]
        return found

    def shown(self, count: int) -> str:
        """Return what a preview of so many sessions has shown: what its form is good for, and nothing else."""
        return urlencode([*self.fields(), ("expected", str(count))])

    def query(self, **more: str) -> str:
        """Return it as the query of a URL, with what else stands there; empty without either."""
        pairs = [*self.fields(), *more.items()]
        return f"?{urlencode(pairs)}" if pairs else ""

    def without(self, name: str) -> Asked:
        """Return it with one thing less that narrows it down."""
        changes: dict[str, Any] = {name: "users" if name == "who" else ""}
        return replace(self, **changes)

    def described(self) -> str:
        """Return in one line what is meant, for the audit trail; ids as they are."""
        if self.ids is not None:
            listed = ", ".join(self.ids)
            return f"chosen one by one: {listed if len(listed) <= _LONGEST_LIST else listed[:_LONGEST_LIST] + '…'}"
        return ", ".join(text for _, text in self.words()) or "of everyone who has signed in"

    def words(self) -> list[tuple[str, str]]:
        """Return what narrows it down, each with the name of its attribute and in words."""
        found: list[tuple[str, str]] = []
        if self.text:
            found.append(("text", f"containing “{self.text}”"))
        if self.user_id:
            shown = self.user_id if self.user_id.isprintable() else ascii(self.user_id)
            found.append(("user_id", f"of the user {shown}"))
        if self.active:
            found.append(("active", f"active {ACTIVE[self.active].words}"))
        if self.begun:
            found.append(("begun", f"began {BEGUN[self.begun].words}"))
        if self.who != "users":
            found.append(("who", f"of {WHO[self.who]}"))
        return found


def asked_in(fields: Fields, now: datetime) -> Asked:
    """Return what the parameters of a request, or the fields of a form, ask for.

    Args:
        fields: They.
        now: The time, for those that name no moment.

    Raises:
        DataError: One of them is not possible.
    """
    active, begun, who = fields.get("active", ""), fields.get("begun", ""), fields.get("who") or "users"
    if (active and active not in ACTIVE) or (begun and begun not in BEGUN) or who not in WHO:
        raise DataError("there is no such choice")
    text, user_id = fields.get("q", "").strip(), fields.get("user", "")
    if len(text) > _LONGEST_TEXT or not text.isprintable():
        raise DataError(f"search for at most {_LONGEST_TEXT} characters")
    ids = tuple(dict.fromkeys(fields.getlist("id"))) if "chosen" in fields else None
    if ids is not None and len(ids) > MOST_CHOSEN:
        raise DataError(f"choose at most {MOST_CHOSEN} sessions")
    at = _moment(fields.get("at", ""), now)
    return Asked(at=at, text=text, user_id=user_id, active=active, begun=begun, who=who, ids=ids)


def _moment(text: str, now: datetime) -> datetime:
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_TIME and int(text) < _LATEST):
        return now
    return min(from_micros(int(text)), now)


def _times(name: str, span: Span | None, at: datetime) -> dict[str, datetime]:
    if span is None:
        return {}
    return {f"{name}_{'before' if span.before else 'since'}": at - span.ago}
