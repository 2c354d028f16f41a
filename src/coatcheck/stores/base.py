"""What crosses the border between the shells and the stores."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from coatcheck.core.authentication import authentication_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.core.policy import WhenFull
    from coatcheck.core.session import Record
    from coatcheck.core.successors import Retired


SESSION: Final = "session"
"""The kind of row that a user's sessions are; API tokens and grants are of another."""

TICKET: Final = "ticket"
"""The kind of rows that belong to nobody and are in no list: tickets, and what the console keeps."""


class Capabilities(NamedTuple):
    """What a store can; a setting that needs more is refused when things are wired together.

    Attributes:
        transactions: Writes can join the caller's transaction.
        exact_limits: A limit per user holds under any number of concurrent sign-ins.
        listing: Sessions can be listed.
        log: Changes made by others are in the invalidation log too.
        users_table: The application's users can be joined.
        notices_changes: `unchanged` is false as soon as the log has grown, on every thread and process, so that a
            revocation is seen by the next request. Otherwise the lease is the bound.
        pushes_changes: `news` returns as soon as the log has grown, so that waiting for it makes the bound early.
        replica: `read_nearby` may have an answer.
        eventual: Others see a change only after a while, changes made at once may undo each other, and there is no
            invalidation log. So nothing that was read is kept in memory, and what needs more is refused.
        devices: Sessions can be bound to a device's key: see `BindsDevices` in the protocols.
        numbers: Workers can report their counters: see `KeepsNumbers` in the protocols.
        reads_ahead: A poll can bring sessions along, in the same round trip: see `ReadsAhead`.
        impersonates: A session can be tied to another one, and ends with it whatever ends that: see `Impersonates` in
            the protocols.
        searching: Sessions can be searched across users: see `Searches`, and for asyncio `AsyncSearches`.
        audits: A change can be made together with entries of the audit trail: see `Audits`, and for asyncio
            `AsyncAudits`.
        retires: A token can be retired and stay good for a while, and its later use is noticed: see `Retires`, and
            for asyncio `AsyncRetires`.
        kinds: Rows of one kind are listed, counted and ended apart from those of another: see `NewSession.kind`.
        spends: What may count once can be noted as used up: see `Spends` in the protocols.
    """

    transactions: bool
    exact_limits: bool
    listing: bool
    log: bool
    users_table: bool
    notices_changes: bool
    pushes_changes: bool = False
    replica: bool = False
    reads_ahead: bool = False
    eventual: bool = False
    retires: bool = False
    devices: bool = False
    impersonates: bool = False
    kinds: bool = False
    searching: bool = False
    audits: bool = False
    spends: bool = False
    numbers: bool = False


class Vitals(NamedTuple):
    """What a store knows of its own connections, without asking anybody.

    Attributes:
        listening: Whether something is there to hear that the log has grown; None if nothing has to be.
        connections: How many connections there are.
        idle: How many of them wait for work.
    """

    listening: bool | None = None
    connections: int = 0
    idle: int = 0


class Reading(NamedTuple):
    """One session as it stood in one snapshot of the authority, and where the log stood in the same one or before it.

    Attributes:
        epoch: The identity of the log that `as_of` counts in; empty for a reading that must not be cached.
        as_of: The position of the next log entry.
        now: The authority's clock, in nanoseconds since the epoch.
        record: The row, also when it has expired; None when there is none. For a retired token the row of its
            session, if its grace is not over at `now` and its successor is the session's token.
        since: When the session's token took the place of the one before in a periodic rotation, in microseconds; None
            if it did not, or if that is not known.
        retired: What is known of a token that was retired; None for all others.
    """

    epoch: str
    as_of: int
    now: int
    record: Record | None
    since: int | None = None
    retired: Retired | None = None


class Expected:
    """A session that somebody wants to read, and is told of by the next poll.

    Attributes:
        token_hash: Its key.
        reading: What was read in the snapshot of a poll that was sent after this was made; None before.
    """

    __slots__ = ("__weakref__", "reading", "token_hash")

    def __init__(self, token_hash: bytes) -> None:
        """Wait for the session with this token hash."""
        self.token_hash = token_hash
        self.reading: Reading | None = None


class ReadsAhead(Protocol):
    """A store that is far away, where a poll and a reading in one round trip cost half of two."""

    def expect(self, token_hash: bytes) -> Expected:
        """Have the next poll read this session too, unless nobody holds what is returned any more."""
        ...


class NewSession(NamedTuple):
    """A session to be created, with the conditions of its transaction.

    Attributes:
        token_hash: The key of the new row.
        record: The row.
        limit: How many live sessions the user may have afterwards; None for any number.
        when_full: What to do when there are as many already.
        replaces: The hash of the token whose session ends in the same transaction.
        carry_over: Keys of the replaced session's data that move along, if it was anonymous.
        kind: What the row is, a short word: the limit counts and ends the user's live rows of the same kind only.
        reason: Why somebody begins to act as the user: it is told in the audit trail, and not kept with the session.
    """

    token_hash: bytes
    record: Record
    limit: int | None = None
    when_full: WhenFull = "evict_oldest"
    replaces: bytes | None = None
    carry_over: tuple[str, ...] = ()
    kind: str = SESSION
    reason: str = ""


class CreateResult(NamedTuple):
    """What creating did: the row as stored, the rows evicted for it, and the row it replaced."""

    record: Record
    evicted: tuple[Record, ...] = ()
    replaced: Record | None = None


class Full(Exception):
    """The user has as many live sessions as allowed, and the policy evicts none; nothing was written."""

    def __init__(self, limit: int, records: tuple[Record, ...]) -> None:
        """Keep the limit and the rows that fill it."""
        super().__init__(limit)
        self.limit = limit
        self.records = records


