"""The audit trail: what happened to sessions, when, and who did it (rule S15)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

LONGEST_NAME: Final = 255
LONGEST_ACTION: Final = 64
LONGEST_DETAIL: Final = 4096


class AuditEntry(NamedTuple):
    """One entry of the audit trail; it never changes.

    Attributes:
        id: Its number; later ones are larger.
        at: When, by the authority's clock; aware, in UTC.
        action: What happened: the kind of an event, or what the application calls it.
        actor: Who did it, if not the user themself.
        user_id: Whose session or account it was about.
        session_id: The public id of the session.
        address: Where it was done, as far as that was known.
        detail: A word more, such as "reauthenticated"; of a sign-in the browser's description of itself.
    """

    id: int
    at: datetime
    action: str
    actor: str | None
    user_id: str | None
    session_id: str | None
    address: str | None
    detail: str


class AuditPage(NamedTuple):
    """A part of the audit trail, newest first.

    Attributes:
        entries: The entries.
        after: What to ask for the next part with; None when this is the last.
    """

    entries: Sequence[AuditEntry]
    after: str | None


def check_name(name: str, value: str | None, longest: int = LONGEST_NAME) -> None:
    """Refuse what no column of the audit trail can hold.

    Raises:
        DataError: It is empty, too long, or has characters that cannot be printed.
    """
    if value is not None and not (0 < len(value.encode(errors="replace")) <= longest and value.isprintable()):
        msg = f"{name}= of {len(value)} characters is not possible: use 1 to {longest} octets that can be printed"
        raise DataError(msg)


def check_detail(detail: str) -> None:
    """Refuse a detail that is too long, or that a database cannot store.

    Raises:
        DataError: It is so.
    """
    if len(detail) > LONGEST_DETAIL or "\0" in detail:
        msg = f"detail= of {len(detail)} characters is not possible: use at most {LONGEST_DETAIL}, and no NUL"
        raise DataError(msg)
