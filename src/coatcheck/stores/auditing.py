"""Entries of the audit trail, and how a change is made together with its entries (rule S15)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from coatcheck.actors import current_actor
from coatcheck.core.authentication import authentication_of
from coatcheck.stores.base import SESSION, TICKET, AuditRow
from coatcheck.stores.operations import Statement
from coatcheck.stores.searching import condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from coatcheck.actors import Actor
    from coatcheck.core.session import Record
    from coatcheck.stores.base import AuditFilter, CreateResult, Device, Ended, NewSession, Rotation, Selection
    from coatcheck.stores.operations import Operation

T = TypeVar("T")

FIRST: Final = 2**62
"""A number that is larger than that of every entry."""

_AT_ONCE: Final = 1000
"""Entries that one statement writes."""


class Noted(NamedTuple):
    """An entry to be written; the store adds number and time."""

    action: str
    user_id: str | None = None
    session_id: str | None = None
    detail: str = ""
    actor: str | None = None
    address: str | None = None


def by(actor: Actor, entries: Iterable[Noted]) -> list[Noted]:
    """Return the entries with who did it.

    What a visitor does with a session of their own is nobody's business: of those only what others did is kept.
    """
    named = (
        each._replace(actor=each.actor or actor.towards(each.user_id), address=each.address or actor.address)
        for each in entries
    )
    return [each for each in named if each.user_id is not None or each.session_id is None or each.actor is not None]


# --- what the entries of a change are


def of_create(new: NewSession, result: CreateResult) -> Iterable[Noted]:
    """Yield what a sign-in did."""
    yield from begun(new, result.record)
    if result.replaced is not None:
        yield Noted("revoked", result.replaced.user_id, result.replaced.id, "replaced")
    for record in result.evicted:
        yield Noted("evicted", record.user_id, record.id)


def begun(new: NewSession, record: Record) -> Iterable[Noted]:
    """Yield that there is a new session, or a new row of another kind; a ticket is not worth an entry."""
    if new.kind == SESSION:
        yield created(record, new.reason)
    elif new.kind != TICKET:
        yield Noted(f"{new.kind}_created", record.user_id, record.id)


def of_acting(new: NewSession, record: Record | None) -> Iterable[Noted]:
    """Yield that somebody acts as a user from now on."""
    if record is not None:
        yield created(record, new.reason)


def created(record: Record, reason: str = "") -> Noted:
    """Return the entry of a new session: with the browser and the address, by which the next one is seen to be new.

    Args:
        record: The session.
        reason: Why somebody acts in it as the user, instead of the browser.
    """
    actor = authentication_of(record.authentication).actor
    return Noted("created", record.user_id, record.id, reason or record.user_agent or "", actor, record.ip)


def of_rotate(rotation: Rotation, record: Record | None) -> Iterable[Noted]:
    """Yield that a session got another token, as by another proof of who the user is."""
    if record is not None:
        detail = "" if rotation.authenticated_at is None else "reauthenticated"
        yield Noted("rotated", record.user_id, record.id, detail)


def of_reuse(ended: Ended | None, *, end: bool) -> Iterable[Noted]:
    """Yield that a retired token was presented."""
    if ended is not None:
        yield Noted("reused", ended.user_id, ended.id, "ended" if end else "")


def of_bind(device: Device, whose: Ended | None) -> Iterable[Noted]:
    """Yield that a session belongs to a device."""
    if whose is not None:
        yield Noted("bound", whose.user_id, whose.id, device.thumbprint)


def of_revoke(selection: Selection | None, ended: Sequence[Ended]) -> Iterable[Noted]:
    """Yield which sessions have ended; redeeming a ticket ends none."""
    if selection is None or not selection.ticket:
        detail = "" if selection is None else selection.reason
        yield from (Noted("revoked", each.user_id, each.id, detail) for each in ended)


def of_everyone(_: object) -> Iterable[Noted]:
    """Yield that everyone's sessions have ended."""
    yield Noted("revoked", detail="everyone")


def audited(wanted: AuditFilter, row: AuditRow) -> bool:
    """Tell whether a filter means an entry; the same as the condition in SQL."""
    return (
        wanted.user_id in {None, row.user_id}
        and wanted.session_id in {None, row.session_id}
        and wanted.actor in {None, row.actor}
        and wanted.action in {None, row.action}
        and (wanted.since is None or row.at >= wanted.since)
        and (wanted.before is None or row.at < wanted.before)
    )


# --- in SQL


class AuditTrail:
    """The statements of the audit trail, and the operations that write into it.

    Attributes:
        on: Whether changes are made together with entries.
    """

    def __init__(self, text: Callable[[str], str]) -> None:
        """Keep the texts of the statements by name; it is off."""
        self._text = text
        self.on = False

    def kept(self, operation: Operation[T], entries: Callable[[Any], Iterable[Noted]], now: int | None) -> Operation[T]:
        """Return an operation that, where the trail is on, writes entries about its result in the same transaction."""
        # Who acts is asked here: the operation may run in another thread.
        return self._followed(operation, entries, current_actor(), now) if self.on else operation

    def _followed(
        self, operation: Operation[T], entries: Callable[[Any], Iterable[Noted]], actor: Actor, now: int | None
    ) -> Operation[T]:
        result = yield from operation
        yield from self.record(by(actor, entries(result)), now)
        return result

    def record(self, entries: Sequence[Noted], now: int | None) -> Operation[None]:
        """Write entries."""
        for start in range(0, len(entries), _AT_ONCE):
            some = json.dumps(entries[start : start + _AT_ONCE])
            yield Statement(self._text("audit_record"), {"entries": some, "now": now})

    def entries(self, wanted: AuditFilter, limit: int, after: int | None) -> Operation[list[AuditRow]]:
        """Read entries, newest first."""
        values = {name: value for name, value in wanted._asdict().items() if value is not None}
        values |= {"limit": limit, "after": FIRST if after is None else after}
        rows = yield Statement(condition(self._text("audit_entries"), values), values)
        return [AuditRow(*row) for row in rows]

    def forget(self, keep: int, batch: int, now: int | None) -> Operation[int]:
        """Delete entries that are older than so many microseconds; returns how many."""
        rows = yield Statement(self._text("audit_forget"), {"keep": keep, "batch": batch, "now": now})
        return len(rows)
