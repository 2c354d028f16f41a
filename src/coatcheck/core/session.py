"""The immutable session record, and the versioned bytes in which caches keep it.

A record is one flat `bytes` object, and `Session` reads its fields when they are asked for. A memory hit
therefore builds one small object, and a million cached sessions are invisible to the garbage collector.

    record = head, id, user id, ip, user agent, data (JSON), authentication (JSON), user (JSON)
    copy   = stamp (what the coherence rule needs), record
"""

from __future__ import annotations

import json
from struct import Struct
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from coatcheck.core.authentication import Authentication, authentication_of
from coatcheck.core.coherence import session_subject, user_subject
from coatcheck.core.sealing import Kind
from coatcheck.core.slots import RESERVED
from coatcheck.core.times import from_micros, to_micros
from coatcheck.core.users import user_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime, timedelta

    from coatcheck.core.users import User

VERSION = 2
"""The layout below; a copy of another version counts as missing. The second knows of devices: a copy of the first could
make a bound session look as if it were not."""

NEVER = 2**62
"""Stands for 'no absolute end' wherever microseconds are compared."""

# as_of (position), serve_until and touch_at (nanoseconds since the epoch, by the authority's clock)
STAMP = Struct("<qqq")
# version, flags, created, authenticated, last seen, idle expiry, absolute expiry (microseconds since the epoch),
# idle timeout (seconds), lengths of: id, user id, ip, user agent, data, authentication, user
_HEAD = Struct("<BBqqqqqIBHBHIHI")
_TIMES = Struct("<BBqqqqqI")
_IDS = Struct("<BH")  # the lengths of id and user id
_FLAGS_AT = STAMP.size + 1
_IDS_AT = STAMP.size + _TIMES.size
_BODY = STAMP.size + _HEAD.size

_REMEMBER = 1
_SIGNED_IN = 2
_DEVICE_BOUND = 4
_NOT_AUTHENTICATED = -(2**62)


class Record(NamedTuple):
    """One row of a store: all that is known of a session, times in microseconds since the epoch."""

    id: str
    user_id: str | None
    created_at: int
    authenticated_at: int | None
    last_seen_at: int
    idle_expires_at: int
    expires_at: int | None
    idle_timeout: int
    remember: bool
    ip: str | None
    user_agent: str | None
    data: str
    authentication: str | None = None
    device_bound: bool = False
    user: str | None = None

    def pack(self) -> bytes:
        """Return the record's bytes."""
        parts = [text.encode() if text else b"" for text in (self.id, self.user_id, self.ip, self.user_agent)]
        data = b"" if self.data == "{}" else self.data.encode()
        proofs = self.authentication.encode() if self.authentication else b""
        user = self.user.encode() if self.user else b""
        authenticated = _NOT_AUTHENTICATED if self.authenticated_at is None else self.authenticated_at
        head = _HEAD.pack(
            VERSION,
            (_REMEMBER if self.remember else 0)
            | (_SIGNED_IN if self.user_id is not None else 0)
            | (_DEVICE_BOUND if self.device_bound or '"jkt"' in (self.authentication or "") else 0),
            self.created_at,
            authenticated,
            self.last_seen_at,
            self.idle_expires_at,
            NEVER if self.expires_at is None else self.expires_at,
            self.idle_timeout // 1_000_000,
            *map(len, parts),
            len(data),
            len(proofs),
            len(user),
        )
        return b"".join((head, *parts, data, proofs, user))

    def ends_at(self) -> int:
        """Return the earlier of both expiries, in microseconds since the epoch."""
        if self.expires_at is None:
            return self.idle_expires_at
        return min(self.idle_expires_at, self.expires_at)


