"""Which sessions an administrator looks for, and where a list of them goes on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.core.base64url import octets_of, text_of
from coatcheck.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from coatcheck.core.session import Session

_LONGEST_TEXT: Final = 200
_MOST_IDS: Final = 1000
_LONGEST_CURSOR: Final = 512
_PLACE: Final = re.compile(r"([0-9]{1,18}) (.+)")
_TIMES: Final = ("active_since", "active_before", "created_since", "created_before")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which live sessions are meant: those that fulfil everything that is given. All times are aware datetimes.

    Attributes:
        text: Contained in the user's id, the public id, the address, the browser, or with a users table the user's name
            or e-mail address. Case is ignored, for letters beyond ASCII only where the database knows them.
        user_id: Whose they are, exactly.
        signed_in: True for those with a user, False for anonymous visitors'.
        active_since: Last used then or later, at most one `touch_every` behind.
        active_before: Last used before, likewise.
        created_since: Created then or later.
        created_before: Created before.
        ids: Only these public ids; none of them for an empty tuple.
    """

    text: str | None = None
    user_id: str | None = None
    signed_in: bool | None = None
    active_since: datetime | None = None
    active_before: datetime | None = None
    created_since: datetime | None = None
    created_before: datetime | None = None
    ids: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in _TIMES:
            check_aware(name, getattr(self, name))
        if self.text is not None and not (len(self.text) <= _LONGEST_TEXT and self.text.isprintable()):
            msg = f"text of {len(self.text)} characters is not possible: use at most {_LONGEST_TEXT}, all printable"
            raise DataError(msg)
        if self.ids is not None and len(self.ids) > _MOST_IDS:
            msg = f"{len(self.ids)} ids are not possible: use at most {_MOST_IDS}"
            raise DataError(msg)

    @property
    def everything(self) -> bool:
        """Whether every live session is meant."""
        return self == Filter() or self == Filter(text="")


class SessionPage(NamedTuple):
    """A part of a list of sessions, latest activity first.

    Attributes:
        sessions: The sessions.
        after: What to ask for the next part with; None when this is the last.
    """

    sessions: Sequence[Session]
    after: str | None


def check_aware(name: str, moment: datetime | None) -> None:
    """Refuse a time without a zone.

    Raises:
        DataError: It has none.
    """
    if moment is not None and moment.tzinfo is None:
        msg = f"{name}={moment!s} is not possible: give it a time zone"
        raise DataError(msg)


def cursor_of(at: int, entry_id: str) -> str:
    """Return, as opaque text, the place in a list that is ordered by a time (microseconds) and an id."""
    return text_of(f"{at} {entry_id}".encode())


def place_of(cursor: str) -> tuple[int, str]:
    """Return the place that a cursor stands for.

    Raises:
        DataError: It is none of ours.
    """
    place = _PLACE.fullmatch(_decoded(cursor)) if len(cursor) <= _LONGEST_CURSOR else None
    if place is None:
        msg = "after= is not possible: hand in what the page before has given"
        raise DataError(msg)
    return int(place[1]), place[2]


def _decoded(cursor: str) -> str:
    try:
        return (octets_of(cursor) or b"").decode()
    except ValueError:
        return ""
