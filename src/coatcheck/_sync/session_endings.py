# Generated from _async/session_endings.py by tools/generate_sync.py: edit that, run `make generate`.
"""Ending sessions, listing them, and clearing away what is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck._sync.audit_trail import AuditTrail
from coatcheck._sync.session_reads import SessionReads
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.credentials import presented_bytes
from coatcheck.errors import DataError
from coatcheck.stores.base import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coatcheck.core.session import Session
    from coatcheck.core.tokens import Token
    from coatcheck.stores.base import Ended

_LARGEST_PAGE = 1000


class SessionEndings(SessionReads):
    """How sessions end: on purpose, by everybody's end, or because their time is over."""

    # --- ending

    # With `wait`, each of these returns when no worker anywhere can accept what has ended: on SQLite at once, with a
    # server after a lease. It cannot wait for the caller's own transaction to commit.

    def revoke(self, token: str | bytes | Token, *, wait: bool = False, connection: Any = None) -> bool:
        """End the session of a token; returns whether there was one."""
        token_hash = self._credentials.hash_of(presented_bytes(token))
        if isinstance(token_hash, NotSignedIn):
            return False
        return bool(self.end_selected(Selection(token_hash=token_hash), connection, wait=wait))

    def revoke_by_id(self, session_id: str, *, user_id: str | None, wait: bool = False, connection: Any = None) -> bool:
        """End a session by its public id, if it belongs to the user (rule L14).

        Args:
            session_id: The public id.
            user_id: Its owner. None, which an anonymous visitor's session has, owns nothing.
            wait: Whether to return only when nobody can accept it any more.
            connection: The caller's own connection.
        """
        if user_id is None:
            return False
        selection = Selection(session_id=session_id, user_id=user_id, kind=self._kind)
        return bool(self.end_selected(selection, connection, wait=wait))

    def revoke_any(self, session_id: str, *, wait: bool = False, connection: Any = None) -> bool:
        """End a session by its public id, whoever's it is; for administrators."""
        return bool(self.end_selected(Selection(session_id=session_id), connection, wait=wait))

    def revoke_others(self, session: Session, *, wait: bool = False, connection: Any = None) -> int:
        """End all sessions of the session's user but this one; returns how many."""
        if session.user_id is None:
            return 0
        selection = Selection(user_id=session.user_id, keep=session.id, kind=self._kind)
        return len(self.end_selected(selection, connection, wait=wait))

    def revoke_user(self, user_id: str, *, wait: bool = False, connection: Any = None) -> int:
        """End all sessions of a user, as when their account is closed (rule L11); returns how many."""
        return len(self.end_selected(Selection(user_id=user_id), connection, wait=wait))

    def revoke_everyone(self, *, wait: bool = False, connection: Any = None) -> int:
        """End every session there is; returns how many there were (rule L13)."""
        self.tiers.check_wait(connection, wait=wait)
        count = self.store.revoke_everyone(connection=connection)
        self.tiers.changed(connection)
        self._events.emit("revoked", None, None, "everyone", sessions=count)
        self.tiers.settled(wait=wait)
        return count

    def end_selected(self, selection: Selection, connection: Any = None, *, wait: bool = False) -> Sequence[Ended]:
        """End what a selection means, and say which they were: what the verbs above are made of."""
        self.tiers.check_wait(connection, wait=wait)
        ended = self.store.revoke(selection, connection=connection)
        self.tiers.changed(connection)
        for session_id, user_id, actor in ended:
            self._events.emit("revoked", session_id, user_id, selection.reason, actor_id=actor)
        self.tiers.settled(wait=wait)
        return ended

    def invalidate_user(self, user_id: str, *, connection: Any = None) -> None:
        """Make every process read a user's name, email and role again; for `load_users`, which has no triggers."""
        self.store.invalidate_user(user_id, connection=connection)
        self.tiers.changed(connection)

    # --- looking around and cleaning up

    def list(self, user_id: str, *, limit: int = 50, connection: Any = None) -> Sequence[Session]:
        """List a user's live sessions, newest first."""
        records = self.store.list_sessions(user_id, _page_size(limit), kind=self._kind, connection=connection)
        return self.described(records)

    def list_active(self, *, limit: int = 200, connection: Any = None) -> Sequence[Session]:
        """List the live sessions of all users, latest activity first."""
        records = self.store.list_sessions(None, _page_size(limit), kind=self._kind, connection=connection)
        return self.described(records)

    def find(self, session_id: str) -> Session | None:
        """Return a live session by its public id; for administrators."""
        reading = self._with_user(self.store.find(session_id))
        return self._judged(reading, None) or None

    def sweep(self, *, batch: int = 1000, progress: Callable[[int], object] | None = None) -> int:
        """Delete expired sessions, old log entries and those of the audit trail, in bounded batches.

        Others go on working meanwhile.

        Args:
            batch: How many rows one transaction deletes at the most.
            progress: Called after each batch with the number deleted so far.

        Returns:
            How many sessions were deleted.

        Raises:
            DataError: The batch is not at least one row.
        """
        if batch < 1:
            msg = f"batch={batch} is not possible: use 1 or more, such as 1000"
            raise DataError(msg)
        total = 0
        while True:
            ended = self.store.sweep(batch)
            for session_id, user_id, actor in ended:
                self._events.emit("expired", session_id, user_id, actor_id=actor)
            total += len(ended)
            if progress is not None:
                progress(total)
            if len(ended) < batch:
                break
        if self.policy.audit_keep_for is not None:
            AuditTrail(self).sweep(batch=batch)
        return total


def _page_size(limit: int) -> int:
    if not 1 <= limit <= _LARGEST_PAGE:
        msg = f"limit={limit} is not possible: use 1 to {_LARGEST_PAGE}"
        raise DataError(msg)
    return limit
