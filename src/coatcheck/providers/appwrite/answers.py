"""What Appwrite's answers mean: pure functions from its replies to a session, "not signed in" or nonsense.

The types of its errors decide, and not the status alone: 401 is also what Appwrite says of a host name that it does
not know, and whoever is blocked gets 401 from Appwrite 1.8 and 403 from 1.9. What is not known for certain to be about
the visitor is no reason to call anybody signed out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.cookies import delete_cookie
from coatcheck.core.identities import Nonsense, identity
from coatcheck.core.users import User

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from coatcheck.core.cookies import CookieSettings
    from coatcheck.core.session import Record
    from coatcheck.providers.appwrite.credentials import Credential
    from coatcheck.providers.base import Reply

Body = dict[str, Any]

_OK: Final = 200
_NO_CONTENT: Final = 204
_UNAUTHORIZED: Final = 401
_REDIRECTS: Final = range(300, 400)
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FACTORS: Final = 2

_SIGNED_OUT: Final = frozenset(
    {"user_blocked", "user_not_found", "user_password_reset_required", "user_session_not_found"}
)
"""Types of errors about the visitor, whatever their status."""

_SESSION_STAYS: Final = frozenset({"user_blocked", "user_more_factors_required", "user_password_reset_required"})
"""Types of errors with which nobody is signed in, though the session has not ended."""

_FIXES: Final = {
    "project_not_found": "use the id of a project, and the address of its region",
    "general_access_forbidden": "Appwrite does not serve this host name: use the one it was set up with",
    "general_unknown_origin": "add the host to the platforms of the project",
    "general_service_disabled": "enable the Account service of the project",
    "general_api_disabled": "enable the REST API of the project",
    "general_route_not_found": "use an address such as 'https://cloud.appwrite.io/v1', with the version at its end",
}


def body_of(reply: Reply, project: str) -> Body | None:
    """Return what a reply carries, or None if it says that nobody is signed in.

    Raises:
        Nonsense: It says neither; the message names the project and, where it is known, the fix.
    """
    if reply.status == _OK:
        return _object(reply.json(), "the body")
    kind = _kind(reply)
    if _is_refusal(reply.status, kind):
        return None
    raise Nonsense(_trouble(reply.status, kind, project))


def check_ended(reply: Reply, project: str) -> None:
    """Return if a reply to `DELETE /account/sessions/…` says that the session has ended, now or before.

    Raises:
        Nonsense: It does not say so; the message names the project and, where it is known, the fix.
    """
    if reply.status == _NO_CONTENT:
        return
    kind = _kind(reply)
    if not _is_refusal(reply.status, kind) or kind in _SESSION_STAYS:
        raise Nonsense(_trouble(reply.status, kind, project))


def identity_of(credential: Credential, account: Body, session: Body) -> Record | NotSignedIn:
    """Return whose session it is, of what Appwrite says of the account and of the session.

    Raises:
        Nonsense: A field that is needed is missing or of another kind, or the two do not belong together.
    """
    user = _user(account)
    session_id = _text(session, "$id")
    if _text(session, "userId") != user.id:
        raise Nonsense("the session is not the account's")
    if credential.is_jwt and session_id != credential.session_id:
        raise Nonsense("the session is not the one that was asked for")
    if not _flag(account, "status") or (credential.is_jwt and _is_half_signed_in(account, session)):
        return NotSignedIn.UNKNOWN
    created, ends = _moment(session, "$createdAt"), _moment(session, "expire")
    return identity(
        session_id,
        user,
        created_at=created,
        ends_at=ends if credential.ends_at is None else min(ends, credential.ends_at),
        authenticated_at=_authenticated(session, created),
        ip=_optional_text(session, "ip"),
        data=_rest(session, _SESSION_FIELDS),
    )


def forgetting(cookies: Sequence[CookieSettings], sent: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return one Set-Cookie for each cookie that the browser shall forget (rules C6, C10).

    That is Appwrite's own where it has sent one: it alone knows on which domain it has set the cookie.
    """
    known = {line.partition(b"=")[0].strip(): line for line in sent}
    return tuple(known.get(cookie.name.encode(), delete_cookie(cookie)) for cookie in cookies)


# --- replies


