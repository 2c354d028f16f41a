# Generated from _async/new_devices.py by tools/generate_sync.py: edit that, run `make generate`.
"""Sign-ins from where a user was not seen lately: a notice to them, never a lock-out (rule S16)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from coatcheck.core.addresses import neighbourhood_of
from coatcheck.core.authentication import authentication_of
from coatcheck.devices import describe_device, device_kind
from coatcheck.errors import Unavailable
from coatcheck.stores.auditing import Noted
from coatcheck.stores.base import AuditFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck._sync.sessions import Sessions
    from coatcheck.core.session import Record
    from coatcheck.stores.base import CreateResult
    from coatcheck.stores.protocol import Audits

_log = logging.getLogger("coatcheck")

_RECENT = 50
"""Sessions, and sign-ins of the audit trail, that a new one is compared with."""


class _Place(NamedTuple):
    """Where a user has signed in from, as far as it was known."""

    ip: str | None
    user_agent: str | None


def notice_new_device(sessions: Sessions, result: CreateResult, connection: Any) -> None:
    """Raise "new_device", where that is wanted, if a user has just signed in from elsewhere than before.

    Their first sign-in is no news, nor is one of somebody who acts as them. What cannot be read now is not waited for:
    the sign-in has happened.
    """
    record = result.record
    if not sessions.policy.notice_new_devices or record.user_id is None or _is_others(record):
        return
    try:
        detail = _news(_place(record), _known(sessions, result, connection))
        if not detail:
            return
        if _audits(sessions):
            entry = Noted("new_device", record.user_id, record.id, detail, None, record.ip)
            cast("Audits", sessions.store).record([entry], connection=connection)
    except Unavailable as error:
        _log.warning("coatcheck.new_device_unnoticed", extra={"reason": str(error)})
        return
    agent = record.user_agent
    sessions.events.emit(
        "new_device", record.id, record.user_id, detail, ip=record.ip, user_agent=agent, device=describe_device(agent)
    )


def _known(sessions: Sessions, result: CreateResult, connection: Any) -> Sequence[_Place]:
    """Return from where the user has signed in before."""
    record = result.record
    live = sessions.store.list_sessions(record.user_id, _RECENT, connection=connection)
    replaced = () if result.replaced is None else (result.replaced,)
    others = [each for each in (*live, *result.evicted, *replaced) if each.id != record.id and not _is_others(each)]
    known = [_place(each) for each in others if each.user_id == record.user_id]
    if _audits(sessions):
        wanted = AuditFilter(user_id=record.user_id, action="created")
        store = cast("Audits", sessions.store)
        entries = store.entries(wanted, limit=_RECENT, connection=connection)
        own = (entry for entry in entries if entry.session_id != record.id and entry.actor is None)
        known += [_Place(entry.address, entry.detail or None) for entry in own]
    return known


def _audits(sessions: Sessions) -> bool:
    return sessions.policy.audit_keep_for is not None


def _is_others(record: Record) -> bool:
    return authentication_of(record.authentication).actor is not None


def _place(record: Record) -> _Place:
    return _Place(record.ip, record.user_agent)


def _news(place: _Place, known: Sequence[_Place]) -> str:
    """Return what is new about a place: nothing where nothing is known, neither of it nor of others."""
    kinds = frozenset(device_kind(each.user_agent) for each in known if each.user_agent)
    networks = frozenset(neighbourhood_of(each.ip) for each in known if each.ip)
    new_device = place.user_agent and kinds and device_kind(place.user_agent) not in kinds
    new_network = place.ip and networks and neighbourhood_of(place.ip) not in networks
    return ", ".join(word for word, new in (("device", new_device), ("network", new_network)) if new)
