# Generated from _async/kindred.py by tools/generate_sync.py: edit that, run `make generate`.
"""What is validated as sessions are and is none: API tokens, and what stands behind refresh tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck._sync.sessions import Sessions
from coatcheck.core.refusals import refuse
from coatcheck.core.session import copy_in
from coatcheck.stores.base import Selection

if TYPE_CHECKING:
    from coatcheck.core.policy import Policy
    from coatcheck.core.session import Session
    from coatcheck.stores.base import Reading


class Kindred(Sessions):
    """Rows of another kind than sessions, in the same store, with the same log, connections and users.

    The purpose is part of what is hashed, so no token of one kind is one of another (rules J2, C12); the kind keeps
    them out of each other's lists and limits. Their tokens are not signed: they live longer than keys may.
    """

    _signs = False

    def __init__(self, sessions: Sessions, *, kind: str, policy: Policy) -> None:
        """Wire them.

        Args:
            sessions: Beside which they stand.
            kind: What the rows are.
            policy: Their timeouts and limits.

        Raises:
            ConfigurationError: The store cannot tell kinds apart.
        """
        super().__init__(
            sessions.tiers,
            policy=policy,
            cache=sessions.cache_settings,
            purpose=kind,
            load_users=sessions._load_users,  # noqa: SLF001
        )
        self._kind = kind
        self._events = sessions.events.of(kind)
        self.tiers.add_kindred(self)

    def _check_purpose(self, purpose: str) -> None:
        """Take the one that no sessions may have."""

    def _check_capabilities(self) -> None:
        if not self.store.capabilities.kinds:
            fix = "it cannot tell them from sessions; use SQLite, D1, PostgreSQL or Valkey"
            refuse("store", type(self.store).__name__, fix, of="API tokens:")
        super()._check_capabilities()

    def finish(self) -> None:
        """Write pending touches, and arrange for none."""
        self._touches.close()

    def revoke_user(self, user_id: str, *, wait: bool = False, connection: Any = None) -> int:
        """End all rows of this kind that a user has; returns how many."""
        return len(self.end_selected(Selection(user_id=user_id, kind=self._kind), connection, wait=wait))

    def with_user(self, reading: Reading) -> Reading:
        """Return a reading with its user, where a loader brings it."""
        return self._with_user(reading)

    def note_use(self, session: Session) -> None:
        """Note a use that no cache has seen."""
        self._touches.note(b"", copy_in(session), self._log.best_now())
