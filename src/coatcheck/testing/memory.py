# Generated from testing/async_memory.py by tools/generate_sync.py: edit that, run `make generate`.
"""A store in memory, for threads."""

from __future__ import annotations

import json
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from coatcheck._sync._pair import Lock
from coatcheck.actors import current_actor
from coatcheck.bells import Bell
from coatcheck.clock import SystemClock
from coatcheck.core.authentication import acts_for_another
from coatcheck.core.coherence import EVERYONE, Entry, LogPage, session_subject, user_subject
from coatcheck.core.fleet import KEPT, MINUTE, PAUSE, WorkerRow, WorkerRows, probe_subject
from coatcheck.core.settings import LONGEST_COPY
from coatcheck.core.successors import MOST_RETIRED, Retired
from coatcheck.core.times import duration_micros
from coatcheck.errors import ConfigurationError, DataError
from coatcheck.stores import auditing
from coatcheck.stores.auditing import audited
from coatcheck.stores.base import (
    SESSION,
    AuditRow,
    Capabilities,
    CreateResult,
    Ended,
    Full,
    Reading,
    Renewed,
    SessionFilter,
    Vitals,
    ended_as,
)
from coatcheck.stores.searching import START, matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from coatcheck.clock import Clock
    from coatcheck.core.session import Record
    from coatcheck.stores.auditing import Noted
    from coatcheck.stores.base import (
        AuditFilter,
        Device,
        NewSession,
        Renewal,
        Rotation,
        Selection,
        SessionChange,
        Touch,
    )

T = TypeVar("T")

_KEEP_LOG = 2 * duration_micros(LONGEST_COPY)
_TIMES = ("idle_timeout", "idle_expires_at", "expires_at")


class _Successor(NamedTuple):
    """What a retired token has led to since when, and until when it is as good."""

    session_id: str
    token_hash: bytes
    seal: bytes
    since: int
    until: int


