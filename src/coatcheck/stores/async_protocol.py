"""The border between the shells and the stores: what a store promises.

A store that cannot answer raises `Unavailable`; it never answers "not there" instead. What is missing, expired
or revoked is an ordinary answer. Each write is one transaction, or joins the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from coatcheck.stores.base import SESSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.core.coherence import LogPage
    from coatcheck.core.fleet import WorkerRows
    from coatcheck.core.session import Record
    from coatcheck.stores.auditing import Noted
    from coatcheck.stores.base import (
        AuditFilter,
        AuditRow,
        Capabilities,
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
        Vitals,
    )


class AsyncStore(Protocol):
    """An authority that keeps sessions, for asyncio.

    `connection` is the caller's own connection inside a transaction: the write then commits or vanishes with it.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this store can."""
        ...

    async def open(self) -> None:
        """Connect and verify the schema; raises ConfigurationError or SchemaError when it cannot work."""
        ...

    async def aclose(self) -> None:
        """Close every connection this process has made."""
        ...

    async def migrate(self) -> Sequence[str]:
        """Bring the tables to this release's form; returns the names of the steps that ran."""
        ...

    async def problems(self) -> Sequence[str]:
        """Say what about the tables, triggers and settings of the database is unsafe, with the fix."""
        ...

    def vitals(self) -> Vitals:
        """Tell how the connections are, for health checks; asks nobody."""
        ...

    def unchanged(self, cursor: Any) -> bool:
        """Tell at once, without waiting, that the log has not grown beyond this cursor, as far as this thread can see.

        False costs a poll, so it is always allowed; True where nothing can tell, and only the lease decides.
        """
        ...

    async def news(self, seen: int, seconds: float) -> int:
        """Wait until the log may have grown, or so many seconds, and return a number that differs after it has.

        A hint that makes a poll early and never replaces one: it may come late, too often or not at all, and it
        never raises. Several may wait at once, each with the number it has `seen`, 0 at first.
        """
        ...

    async def read(self, token_hash: bytes, *, connection: Any = None) -> Reading:
        """Read the session with this token hash."""
        ...

    async def read_nearby(self, token_hash: bytes) -> Reading | None:
        """Read the session from a replica that may lag behind; None without one that answers.

        Whoever calls judges it by the coherence rule, never caches it, and asks `read` if it is outdated or missing.
        """
        ...

    async def poll(self, cursor: Any) -> LogPage:
        """Read the log from a cursor on, or all of it for None."""
        ...

    async def create(self, new: NewSession, *, connection: Any = None) -> CreateResult:
        """Insert a session and enforce the limit, exactly and in one transaction; raises Full."""
        ...

    async def touch(self, touches: Sequence[Touch]) -> set[str]:
        """Move live sessions' last-seen and idle expiry forwards; returns their ids. What has expired stays so."""
        ...

    async def save(self, change: SessionChange, *, connection: Any = None) -> Record | None:
        """Merge keys into a live session's data; None when it is gone. Never creates a row."""
        ...

    async def relocate(self, session_id: str, ip: str | None, user_agent: str | None) -> bool:
        """Note a live session's new address and browser; False when they are noted already."""
        ...

    async def rotate(self, rotation: Rotation, *, connection: Any = None) -> Record | None:
        """Give a live session a new token hash; None when the old one is gone."""
        ...

    async def revoke(self, selection: Selection, *, connection: Any = None) -> Sequence[Ended]:
        """End the selected sessions and say which they were."""
        ...

    async def revoke_everyone(self, *, connection: Any = None) -> int:
        """End all sessions with one log entry; returns how many there were."""
        ...

    async def invalidate_user(self, user_id: str, *, connection: Any = None) -> None:
        """Write a log entry that outdates all copies of a user's name, email and role."""
        ...

    async def invalidate(self, subjects: Sequence[str], *, connection: Any = None) -> None:
        """Write a log entry for each of these subjects, which nobody but the caller gives a meaning to."""
        ...

    async def find(self, session_id: str) -> Reading:
        """Read a session by its public id."""
        ...

    async def list_sessions(
        self, user_id: str | None, limit: int, *, kind: str = SESSION, connection: Any = None
    ) -> Sequence[Record]:
        """List a user's live rows of a kind, newest first; for None those of all users, latest activity first."""
        ...

    async def sweep(self, batch: int) -> Sequence[Ended]:
        """Delete at most `batch` expired sessions, without log entries, and trim the log."""
        ...


class AsyncRetires(Protocol):
    """A store that can retire tokens; its capabilities say so.

    Of each retired token it keeps the hash, the session, the successor's hash, the seal and the end of the grace: no
    longer than the session is there, and only of the latest `MOST_RETIRED`. In its grace such a token is as good as its
    successor, for `read` and for every write that names a token, as long as that one is the session's token and has not
    been exchanged in its turn. `revoke` and `create` end a session by it after that too.
    """

    async def renew(self, renewal: Renewal, *, connection: Any = None) -> Renewed | None:
        """Give a live session a new token hash and retire the old one; the same successor for all who come in time.

        The whole is atomic: of any number at once one makes the successor, and the others are told of that one. None
        when the old token is neither the session's nor in its grace, which is judged by the authority's clock.
        """
        ...

    async def reuse(self, token_hash: bytes, *, end: bool, connection: Any = None) -> Ended | None:
        """Act on the use of a retired token whose grace is over, if its session is alive: once, whoever else does so.

        Args:
            token_hash: What was presented.
            end: Whether the session ends, with its log entry; otherwise the retired token is forgotten.
            connection: The caller's own connection.

        Returns:
            Whose token it was; None when there is nothing to act on, or somebody else has.
        """
        ...