def _kind(reply: Reply) -> str:
    """Return the type that an error gives itself; empty for what is none of Appwrite's."""
    try:
        kind = _object(reply.json(), "the body").get("type")
    except Nonsense:
        return ""
    return kind if isinstance(kind, str) else ""


def _is_refusal(status: int, kind: str) -> bool:
    """Tell whether an error is about the visitor."""
    if status == _UNAUTHORIZED:
        return kind.startswith("user_") or kind == "general_unauthorized_scope"
    return kind in _SIGNED_OUT


def _trouble(status: int, kind: str, project: str) -> str:
    """Say what is wrong, in words of our own: what Appwrite says could hold anything."""
    if kind in _SESSION_STAYS:
        return f"{status} {kind} for project={project!r}: the session has not ended"
    if (fix := _FIXES.get(kind)) is not None:
        return f"{status} {kind} for project={project!r}: {fix}"
    if status in _REDIRECTS:
        return f"{status} for project={project!r}: use the address that it redirects to"
    return f"{status} for project={project!r}: check project and url, and what stands between"


# --- the account


_USER_FIELDS: Final = frozenset(
    {"$id", "name", "email", "emailVerification", "labels", "registration", "$updatedAt", "password", "hash"}
    | {"hashOptions"}
)
"""What is not kept as it came: it is typed, or nobody's business."""


def _user(body: Body) -> User:
    registered = "registration" if body.get("registration") else "$createdAt"
    return User(
        id=_text(body, "$id"),
        name=_optional_text(body, "name"),
        email=_optional_text(body, "email"),
        attributes=_rest(body, _USER_FIELDS),
        email_verified=_flag(body, "emailVerification"),
        labels=_texts(body, "labels"),
        created_at=_moment(body, registered),
        updated_at=_moment(body, "$updatedAt"),
    )


def _is_half_signed_in(account: Body, session: Body) -> bool:
    """Tell whether the second factor is still wanted (rule A3).

    Appwrite sees to that itself where the secret is presented; with a JWT it does not look.
    """
    wanted = account.get("mfa") is True
    possible = account.get("emailVerification") is True or account.get("phoneVerification") is True
    return wanted and possible and len(_texts(session, "factors")) < _FACTORS


# --- the session


_SESSION_FIELDS: Final = frozenset(
    {"$id", "userId", "$createdAt", "expire", "ip", "current", "secret", "providerAccessToken", "providerRefreshToken"}
)
"""The same of a session: two of these are credentials at other services."""


def _authenticated(session: Body, created: datetime) -> datetime | None:
    """Return when the user last proved who they are (rule A4); nobody has, in an anonymous session."""
    if session.get("provider") == "anonymous":
        return None
    return max(created, _moment(session, "mfaUpdatedAt")) if session.get("mfaUpdatedAt") else created


# --- fields


def _object(value: Any, name: str) -> Body:
    if not isinstance(value, dict):
        raise Nonsense(f"{name} is no object")
    return cast("Body", value)


def _rest(body: Body, known: frozenset[str]) -> Body:
    return {name: value for name, value in body.items() if name not in known}


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value or any("\ud800" <= each <= "\udfff" for each in value):
        raise Nonsense(f"{name} is no text")
    return value


def _optional_text(body: Body, name: str) -> str | None:
    return _text(body, name) if body.get(name) not in (None, "") else None


def _texts(body: Body, name: str) -> tuple[str, ...]:
    values = body.get(name)
    if not isinstance(values, list):
        raise Nonsense(f"{name} is no list")
    return tuple(_text({name: value}, name) for value in cast("list[object]", values))


def _flag(body: Body, name: str) -> bool:
    value = body.get(name)
    if not isinstance(value, bool):
        raise Nonsense(f"{name} is neither true nor false")
    return value


def _moment(body: Body, name: str) -> datetime:
    """Return a moment in UTC, of ISO 8601 with its offset."""
    try:
        moment = datetime.fromisoformat(_text(body, name))
        moment = moment.astimezone(UTC) if moment.tzinfo is not None else datetime.min.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Nonsense(f"{name} is no time") from None
    if moment < _EARLIEST:
        raise Nonsense(f"{name} is no time with its offset from UTC, after 1970")
    return moment
