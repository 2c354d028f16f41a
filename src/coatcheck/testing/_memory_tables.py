"""What the store in memory keeps and the steps of its changes, for asyncio and for threads. Whoever calls locks."""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, NamedTuple

from coatcheck.core.coherence import Entry, session_subject
from coatcheck.core.fleet import KEPT, WorkerRow
from coatcheck.stores.base import SESSION, AuditRow, Ended, Reading, SessionFilter, ended_as
from coatcheck.stores.searching import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from coatcheck.clock import Clock
    from coatcheck.core.session import Record
    from coatcheck.stores.base import Device


class Successor(NamedTuple):
    """What a retired token has led to since when, and until when it is as good."""

    session_id: str
    token_hash: bytes
    seal: bytes
    since: int
    until: int


class MemoryTables:
    """Rows, and the log beside them. Who calls holds the lock."""

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        """Start empty, with a log of its own.

        Args:
            clock: Where the time comes from.
            ring: Called when the log has grown.
        """
        self._clock = clock
        self._ring = ring
        self._epoch = token_hex(16)
        self._rows: dict[bytes, Record] = {}
        self._retired: dict[bytes, Successor] = {}
        self._devices: dict[str, Device] = {}
        self._acting: dict[str, str] = {}
        self._kinds: dict[str, str] = {}
        self._audits = False
        self._trail: list[AuditRow] = []
        self._numbered = 0
        self._spent: dict[bytes, int] = {}
        self._workers: dict[tuple[str, int], WorkerRow] = {}
        self._probed_at = 0
        self._log: list[tuple[Entry, int]] = []
        self._floor = 1
        self._position = 1

    def _forget_workers(self) -> None:
        horizon = self._now() - KEPT
        self._workers = {key: row for key, row in self._workers.items() if row.reported_at >= horizon}

    def _reading(self, record: Record | None) -> Reading:
        return Reading(self._epoch, self._position, self._clock.now(), record)

    def _note(self, subject: str) -> None:
        self._log.append((Entry(self._position, subject), self._now()))
        self._position += 1
        self._ring()

    def _trim(self, horizon: int) -> None:
        old = [entry.position for entry, at in self._log if at < horizon]
        self._floor = max(self._floor, *(position + 1 for position in old), 0)
        self._log = [line for line in self._log if line[0].position >= self._floor]

    def _put(self, key: bytes, row: Record) -> Record:
        self._rows[key] = row
        self._note(session_subject(row.id))
        return row

    def _end(self, rows: Iterable[Record]) -> Sequence[Ended]:
        keys = {row.id: key for key, row in self._rows.items()}
        ended: list[Ended] = []
        for row in rows:
            del self._rows[keys[row.id]]
            self._devices.pop(row.id, None)
            self._note(session_subject(row.id))
            ended.append(ended_as(row))
            self._acting.pop(row.id, None)
        self._forget({each.id for each in ended})
        self._end_acting_for(each.id for each in ended)
        return ended

    def _end_acting_for(self, session_ids: Iterable[str]) -> None:
        gone = set(session_ids)
        acting = [row for row in self._rows.values() if self._acting.get(row.id) in gone]
        if acting:
            self._end(acting)

    def _shorten_acting_for(self, actor: Record) -> None:
        for key, row in list(self._rows.items()):
            if self._acting.get(row.id) == actor.id and cut(row, actor) != row:
                self._put(key, cut(row, actor))

    def _forget(self, session_ids: set[str]) -> None:
        self._retired = {key: each for key, each in self._retired.items() if each.session_id not in session_ids}
        self._kinds = {key: kind for key, kind in self._kinds.items() if key not in session_ids}

    def _current(self, token_hash: bytes) -> bytes:
        """Return the token hash that a retired one leads to while its grace lasts; or itself."""
        successor = self._retired.get(token_hash)
        return token_hash if successor is None or successor.until <= self._now() else successor.token_hash

    def _latest(self, token_hash: bytes) -> bytes:
        """Return the same, however long ago that was."""
        successor = self._retired.get(token_hash)
        return token_hash if successor is None else successor.token_hash

    def _key_of(self, session_id: str) -> bytes | None:
        return next((key for key, row in self._rows.items() if row.id == session_id), None)

    def _live_key_of(self, session_id: str) -> bytes | None:
        key = self._key_of(session_id)
        return key if key is not None and self._alive(self._rows[key]) else None

    def _kind_of(self, session_id: str) -> str:
        return self._kinds.get(session_id, SESSION)

    def _live_of(self, user_id: str | None, kind: str = SESSION) -> Sequence[Record]:
        rows = [row for row in self._live(kind) if row.user_id == user_id]
        return sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)

    def _matching(self, wanted: SessionFilter) -> Sequence[Record]:
        return latest_seen([row for row in self._live(SESSION) if matches(wanted, row)])

    def _live(self, kind: str) -> Sequence[Record]:
        return [row for row in self._rows.values() if self._alive(row) and self._kind_of(row.id) == kind]

    def _alive(self, row: Record) -> bool:
        return row.ends_at() > self._now()

    def _now(self) -> int:
        return self._clock.now() // 1000


def cut(row: Record, actor: Record) -> Record:
    """Return a row that ends no later than the session that it ends with."""
    return row._replace(expires_at=min(row.expires_at or actor.ends_at(), actor.ends_at()))


def latest_seen(rows: Sequence[Record]) -> Sequence[Record]:
    """Return rows by their latest activity."""
    return sorted(rows, key=lambda row: (row.last_seen_at, row.id), reverse=True)