class Session:
    """One session as it was read: immutable, cheap to make, and without its token.

    All times are aware datetimes in UTC, by the authority's clock.
    """

    __slots__ = ("_copy", "_data")

    def __init__(self, copy: bytes) -> None:
        """View a stored copy; applications get sessions from `Sessions`, they do not make them."""
        self._copy = copy

    if TYPE_CHECKING:  # at run time it is true as any object is, which costs no call

        def __bool__(self) -> Literal[True]: ...

    @property
    def id(self) -> str:
        """The public id: safe to list and to log, and no credential (rule T10)."""
        return self._copy[_BODY : _BODY + self._copy[_IDS_AT]].decode()

    @property
    def user_id(self) -> str | None:
        """The id of the user who signed in; None while the visitor is anonymous."""
        copy = self._copy
        if not copy[_FLAGS_AT] & _SIGNED_IN:
            return None
        id_length, length = _IDS.unpack_from(copy, _IDS_AT)
        start = _BODY + id_length
        return copy[start : start + length].decode()

    @property
    def created_at(self) -> datetime:
        """When the session was created."""
        return from_micros(self._times()[2])

    @property
    def authenticated_at(self) -> datetime | None:
        """When the user last proved who they are; activity never moves it (rule A1, A4)."""
        micros = self._times()[3]
        return None if micros == _NOT_AUTHENTICATED else from_micros(micros)

    @property
    def last_seen_at(self) -> datetime:
        """When the session was last used, at most one `touch_every` behind."""
        return from_micros(self._times()[4])

    @property
    def idle_expires_at(self) -> datetime:
        """When the session ends if it is not used."""
        return from_micros(self._times()[5])

    @property
    def expires_at(self) -> datetime | None:
        """When the session ends whatever happens; None for adopted tables without such a limit."""
        micros = self._times()[6]
        return None if micros == NEVER else from_micros(micros)

    @property
    def ends_at(self) -> datetime:
        """The earlier of both expiries."""
        times = self._times()
        return from_micros(min(times[5], times[6]))

    @property
    def remember(self) -> bool:
        """Whether the user asked to be remembered on this device."""
        return bool(self._copy[_FLAGS_AT] & _REMEMBER)

    @property
    def device_bound(self) -> bool:
        """Whether the session belongs to a key that never leaves the user's device: its token alone is worthless."""
        return bool(self._copy[_FLAGS_AT] & _DEVICE_BOUND)

    @property
    def key_thumbprint(self) -> str | None:
        """The thumbprint of the key whose proof every request needs (RFC 9449); it was named when the session began."""
        return self._proofs().jkt if self.device_bound else None

    @property
    def ip(self) -> str | None:
        """The client's address in canonical form."""
        return self._text(2) or None

    @property
    def user_agent(self) -> str | None:
        """The browser's own description, cut to 512 characters."""
        return self._text(3) or None

    @property
    def data(self) -> Mapping[str, Any]:
        """The application's data; change it with `save`."""
        try:
            return self._data
        except AttributeError:
            self._data: Mapping[str, Any] = MappingProxyType(data_in(self))
            return self._data

    @property
    def user(self) -> User | None:
        """The user, when a users table, a loader or a provider tells of them and the session is signed in."""
        raw = self._part(6)
        return user_of(raw) if raw else None

    @property
    def methods(self) -> Mapping[str, datetime]:
        """How the user proved who they are, each method with when it last was used (RFC 8176, rule A4)."""
        return {name: from_micros(at) for name, at in self._proofs().methods.items()}

    @property
    def acr(self) -> str | None:
        """The authentication's level, as an identity provider or the application calls it (rule A4)."""
        return self._proofs().acr

    @property
    def actor_id(self) -> str | None:
        """Who acts as the user, if it is somebody else: an ordinary session that says so."""
        return self._proofs().actor

    @property
    def shown_as(self) -> str | None:
        """What the user is shown of who acts as them, instead of a device; None in a session of their own."""
        return self._proofs().shown

    def authenticated_within(self, max_age: timedelta, now: datetime, *, factors: int = 1) -> bool:
        """Tell whether the user proved who they are at most `max_age` before `now` (ASVS 7.5.1, 7.5.3).

        Args:
            max_age: How old the proofs may be.
            now: By the authority's clock.
            factors: Of how many kinds they must be: with 2, a password alone is not enough, nor are two (rule A2).
        """
        moment = self.authenticated_at
        if moment is None or now - moment > max_age:
            return False
        return factors <= 1 or self._proofs().factors_since(to_micros(now - max_age)) >= factors

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Session):
            return NotImplemented
        return self._record() == other._record()

    def __hash__(self) -> int:
        return hash(self._record())

    def __repr__(self) -> str:
        return f"<Session {self.id} user={self.user_id!r}>"

    def _record(self) -> bytes:
        # What stands behind it is about the token: two may be those of one session.
        return self._copy[STAMP.size : end_of(self._copy)]

    def _proofs(self) -> Authentication:
        return authentication_of(self._part(5))

    def _times(self) -> tuple[int, ...]:
        return _TIMES.unpack_from(self._copy, STAMP.size)

    def _text(self, index: int) -> str:
        return self._part(index).decode()

    def _part(self, index: int) -> bytes:
        lengths = _HEAD.unpack_from(self._copy, STAMP.size)[8:]
        start = _BODY + sum(lengths[:index])
        return self._copy[start : start + lengths[index]]


