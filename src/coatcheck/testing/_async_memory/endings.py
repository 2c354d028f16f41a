"""How sessions in memory are found, many at a time, and end, for asyncio."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from coatcheck.core.coherence import EVERYONE, user_subject
from coatcheck.core.settings import LONGEST_COPY
from coatcheck.core.times import duration_micros
from coatcheck.stores import auditing
from coatcheck.stores.base import SESSION, ended_as
from coatcheck.stores.searching import START
from coatcheck.testing._async_memory.base import refuse
from coatcheck.testing._async_memory.trail import AsyncMemoryTrail
from coatcheck.testing._memory_tables import latest_seen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coatcheck.core.session import Record
    from coatcheck.stores.base import Ended, Selection, SessionFilter

_KEEP_LOG = 2 * duration_micros(LONGEST_COPY)


class AsyncMemoryEndings(AsyncMemoryTrail):
    """Lists, searches and ends."""

    async def revoke(self, selection: Selection, *, connection: Any = None) -> Sequence[Ended]:
        """End the selected sessions and say which they were."""
        refuse(connection)
        async with self._lock:
            if selection.token_hash is not None:
                selection = selection._replace(token_hash=self._latest(selection.token_hash))
            selected = _selects(selection)
            rows = [row for key, row in self._rows.items() if selected(key, row)]
            ended = self._end([row for row in rows if selection.kind in {None, self._kind_of(row.id)}])
            return self._told(ended, partial(auditing.of_revoke, selection))

    async def revoke_everyone(self, *, connection: Any = None) -> int:
        """End all sessions with one log entry; returns how many there were."""
        refuse(connection)
        async with self._lock:
            count = len(self._rows)
            self._rows.clear()
            self._retired.clear()
            self._devices.clear()
            self._acting.clear()
            self._kinds.clear()
            self._note(EVERYONE)
            return self._told(count, auditing.of_everyone)

    async def invalidate_user(self, user_id: str, *, connection: Any = None) -> None:
        """Write a log entry that outdates all copies of a user's name, email and role."""
        refuse(connection)
        async with self._lock:
            self._note(user_subject(user_id))

    async def invalidate(self, subjects: Sequence[str], *, connection: Any = None) -> None:
        """Write a log entry for each of these subjects."""
        refuse(connection)
        async with self._lock:
            for subject in subjects:
                self._note(subject)

    async def list_sessions(
        self, user_id: str | None, limit: int, *, kind: str = SESSION, connection: Any = None
    ) -> Sequence[Record]:
        """List a user's live rows of a kind, newest first; for None those of all users, latest activity first."""
        refuse(connection)
        async with self._lock:
            if user_id is not None:
                return self._live_of(user_id, kind)[:limit]
            return latest_seen(self._live(kind))[:limit]

    async def search(
        self, wanted: SessionFilter, *, limit: int, after: tuple[int, str] | None = None, connection: Any = None
    ) -> Sequence[Record]:
        """List the sessions that a filter means, latest activity first, after a place in the list."""
        refuse(connection)
        async with self._lock:
            return [row for row in self._matching(wanted) if (row.last_seen_at, row.id) < (after or START)][:limit]

    async def count_matching(self, wanted: SessionFilter, *, most: int | None = None, connection: Any = None) -> int:
        """Count the sessions that a filter means; with `most` no further than that."""
        refuse(connection)
        async with self._lock:
            return len(self._matching(wanted)[:most])

    async def count_users_matching(self, wanted: SessionFilter, *, connection: Any = None) -> int:
        """Count the users whose sessions a filter means."""
        refuse(connection)
        async with self._lock:
            return len({row.user_id for row in self._matching(wanted)} - {None})

    async def revoke_matching(self, wanted: SessionFilter, *, connection: Any = None) -> Sequence[Ended]:
        """End the sessions that a filter means, and say which they were."""
        refuse(connection)
        async with self._lock:
            return self._told(self._end(self._matching(wanted)), partial(auditing.of_revoke, None))

    async def sweep(self, batch: int) -> Sequence[Ended]:
        """Delete at most `batch` expired sessions, without log entries, and trim the log."""
        async with self._lock:
            self._trim(self._now() - _KEEP_LOG)
            self._forget_workers()
            expired = [key for key, row in self._rows.items() if not self._alive(row)][:batch]
            rows = [self._rows.pop(key) for key in expired]
            self._forget({row.id for row in rows})
            for row in rows:
                self._devices.pop(row.id, None)
            self._end_acting_for(row.id for row in rows)
            return [ended_as(row) for row in rows]


def _selects(selection: Selection) -> Callable[[bytes, Record], bool]:
    if selection.token_hash is not None:
        return lambda key, _: key == selection.token_hash
    if selection.session_id is not None:
        owner = selection.user_id
        return lambda _, row: row.id == selection.session_id and owner in {None, row.user_id}
    return lambda _, row: row.user_id is not None and row.user_id == selection.user_id and row.id != selection.keep
