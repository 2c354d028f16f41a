# Generated from _async/session_search.py by tools/generate_sync.py: edit that, run `make generate`.
"""Sessions of all users, for administrators: found, counted and ended by what they have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from coatcheck.core.filters import Filter, SessionPage, cursor_of, place_of
from coatcheck.core.refusals import refuse
from coatcheck.errors import DataError
from coatcheck.stores.searching import stored

if TYPE_CHECKING:
    from coatcheck._sync.sessions import Sessions
    from coatcheck.stores.protocol import Searches

_LARGEST_PAGE = 1000


class SessionSearch:
    """Finds, counts and ends sessions of all users and visitors by a `Filter`: the same ones by the same filter.

    What it ends is ended for every worker, as with `revoke` (rule L13). With `load_users` instead of a users table,
    `Filter.text` cannot see names and addresses: those are not in the store.
    """

    def __init__(self, sessions: Sessions) -> None:
        """Wire the search.

        Args:
            sessions: Whose sessions are searched.

        Raises:
            ConfigurationError: The store cannot search: KV alone, where nobody knows what there is.
        """
        if not sessions.store.capabilities.searching:
            kind = type(sessions.store).__name__
            refuse("search", kind, "this store cannot search; use SQLite, PostgreSQL, Valkey or D1")
        self._sessions = sessions
        self._store = cast("Searches", sessions.store)

    def find(
        self,
        filter: Filter | None = None,  # noqa: A002 - the word for it
        *,
        limit: int = 50,
        after: str | None = None,
        connection: Any = None,
    ) -> SessionPage:
        """Return live sessions, latest activity first.

        A session that is used between two pages has moved to the front, and is missing from those that follow.

        Args:
            filter: Which; None for all.
            limit: How many at most, up to 1000.
            after: Where to go on: what the page before has given.
            connection: The caller's own connection.

        Raises:
            DataError: The limit is out of bounds, or `after` is none of ours.
            Unavailable: The store did not answer.
        """
        if not 1 <= limit <= _LARGEST_PAGE:
            msg = f"limit={limit} is not possible: use 1 to {_LARGEST_PAGE}"
            raise DataError(msg)
        place = None if after is None else place_of(after)
        records = self._store.search(stored(filter), limit=limit + 1, after=place, connection=connection)
        last = records[limit - 1] if len(records) > limit else None
        following = None if last is None else cursor_of(last.last_seen_at, last.id)
        return SessionPage(self._sessions.described(records[:limit]), following)

    def count(
        self,
        filter: Filter | None = None,  # noqa: A002
        *,
        at_most: int | None = None,
        connection: Any = None,
    ) -> int:
        """Return how many live sessions a filter means.

        Args:
            filter: Which; None for all.
            at_most: Where to stop counting: of very many it is enough to know that they are so many.
            connection: The caller's own connection.

        Raises:
            DataError: `at_most` is less than 1.
            Unavailable: The store did not answer.
        """
        if at_most is not None and at_most < 1:
            msg = f"at_most={at_most} is not possible: use 1 or more"
            raise DataError(msg)
        return self._store.count_matching(stored(filter), most=at_most, connection=connection)

    def count_users(self, filter: Filter | None = None, *, connection: Any = None) -> int:  # noqa: A002
        """Return of how many users those are; anonymous visitors are none.

        Raises:
            Unavailable: The store did not answer.
        """
        return self._store.count_users_matching(stored(filter), connection=connection)

    def revoke(self, filter: Filter, *, wait: bool = False, connection: Any = None) -> int:  # noqa: A002
        """End all sessions that a filter means (rule L13); returns how many.

        A filter that gives nothing is everyone: then it is `revoke_everyone`, which takes no longer the more there are,
        ends tickets too, and counts what had expired.

        Args:
            filter: Which.
            wait: Whether to return only when nobody can accept one of them any more.
            connection: The caller's own connection, inside a transaction.

        Raises:
            ConfigurationError: `wait` with a connection.
            Unavailable: The store did not answer.
        """
        if filter.everything:
            return self._sessions.revoke_everyone(wait=wait, connection=connection)
        tiers = self._sessions.tiers
        tiers.check_wait(connection, wait=wait)
        ended = self._store.revoke_matching(stored(filter), connection=connection)
        tiers.changed(connection)
        for session_id, user_id, actor in ended:
            self._sessions.events.emit("revoked", session_id, user_id, actor_id=actor)
        tiers.settled(wait=wait)
        return len(ended)
