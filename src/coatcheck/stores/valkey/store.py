# Generated from stores/valkey/async_store.py by tools/generate_sync.py: edit that, run `make generate`.
"""The Valkey store for threads. Generated from the asyncio side.

All keys share one hash tag, `{coatcheck}:...`, and each change is one script, which writes the log entry too. So in a
cluster, too, all of it stands on one master and its replicas: the sessions must fit into the memory of one, and a
second store with a prefix of its own is the way to use another.

What each key holds, with the generation as `g`:

    {coatcheck}:meta        epoch, server, position (the next), floor, generation, layout
    {coatcheck}:log         the stream of entries; `<position>-0` is the id of each
    {coatcheck}:audit       the stream of the audit trail; `<number>-0` is the id of each entry
    {coatcheck}:dead        generations whose keys are still to be removed
    {coatcheck}:o:<name>    that something is used up which may count once
    {coatcheck}:reports     what workers have told, by worker and minute; and :told, when they have
    {coatcheck}:probed      when the last probe was ordered
    {coatcheck}:g:s:<hash>  one session, by the hash of its token
    {coatcheck}:g:i:<id>    the hash of its token
    {coatcheck}:g:u:<user>  the ids of a user's sessions, by when they were created
    {coatcheck}:g:r:<hash>  one retired token: its session, its successor, the seal and the end of its grace
    {coatcheck}:g:p:<id>    the hashes of a session's retired tokens, the latest first
    {coatcheck}:g:d:<id>    the device that a session is bound to
    {coatcheck}:g:f:<id>    the ids of the sessions that end with a session
    {coatcheck}:g:a, g:e    the ids of all, by latest activity and by expiry
    {coatcheck}:g:q         the ids of what is no session but another kind of row, by expiry

Why a reading and a page of the same epoch belong to the same log: the epoch is a random word beside the log. It goes
with it (FLUSHALL), and comes back with it (a snapshot, a replica). The poll asks the server who it is (`run_id`, new
with each start) and since when it is a master (`master_replid`, new with each promotion), and if that is not what is
noted beside the epoch, it notes a new epoch with it, in the same script. So a poll never proves anything about a log
that stood on another server or was loaded from disk, whatever was lost on the way. A reading takes the epoch that is
noted. Between a failover and the next poll that is the old one, of a log that may have lost entries and gone on
differently: such a copy is admitted only until the lease of the last poll is over, for the next poll finds the
new epoch and drops every copy of the old one. A first poll always notes a new epoch, so none can be proven with
an epoch that somebody else's lost poll has left half known. A log with a hole or with a head behind the cursor gets a
new epoch as well.

A connection may still lead to a former master, which answers readings and knows nothing of what came later. So a
reading must have the epoch of this store's latest poll and stand at or after its head; otherwise unused connections
are dropped, and one poll and one more reading tell whether that was all. Of two servers that both take themselves
for the master the old one can be kept from proving anything by `min-replicas-to-write` with `poll_writes`.
"""

from __future__ import annotations

import json
import re
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import OutOfMemoryError

from coatcheck.actors import current_actor
from coatcheck.core.coherence import Entry, LogPage, user_subject
from coatcheck.core.fleet import KEPT, PAUSE
from coatcheck.core.successors import MOST_RETIRED
from coatcheck.errors import ConfigurationError, DataError, SchemaError, Unavailable
from coatcheck.fork import after_fork
from coatcheck.stores import auditing
from coatcheck.stores.base import SESSION, Capabilities, CreateResult, Device, Full, Renewed, Vitals
from coatcheck.stores.valkey import rows, scripts
from coatcheck.stores.valkey._wire import Wire
from coatcheck.stores.valkey.failures import wrong_setting
from coatcheck.stores.valkey.listener import Listener
from coatcheck.stores.valkey.question import ANSWERS, Question
from coatcheck.stores.valkey.server import problems_of, too_old

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    from coatcheck.clock import Clock
    from coatcheck.core.fleet import WorkerRows
    from coatcheck.core.session import Record
    from coatcheck.stores.auditing import Noted
    from coatcheck.stores.base import (
        AuditFilter,
        AuditRow,
        Ended,
        NewSession,
        Reading,
        Renewal,
        Rotation,
        Selection,
        SessionChange,
        SessionFilter,
        Touch,
    )
    from coatcheck.stores.valkey.scripts import Script

    T = TypeVar("T")

FLOOD = 10_000
"""A poll that finds more entries than this raises the floor instead of learning each of them."""

