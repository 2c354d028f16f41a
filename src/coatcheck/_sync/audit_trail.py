# Generated from _async/audit_trail.py by tools/generate_sync.py: edit that, run `make generate`.
"""The audit trail: what happened to sessions and who did it, with what the application adds to it (rule S15)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from coatcheck.actors import current_actor
from coatcheck.core.addresses import canonical_address
from coatcheck.core.audit import LONGEST_ACTION, AuditEntry, AuditPage, check_detail, check_name
from coatcheck.core.filters import check_aware, cursor_of, place_of
from coatcheck.core.refusals import refuse
from coatcheck.core.times import duration_micros, from_micros, to_micros
from coatcheck.errors import DataError
from coatcheck.stores.auditing import Noted
from coatcheck.stores.base import AuditFilter

if TYPE_CHECKING:
    from datetime import datetime

    from coatcheck._sync.session_base import SessionBase
    from coatcheck.core.policy import Policy
    from coatcheck.stores.base import AuditRow
    from coatcheck.stores.protocol import Audits, Store

_LARGEST_PAGE = 1000
_CURSOR = "entry"


class AuditTrail:
    """Reads the audit trail of some sessions, and adds entries of the application's own.

    With `Policy(audit_keep_for=...)` the store writes an entry with each sign-in, step-up and ending, in the
    transaction that makes it. Who did it, the request says in which it is done, or `coatcheck.acting`. No entry is
    ever changed; `sweep` deletes those that are older than `audit_keep_for`. There is no token in it, and nothing of a
    session's data.
    """

    def __init__(self, sessions: SessionBase) -> None:
        """Wire it.

        Args:
            sessions: Whose audit trail it is.

        Raises:
            ConfigurationError: The store keeps none.
        """
        _check(sessions.store, type(sessions.store).__name__)
        self._store = cast("Audits", sessions.store)
        self._keep_for = sessions.policy.audit_keep_for

    def record(
        self,
        action: str,
        *,
        actor: str | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        address: str | None = None,
        detail: str = "",
        connection: Any = None,
    ) -> None:
        """Add an entry, such as that a password was changed.

        Never put a secret into it, nor more about a person than those may read who read the audit trail.

        Args:
            action: What happened, in at most 64 octets; name it so that it is none of ours: "password_changed".
            actor: Who did it, if not the user themself; None for whom `acting` names, or the request.
            user_id: Whose account it was about.
            session_id: The public id of the session.
            address: Where it was done; None for what `acting` says, or the request.
            detail: A word more, or JSON: at most 4096 characters.
            connection: The caller's own connection, inside a transaction, with which the entry commits or vanishes.

        Raises:
            DataError: Something is too long, empty, has characters that cannot be printed, or is no address.
            Unavailable: The store did not answer.
        """
        check_name("action", action, LONGEST_ACTION)
        check_name("actor", actor)
        check_name("user_id", user_id)
        check_name("session_id", session_id)
        check_detail(detail)
        where = None if address is None else canonical_address(address)
        if where is None and address is not None:
            msg = "address= is not possible: use an IP address, or None"
            raise DataError(msg)
        now = current_actor()
        entry = Noted(action, user_id, session_id, detail, actor or now.towards(user_id), where or now.address)
        self._store.record([entry], connection=connection)

    def entries(
        self,
        *,
        user_id: str | None = None,
        session_id: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        before: datetime | None = None,
        limit: int = 50,
        after: str | None = None,
        connection: Any = None,
    ) -> AuditPage:
        """Return entries, newest first: those that fulfil everything that is given.

        Args:
            user_id: About this user.
            session_id: About the session with this public id.
            actor: Done by this actor.
            action: Of this kind.
            since: From then on; aware.
            before: From before that; aware.
            limit: How many at most, up to 1000.
            after: Where to go on: what the page before has given.
            connection: The caller's own connection.

        Raises:
            DataError: The limit is out of bounds, a time is without a zone, or `after` is none of ours.
            Unavailable: The store did not answer.
        """
        if not 1 <= limit <= _LARGEST_PAGE:
            msg = f"limit={limit} is not possible: use 1 to {_LARGEST_PAGE}"
            raise DataError(msg)
        check_aware("since", since)
        check_aware("before", before)
        start, end = (None if each is None else to_micros(each) for each in (since, before))
        wanted = AuditFilter(user_id, session_id, actor, action, start, end)
        place = None if after is None else place_of(after)[0]
        rows = self._store.entries(wanted, limit=limit + 1, after=place, connection=connection)
        following = cursor_of(rows[limit - 1].id, _CURSOR) if len(rows) > limit else None
        return AuditPage([_entry(row) for row in rows[:limit]], following)

    def sweep(self, *, batch: int = 1000) -> int:
        """Delete entries that are older than `audit_keep_for`, in bounded batches; returns how many.

        `sessions.sweep` does so, too. Without `audit_keep_for` nothing is deleted.

        Raises:
            Unavailable: The store did not answer.
        """
        total = 0
        if self._keep_for is None:
            return total
        while True:
            deleted = self._store.forget_entries(duration_micros(self._keep_for), batch)
            total += deleted
            if deleted < batch:
                return total


def switch_on(store: Store, policy: Policy) -> None:
    """Have a store keep its audit trail, where the policy says so.

    Raises:
        ConfigurationError: It cannot.
    """
    if policy.audit_keep_for is not None:
        _check(store, policy.audit_keep_for)
        cast("Audits", store).audit()


def _check(store: Store, value: object) -> None:
    if not store.capabilities.audits:
        refuse("audit_keep_for", value, "this store keeps no audit trail; use SQLite, PostgreSQL, Valkey or D1")


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(row.id, from_micros(row.at), *row[2:])
