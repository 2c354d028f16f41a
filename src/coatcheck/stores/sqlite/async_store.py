"""The SQLite store for asyncio. The one for threads is generated from it.

Reads are microseconds and run where they are asked; writes wait for the disk and run in a thread.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coatcheck.clock import SystemClock
from coatcheck.stores import auditing
from coatcheck.stores.auditing import AuditTrail
from coatcheck.stores.base import SESSION, Capabilities, Vitals
from coatcheck.stores.operations import Operations, only
from coatcheck.stores.sqlite import migrations
from coatcheck.stores.sqlite._async_threads import AsyncThreads, async_sleep
from coatcheck.stores.sqlite.database import Database, check_file, translated
from coatcheck.stores.sqlite.pages import KEEP_LOG, continues, first_of, flooded, interrupted, page_of
from coatcheck.stores.sqlite.statements import Statements

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
    from coatcheck.stores.sqlite.pages import Cursor
    from coatcheck.stores.users import UsersTable

FLOOD = 10_000
"""A poll that finds more entries than this raises the floor instead of learning each of them."""


class AsyncSQLiteStore:
    """Sessions in a SQLite file, for any number of processes on one host.

    A revocation is seen by the next request of every process: each validation asks SQLite whether anything
    was committed since.
    """

    capabilities = Capabilities(
        transactions=True,
        exact_limits=True,
        listing=True,
        log=True,
        users_table=True,
        notices_changes=True,
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
        path: str,
        *,
        users: UsersTable | None = None,
        migrate: bool = True,
        busy_timeout: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        """Name the file; nothing is opened yet.

        Args:
            path: The file; it is created by the first migration.
            users: The application's users table in the same file, to be joined to each session.
            migrate: Whether opening brings the tables to this release's form; False to do it by command.
            busy_timeout: How many seconds a write waits for another process's write to end.
            clock: Where the time comes from; for tests.
        """
        self.path = path
        self.users = users
        self._migrate_on_open = migrate
        self._clock = clock or SystemClock()
        # The whole path, for a server may change its working directory after it has read its settings.
        file = str(Path(path).absolute())
        self._database = Database(file, busy_timeout=busy_timeout, foreign_keys=users is not None and users.foreign_key)
        self._statements = Statements(users)
        self._operations = Operations(self._statements.__getitem__, users)
        self._trail = AuditTrail(self._statements.__getitem__)
        self._threads = AsyncThreads(self._database)

    async def open(self) -> None:
        """Verify the file and its schema, after migrating it where that is wanted.

        Raises:
            ConfigurationError: The file can never work: a missing folder, no permission, not a database.
            SchemaError: The tables are missing, older or newer, or their triggers have been altered.
        """
        if self._migrate_on_open:
            await self.migrate()
        else:
            check_file(self.path)
            migrations.verify(self.path, self.users)

    async def aclose(self) -> None:
        """Close every connection this process has made."""
        await self._threads.close()
        self._database.close()

    async def migrate(self) -> Sequence[str]:
        """Bring the tables and triggers to this release's form; returns the names of the steps that ran."""
        return await self._threads.call(migrations.migrate, self.path, self.users)

    async def problems(self) -> Sequence[str]:
        """Say what is missing or unsafe in the database, each with the fix."""
        return migrations.problems(self.path, self.users)

    def vitals(self) -> Vitals:
        """Tell nothing: a file has no connections that could break."""
        return Vitals()

    def unchanged(self, cursor: Cursor | None) -> bool:
        """Tell whether nothing at all was committed since this thread's last poll, and it led to this cursor."""
        return self._database.unchanged(cursor)

    async def news(self, seen: int, seconds: float) -> int:
        """Wait for the time given: here `unchanged` tells at once, so nobody has to wait for news."""
        await async_sleep(seconds)
        return seen

    async def read(self, token_hash: bytes, *, connection: Any = None) -> Reading:
        """Read the session with this token hash, and where the log stands, in one statement."""
        operation = self._operations.read(token_hash, self._now())
        reading = await self._threads.read(operation, connection)
        return self._identified(reading) if connection is None else reading

    async def read_nearby(self, token_hash: bytes) -> Reading | None:  # noqa: ARG002 - there is no replica
        """Have no answer: there is no replica."""
        return None

    async def poll(self, cursor: Cursor | None) -> LogPage:
        """Read the log from a cursor on; one statement.

        The entry before the cursor is read again: if it is not the same one, or if the schema has changed, as it
        does when a backup is restored into the file, nothing known before counts.
        """
        with translated(self.path):
            reader = self._database.reader()
            # Noted before the log is read: what is committed in between makes the next look see a change.
            version = reader.version()
            rows = reader.rows(self._statements["poll"], {"position": first_of(cursor), "limit": FLOOD + 2})
            epoch = f"{only(rows)[0]}:{reader.device}:{reader.inode}"
            if cursor is not None and not continues(rows[0], cursor):
                page = interrupted(epoch, rows[0], self._clock.now())
            elif len(rows) > FLOOD:
                page = self._flooded(epoch, rows[0][1])
            else:
                page = page_of(epoch, rows, self._clock.now())
            reader.polled, reader.cursor = version, page.cursor
            return page

    def _flooded(self, epoch: str, schema: int) -> LogPage:
        head = only(self._database.reader().rows(self._statements["head"], {}))
        return flooded(epoch, schema, head, self._clock.now())

    async def create(self, new: NewSession, *, connection: Any = None) -> CreateResult:
        """Insert a session and enforce the limit, exactly and in one transaction; raises Full."""
        now = self._now()
        operation = self._trail.kept(self._operations.create(new, now), partial(auditing.of_create, new), now)
        return await self._threads.write(operation, connection)

    async def touch(self, touches: Sequence[Touch]) -> set[str]:
        """Move live sessions' last-seen and idle expiry forwards, in one statement; returns their ids."""
        return await self._threads.write(self._operations.touch(touches, self._now()))

    async def save(self, change: SessionChange, *, connection: Any = None) -> Record | None:
        """Merge keys into a live session's data; None when it is gone. Never creates a row."""
        operation = self._operations.save(change, self._now())
        return await self._threads.write(operation, connection)

    async def relocate(self, session_id: str, ip: str | None, user_agent: str | None) -> bool:
        """Note a live session's new address and browser; False when they are noted already."""
        return await self._threads.write(self._operations.relocate(session_id, ip, user_agent, self._now()))

    async def rotate(self, rotation: Rotation, *, connection: Any = None) -> Record | None:
        """Give a live session a new token hash; None when the old one is gone."""
        now = self._now()
        operation = self._operations.rotate(rotation, now)
        operation = self._trail.kept(operation, partial(auditing.of_rotate, rotation), now)
        return await self._threads.write(operation, connection)

    async def renew(self, renewal: Renewal, *, connection: Any = None) -> Renewed | None:
        """Give a live session a new token hash and retire the old one; the same successor for all who come in time."""
        return await self._threads.write(self._operations.renew(renewal, self._now()), connection)

    async def reuse(self, token_hash: bytes, *, end: bool, connection: Any = None) -> Ended | None:
        """Act on the use of a retired token whose grace is over, once."""
        now = self._now()
        operation = self._operations.reuse(token_hash, now, end=end)
        operation = self._trail.kept(operation, partial(auditing.of_reuse, end=end), now)
        return await self._threads.write(operation, connection)

    async def bind(self, session_id: str, device: Device) -> bool:
        """Bind a live session to a device; False when it is gone, or bound already."""
        now = self._now()
        operation = self._operations.bind(session_id, device, now)
        operation = self._trail.kept(operation, partial(auditing.of_bind, device), now)
        return await self._threads.write(operation) is not None

    async def device(self, session_id: str) -> Device | None:
        """Read the device of a live session; None when there is none."""
        return await self._threads.read(self._operations.device(session_id, self._now()))

    async def swap_challenges(self, session_id: str, seen: str, new: str) -> bool:
        """Replace a device's challenges; False when they are not any more what was seen, or gone."""
        return await self._threads.write(self._operations.swap_challenges(session_id, seen, new))

    async def create_acting(self, new: NewSession, actor_session_id: str, *, connection: Any = None) -> Record | None:
        """Insert a session that ends with another; None when that is gone or over, or is such a session itself."""
        now = self._now()
        operation = self._operations.create_acting(new, actor_session_id, now)
        operation = self._trail.kept(operation, partial(auditing.of_acting, new), now)
        return await self._threads.write(operation, connection)

    async def actor_session(self, session_id: str, *, connection: Any = None) -> str | None:
        """Read the public id of the session that another one ends with; None when there is none."""
        operation = self._operations.actor_session(session_id, self._now())
        return await self._threads.read(operation, connection)

    async def spend(self, name: bytes, lifetime: int) -> bool:
        """Note that something is used up, for so many microseconds; False when it was already."""
        return await self._threads.write(self._operations.spend(name, lifetime, self._now()))

    async def report(self, worker: str, report: str) -> bool:
        """Note what a worker tells of itself; returns whether it is to write the next probe."""
        return await self._threads.write(self._operations.report(worker, report, self._now()))

    async def probe(self) -> None:
        """Write a log entry that says when it was written."""
        return await self._threads.write(self._operations.probe(self._now()))

    async def reports(self) -> WorkerRows:
        """Read what all workers have told, and the time."""
        return await self._threads.read(self._operations.reports(self._now()))

    async def revoke(self, selection: Selection, *, connection: Any = None) -> Sequence[Ended]:
        """End the selected sessions and say which they were."""
        operation = self._operations.revoke(selection)
        operation = self._trail.kept(operation, partial(auditing.of_revoke, selection), self._now())
        return await self._threads.write(operation, connection)

    async def revoke_everyone(self, *, connection: Any = None) -> int:
        """End all sessions with one log entry; returns how many there were."""
        operation = self._trail.kept(self._operations.revoke_everyone(), auditing.of_everyone, self._now())
        return await self._threads.write(operation, connection)

    async def invalidate_user(self, user_id: str, *, connection: Any = None) -> None:
        """Write a log entry that outdates all copies of a user's name, email and role."""
        operation = self._operations.invalidate_user(user_id)
        return await self._threads.write(operation, connection)

    async def invalidate(self, subjects: Sequence[str], *, connection: Any = None) -> None:
        """Write a log entry for each of these subjects."""
        return await self._threads.write(self._operations.invalidate(subjects), connection)

    async def find(self, session_id: str) -> Reading:
        """Read a session by its public id."""
        return self._identified(await self._threads.read(self._operations.find(session_id, self._now())))

    def _identified(self, reading: Reading) -> Reading:
        return reading._replace(epoch=f"{reading.epoch}:{self._database.identity}")

    async def list_sessions(
        self, user_id: str | None, limit: int, *, kind: str = SESSION, connection: Any = None
    ) -> Sequence[Record]:
        """List a user's live rows of a kind, newest first; for None those of all users, latest activity first."""
        operation = self._operations.list_sessions(user_id, limit, self._now(), kind)
        return await self._threads.read(operation, connection)

    async def search(
        self, wanted: SessionFilter, *, limit: int, after: tuple[int, str] | None = None, connection: Any = None
    ) -> Sequence[Record]:
        """List the sessions that a filter means, latest activity first, after a place in the list."""
        operation = self._operations.search(wanted, limit, after, self._now())
        return await self._threads.read_at_length(operation, connection)

    async def count_matching(self, wanted: SessionFilter, *, most: int | None = None, connection: Any = None) -> int:
        """Count the sessions that a filter means; with `most` no further than that."""
        operation = self._operations.count_matching(wanted, most, self._now())
        return await self._threads.read_at_length(operation, connection)

    async def count_users_matching(self, wanted: SessionFilter, *, connection: Any = None) -> int:
        """Count the users whose sessions a filter means."""
        operation = self._operations.count_users_matching(wanted, self._now())
        return await self._threads.read_at_length(operation, connection)

    async def revoke_matching(self, wanted: SessionFilter, *, connection: Any = None) -> Sequence[Ended]:
        """End the sessions that a filter means, in one transaction, and say which they were."""
        now = self._now()
        operation = self._operations.revoke_matching(wanted, now)
        operation = self._trail.kept(operation, partial(auditing.of_revoke, None), now)
        return await self._threads.write(operation, connection)

    def audit(self) -> None:
        """Write entries of the audit trail from now on, with each change that this object makes."""
        self._trail.on = True

    async def record(self, entries: Sequence[Noted], *, connection: Any = None) -> None:
        """Write entries of the audit trail as they are."""
        await self._threads.write(self._trail.record(entries, self._now()), connection)

    async def entries(
        self, wanted: AuditFilter, *, limit: int, after: int | None = None, connection: Any = None
    ) -> Sequence[AuditRow]:
        """List entries of the audit trail, newest first, after the one with this number."""
        return await self._threads.read_at_length(self._trail.entries(wanted, limit, after), connection)

    async def forget_entries(self, keep: int, batch: int) -> int:
        """Delete at most `batch` entries that are older than `keep` microseconds; returns how many."""
        return await self._threads.write(self._trail.forget(keep, batch, self._now()))

    async def sweep(self, batch: int) -> Sequence[Ended]:
        """Delete at most `batch` expired sessions, without log entries, and trim the log."""
        horizon = self._clock.now() // 1_000_000_000 - KEEP_LOG
        return await self._threads.write(self._operations.sweep(batch, self._now(), horizon))

    def _now(self) -> int:
        return self._clock.now() // 1000
