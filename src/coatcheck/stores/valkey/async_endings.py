"""How sessions on Valkey are found, many at a time, and end, for asyncio."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from coatcheck.core.coherence import user_subject
from coatcheck.core.fleet import KEPT
from coatcheck.stores import auditing
from coatcheck.stores.base import SESSION
from coatcheck.stores.valkey import rows, scripts
from coatcheck.stores.valkey.async_base import refuse
from coatcheck.stores.valkey.async_trail import AsyncValkeyTrail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.core.session import Record
    from coatcheck.stores.base import Ended, Selection, SessionFilter

KEEP_LOG = 2 * 3600 * 1_000_000
"""Entries are kept for so many microseconds: longer than any cached copy lives."""


class AsyncValkeyEndings(AsyncValkeyTrail):
    """Lists, searches and ends."""

    async def revoke(self, selection: Selection, *, connection: Any = None) -> Sequence[Ended]:
        """End the selected sessions and say which they were."""
        refuse(connection)
        if selection.token_hash is not None:
            words = ["hash", selection.token_hash.hex()]
        elif selection.session_id is not None:
            owned = selection.user_id is not None
            words = ["id", selection.session_id, "1" if owned else "0", selection.user_id or "", selection.kind or ""]
        elif selection.user_id is not None:
            words = ["user", selection.user_id, selection.keep or "", selection.kind or ""]
        else:
            return []
        ended = rows.ended_of(await self._run(scripts.REVOKE, *words))
        return await self._told(ended, partial(auditing.of_revoke, selection))

    async def revoke_everyone(self, *, connection: Any = None) -> int:
        """End all sessions at once with one log entry, however many; returns how many there were."""
        refuse(connection)
        return await self._told(int(await self._run(scripts.REVOKE_EVERYONE)), auditing.of_everyone)

    async def invalidate_user(self, user_id: str, *, connection: Any = None) -> None:
        """Write a log entry that outdates all copies of a user's name, email and role."""
        refuse(connection)
        await self._run(scripts.NOTE, user_subject(user_id))

    async def invalidate(self, subjects: Sequence[str], *, connection: Any = None) -> None:
        """Write a log entry for each of these subjects."""
        refuse(connection)
        await self._run(scripts.NOTE, *subjects)

    async def list_sessions(
        self, user_id: str | None, limit: int, *, kind: str = SESSION, connection: Any = None
    ) -> Sequence[Record]:
        """List a user's live rows of a kind, newest first; for None those of all users, latest activity first."""
        refuse(connection)
        whose = "all" if user_id is None else "user"
        return rows.records_of(await self._run(scripts.LIST, whose, user_id or "", limit, kind))

    async def search(
        self, wanted: SessionFilter, *, limit: int, after: tuple[int, str] | None = None, connection: Any = None
    ) -> Sequence[Record]:
        """List the sessions that a filter means, latest activity first, after a place in the list.

        Each script looks at some hundred sessions, and others are answered in between.
        """
        refuse(connection)
        words, place = rows.filter_words(wanted), after or rows.BEGINNING
        found: list[Record] = []
        while place is not None and len(found) < limit:
            place, page = await self._run(scripts.SEARCH, *place, limit - len(found), *words)
            found += rows.records_of(page)
        return found

    async def count_matching(self, wanted: SessionFilter, *, most: int | None = None, connection: Any = None) -> int:
        """Count the sessions that a filter means, in the same way; with `most` no further than that."""
        refuse(connection)
        words, place, count = rows.filter_words(wanted), rows.BEGINNING, 0
        while place is not None and (most is None or count < most):
            place, more = await self._run(scripts.SEARCH, *place, "", *words)
            count += more
        return count if most is None else min(count, most)

    async def count_users_matching(self, wanted: SessionFilter, *, connection: Any = None) -> int:
        """Count the users whose sessions a filter means, in the same way."""
        refuse(connection)
        words, place, users = rows.filter_words(wanted), rows.BEGINNING, set[bytes]()
        while place is not None:
            place, more = await self._run(scripts.USERS_MATCHING, *place, "", *words)
            users.update(more)
        return len(users)

    async def revoke_matching(self, wanted: SessionFilter, *, connection: Any = None) -> Sequence[Ended]:
        """End the sessions that a filter means, and say which they were.

        Each script ends those among some hundred, with their entries; if one fails, those before it have ended.
        """
        refuse(connection)
        words, place = rows.filter_words(wanted), rows.BEGINNING
        ended: list[Ended] = []
        while place is not None:
            place, more = await self._run(scripts.END_MATCHING, *place, len(ended), *words)
            ended += await self._told(rows.ended_of(more), partial(auditing.of_revoke, None))
        return ended

    async def sweep(self, batch: int) -> Sequence[Ended]:
        """Delete at most `batch` expired sessions, without log entries, and trim the log."""
        return rows.ended_of(await self._run(scripts.SWEEP, batch, KEEP_LOG, KEPT))