class MemoryStore:
    """Sessions in a dictionary: for tests, and as the plainest example of what a store promises.

    Its readers ask once in a lease, and a revoked session may be accepted for so long, unless it is told to wake them
    when the log has grown. Any number of `Sessions` may share one, as workers do;
    closing it keeps what is in it.
    """

    capabilities = Capabilities(
        transactions=False,
        exact_limits=True,
        listing=True,
        log=True,
        users_table=False,
        notices_changes=False,
        retires=True,
        devices=True,
        impersonates=True,
        kinds=True,
        searching=True,
        audits=True,
        spends=True,
        numbers=True,
    )

    def __init__(self, *, clock: Clock | None = None, pushes_changes: bool = False) -> None:
        """Start empty, with a log of its own.

        Args:
            clock: Where the time comes from.
            pushes_changes: Whether its readers are woken when the log has grown, as a server would.
        """
        self.capabilities = self.capabilities._replace(pushes_changes=pushes_changes)
        self._clock = clock or SystemClock()
        self._epoch = token_hex(16)
        self._rows: dict[bytes, Record] = {}
        self._retired: dict[bytes, _Successor] = {}
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
        self._lock = Lock()
        self._bell = Bell()

    def open(self) -> None:
        """Do nothing: there is nothing to connect to."""

    def close(self) -> None:
        """Do nothing: others may use it still."""

    def migrate(self) -> Sequence[str]:
        """Do nothing: there are no tables."""
        return ()

    def problems(self) -> Sequence[str]:
        """Find no problem."""
        return ()

    def vitals(self) -> Vitals:
        """Tell nothing: there are no connections."""
        return Vitals()

    def unchanged(self, cursor: Any) -> bool:  # noqa: ARG002 - nothing here can tell
        """Leave it to the lease."""
        return True

    def news(self, seen: int, seconds: float) -> int:
        """Wait until the log has grown."""
        return self._bell.wait(seen, seconds)

    def read(self, token_hash: bytes, *, connection: Any = None) -> Reading:
        """Read the session with this token hash, and where the log stands."""
        _refuse(connection)
        with self._lock:
            row = self._rows.get(self._current(token_hash))
            successor = self._retired.get(token_hash)
            since = max(
                (each.since for each in self._retired.values() if row and each.session_id == row.id), default=None
            )
            retired = None if successor is None else Retired(successor.session_id, successor.until)
            return self._reading(row)._replace(since=since, retired=retired)

    def read_nearby(self, token_hash: bytes) -> Reading | None:  # noqa: ARG002 - there is no replica
        """Have no answer: there is no replica."""
        return None

    def find(self, session_id: str) -> Reading:
        """Read a session by its public id."""
        with self._lock:
            key = self._key_of(session_id)
            return self._reading(None if key is None else self._rows[key])

    def poll(self, cursor: Any) -> LogPage:
        """Read the log from a cursor on: epoch and next position."""
        with self._lock:
            epoch, first = (self._epoch, 0) if cursor is None else cursor
            resumed = epoch == self._epoch
            entries = tuple(entry for entry, _ in self._log if resumed and entry.position >= first)
            end = (self._epoch, self._position)
            return LogPage(self._epoch, self._floor, entries, end, self._clock.now(), resumed, self._position)

    def create(self, new: NewSession, *, connection: Any = None) -> CreateResult:
        """Insert a session and enforce the limit; raises Full."""
        _refuse(connection)
        with self._lock:
            taken = new.token_hash in self._rows and new.token_hash != new.replaces
            if taken or self._key_of(new.record.id) is not None:
                raise DataError("there is a session with this token or id already")
            replaced = None if new.replaces is None else self._rows.get(self._latest(new.replaces))
            live = self._live_of(new.record.user_id, new.kind)
            others = [row for row in live if row is not replaced and not acts_for_another(row.authentication)]
            full = new.limit is not None and new.record.user_id is not None and len(others) >= new.limit
            if full and new.when_full != "evict_oldest":
                raise Full(new.limit or 0, tuple(others))
            evicted = tuple(others[(new.limit or 0) - 1 :]) if full else ()
            record = new.record if replaced is None else _carried(new, replaced)
            self._end(evicted if replaced is None else (replaced, *evicted))
            self._rows[new.token_hash] = record
            self._kinds[record.id] = new.kind
            return self._told(CreateResult(record, evicted, replaced), partial(auditing.of_create, new))

    def touch(self, touches: Sequence[Touch]) -> set[str]:
        """Move live sessions' last-seen and idle expiry forwards; returns their ids."""
        confirmed: set[str] = set()
        with self._lock:
            for session_id, seen, idle in touches:
                key = self._live_key_of(session_id)
                if key is None or self._rows[key].ends_at() <= seen:
                    continue
                row = self._rows[key]
                self._rows[key] = row._replace(
                    last_seen_at=max(row.last_seen_at, seen), idle_expires_at=max(row.idle_expires_at, idle)
                )
                confirmed.add(session_id)
        return confirmed

    def save(self, change: SessionChange, *, connection: Any = None) -> Record | None:
        """Merge keys into a live session's data; None when it is gone."""
        _refuse(connection)
        with self._lock:
            key = self._live_key_of(change.session_id)
            if key is None:
                return None
            merged = {**json.loads(self._rows[key].data), **change.changes}
            data = json.dumps({name: merged[name] for name in merged if name not in change.remove})
            if len(data.encode()) > change.max_bytes:
                raise DataError(f"the session's data would be larger than {change.max_bytes} bytes")
            times: dict[str, Any] = {
                name: time for name, time in zip(_TIMES, change[-3:], strict=True) if time is not None
            }
            row = self._put(key, self._rows[key]._replace(data=data, **times))
            self._shorten_acting_for(row)
            return row

    def relocate(self, session_id: str, ip: str | None, user_agent: str | None) -> bool:
        """Note a live session's new address and browser; False when they are noted already."""
        with self._lock:
            key = self._live_key_of(session_id)
            if key is None or (self._rows[key].ip, self._rows[key].user_agent) == (ip, user_agent):
                return False
            self._put(key, self._rows[key]._replace(ip=ip, user_agent=user_agent))
            return True

    def rotate(self, rotation: Rotation, *, connection: Any = None) -> Record | None:
        """Give a live session a new token hash; None when the old one is gone."""
        _refuse(connection)
        with self._lock:
            old_hash = self._current(rotation.old_hash)
            row = self._rows.get(old_hash)
            if row is None or not self._alive(row):
                return None
            if rotation.new_hash in self._rows:
                raise DataError("there is a session with this token already")
            del self._rows[old_hash]
            if rotation.authenticated_at is not None:
                row = row._replace(authenticated_at=rotation.authenticated_at)
            if rotation.idle_expires_at is not None:
                row = row._replace(idle_expires_at=rotation.idle_expires_at)
            if rotation.expires_at is not None:
                row = row._replace(expires_at=rotation.expires_at)
            if rotation.authentication is not None:
                row = row._replace(authentication=rotation.authentication)
            self._shorten_acting_for(row)
            return self._told(self._put(rotation.new_hash, row), partial(auditing.of_rotate, rotation))

    def renew(self, renewal: Renewal, *, connection: Any = None) -> Renewed | None:
        """Give a live session a new token hash and retire the old one; the same successor for all who come in time."""
        _refuse(connection)
        with self._lock:
            row = self._rows.get(renewal.old_hash)
            if row is not None and self._alive(row):
                if renewal.new_hash in self._rows:
                    raise DataError("there is a session with this token already")
                del self._rows[renewal.old_hash]
                now = self._now()
                successor = _Successor(row.id, renewal.new_hash, renewal.seal, now, now + renewal.grace)
                self._retired[renewal.old_hash] = successor
                for token_hash in [key for key, each in self._retired.items() if each.session_id == row.id][
                    :-MOST_RETIRED
                ]:
                    del self._retired[token_hash]
                return Renewed(self._put(renewal.new_hash, row), renewal.seal, fresh=True)
            row = self._rows.get(self._current(renewal.old_hash))
            if row is None or not self._alive(row):
                return None
            return Renewed(row, self._retired[renewal.old_hash].seal, fresh=False)

    def reuse(self, token_hash: bytes, *, end: bool, connection: Any = None) -> Ended | None:
        """Act on the use of a retired token whose grace is over, once."""
        _refuse(connection)
        with self._lock:
            successor = self._retired.get(token_hash)
            if successor is None or successor.until > self._now():
                return None
            key = self._live_key_of(successor.session_id)
            if key is None:
                return None
            row = self._rows[key]
            if end:
                [ended] = self._end([row])
            else:
                del self._retired[token_hash]
                ended = ended_as(row)
            return self._told(ended, partial(auditing.of_reuse, end=end))

    def bind(self, session_id: str, device: Device) -> bool:
        """Bind a live session to a device; False when it is gone, or bound already."""
        with self._lock:
            key = self._live_key_of(session_id)
            if key is None or self._rows[key].device_bound:
                return False
            self._devices[session_id] = device
            row = self._put(key, self._rows[key]._replace(device_bound=True))
            self._told(Ended(row.id, row.user_id), partial(auditing.of_bind, device))
            return True

    def device(self, session_id: str) -> Device | None:
        """Read the device of a live session; None when there is none."""
        with self._lock:
            return None if self._live_key_of(session_id) is None else self._devices.get(session_id)

    def spend(self, name: bytes, lifetime: int) -> bool:
        """Note that something is used up, for so many microseconds; False when it was already."""
        with self._lock:
            now = self._clock.now() // 1000
            self._spent = {spent: end for spent, end in self._spent.items() if end > now}
            if name in self._spent:
                return False
            self._spent[name] = now + lifetime
            return True

    def swap_challenges(self, session_id: str, seen: str, new: str) -> bool:
        """Replace a device's challenges; False when they are not any more what was seen, or gone."""
        with self._lock:
            device = self._devices.get(session_id)
            if device is None or device.challenges != seen:
                return False
            self._devices[session_id] = device._replace(challenges=new)
            return True

    def create_acting(self, new: NewSession, actor_session_id: str, *, connection: Any = None) -> Record | None:
        """Insert a session that ends with another; None when that is gone or over, or is such a session itself."""
        _refuse(connection)
        with self._lock:
            key = self._live_key_of(actor_session_id)
            if key is None or actor_session_id in self._acting:
                return None
            self._acting[new.record.id] = actor_session_id
            self._rows[new.token_hash] = _cut(new.record, self._rows[key])
            return self._told(self._rows[new.token_hash], partial(auditing.of_acting, new))

    def actor_session(self, session_id: str, *, connection: Any = None) -> str | None:
        """Read the public id of the session that another one ends with; None when there is none."""
        _refuse(connection)
        with self._lock:
            actor = self._acting.get(session_id)
            return None if actor is None or self._live_key_of(actor) is None else actor

    def report(self, worker: str, report: str) -> bool:
        """Note what a worker tells of itself; returns whether it is to write the next probe."""
        with self._lock:
            now = self._now()
            key = worker, now // MINUTE
            before = self._workers.get(key)
            due = now - self._probed_at >= PAUSE
            active = None if before is None else before.active
            if due:
                self._probed_at = now
                active = len(self._live(SESSION))
            self._workers[key] = WorkerRow(*key, now, active, report)
            self._forget_workers()
            return due

    def probe(self) -> None:
        """Write a log entry that says when it was written."""
        with self._lock:
            self._note(probe_subject(self._now()))

    def reports(self) -> WorkerRows:
        """Read what all workers have told, and the time."""
        with self._lock:
            return WorkerRows(self._now(), tuple(row for _, row in sorted(self._workers.items())))

    def revoke(self, selection: Selection, *, connection: Any = None) -> Sequence[Ended]:
        """End the selected sessions and say which they were."""
        _refuse(connection)
        with self._lock:
            if selection.token_hash is not None:
                selection = selection._replace(token_hash=self._latest(selection.token_hash))
            selected = _selects(selection)
            rows = [row for key, row in self._rows.items() if selected(key, row)]
            ended = self._end([row for row in rows if selection.kind in {None, self._kind_of(row.id)}])
            return self._told(ended, partial(auditing.of_revoke, selection))

    def revoke_everyone(self, *, connection: Any = None) -> int:
        """End all sessions with one log entry; returns how many there were."""
        _refuse(connection)
        with self._lock:
            count = len(self._rows)
            self._rows.clear()
            self._retired.clear()
            self._devices.clear()
            self._acting.clear()
            self._kinds.clear()
            self._note(EVERYONE)
            return self._told(count, auditing.of_everyone)

    def invalidate_user(self, user_id: str, *, connection: Any = None) -> None:
        """Write a log entry that outdates all copies of a user's name, email and role."""
        _refuse(connection)
        with self._lock:
            self._note(user_subject(user_id))

    def invalidate(self, subjects: Sequence[str], *, connection: Any = None) -> None:
        """Write a log entry for each of these subjects."""
        _refuse(connection)
        with self._lock:
            for subject in subjects:
                self._note(subject)

    def list_sessions(
        self, user_id: str | None, limit: int, *, kind: str = SESSION, connection: Any = None
    ) -> Sequence[Record]:
        """List a user's live rows of a kind, newest first; for None those of all users, latest activity first."""
        _refuse(connection)
        with self._lock:
            if user_id is not None:
                return self._live_of(user_id, kind)[:limit]
            return _latest_seen(self._live(kind))[:limit]

    def search(
        self, wanted: SessionFilter, *, limit: int, after: tuple[int, str] | None = None, connection: Any = None
    ) -> Sequence[Record]:
        """List the sessions that a filter means, latest activity first, after a place in the list."""
        _refuse(connection)
        with self._lock:
            return [row for row in self._matching(wanted) if (row.last_seen_at, row.id) < (after or START)][:limit]

    def count_matching(self, wanted: SessionFilter, *, most: int | None = None, connection: Any = None) -> int:
        """Count the sessions that a filter means; with `most` no further than that."""
        _refuse(connection)
        with self._lock:
            return len(self._matching(wanted)[:most])

    def count_users_matching(self, wanted: SessionFilter, *, connection: Any = None) -> int:
        """Count the users whose sessions a filter means."""
        _refuse(connection)
        with self._lock:
            return len({row.user_id for row in self._matching(wanted)} - {None})

    def revoke_matching(self, wanted: SessionFilter, *, connection: Any = None) -> Sequence[Ended]:
        """End the sessions that a filter means, and say which they were."""
        _refuse(connection)
        with self._lock:
            return self._told(self._end(self._matching(wanted)), partial(auditing.of_revoke, None))

    def audit(self) -> None:
        """Write entries of the audit trail from now on, with each change that this object makes."""
        self._audits = True

    def record(self, entries: Sequence[Noted], *, connection: Any = None) -> None:
        """Write entries of the audit trail as they are."""
        _refuse(connection)
        with self._lock:
            self._keep(entries)

    def entries(
        self, wanted: AuditFilter, *, limit: int, after: int | None = None, connection: Any = None
    ) -> Sequence[AuditRow]:
        """List entries of the audit trail, newest first, after the one with this number."""
        _refuse(connection)
        with self._lock:
            found = [row for row in self._trail if audited(wanted, row) and (after is None or row.id < after)]
            return found[::-1][:limit]

    def forget_entries(self, keep: int, batch: int) -> int:
        """Delete at most `batch` entries that are older than `keep` microseconds; returns how many."""
        with self._lock:
            old = [row for row in self._trail if row.at < self._now() - keep][:batch]
            self._trail = [row for row in self._trail if row not in old]
            return len(old)

    def sweep(self, batch: int) -> Sequence[Ended]:
        """Delete at most `batch` expired sessions, without log entries, and trim the log."""
        with self._lock:
            self._trim(self._now() - _KEEP_LOG)
            self._forget_workers()
            expired = [key for key, row in self._rows.items() if not self._alive(row)][:batch]
            rows = [self._rows.pop(key) for key in expired]
            self._forget({row.id for row in rows})
            for row in rows:
                self._devices.pop(row.id, None)
            self._end_acting_for(row.id for row in rows)
            return [ended_as(row) for row in rows]

    # --- under the lock

    def _told(self, result: T, entries: Callable[[Any], Iterable[Noted]]) -> T:
        """Write what the audit trail says of a change, where it is on."""
        if self._audits:
            self._keep(auditing.by(current_actor(), entries(result)))
        return result

    def _keep(self, entries: Sequence[Noted]) -> None:
        for action, user_id, session_id, detail, actor, address in entries:
            self._numbered += 1
            self._trail.append(
                AuditRow(self._numbered, self._now(), action, actor, user_id, session_id, address, detail)
            )

    def _forget_workers(self) -> None:
        horizon = self._now() - KEPT
        self._workers = {key: row for key, row in self._workers.items() if row.reported_at >= horizon}

    def _reading(self, record: Record | None) -> Reading:
        return Reading(self._epoch, self._position, self._clock.now(), record)

    def _note(self, subject: str) -> None:
        self._log.append((Entry(self._position, subject), self._now()))
        self._position += 1
        self._bell.ring()

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
            if self._acting.get(row.id) == actor.id and _cut(row, actor) != row:
                self._put(key, _cut(row, actor))

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
        return _latest_seen([row for row in self._live(SESSION) if matches(wanted, row)])

    def _live(self, kind: str) -> Sequence[Record]:
        return [row for row in self._rows.values() if self._alive(row) and self._kind_of(row.id) == kind]

    def _alive(self, row: Record) -> bool:
        return row.ends_at() > self._now()

    def _now(self) -> int:
        return self._clock.now() // 1000