class AsyncBindsDevices(Protocol):
    """A store whose sessions can be bound to a device's key, for asyncio: `capabilities.devices`.

    The binding is a change like any other: it is in the log, so that no copy from before it is served. It stays when
    the session gets another token, and goes with the session.
    """

    async def bind(self, session_id: str, device: Device) -> bool:
        """Bind a live session to a device; False when it is gone, or bound already. Of two at once one succeeds."""
        ...

    async def device(self, session_id: str) -> Device | None:
        """Read the device of a live session; None when there is none."""
        ...

    async def swap_challenges(self, session_id: str, seen: str, new: str) -> bool:
        """Replace a device's challenges; False when they are not any more what was seen, or gone."""
        ...


class AsyncImpersonates(Protocol):
    """A store in which a session can be tied to another one, for asyncio: `capabilities.impersonates`.

    What is tied ends with the other in the same transaction, whatever ends that, and has its own entry in the log. It
    ends no later than the other as that stands, and earlier when that is made to end earlier.
    """

    async def create_acting(self, new: NewSession, actor_session_id: str, *, connection: Any = None) -> Record | None:
        """Insert a session that ends with another; None when that is gone or over, or is such a session itself.

        Of an end of the other at the same time, one is first: there is no session then, or it ends too. No limit
        applies, and nothing is replaced.
        """
        ...

    async def actor_session(self, session_id: str, *, connection: Any = None) -> str | None:
        """Read the public id of the live session that another one ends with; None when there is none."""
        ...


class AsyncSearches(Protocol):
    """A store whose sessions can be searched across users, for asyncio: `capabilities.searching`.

    All of them mean the same sessions by the same filter. A ticket is never among them, nor what has expired.
    """

    async def search(
        self,
        wanted: SessionFilter,
        *,
        limit: int,
        after: tuple[int, str] | None = None,
        connection: Any = None,
    ) -> Sequence[Record]:
        """List them, latest activity first, after a place in the list: last-seen time and id of a session."""
        ...

    async def count_matching(self, wanted: SessionFilter, *, most: int | None = None, connection: Any = None) -> int:
        """Count them; with `most` no further than that."""
        ...

    async def count_users_matching(self, wanted: SessionFilter, *, connection: Any = None) -> int:
        """Count the users whose they are; anonymous visitors are none."""
        ...

    async def revoke_matching(self, wanted: SessionFilter, *, connection: Any = None) -> Sequence[Ended]:
        """End them, with their log entries or one for everyone, and say which they were."""
        ...


class AsyncAudits(Protocol):
    """A store that keeps an audit trail, for asyncio: `capabilities.audits`.

    Once `audit` was called, each change is made together with the entries about it, in one transaction: what
    `coatcheck.stores.auditing` says of it, by whoever `acting` names.
    """

    def audit(self) -> None:
        """Write entries from now on, with each change that this object makes."""
        ...

    async def record(self, entries: Sequence[Noted], *, connection: Any = None) -> None:
        """Write entries as they are."""
        ...

    async def entries(
        self, wanted: AuditFilter, *, limit: int, after: int | None = None, connection: Any = None
    ) -> Sequence[AuditRow]:
        """List entries, newest first, after the one with this number."""
        ...

    async def forget_entries(self, keep: int, batch: int) -> int:
        """Delete at most `batch` entries that are older than `keep` microseconds; returns how many."""
        ...


class AsyncSpends(Protocol):
    """A store that can note what is used up, for asyncio: `capabilities.spends`.

    It belongs to no session and is in no log. What a server forgets in a crash is forgotten.
    """

    async def spend(self, name: bytes, lifetime: int) -> bool:
        """Note that something is used up; of any number at once, one is told that it was not.

        Args:
            name: 32 bytes: a hash of what it is, and of what for.
            lifetime: For how many microseconds; then it is as if nobody had.

        Returns:
            True for the first one, False for all others.

        Raises:
            Unavailable: The store did not answer; whether it was noted is not known.
        """
        ...


class AsyncKeepsNumbers(Protocol):
    """A store in which workers tell what they have counted, for asyncio: `capabilities.numbers`.

    It keeps a row for each worker and minute, for `coatcheck.core.fleet.KEPT` microseconds after it was told.
    """

    async def report(self, worker: str, report: str) -> bool:
        """Note what a worker tells of itself, over what it has told before in this minute, and forget what is old.

        Returns:
            Whether this worker is to write the next probe: nobody was for `coatcheck.core.fleet.PAUSE` microseconds.
            Then it has counted the live sessions, too.
        """
        ...

    async def probe(self) -> None:
        """Write a log entry that outdates nothing: "w:probe@" and the authority's time, in microseconds."""
        ...

    async def reports(self) -> WorkerRows:
        """Read what all workers have told, and the time."""
        ...
