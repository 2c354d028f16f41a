"""The D1 store. There is none for threads: a Worker has none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from coatcheck.actors import current_actor
from coatcheck.clock import SystemClock
from coatcheck.core.refusals import refuse
from coatcheck.errors import ConfigurationError, Unavailable
from coatcheck.stores.auditing import by, of_everyone
from coatcheck.stores.base import SESSION, Capabilities, Ended, Expected, Vitals
from coatcheck.stores.d1.batches import Batches, Order
from coatcheck.stores.d1.schema import Schema
from coatcheck.stores.d1.statements import D1Statements
from coatcheck.stores.d1.trail import D1Trail
from coatcheck.stores.d1.wire import Wire, sent
from coatcheck.stores.operations import Operations, Statement, merged, only
from coatcheck.stores.sqlite.pages import KEEP_LOG, continues, first_of, flooded, interrupted, page_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.clock import Clock
    from coatcheck.core.coherence import LogPage
    from coatcheck.core.fleet import WorkerRows
    from coatcheck.core.session import Record
    from coatcheck.stores.auditing import Noted
    from coatcheck.stores.base import (
        AuditFilter,
        AuditRow,
        CreateResult,
        Device,
        NewSession,
        Reading,
        Renewal,
        Renewed,
        Rotation,
        Selection,
        SessionChange,
        SessionFilter,
        Touch,
    )
    from coatcheck.stores.d1.batches import Answer, Batch
    from coatcheck.stores.operations import Operation, Row
    from coatcheck.stores.sqlite.pages import Cursor
    from coatcheck.stores.users import UsersTable

T = TypeVar("T")

FLOOD = 2_000
"""A poll that finds more entries than this raises the floor instead of learning each of them."""

_ATTEMPTS = 100

_ENDED_BY_SIGN_IN = {"replaced": ("revoked", "replaced"), "evicted": ("evicted", "")}

_AHEAD = 20
"""A poll brings along no more sessions than these."""


class AsyncD1Store:
    """Sessions in a D1 database, for all isolates of a Worker everywhere.

    Every call is one round trip to the database's place; saving is two. The log is polled, so a revocation is seen by
    every isolate after at most the lease.

    A backup that Time Travel restores brings back an older log, which is noticed unless it had no entries. After a
    restore, run `UPDATE coatcheck_meta SET epoch = lower(hex(randomblob(16)))`: then every cached copy is void at once.
    """

    capabilities = Capabilities(
        transactions=False,
        exact_limits=True,
        listing=True,
        log=True,
        users_table=True,
        notices_changes=False,
        reads_ahead=True,
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
        database: Any,
        *,
        users: UsersTable | None = None,
        migrate: bool = False,
        timeout: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        """Take the binding; nothing is asked yet.

        Args:
            database: The binding: `env.DB`. Not one of its sessions, which may answer from a replica that is behind.
            users: The application's users table in the same database, to be joined to each session.
            migrate: Whether opening brings the tables to this release's form; better have Wrangler do it.
            timeout: How many seconds a call may take before it is `Unavailable`.
            clock: Where the time comes from, instead of the database; for tests.

        Raises:
            ConfigurationError: It is no D1 binding, or the timeout is not possible.
        """
        if timeout <= 0:
            refuse("timeout", timeout, "use more than zero seconds", of="store")
        self.users = users
        self._migrate_on_open = migrate
        self._own_clock = clock is None
        self._clock = clock or SystemClock()
        self._statements = D1Statements(users, own_clock=clock is None)
        text = self._statements.__getitem__
        self._operations = Operations(text, users)
        self._batches = Batches(text, self._operations.record, users=users is not None)
        self._trail = D1Trail(text)
        self._wire = Wire(database, timeout=timeout)
        self._schema = Schema(self._wire, text, users)
        self._expected: WeakSet[Expected] = WeakSet()

    @property
    def trips(self) -> int:
        """How many round trips there were."""
        return self._wire.trips

    async def open(self) -> None:
        """Verify the tables, after migrating them where that is wanted.

        Raises:
            SchemaError: They are missing, older or newer, or their triggers have been altered.
            ConfigurationError: The users table does not fit.
        """
        if self._migrate_on_open:
            await self._schema.migrate()
        else:
            await self._schema.verify()

    async def aclose(self) -> None:
        """Do nothing: a binding has no connection to close."""

    async def migrate(self) -> Sequence[str]:
        """Bring the tables and triggers to this release's form; returns the names of the steps that ran."""
        return await self._schema.migrate()

    async def problems(self) -> Sequence[str]:
        """Say what is missing or unsafe in the database, each with the fix."""
        return await self._schema.problems()

    def vitals(self) -> Vitals:
        """Tell nothing: there are no connections."""
        return Vitals()

    def unchanged(self, cursor: Cursor | None) -> bool:  # noqa: ARG002 - nothing here can tell
        """Leave it to the lease."""
        return True

    async def news(self, seen: int, seconds: float) -> int:
        """Wait the time given: nobody tells that the log has grown."""
        await asyncio.sleep(seconds)
        return seen

    # --- reading

    async def read(self, token_hash: bytes, *, connection: Any = None) -> Reading:
        """Read the session with this token hash, and where the log stands, in one statement."""
        _refuse(connection)
        return await self._only(self._operations.read(token_hash, self._now()))

    async def read_nearby(self, token_hash: bytes) -> Reading | None:  # noqa: ARG002 - only the primary is asked
        """Have no answer: only the primary database is asked."""
        return None

    async def find(self, session_id: str) -> Reading:
        """Read a session by its public id."""
        return await self._only(self._operations.find(session_id, self._now()))

    async def list_sessions(
        self, user_id: str | None, limit: int, *, kind: str = SESSION, connection: Any = None
    ) -> Sequence[Record]:
        """List a user's live rows of a kind, newest first; for None those of all users, latest activity first."""
        _refuse(connection)
        return await self._only(self._operations.list_sessions(user_id, limit, self._now(), kind))

    async def search(
        self, wanted: SessionFilter, *, limit: int, after: tuple[int, str] | None = None, connection: Any = None
    ) -> Sequence[Record]:
        """List the sessions that a filter means, latest activity first, after a place in the list."""
        _refuse(connection)
        return await self._only(self._operations.search(wanted, limit, after, self._now()))

    async def count_matching(self, wanted: SessionFilter, *, most: int | None = None, connection: Any = None) -> int:
        """Count the sessions that a filter means; with `most` no further than that."""
        _refuse(connection)
        return await self._only(self._operations.count_matching(wanted, most, self._now()))

    async def count_users_matching(self, wanted: SessionFilter, *, connection: Any = None) -> int:
        """Count the users whose sessions a filter means."""
        _refuse(connection)
        return await self._only(self._operations.count_users_matching(wanted, self._now()))

    def expect(self, token_hash: bytes) -> Expected:
        """Have the next poll read this session too, unless nobody holds what is returned any more."""
        expected = Expected(token_hash)
        self._expected.add(expected)
        return expected

    async def poll(self, cursor: Cursor | None) -> LogPage:
        """Read the log from a cursor on, and the sessions that are expected, in one batch.

        The entry before the cursor is read again: if it is not the same one, nothing known before counts.
        """
        order = {"position": first_of(cursor), "limit": FLOOD + 2, "now": self._now()}
        rows = await self._with_expected(Statement(self._statements["poll"], order))
        epoch, schema, now = only(rows)[0], rows[0][1], rows[0][6] * 1000
        lines = [row[:6] for row in rows]
        if cursor is not None and not continues(lines[0], cursor):
            return interrupted(epoch, lines[0], now)
        if len(lines) > FLOOD:
            head = only((await self._run({"head": Statement(self._statements["head"], {})}))["head"])
            return flooded(epoch, schema, head, now)
        return page_of(epoch, lines, now)

    # --- creating and changing

    async def create(self, new: NewSession, *, connection: Any = None) -> CreateResult:
        """Insert a session and enforce the limit, exactly and in one batch; raises Full."""
        _refuse(connection)
        order = Order(new)
        for _ in range(_ATTEMPTS):
            if order.carries:
                (rows,) = (await self._run({"seen": self._batches.replaced_data(new)})).values()
                order = Order(new, rows[0][0] if rows else None)
            now = self._now()
            batch = self._batches.create(order, now)
            batch = self._trail.told(batch, _ENDED_BY_SIGN_IN, now, new=new)
            result = self._batches.created(order, await self._run(batch))
            if result is not None:
                return result
        raise _contended()

    async def touch(self, touches: Sequence[Touch]) -> set[str]:
        """Move live sessions' last-seen and idle expiry forwards, in one statement; returns their ids."""
        return await self._only(self._operations.touch(touches, self._now())) if touches else set()

    async def save(self, change: SessionChange, *, connection: Any = None) -> Record | None:
        """Merge keys into a live session's data; None when it is gone. Never creates a row."""
        _refuse(connection)
        reading = await self.find(change.session_id)
        now, record = reading.now, reading.record
        for _ in range(_ATTEMPTS):
            if record is None or record.ends_at() * 1000 <= now:
                return None
            batch = self._batches.save(change, record.data, merged(record.data, change), self._now())
            rows = await self._run(batch)
            now, *columns = only(rows["row"])[2:]
            record, now = self._operations.record(tuple(columns)), now * 1000
            if rows["changed"]:
                return record
        raise _contended()

    async def relocate(self, session_id: str, ip: str | None, user_agent: str | None) -> bool:
        """Note a live session's new address and browser; False when they are noted already."""
        return await self._only(self._operations.relocate(session_id, ip, user_agent, self._now()))

    async def rotate(self, rotation: Rotation, *, connection: Any = None) -> Record | None:
        """Give a live session a new token hash; None when the old one is gone."""
        _refuse(connection)
        now = self._now()
        detail = "" if rotation.authenticated_at is None else "reauthenticated"
        batch = self._trail.told(self._batches.rotate(rotation, now), {"changed": ("rotated", detail)}, now)
        rows = await self._run(batch)
        return self._operations.record(tuple(rows["row"][0][3:])) if rows["changed"] else None

    async def renew(self, renewal: Renewal, *, connection: Any = None) -> Renewed | None:
        """Give a live session a new token hash and retire the old one; the same successor for all who come in time."""
        _refuse(connection)
        rows = await self._run(self._batches.renew(renewal, self._now()))
        return self._operations.renewed(renewal, rows["renewed"])

    async def reuse(self, token_hash: bytes, *, end: bool, connection: Any = None) -> Ended | None:
        """Act on the use of a retired token whose grace is over, once."""
        _refuse(connection)
        now = self._now()
        return await self._told(
            self._operations.reuse(token_hash, now, end=end), ("reused", "ended" if end else ""), now
        )

    async def bind(self, session_id: str, device: Device) -> bool:
        """Bind a live session to a device; False when it is gone, or bound already."""
        now = self._now()
        changes = {"bound": ("bound", device.thumbprint)}
        batch = self._trail.told(self._batches.bind(session_id, device, now), changes, now)
        return bool((await self._run(batch))["bound"])

    async def device(self, session_id: str) -> Device | None:
        """Read the device of a live session; None when there is none."""
        return await self._only(self._operations.device(session_id, self._now()))

    async def swap_challenges(self, session_id: str, seen: str, new: str) -> bool:
        """Replace a device's challenges; False when they are not any more what was seen, or gone."""
        return await self._only(self._operations.swap_challenges(session_id, seen, new))

    async def spend(self, name: bytes, lifetime: int) -> bool:
        """Note that something is used up, for so many microseconds; False when it was already."""
        return bool((await self._run(self._batches.spend(name, lifetime, self._now())))["spent"])

    async def report(self, worker: str, report: str) -> bool:
        """Note what a worker tells of itself; returns whether it is to write the next probe."""
        return bool((await self._run(self._batches.report(worker, report, self._now())))["duty"])

    async def probe(self) -> None:
        """Write a log entry that says when it was written."""
        await self._only(self._operations.probe(self._now()))

    async def reports(self) -> WorkerRows:
        """Read what all workers have told, and the time."""
        return await self._only(self._operations.reports(self._now()))

    # --- ending

    async def create_acting(self, new: NewSession, actor_session_id: str, *, connection: Any = None) -> Record | None:
        """Insert a session that ends with another; None when that is gone or over, or is such a session itself."""
        _refuse(connection)
        now = self._now()
        batch = self._trail.told(self._batches.create_acting(new, actor_session_id, now), {}, now, new=new)
        rows = await self._run(batch)
        return self._batches.acting(new, rows)

    async def actor_session(self, session_id: str, *, connection: Any = None) -> str | None:
        """Read the public id of the session that another one ends with; None when there is none."""
        _refuse(connection)
        return await self._only(self._operations.actor_session(session_id, self._now()))

    async def revoke(self, selection: Selection, *, connection: Any = None) -> Sequence[Ended]:
        """End the selected sessions and say which they were."""
        _refuse(connection)
        operation = self._operations.revoke(selection)
        if selection.ticket:
            return await self._only(operation)
        return await self._told(operation, ("revoked", selection.reason), self._now())

    async def revoke_everyone(self, *, connection: Any = None) -> int:
        """End all sessions with one log entry; returns how many there were."""
        _refuse(connection)
        batch = dict(self._batches.revoke_everyone())
        if self._trail.on:
            batch["entry"] = next(self._trail.record(by(current_actor(), of_everyone(None)), self._now()))
        rows = await self._run(batch)
        return int(rows["count"][0][0])

    async def revoke_matching(self, wanted: SessionFilter, *, connection: Any = None) -> Sequence[Ended]:
        """End the sessions that a filter means, in one batch, and say which they were."""
        _refuse(connection)
        now = self._now()
        batch = self._batches.revoke_matching(self._operations.matching, wanted, now)
        rows = await self._run(self._trail.told(batch, {"ended": ("revoked", "")}, now))
        return [Ended._make(row) for row in rows["ended"]]

    async def invalidate_user(self, user_id: str, *, connection: Any = None) -> None:
        """Write a log entry that outdates all copies of a user's name, email and role."""
        _refuse(connection)
        await self._only(self._operations.invalidate_user(user_id))

    async def invalidate(self, subjects: Sequence[str], *, connection: Any = None) -> None:
        """Write a log entry for each of these subjects."""
        _refuse(connection)
        await self._only(self._operations.invalidate(subjects))

    async def sweep(self, batch: int) -> Sequence[Ended]:
        """Delete at most `batch` expired sessions, without log entries, and trim the log."""
        before = None if self._own_clock else self._clock.now() // 1_000_000_000 - KEEP_LOG
        rows = await self._run(self._batches.sweep(batch, self._now(), before))
        ended = [Ended._make(row) for row in rows["ended"]]
        if self.users is not None and len(ended) < batch:
            ended += await self._only(self._operations.orphans(batch - len(ended)))
        return ended

    # --- the audit trail

    def audit(self) -> None:
        """Write entries of the audit trail from now on, with each change that this object makes."""
        self._trail.on = True

    async def record(self, entries: Sequence[Noted], *, connection: Any = None) -> None:
        """Write entries of the audit trail as they are."""
        _refuse(connection)
        for entry in entries:
            await self._only(self._trail.record([entry], self._now()))

    async def entries(
        self, wanted: AuditFilter, *, limit: int, after: int | None = None, connection: Any = None
    ) -> Sequence[AuditRow]:
        """List entries of the audit trail, newest first, after the one with this number."""
        _refuse(connection)
        return await self._only(self._trail.entries(wanted, limit, after))

    async def forget_entries(self, keep: int, batch: int) -> int:
        """Delete at most `batch` entries that are older than `keep` microseconds; returns how many."""
        return await self._only(self._trail.forget(keep, batch, self._now()))

    # --- helpers

    async def _told(self, operation: Operation[T], entry: tuple[str, str], now: int | None) -> T:
        """Run an operation of a single statement, with the entries about what it changes before it."""
        rows = await self._run(self._trail.told({"change": next(operation)}, {"change": entry}, now))
        return sent(operation, rows["change"])

    async def _with_expected(self, poll: Statement) -> Sequence[Row]:
        """Run a poll, and read what is expected by those who came before it is sent."""
        expected = list(self._expected)[:_AHEAD]
        self._expected.difference_update(expected)
        operations = {each.token_hash: self._operations.read(each.token_hash, self._now()) for each in expected}
        statements = [poll, *map(next, operations.values())]
        rows, *readings = await self._wire.batch([self._statements.prepared(each) for each in statements])
        read = dict(zip(operations, map(sent, operations.values(), readings), strict=True))
        for each in expected:
            each.reading = read[each.token_hash]
        return rows

    async def _only(self, operation: Operation[T]) -> T:
        """Run an operation of a single statement, which is a transaction by itself."""
        statement = next(operation)
        (rows,) = await self._wire.batch([self._statements.prepared(statement)])
        return sent(operation, rows)

    async def _run(self, batch: Batch) -> Answer:
        rows = await self._wire.batch([self._statements.prepared(statement) for statement in batch.values()])
        return dict(zip(batch, rows, strict=True))

    def _now(self) -> int | None:
        return None if self._own_clock else self._clock.now() // 1000


def _contended() -> Unavailable:
    return Unavailable("the D1 database could not answer (too many others change the same session)")


def _refuse(connection: Any) -> None:
    if connection is not None:
        msg = "connection= is not possible: D1 has no transactions to join"
        raise ConfigurationError(msg)