def _selects(selection: Selection) -> Callable[[bytes, Record], bool]:
    if selection.token_hash is not None:
        return lambda key, _: key == selection.token_hash
    if selection.session_id is not None:
        owner = selection.user_id
        return lambda _, row: row.id == selection.session_id and owner in {None, row.user_id}
    return lambda _, row: row.user_id is not None and row.user_id == selection.user_id and row.id != selection.keep


def _cut(row: Record, actor: Record) -> Record:
    """Return a row that ends no later than the session that it ends with."""
    return row._replace(expires_at=min(row.expires_at or actor.ends_at(), actor.ends_at()))


def _carried(new: NewSession, replaced: Record) -> Record:
    """Return the new row, with what the policy lets an anonymous visitor keep."""
    if replaced.user_id is not None:
        return new.record
    old = json.loads(replaced.data)
    kept = {name: old[name] for name in new.carry_over if name in old}
    return new.record._replace(data=json.dumps({**kept, **json.loads(new.record.data)}))


def _latest_seen(rows: Sequence[Record]) -> Sequence[Record]:
    return sorted(rows, key=lambda row: (row.last_seen_at, row.id), reverse=True)


def _refuse(connection: Any) -> None:
    if connection is not None:
        raise ConfigurationError("connection= is not possible: a store in memory has no transactions to join")