class Device(NamedTuple):
    """What a store keeps of the device that a session is bound to.

    Attributes:
        thumbprint: The hash by which its public key is known (RFC 7638), in base64url.
        key: The public key as a JWK, in JSON.
        challenges: What it may sign next; opaque to the store, which compares and sets it.
    """

    thumbprint: str
    key: str
    challenges: str


class Rotation(NamedTuple):
    """A new token for the session of an old one.

    Attributes:
        old_hash: The key the row must still have; two rotations at once cannot both succeed.
        new_hash: The key it gets.
        authenticated_at: For a rotation after re-authentication, when that was (microseconds).
        idle_expires_at: With it, the new idle expiry.
        expires_at: With it, the new absolute expiry.
        authentication: With it, the proofs as JSON.
    """

    old_hash: bytes
    new_hash: bytes
    authenticated_at: int | None = None
    idle_expires_at: int | None = None
    expires_at: int | None = None
    authentication: str | None = None


class Renewal(NamedTuple):
    """A successor for a token, in a periodic rotation.

    Attributes:
        old_hash: The key of the row, if no other rotation was first.
        new_hash: The key it gets.
        seal: The successor, for whoever has the old token: 32 bytes (`coatcheck.core.successors`).
        grace: For how many microseconds the old token stays good.
    """

    old_hash: bytes
    new_hash: bytes
    seal: bytes
    grace: int


class Renewed(NamedTuple):
    """What a periodic rotation did, or one before it.

    Attributes:
        record: The row.
        seal: The successor that counts.
        fresh: Whether it is the one of this renewal.
    """

    record: Record
    seal: bytes
    fresh: bool


class Ended(NamedTuple):
    """A session that a statement has ended.

    Attributes:
        id: Its public id.
        user_id: Its user; None for an anonymous visitor.
        actor_id: Who acted in it as the user, if it was somebody else.
    """

    id: str
    user_id: str | None
    actor_id: str | None = None


def ended_as(record: Record) -> Ended:
    """Return what is told of a session that has ended."""
    return Ended(record.id, record.user_id, authentication_of(record.authentication).actor)


class Touch(NamedTuple):
    """The latest use of a session, in microseconds since the epoch."""

    session_id: str
    last_seen_at: int
    idle_expires_at: int


class SessionChange(NamedTuple):
    """A change of one session's data, and of its times where they are given (microseconds).

    Attributes:
        session_id: The session's public id.
        changes: Keys to set.
        remove: Keys to remove.
        max_bytes: The largest size of all data, as JSON.
        expected: Keys, and what they must hold, or else no key is set or removed.
        idle_timeout: A new idle timeout.
        idle_expires_at: With it, the new idle expiry.
        expires_at: A new absolute expiry.
    """

    session_id: str
    changes: Mapping[str, Any]
    remove: tuple[str, ...]
    max_bytes: int
    expected: Mapping[str, Any] = MappingProxyType({})
    idle_timeout: int | None = None
    idle_expires_at: int | None = None
    expires_at: int | None = None

    def expects(self, data: Mapping[str, Any]) -> bool:
        """Tell whether a session's data hold what they must, for a key to be set or removed."""
        return all(data.get(key) == value for key, value in self.expected.items())


class SessionFilter(NamedTuple):
    """Which live sessions are meant, of all users and of visitors: those that fulfil everything that is not None.

    Attributes:
        text: Contained, ignoring case, in the user's id, the public id, the address, the browser, or with a users table
            in the user's name or e-mail address. Letters beyond ASCII may count as written. Without line feeds.
        user_id: Exactly this user's.
        signed_in: With a user, or anonymous.
        active_since: Last seen then or later, in microseconds since the epoch, as all times here.
        active_before: Last seen before.
        created_since: Created then or later.
        created_before: Created before.
        ids: Only these public ids.
    """

    text: str | None = None
    user_id: str | None = None
    signed_in: bool | None = None
    active_since: int | None = None
    active_before: int | None = None
    created_since: int | None = None
    created_before: int | None = None
    ids: tuple[str, ...] | None = None


class Selection(NamedTuple):
    """Which sessions to end: the one with a token hash, the one with an id, or those of a user.

    Attributes:
        token_hash: The session with this token.
        session_id: The session with this public id, if it belongs to `user_id` or that is None.
        user_id: The sessions of this user.
        keep: Of a user's sessions, the public id of the one to keep.
        kind: Of what was selected by id or user, only rows of this kind; None for any.
        reason: A word for the audit trail.
        ticket: Whether the token is a ticket's, which is no session: the audit trail says nothing of those.
    """

    token_hash: bytes | None = None
    session_id: str | None = None
    user_id: str | None = None
    keep: str | None = None
    kind: str | None = None
    reason: str = ""
    ticket: bool = False


class AuditFilter(NamedTuple):
    """Which entries of the audit trail are meant: those that fulfil everything that is not None.

    Attributes:
        user_id: About this user.
        session_id: About the session with this public id.
        actor: Done by this actor.
        action: Of this action.
        since: From then on, in microseconds since the epoch.
        before: From before that.
    """

    user_id: str | None = None
    session_id: str | None = None
    actor: str | None = None
    action: str | None = None
    since: int | None = None
    before: int | None = None


class AuditRow(NamedTuple):
    """An entry of the audit trail; `at` in microseconds since the epoch."""

    id: int
    at: int
    action: str
    actor: str | None
    user_id: str | None
    session_id: str | None
    address: str | None
    detail: str
