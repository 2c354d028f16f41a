"""The PostgreSQL store for asyncio. The one for threads is generated from it.

Positions are transaction numbers. An entry's position is the number of the transaction that wrote it, and a copy's
`as_of` is the oldest number that was still open when it was read: whatever stands below it, the copy has seen. So
nobody waits for a counter, and a transaction that stays open for long costs reads and never a revocation.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from coatcheck.core.coherence import Entry, LogPage
from coatcheck.errors import SchemaError, Unavailable
from coatcheck.stores import auditing
from coatcheck.stores.auditing import AuditTrail
from coatcheck.stores.base import SESSION, Capabilities, Vitals
from coatcheck.stores.operations import Statement
from coatcheck.stores.postgresql.async_callers import async_run_inside
from coatcheck.stores.postgresql.async_connections import AsyncConnections, AsyncReserved
from coatcheck.stores.postgresql.async_listener import AsyncListener
from coatcheck.stores.postgresql.async_replica import AsyncReplica
from coatcheck.stores.postgresql.migrations import Migration
from coatcheck.stores.postgresql.operations import PostgreSQLOperations
from coatcheck.stores.postgresql.statements import Statements
from coatcheck.stores.postgresql.wire import connection_info

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
        CreateResult,
        Device,
        Ended,
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
    from coatcheck.stores.operations import Operation, Row
    from coatcheck.stores.users import UsersTable

    T = TypeVar("T")

FLOOD = 50_000
"""A poll that finds more entries than this raises the floor instead of learning each of them."""

_POLL_PATIENCE = 1.0
"""Seconds until a poll is tried again on a new connection: the lease must not end while one leads nowhere."""


_REPLICA_PATIENCE = 0.5
"""Seconds a replica may take; then the primary is asked."""

_MIGRATION = 3_600.0
"""Seconds a step of a migration may take: it looks at every row, and nobody waits for it."""

_SEARCH = 30.0
"""Seconds a search may take: a text is looked for in every row."""

_MANY_ENDINGS = 600.0
"""Seconds that ending the sessions of a filter may take: each has its triggers."""


class Cursor(NamedTuple):
    """How far a poll has read: the snapshot it was read in.

    Attributes:
        first: The first transaction number that had not been given out.
        open: Those before it that had not ended.
    """

    first: int
    open: tuple[int, ...]


class AsyncPostgreSQLStore:
    """Sessions in PostgreSQL, for any number of processes on any number of hosts.

    A revocation is pushed to every process, and seen by all within a lease whatever becomes of the push.
    """

    capabilities = Capabilities(
        transactions=True,
        exact_limits=True,
        listing=True,
        log=True,
        users_table=True,
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
        users: UsersTable | None = None,
        migrate: bool = True,
        schema: str = "public",
        timeout: float = 5.0,
        pool_size: int = 8,
        replica_url: str | None = None,
        listen_url: str | None = None,
        prepared_statements: bool = True,
        notify: bool = True,
        clock: Clock | None = None,
    ) -> None:
        """Name the database; nothing is connected yet.

        Args:
            url: The primary, as `postgresql://user:password@host/database`; may lead through a pooler.
            users: The application's users table in the same database, to be joined to each session.
            migrate: Whether opening brings the tables to this release's form; False to do it by command.
            schema: The schema of the tables.
            timeout: How many seconds a statement may take, connecting included.
            pool_size: How many connections a process uses for statements, besides one that polls and one that listens.
            replica_url: A streaming replica to read from; what it says is confirmed by the primary unless it is
                known to be current.
            listen_url: The primary without a pooler in between, for the connection that listens.
            prepared_statements: Whether statements are prepared; switched off by itself where a pooler cannot.
            notify: Whether migrations install the trigger that wakes all processes when the log has grown. Without it
                a revocation is seen within a lease; two-phase commit refuses transactions that notify.
            clock: Instead of the server's time; for tests.

        Raises:
            ConfigurationError: A URL or a setting is wrong.
        """
        self.users = users
        self._migrate_on_open = migrate
        self._clock = clock
        self._statements = Statements(schema, users)
        self._operations = PostgreSQLOperations(self._statements.__getitem__, users)
        self._trail = AuditTrail(self._statements.__getitem__)
        self._migration = Migration(self._statements, notify=notify)
        self._connections = AsyncConnections(
            connection_info(url, timeout), size=pool_size, timeout=timeout, prepare=prepared_statements
        )
        self._reserved = AsyncReserved(self._connections, patience=min(_POLL_PATIENCE, timeout))
        direct = self._connections
        if listen_url is not None:
            direct = AsyncConnections(connection_info(listen_url, timeout), size=1, timeout=timeout, prepare=True)
        self._listener = AsyncListener(direct, self._statements.channel)
        replica = None
        if replica_url is not None:
            patience = min(_REPLICA_PATIENCE, timeout)
            info = connection_info(replica_url, patience)
            replica = AsyncConnections(info, size=pool_size, timeout=patience, prepare=prepared_statements)
            self.capabilities = self.capabilities._replace(replica=True)
        self._replica = AsyncReplica(replica)

    async def open(self) -> None:
        """Verify the schema, after migrating it where that is wanted.

        Raises:
            ConfigurationError: The server, the user or the users table can never work.
            SchemaError: The tables are missing, older or newer, or their triggers have been altered.
            Unavailable: The server does not answer.
        """
        try:
            problems = await self.problems()
            if problems and self._migrate_on_open:
                await self.migrate()
                problems = await self.problems()
            _refuse_if(problems)
            self._statements.use_type(await self._connections.single(self._migration.user_type, reads=True))
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close every connection this process has made."""
        await self._listener.aclose()
        await self._replica.aclose()
        await self._reserved.aclose()
        await self._connections.drain()

    async def migrate(self) -> Sequence[str]:
        """Bring the tables, functions and triggers to this release's form; returns the names of the steps that ran."""
        if not await self.problems():
            return []
        connections, migration = self._connections, self._migration
        ran = await connections.transaction(migration.run, seconds=_MIGRATION)
        await connections.transaction(migration.foreign_key, seconds=_MIGRATION)
        if await connections.single(migration.unchecked):
            self._statements.use_type(await connections.single(migration.user_type))
            while await connections.single(migration.orphans, seconds=_MIGRATION):
                pass
            await connections.single(migration.validate, seconds=_MIGRATION)
        return ran

    async def problems(self) -> Sequence[str]:
        """Say what is missing or unsafe in the database, each with the fix."""
        return await self._connections.single(self._migration.problems, reads=True)

    def vitals(self) -> Vitals:
        """Tell how the connections are; asks nobody."""
        return Vitals(self._listener.listens, self._connections.count, self._connections.idle)

    def unchanged(self, cursor: Cursor | None) -> bool:  # noqa: ARG002 - nothing here can tell at once
        """Leave it to the lease and the notifications."""
        return True

    async def news(self, seen: int, seconds: float) -> int:
        """Wait for a notification, or so many seconds."""
        return await self._listener.news(seen, seconds)

    async def read(self, token_hash: bytes, *, connection: Any = None) -> Reading:
        """Read the session with this token hash, and where the log stands, in one statement."""
        return await self._single(lambda: self._operations.read(token_hash, self._now()), connection, reads=True)

    async def read_nearby(self, token_hash: bytes) -> Reading | None:
        """Read the session from the replica; None without one that answers."""
        return await self._replica.read(lambda: self._operations.read_replica(token_hash, self._now()))

    async def find(self, session_id: str) -> Reading:
        """Read a session by its public id."""
        return await self._single(lambda: self._operations.find(session_id, self._now()), None, reads=True)

    async def poll(self, cursor: Cursor | None) -> LogPage:
        """Read the log from a cursor on, in one statement, on a connection of its own."""
        page = await self._reserved.ask(lambda: self._page(cursor))
        if not page.epoch:
            # The server has begun another life: a crash, a promotion, a restored dump, a restart.
            await self._connections.transaction(self._begin_epoch)
            page = await self._reserved.ask(lambda: self._page(None))
        return page

    def _begin_epoch(self) -> Operation[None]:
        yield Statement(self._statements["begin_epoch"], {})

    def _page(self, cursor: Cursor | None) -> Operation[LogPage]:
        first, still_open = (0, ()) if cursor is None else cursor
        values = {"first": first, "open": list(still_open), "limit": FLOOD + 1, "now": self._now()}
        rows = yield Statement(self._statements["poll"], values)
        if len(rows) > FLOOD:
            rows = yield Statement(self._statements["head"], {"now": self._now()})
            epoch, snapshot, now, floor = _told(rows)
            reached = _cursor(snapshot)
            return LogPage(epoch or "", floor, (), reached, now * 1000, resumed=True, as_of=_as_of(reached))
        epoch, snapshot, now, floor, *_ = _told(rows)
        entries = tuple(Entry(row[4], row[5]) for row in rows if row[4] is not None)
        reached = _cursor(snapshot)
        resumed = reached.first >= first
        return LogPage(epoch or "", floor, entries, reached, now * 1000, resumed, as_of=_as_of(reached))

    async def create(self, new: NewSession, *, connection: Any = None) -> CreateResult:
        """Insert a session and enforce the limit, exactly and in one transaction; raises Full."""
        alone = new.limit is None and new.replaces is None and self.users is None
        make = self._kept(partial(self._operations.create, new), partial(auditing.of_create, new))
        return await self._write(make, connection, alone=alone and not self._trail.on)

    async def touch(self, touches: Sequence[Touch]) -> set[str]:
        """Move live sessions' last-seen and idle expiry forwards, in one statement; returns their ids."""
        if not touches:
            return set()
        return await self._write(lambda: self._operations.touch(touches, self._now()), None, alone=True)

    async def save(self, change: SessionChange, *, connection: Any = None) -> Record | None:
        """Merge keys into a live session's data; None when it is gone. Never creates a row."""
        return await self._write(lambda: self._operations.save(change, self._now()), connection)

    async def relocate(self, session_id: str, ip: str | None, user_agent: str | None) -> bool:
        """Note a live session's new address and browser; False when they are noted already."""
        make = lambda: self._operations.relocate(session_id, ip, user_agent, self._now())  # noqa: E731
        return await self._write(make, None, alone=True)

    async def rotate(self, rotation: Rotation, *, connection: Any = None) -> Record | None:
        """Give a live session a new token hash; None when the old one is gone."""
        make = self._kept(partial(self._operations.rotate, rotation), partial(auditing.of_rotate, rotation))
        return await self._write(make, connection, alone=self.users is None and not self._trail.on)

    async def renew(self, renewal: Renewal, *, connection: Any = None) -> Renewed | None:
        """Give a live session a new token hash and retire the old one; the same successor for all who come in time."""
        return await self._write(lambda: self._operations.renew(renewal, self._now()), connection)

    async def reuse(self, token_hash: bytes, *, end: bool, connection: Any = None) -> Ended | None:
        """Act on the use of a retired token whose grace is over, once."""
        reuse = partial(self._operations.reuse, token_hash, end=end)
        make = self._kept(reuse, partial(auditing.of_reuse, end=end))
        return await self._write(make, connection, alone=not self._trail.on)

    async def bind(self, session_id: str, device: Device) -> bool:
        """Bind a live session to a device; False when it is gone, or bound already."""
        bind = partial(self._operations.bind, session_id, device)
        return await self._write(self._kept(bind, partial(auditing.of_bind, device)), None) is not None

    async def device(self, session_id: str) -> Device | None:
        """Read the device of a live session; None when there is none."""
        return await self._single(lambda: self._operations.device(session_id, self._now()), None, reads=True)

    async def swap_challenges(self, session_id: str, seen: str, new: str) -> bool:
        """Replace a device's challenges; False when they are not any more what was seen, or gone."""
        return await self._write(lambda: self._operations.swap_challenges(session_id, seen, new), None, alone=True)

    async def create_acting(self, new: NewSession, actor_session_id: str, *, connection: Any = None) -> Record | None:
        """Insert a session that ends with another; None when that is gone or over, or is such a session itself."""
        create = partial(self._operations.create_acting, new, actor_session_id)
        make = self._kept(create, partial(auditing.of_acting, new))
        return await self._write(make, connection)

    async def actor_session(self, session_id: str, *, connection: Any = None) -> str | None:
        """Read the public id of the session that another one ends with; None when there is none."""
        make = lambda: self._operations.actor_session(session_id, self._now())  # noqa: E731
        return await self._single(make, connection, reads=True)

    async def spend(self, name: bytes, lifetime: int) -> bool:
        """Note that something is used up, for so many microseconds; False when it was already."""
        make = lambda: self._operations.spend(name, lifetime, self._now())  # noqa: E731
        return await self._write(make, None, alone=True)

    async def report(self, worker: str, report: str) -> bool:
        """Note what a worker tells of itself; returns whether it is to write the next probe."""
        return await self._write(lambda: self._operations.report(worker, report, self._now()), None)

    async def probe(self) -> None:
        """Write a log entry that says when it was written."""
        return await self._write(lambda: self._operations.probe(self._now()), None, alone=True)

    async def reports(self) -> WorkerRows:
        """Read what all workers have told, and the time."""
        return await self._single(lambda: self._operations.reports(self._now()), None, reads=True)

    async def revoke(self, selection: Selection, *, connection: Any = None) -> Sequence[Ended]:
        """End the selected sessions and say which they were."""
        make = self._kept(lambda _: self._operations.revoke(selection), partial(auditing.of_revoke, selection))
        return await self._write(make, connection, alone=not self._trail.on)

    async def revoke_everyone(self, *, connection: Any = None) -> int:
        """End all sessions at once, however many there are; returns how many there were."""
        if connection is not None:
            inside = self._kept(lambda _: self._operations.revoke_everyone(), auditing.of_everyone)
            return await async_run_inside(inside(), connection)
        await self._connections.transaction(self._kept(lambda _: self._operations.end_everyone(), auditing.of_everyone))
        return await self._connections.single(self._operations.count_ended, reads=True)

    async def invalidate_user(self, user_id: str, *, connection: Any = None) -> None:
        """Write a log entry that outdates all copies of a user's name, email and role."""
        return await self._write(lambda: self._operations.invalidate_user(user_id), connection, alone=True)

    async def invalidate(self, subjects: Sequence[str], *, connection: Any = None) -> None:
        """Write a log entry for each of these subjects."""
        return await self._write(lambda: self._operations.invalidate(subjects), connection, alone=True)

    async def list_sessions(
        self, user_id: str | None, limit: int, *, kind: str = SESSION, connection: Any = None
    ) -> Sequence[Record]:
        """List a user's live rows of a kind, newest first; for None those of all users, latest activity first."""
        make = lambda: self._operations.list_sessions(user_id, limit, self._now(), kind)  # noqa: E731
        return await self._single(make, connection, reads=True)

    async def search(
        self, wanted: SessionFilter, *, limit: int, after: tuple[int, str] | None = None, connection: Any = None
    ) -> Sequence[Record]:
        """List the sessions that a filter means, latest activity first, after a place in the list."""
        make = lambda: self._operations.search(wanted, limit, after, self._now())  # noqa: E731
        return await self._single(make, connection, reads=True, seconds=_SEARCH)

    async def count_matching(self, wanted: SessionFilter, *, most: int | None = None, connection: Any = None) -> int:
        """Count the sessions that a filter means; with `most` no further than that."""
        make = lambda: self._operations.count_matching(wanted, most, self._now())  # noqa: E731
        return await self._single(make, connection, reads=True, seconds=_SEARCH)

    async def count_users_matching(self, wanted: SessionFilter, *, connection: Any = None) -> int:
        """Count the users whose sessions a filter means."""
        make = lambda: self._operations.count_users_matching(wanted, self._now())  # noqa: E731
        return await self._single(make, connection, reads=True, seconds=_SEARCH)

    async def revoke_matching(self, wanted: SessionFilter, *, connection: Any = None) -> Sequence[Ended]:
        """End the sessions that a filter means, in one transaction, and say which they were."""
        make = self._kept(partial(self._operations.revoke_matching, wanted), partial(auditing.of_revoke, None))
        if connection is not None:
            return await async_run_inside(make(), connection)
        return await self._connections.transaction(make, seconds=_MANY_ENDINGS)

    def audit(self) -> None:
        """Write entries of the audit trail from now on, with each change that this object makes."""
        self._trail.on = True

    async def record(self, entries: Sequence[Noted], *, connection: Any = None) -> None:
        """Write entries of the audit trail as they are."""
        await self._write(lambda: self._trail.record(entries, self._now()), connection)

    async def entries(
        self, wanted: AuditFilter, *, limit: int, after: int | None = None, connection: Any = None
    ) -> Sequence[AuditRow]:
        """List entries of the audit trail, newest first, after the one with this number."""
        make = lambda: self._trail.entries(wanted, limit, after)  # noqa: E731
        return await self._single(make, connection, reads=True, seconds=_SEARCH)

    async def forget_entries(self, keep: int, batch: int) -> int:
        """Delete at most `batch` entries that are older than `keep` microseconds; returns how many."""
        return await self._write(lambda: self._trail.forget(keep, batch, self._now()), None, alone=True)

    async def sweep(self, batch: int) -> Sequence[Ended]:
        """Delete at most `batch` expired sessions, without log entries, and trim the log.

        What ended with everyone goes first, all of it, in as many transactions as that takes.
        """
        while await self._connections.transaction(self._operations.forget):
            pass
        return await self._write(lambda: self._operations.sweep(batch, self._now(), self._now()), None)

    def _kept(
        self, operation: Callable[[int | None], Operation[T]], entries: Callable[[Any], Iterable[Noted]]
    ) -> Callable[[], Operation[T]]:
        """Return what makes an operation that also writes entries of the audit trail, where that is on."""
        return lambda: self._trail.kept(operation(now := self._now()), entries, now)

    async def _single(
        self, make: Callable[[], Operation[T]], connection: Any, *, reads: bool, seconds: float | None = None
    ) -> T:
        if connection is not None:
            return await async_run_inside(make(), connection)
        return await self._connections.single(make, reads=reads, seconds=seconds)

    async def _write(self, make: Callable[[], Operation[T]], connection: Any, *, alone: bool = False) -> T:
        """Run an operation in the caller's transaction, in one of its own, or as the one statement that it is."""
        if connection is not None or alone:
            return await self._single(make, connection, reads=False)
        return await self._connections.transaction(make)

    def _now(self) -> int | None:
        return None if self._clock is None else self._clock.now() // 1000


def _refuse_if(problems: Sequence[str]) -> None:
    if problems:
        msg = f"the database is not ready: {'; '.join(problems)}"
        raise SchemaError(msg)


def _told(rows: Sequence[Row]) -> Row:
    """Return the first row of what a poll was told.

    Raises:
        Unavailable: There is none: the server is a standby, which can prove nothing.
    """
    if not rows:
        msg = "the database is a standby, which can prove nothing; the store URL must lead to the primary"
        raise Unavailable(msg)
    return rows[0]


def _as_of(reached: Cursor) -> int:
    """Return the first transaction number whose entries a snapshot may have missed."""
    return min(reached.open, default=reached.first)


def _cursor(snapshot: str) -> Cursor:
    """Return the cursor that a snapshot, as PostgreSQL writes it, stands for: "xmin:xmax:xip,xip"."""
    _, upper, still_open = snapshot.split(":")
    return Cursor(int(upper), tuple(map(int, still_open.split(","))) if still_open else ())