KEEP_LOG = 2 * 3600 * 1_000_000
"""Entries are kept for so many microseconds: longer than any cached copy lives."""

LAYOUT = 1
"""The form of the keys above."""

_AT_ONCE = 500
"""So many touches or entries go into one script: more of them would keep everybody else waiting."""

_ATTEMPTS = 100
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]+")


class Cursor(NamedTuple):
    """How far a poll has read: the log's epoch and the next position."""

    epoch: str
    position: int


class ValkeyStore:
    """Sessions on a Valkey (7.2 or newer) or Redis (7.0 or newer) server, behind Sentinel, or in a cluster.

    Only what coatcheck does is in the log: a session that somebody ends with `DEL` may be accepted from memory for as
    long as copies are kept. What the server forgets, in a failover or a restart without persistence, is forgotten.
    """

    capabilities = Capabilities(
        transactions=False,
        exact_limits=True,
        listing=True,
        log=False,
        users_table=False,
        notices_changes=False,
        pushes_changes=True,
        retires=True,
        devices=True,
        impersonates=True,
        kinds=True,
        searching=True,
        audits=True,
        spends=True,
        numbers=True,
    )

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "coatcheck",
        timeout: float = 1.0,
        max_connections: int = 32,
        poll_writes: bool = False,
        clock: Clock | None = None,
    ) -> None:
        """Name the server; nothing is connected yet.

        Args:
            url: Such as `valkey://host:6379/0`; see `coatcheck.valkey_urls` for TLS, Sentinel and clusters.
            prefix: What all keys begin with, in braces.
            timeout: How many seconds a call may take before it is `Unavailable`.
            max_connections: How many connections a process may have; who needs another one waits.
            poll_writes: Whether each poll counts as a write, so that a master that `min-replicas-to-write` forbids
                to write can prove nothing.
            clock: Where the time comes from, instead of the server; for tests.

        Raises:
            ConfigurationError: The URL, the prefix or the timeout is not possible.
        """
        if not _PREFIX.fullmatch(prefix):
            msg = f"store prefix={prefix!r} is not possible: use letters, digits, and '_', '-', '.' or ':'"
            raise ConfigurationError(msg)
        if timeout <= 0:
            msg = f"store timeout={timeout!r} is not possible: use more than zero seconds"
            raise ConfigurationError(msg)
        self._meta_key = f"{{{prefix}}}:meta"
        self._clock = clock
        self._poll_writes = poll_writes
        self._wire = Wire(url, timeout=timeout, max_connections=max_connections)
        # Polls have a connection of their own: whatever the others are busy with, the lease can be renewed.
        self._reserved = Wire(url, timeout=timeout, max_connections=1)
        self._listener = Listener(url, timeout=timeout, meta_key=self._meta_key, log_key=f"{{{prefix}}}:log")
        self._polled: Cursor | None = None
        self._audits = False
        self._question, self._generation = Question(self._meta_key), b""
        after_fork(self)

    def forked(self) -> None:
        """Leave the parent's connections alone."""
        self._wire.forked()
        self._reserved.forked()
        self._listener.forked()

    def open(self) -> None:
        """Verify the server and its settings, if it can be reached; if not, it will be asked again by every call.

        Raises:
            ConfigurationError: It can never work: wrong password, wrong database, too old a server.
            SchemaError: The keys were written by a newer release.
        """
        self._listener.reopen()
        try:
            layout = self._wire.command(self._meta_key, "HGET", self._meta_key, "layout")
            info = self._wire.command(self._meta_key, "INFO", "server")
            self._run(scripts.READ, "id", "")
        except Unavailable as error:
            if (wrong := wrong_setting(error.__cause__)) is not None:
                msg = f"store with {wrong}"
                raise ConfigurationError(msg) from error
            return
        if (old := too_old(info)) is not None:
            raise ConfigurationError(old)
        if layout is not None and int(layout) > LAYOUT:
            msg = f"the keys of this store have layout {int(layout)}, this release knows {LAYOUT}: use a newer release"
            raise SchemaError(msg)

    def close(self) -> None:
        """Close every connection this process has made."""
        self._listener.close()
        self._reserved.close()
        self._wire.close()

    def migrate(self) -> Sequence[str]:
        """Do nothing: there are no tables."""
        return ()

    def problems(self) -> Sequence[str]:
        """Say which settings of the server are unsafe, each with the fix."""
        info = self._wire.command(self._meta_key, "INFO")
        try:
            saves = self._wire.command(self._meta_key, "CONFIG", "GET", "save")
        except Unavailable:  # as with many who rent out servers
            saves = None
        return problems_of(info, saves, clustered=self._wire.clustered)

    def vitals(self) -> Vitals:
        """Tell how the connections are; asks nobody."""
        connections, idle = self._wire.count()
        return Vitals(self._listener.listens, connections, idle)

    def unchanged(self, cursor: Cursor | None) -> bool:  # noqa: ARG002 - nothing here can tell
        """Leave it to the lease, and to `news`."""
        return True

    def news(self, seen: int, seconds: float) -> int:
        """Wait until the log may have grown, or so many seconds; returns how often it has."""
        return self._listener.news(seen, seconds)

    def read(self, token_hash: bytes, *, connection: Any = None) -> Reading:
        """Read the session with this token hash, and where the log stood at that time or just before."""
        _refuse(connection)
        if not self._wire.clustered and (reading := self._asked(token_hash)) is not None:
            return reading
        return self._read("hash", token_hash.hex())

    def _asked(self, token_hash: bytes) -> Reading | None:
        """Read by plain commands; None where they could not be sure of what they were asked about."""
        polled, generation = self._polled, self._generation
        packet = self._question.about(generation, token_hash)
        meta, (seconds, micros), values, retired = self._wire.together(packet, ANSWERS)
        self._generation = meta[2] or b""
        if retired or self._generation != generation:
            return None
        now = self._now()
        reading = rows.reading_in(meta, int(seconds) * 1_000_000 + int(micros) if now == "" else int(now), values)
        return reading if _is_current(reading, polled) else None

    def read_nearby(self, token_hash: bytes) -> Reading | None:  # noqa: ARG002 - a replica's readings may be old
        """Have no answer: only the master is asked."""
        return None

    def find(self, session_id: str) -> Reading:
        """Read a session by its public id."""
        return self._read("id", session_id)

    def _read(self, by: str, value: str) -> Reading:
        polled = self._polled
        reading = rows.reading_of(self._run(scripts.READ, by, value))
        if _is_current(reading, polled):
            return reading
        self._wire.renew()
        self.poll(polled)
        polled = self._polled
        reading = rows.reading_of(self._run(scripts.READ, by, value))
        if _is_current(reading, polled):
            return reading
        msg = "the Valkey store could not answer (a server that is not the master, or not any more)"
        raise Unavailable(msg)

    def poll(self, cursor: Cursor | None) -> LogPage:
        """Read the log from a cursor on, in one script, which fails on a replica."""
        epoch, position = cursor or ("", 0)
        answer = self._polled_with(epoch, position)
        end = Cursor(answer[0].decode(), int(answer[2]))
        words = answer[4]
        entries = tuple(Entry(int(at), what.decode()) for at, what in zip(words[::2], words[1::2], strict=True))
        self._polled = end
        self._listener.begin_at(end.epoch, end.position)
        resumed = epoch in ("", end.epoch)
        now = int(answer[3]) * 1000
        return LogPage(end.epoch, int(answer[1]), entries, end, now, resumed, as_of=end.position)

    def _polled_with(self, epoch: str, position: int) -> Any:
        order = (epoch, position, FLOOD)
        try:
            return self._ask(scripts.POLL_WRITING if self._poll_writes else scripts.POLL, *order)
        except Unavailable as error:
            if self._poll_writes or not isinstance(error.__cause__, OutOfMemoryError):
                raise
        # There was something to note, and no memory for it.
        return self._ask(scripts.POLL_WRITING, *order)

    def create(self, new: NewSession, *, connection: Any = None) -> CreateResult:
        """Insert a session and enforce the limit, exactly and in one script; raises Full."""
        _refuse(connection)
        record, seen = new.record, b""
        carries = new.replaces is not None and bool(new.carry_over)
        for _ in range(_ATTEMPTS):
            status, *answer = self._run(
                scripts.CREATE,
                new.token_hash.hex(),
                "" if new.limit is None else new.limit,
                new.when_full,
                "" if new.replaces is None else new.replaces.hex(),
                "1" if carries else "0",
                seen,
                *rows.fields_of(record, new.kind),
            )
            if status == b"ok":
                replaced, evicted = answer
                old = rows.record_of(replaced) if replaced else None
                result = CreateResult(record, rows.records_of(evicted), old)
                return self._told(result, partial(auditing.of_create, new))
            if status == b"full":
                raise Full(new.limit or 0, rows.records_of(answer[0]))
            if status == b"taken":
                msg = "there is a session with this token or id already"
                raise DataError(msg)
            # Lua's JSON would not keep numbers and empty lists as they are, so the data are joined here.
            seen = answer[0]
            record = _carried(new, seen)
        raise _contended()

    def touch(self, touches: Sequence[Touch]) -> set[str]:
        """Move live sessions' last-seen and idle expiry forwards, hundreds in one script; returns their ids."""
        touched: set[str] = set()
        for start in range(0, len(touches), _AT_ONCE):
            words = [word for touch in touches[start : start + _AT_ONCE] for word in touch]
            touched.update(found.decode() for found in self._run(scripts.TOUCH, *words))
        return touched

    def save(self, change: SessionChange, *, connection: Any = None) -> Record | None:
        """Merge keys into a live session's data; None when it is gone. Never creates a row."""
        _refuse(connection)
        reading = self.find(change.session_id)
        record = reading.record
        if record is None or record.ends_at() * 1000 <= reading.now:
            return None
        seen = record.data.encode()
        times = ["" if time is None else time for time in change[-3:]]
        for _ in range(_ATTEMPTS):
            status, *answer = self._run(scripts.SAVE, change.session_id, seen, _merged(seen, change), *times)
            if status == b"gone":
                return None
            if status == b"ok":
                return rows.record_of(answer[0])
            seen = answer[0]
        raise _contended()

    def relocate(self, session_id: str, ip: str | None, user_agent: str | None) -> bool:
        """Note a live session's new address and browser; False when they are noted already."""
        words = [word for value in (ip, user_agent) for word in ("0" if value is None else "1", value or "")]
        return bool(self._run(scripts.RELOCATE, session_id, *words))

    def rotate(self, rotation: Rotation, *, connection: Any = None) -> Record | None:
        """Give a live session a new token hash; None when the old one is gone."""
        _refuse(connection)
        changed = (rotation.authenticated_at, rotation.idle_expires_at, rotation.expires_at, rotation.authentication)
        words = ("" if value is None else value for value in changed)
        status, *answer = self._run(scripts.ROTATE, rotation.old_hash.hex(), rotation.new_hash.hex(), *words)
        if status == b"taken":
            msg = "there is a session with this token already"
            raise DataError(msg)
        rotated = rows.record_of(answer[0]) if status == b"ok" else None
        return self._told(rotated, partial(auditing.of_rotate, rotation))

    def renew(self, renewal: Renewal, *, connection: Any = None) -> Renewed | None:
        """Give a live session a new token hash and retire the old one; the same successor for all who come in time."""
        _refuse(connection)
        old, new, seal, grace = renewal
        status, *answer = self._run(scripts.RENEW, old.hex(), new.hex(), seal, grace, MOST_RETIRED)
        if status == b"taken":
            msg = "there is a session with this token already"
            raise DataError(msg)
        if status == b"gone":
            return None
        fields, successor, seal = answer
        return Renewed(rows.record_of(fields), seal, fresh=successor.decode() == new.hex())

    def reuse(self, token_hash: bytes, *, end: bool, connection: Any = None) -> Ended | None:
        """Act on the use of a retired token whose grace is over, once."""
        _refuse(connection)
        answer = self._run(scripts.REUSE, token_hash.hex(), "1" if end else "0")
        ended = None if answer is None else rows.ended_of([answer])[0]
        return self._told(ended, partial(auditing.of_reuse, end=end))

    def bind(self, session_id: str, device: Device) -> bool:
        """Bind a live session to a device; False when it is gone, or bound already."""
        fields = self._run(scripts.BIND, session_id, *device)
        whose = rows.ended_of([fields])[0] if fields else None
        return self._told(whose, partial(auditing.of_bind, device)) is not None

    def device(self, session_id: str) -> Device | None:
        """Read the device of a live session; None when there is none."""
        found = self._run(scripts.DEVICE, session_id)
        return Device(*(part.decode() for part in found)) if found else None

    def swap_challenges(self, session_id: str, seen: str, new: str) -> bool:
        """Replace a device's challenges; False when they are not any more what was seen, or gone."""
        return bool(self._run(scripts.SWAP_CHALLENGES, session_id, seen, new))

    def create_acting(self, new: NewSession, actor_session_id: str, *, connection: Any = None) -> Record | None:
        """Insert a session that ends with another; None when that is gone or over, or is such a session itself."""
        _refuse(connection)
        words = rows.fields_of(new.record)
        status, *answer = self._run(scripts.CREATE_ACTING, new.token_hash.hex(), actor_session_id, *words)
        if status == b"taken":
            msg = "there is a session with this token or id already"
            raise DataError(msg)
        record = rows.record_of(answer[0]) if status == b"ok" else None
        return self._told(record, partial(auditing.of_acting, new))

    def actor_session(self, session_id: str, *, connection: Any = None) -> str | None:
        """Read the public id of the session that another one ends with; None when there is none."""
        _refuse(connection)
        found = self._run(scripts.ACTOR_SESSION, session_id)
        return None if found is None else found.decode()

    def spend(self, name: bytes, lifetime: int) -> bool:
        """Note that something is used up, for so many microseconds; False when it was already."""
        key = f"{self._meta_key.removesuffix('meta')}o:{name.hex()}"
        return self._wire.command(key, "SET", key, "1", "NX", "PX", max(lifetime // 1000, 1)) is not None

    def report(self, worker: str, report: str) -> bool:
        """Note what a worker tells of itself; returns whether it is to write the next probe."""
        return bool(self._run(scripts.REPORT, worker, report, PAUSE, KEPT))

    def probe(self) -> None:
        """Write a log entry that says when it was written."""
        self._run(scripts.PROBE)

    def reports(self) -> WorkerRows:
        """Read what all workers have told, and the time."""
        return rows.reports_of(self._run(scripts.REPORTS))

    def revoke(self, selection: Selection, *, connection: Any = None) -> Sequence[Ended]:
        """End the selected sessions and say which they were."""
        _refuse(connection)
        if selection.token_hash is not None:
            words = ["hash", selection.token_hash.hex()]
        elif selection.session_id is not None:
            owned = selection.user_id is not None
            words = ["id", selection.session_id, "1" if owned else "0", selection.user_id or "", selection.kind or ""]
        elif selection.user_id is not None:
            words = ["user", selection.user_id, selection.keep or "", selection.kind or ""]
        else:
            return []
        ended = rows.ended_of(self._run(scripts.REVOKE, *words))
        return self._told(ended, partial(auditing.of_revoke, selection))

    def revoke_everyone(self, *, connection: Any = None) -> int:
        """End all sessions at once with one log entry, however many; returns how many there were."""
        _refuse(connection)
        return self._told(int(self._run(scripts.REVOKE_EVERYONE)), auditing.of_everyone)

    def invalidate_user(self, user_id: str, *, connection: Any = None) -> None:
        """Write a log entry that outdates all copies of a user's name, email and role."""
        _refuse(connection)
        self._run(scripts.NOTE, user_subject(user_id))

    def invalidate(self, subjects: Sequence[str], *, connection: Any = None) -> None:
        """Write a log entry for each of these subjects."""
        _refuse(connection)
        self._run(scripts.NOTE, *subjects)

    def list_sessions(
        self, user_id: str | None, limit: int, *, kind: str = SESSION, connection: Any = None
    ) -> Sequence[Record]:
        """List a user's live rows of a kind, newest first; for None those of all users, latest activity first."""
        _refuse(connection)
        whose = "all" if user_id is None else "user"
        return rows.records_of(self._run(scripts.LIST, whose, user_id or "", limit, kind))

    def search(
        self, wanted: SessionFilter, *, limit: int, after: tuple[int, str] | None = None, connection: Any = None
    ) -> Sequence[Record]:
        """List the sessions that a filter means, latest activity first, after a place in the list.

        Each script looks at some hundred sessions, and others are answered in between.
        """
        _refuse(connection)
        words, place = rows.filter_words(wanted), after or rows.BEGINNING
        found: list[Record] = []
        while place is not None and len(found) < limit:
            place, page = self._run(scripts.SEARCH, *place, limit - len(found), *words)
            found += rows.records_of(page)
        return found

    def count_matching(self, wanted: SessionFilter, *, most: int | None = None, connection: Any = None) -> int:
        """Count the sessions that a filter means, in the same way; with `most` no further than that."""
        _refuse(connection)
        words, place, count = rows.filter_words(wanted), rows.BEGINNING, 0
        while place is not None and (most is None or count < most):
            place, more = self._run(scripts.SEARCH, *place, "", *words)
            count += more
        return count if most is None else min(count, most)

    def count_users_matching(self, wanted: SessionFilter, *, connection: Any = None) -> int:
        """Count the users whose sessions a filter means, in the same way."""
        _refuse(connection)
        words, place, users = rows.filter_words(wanted), rows.BEGINNING, set[bytes]()
        while place is not None:
            place, more = self._run(scripts.USERS_MATCHING, *place, "", *words)
            users.update(more)
        return len(users)

    def revoke_matching(self, wanted: SessionFilter, *, connection: Any = None) -> Sequence[Ended]:
        """End the sessions that a filter means, and say which they were.

        Each script ends those among some hundred, with their entries; if one fails, those before it have ended.
        """
        _refuse(connection)
        words, place = rows.filter_words(wanted), rows.BEGINNING
        ended: list[Ended] = []
        while place is not None:
            place, more = self._run(scripts.END_MATCHING, *place, len(ended), *words)
            ended += self._told(rows.ended_of(more), partial(auditing.of_revoke, None))
        return ended

    def audit(self) -> None:
        """Write entries of the audit trail from now on, directly after each change that this object makes."""
        self._audits = True

    def _told(self, result: T, entries: Callable[[Any], Iterable[Noted]]) -> T:
        if self._audits:
            self.record(auditing.by(current_actor(), entries(result)))
        return result

    def record(self, entries: Sequence[Noted], *, connection: Any = None) -> None:
        """Write entries of the audit trail as they are."""
        _refuse(connection)
        for start in range(0, len(entries), _AT_ONCE):
            words = [word or "" for entry in entries[start : start + _AT_ONCE] for word in entry]
            self._run(scripts.AUDIT_RECORD, *words)

    def entries(
        self, wanted: AuditFilter, *, limit: int, after: int | None = None, connection: Any = None
    ) -> Sequence[AuditRow]:
        """List entries of the audit trail, newest first, after the one with this number; all of it may be read."""
        _refuse(connection)
        found: list[AuditRow] = []
        place: str | int = "+" if after is None else after
        while len(found) < limit:
            page = rows.audit_rows_of(self._run(scripts.AUDIT_ENTRIES, place, _AT_ONCE))
            found += [row for row in page if auditing.audited(wanted, row)]
            if len(page) < _AT_ONCE or (wanted.since is not None and page[-1].at < wanted.since):
                break
            place = page[-1].id
        return found[:limit]

    def forget_entries(self, keep: int, batch: int) -> int:
        """Delete at most `batch` entries that are older than `keep` microseconds; returns how many."""
        return int(self._run(scripts.AUDIT_FORGET, keep, batch))

    def sweep(self, batch: int) -> Sequence[Ended]:
        """Delete at most `batch` expired sessions, without log entries, and trim the log."""
        return rows.ended_of(self._run(scripts.SWEEP, batch, KEEP_LOG, KEPT))

    def _run(self, script: Script, *arguments: str | bytes | int) -> Any:
        return self._wire.run(script, self._meta_key, self._now(), token_hex(16), *arguments)

    def _ask(self, script: Script, *arguments: str | bytes | int) -> Any:
        try:
            return self._reserved.run(script, self._meta_key, self._now(), token_hex(16), *arguments)
        except Unavailable:
            # Perhaps it leads to a server that is not the master any more; the next attempt finds out.
            self._reserved.renew()
            raise

    def _now(self) -> str | int:
        return "" if self._clock is None else self._clock.now() // 1000


def _is_current(reading: Reading, polled: Cursor | None) -> bool:
    return polled is None or (reading.epoch == polled.epoch and reading.as_of >= polled.position)


def _carried(new: NewSession, data: bytes) -> Record:
    """Return the new record, with what the policy lets an anonymous visitor keep."""
    old: dict[str, Any] = json.loads(data or b"{}")
    kept = {name: old[name] for name in new.carry_over if name in old}
    merged: dict[str, Any] = {**kept, **json.loads(new.record.data)}
    return new.record._replace(data=json.dumps(merged, separators=(",", ":"))) if kept else new.record


def _merged(data: bytes, change: SessionChange) -> bytes:
    merged = {**json.loads(data), **change.changes}
    for key in change.remove:
        merged.pop(key, None)
    text = json.dumps(merged, separators=(",", ":")).encode()
    if len(text) > change.max_bytes:
        msg = f"the session's data would be {len(text)} bytes; max_data_bytes is {change.max_bytes}"
        raise DataError(msg)
    return text


def _contended() -> Unavailable:
    return Unavailable("the Valkey store could not answer (too many others change the same session)")


def _refuse(connection: Any) -> None:
    if connection is not None:
        msg = "connection= is not possible: Valkey has no transactions to join"
        raise ConfigurationError(msg)