def restamped(copy: bytes, as_of: int, serve_until: int, touch_at: int) -> bytes:
    """Return a copy, of a session or of anything else, with another stamp."""
    return STAMP.pack(as_of, serve_until, touch_at) + copy[STAMP.size :]


def copy_in(session: Session) -> bytes:
    """Return the copy that a session views: what the coherence rule judges."""
    return session._copy  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def data_in(session: Session) -> dict[str, Any]:
    """Return a session's data anew, for somebody who may change it."""
    data = _data_of(session)
    if any(key.startswith(RESERVED) for key in data):
        return {key: value for key, value in data.items() if not key.startswith(RESERVED)}
    return data


def sealed_in(session: Session, key: str) -> str | None:
    """Return what stands under one of our own keys, which `data` leaves out; None for nothing."""
    return _data_of(session).get(key)


def _data_of(session: Session) -> dict[str, Any]:
    raw = session._part(4)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return json.loads(raw.decode()) if raw else {}


def raw_data_in(session: Session) -> bytes:
    """Return a session's data as the JSON that they are kept as; empty for none."""
    return session._part(4)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def subjects_of(copy: bytes) -> Iterator[str]:
    """Yield what log entries call the session of a copy, and its user."""
    session = Session(copy)
    yield session_subject(session.id)
    if (user_id := session.user_id) is not None:
        yield user_subject(user_id)


def end_of(copy: bytes) -> int | None:
    """Return where the record in a copy ends; None if it is none of this release's record version."""
    if len(copy) < _BODY:
        return None
    head: tuple[int, ...] = _HEAD.unpack_from(copy, STAMP.size)
    return _BODY + sum(head[8:]) if head[0] == VERSION else None


def is_whole(copy: bytes) -> bool:
    """Tell whether a copy is of this release's record version, and as long as its head says."""
    return end_of(copy) == len(copy)


SEALED = Kind(b"session" + bytes((VERSION,)), is_whole)
"""Copies of sessions, in a shared cache."""


class Times(NamedTuple):
    """The times of a copy that a touch depends on, in microseconds."""

    last_seen_at: int
    idle_expires_at: int
    expires_at: int
    idle_timeout: int


def times_of(copy: bytes) -> Times:
    """Return the times of a copy; an absolute expiry that there is not is `NEVER`."""
    _, _, _, _, last_seen, idle, absolute, timeout = _TIMES.unpack_from(copy, STAMP.size)
    return Times(last_seen, idle, absolute, timeout * 1_000_000)


def touched(copy: bytes, last_seen_at: int, idle_expires_at: int, touch_at: int) -> bytes:
    """Return a copy whose last-seen time and idle expiry have moved.

    Its `as_of` and its time to live stay what they were: only a read from the authority renews those.
    """
    as_of, serve_until, _ = STAMP.unpack_from(copy)
    version, flags, created, authenticated, _, _, expires, idle = _TIMES.unpack_from(copy, STAMP.size)
    times = _TIMES.pack(version, flags, created, authenticated, last_seen_at, idle_expires_at, expires, idle)
    return b"".join((STAMP.pack(as_of, serve_until, touch_at), times, copy[STAMP.size + _TIMES.size :]))
