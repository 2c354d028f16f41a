"""What Better Auth knows of a session and its user, as a record: from the JSON of its API, or from its tables.

The fields are called as Better Auth calls them, whatever a table's columns are called. Those that are used are checked;
all others are kept, and not trusted.
"""

from __future__ import annotations

import hmac
import math
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.identities import Nonsense, identity
from coatcheck.core.users import User

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.core.session import Record

_ANSWER: Final = frozenset({"session", "user", "needsRefresh"})
_SESSION: Final = frozenset({"id", "userId", "token", "expiresAt", "createdAt", "updatedAt", "ipAddress", "userAgent"})
_USER: Final = frozenset({"id", "name", "email", "emailVerified", "role", "createdAt", "updatedAt"})
# Columns that no plugin of Better Auth hands out itself; an older two-factor plugin kept its secret in the user's row.
_NEVER: Final = frozenset({"password", "twoFactorSecret", "twoFactorBackupCodes"})

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Milliseconds before March 1973, or seconds after the year 5000: no session is from either.
_LEAST_MILLIS: Final = 100_000_000_000
_MOST_MILLIS: Final = 253_402_300_799_000  # the last second of the year 9999


def answer_of(answer: Any, token: bytes | None = None) -> Record | NotSignedIn:
    """Return what an answer of `get-session` says.

    Args:
        answer: The body: null for nobody, or an object of a session and a user.
        token: The token that was asked about, if it is known. An answer about another one is somebody else's, as a
            cache in front of Better Auth would serve it.

    Raises:
        Nonsense: It is neither.
    """
    if answer is None:
        return NotSignedIn.UNKNOWN
    body = _object(answer, "the answer")
    session, user = _object(body.get("session"), "session"), _object(body.get("user"), "user")
    theirs = session.get("token")
    if token is not None and theirs is not None and not _same(theirs, token):
        raise Nonsense("the answer is about another token: a cache stands before Better Auth, and must not")
    return record_of(session, user, {name: value for name, value in body.items() if name not in _ANSWER})


def record_of(session: Mapping[str, Any], user: Mapping[str, Any], further: Mapping[str, Any] | None = None) -> Record:
    """Return a session and its user as a record.

    Times may be text (ISO 8601), numbers (milliseconds since the epoch, or seconds), or datetimes; what has no time
    zone counts as UTC.

    Args:
        session: Fields of the session.
        user: Fields of the user.
        further: What else an answer has, as a `customSession` adds it.

    Raises:
        Nonsense: A field that is used is missing, or is none.
    """
    owner = user_of(user)
    if _id(session, "session.userId", "userId") != owner.id:
        raise Nonsense("session.userId is not the id of the user")
    created_at = _moment(session, "session", "createdAt")
    updated_at = _optional_moment(session, "session", "updatedAt")
    return identity(
        _id(session, "session.id"),
        owner,
        created_at=created_at,
        ends_at=_moment(session, "session", "expiresAt"),
        authenticated_at=created_at,
        last_seen_at=None if updated_at is None else max(created_at, updated_at),
        ip=_optional_text(session, "session", "ipAddress"),
        user_agent=_optional_text(session, "session", "userAgent"),
        data=_others(further or {}, _SESSION) | _others(session, _SESSION),
        actor=_id(session, "session.impersonatedBy", "impersonatedBy") if session.get("impersonatedBy") else None,
    )


def user_of(user: Mapping[str, Any]) -> User:
    """Return a user.

    A role that is no text is among the attributes, as the picture is.

    Raises:
        Nonsense: A field that is used is missing, or is none.
    """
    role = user.get("role")
    attributes = _others(user, _USER)
    if role is not None and not isinstance(role, str):
        attributes["role"] = plain(role)
    return User(
        id=_id(user, "user.id"),
        name=_optional_text(user, "user", "name"),
        email=_optional_text(user, "user", "email"),
        role=role if isinstance(role, str) else None,
        attributes=attributes,
        email_verified=_optional_flag(user, "emailVerified"),
        created_at=_optional_moment(user, "user", "createdAt"),
        updated_at=_optional_moment(user, "user", "updatedAt"),
    )


def moment(value: Any) -> datetime | None:
    """Return a time in UTC, or None for what is none: ISO 8601, milliseconds or seconds since the epoch, a datetime."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        try:
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except OverflowError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < _MOST_MILLIS:
        return None
    return _EPOCH + timedelta(milliseconds=value if value >= _LEAST_MILLIS else value * 1000)


def plain(value: Any) -> Any:
    """Return a value as JSON can carry it: what a database has besides becomes text, and what is no number, nothing."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in cast("list[Any]", value)]
    return str(value)


def _others(fields: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Return the other fields, without those that are nothing."""
    left = {name: value for name, value in fields.items() if name not in known and name not in _NEVER}
    return {name: plain(value) for name, value in left.items() if value is not None}


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Nonsense(f"{name} is not an object")
    return cast("dict[str, Any]", value)


def _same(theirs: Any, token: bytes) -> bool:
    return isinstance(theirs, str) and hmac.compare_digest(theirs.encode("utf-8", "surrogatepass"), token)


def _id(fields: Mapping[str, Any], name: str, field: str = "id") -> str:
    """Return an id as text; databases may count, or have a type for it."""
    value = fields.get(field)
    if isinstance(value, bool) or not isinstance(value, (str, int, UUID)):
        raise Nonsense(f"{name} is not an id")
    return str(value)


def _moment(fields: Mapping[str, Any], of: str, name: str) -> datetime:
    found = _optional_moment(fields, of, name)
    if found is None:
        raise Nonsense(f"{of}.{name} is missing")
    return found


def _optional_moment(fields: Mapping[str, Any], of: str, name: str) -> datetime | None:
    value = fields.get(name)
    if value is None:
        return None
    found = moment(value)
    if found is None:
        raise Nonsense(f"{of}.{name} is not a time")
    return found


def _optional_text(fields: Mapping[str, Any], of: str, name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise Nonsense(f"{of}.{name} is not a text")
    return value or None


def _optional_flag(fields: Mapping[str, Any], name: str) -> bool | None:
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return value
    if value in (0, 1):  # SQLite has no other
        return bool(value)
    raise Nonsense(f"user.{name} is neither true nor false")
