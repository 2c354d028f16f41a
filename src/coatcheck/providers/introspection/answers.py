"""What an introspection response says (RFC 7662 section 2.2): pure, so that each rule can be read and tested alone."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.endings import login_tag
from coatcheck.core.foreign import as_list, as_object
from coatcheck.core.identities import Nonsense, ProviderAnswer, identity
from coatcheck.core.settings import LONGEST_COPY
from coatcheck.core.users import User

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LEEWAY: Final = timedelta(minutes=1)
"""By how much the clock of the authorization server may be ahead of ours."""

_LONGEST_ID: Final = 255
_LAST: Final = 253_402_300_799  # the end of the year 9999, the last that a datetime can say

_OF_USER: Final = frozenset(
    {"sub", "name", "preferred_username", "username", "email", "email_verified", "active", "exp", "iat", "nbf"}
)
"""Members that are not repeated in the session's data."""


class Demands(NamedTuple):
    """What a token must be, to be good here.

    Attributes:
        issuer: Who must have issued it; None for whoever the endpoint knows.
        audience: Who it must be meant for; None for anybody.
        scopes: What it must be good for, all of it.
        token_type: Whether the server must say that it is a bearer token.
    """

    issuer: str | None = None
    audience: str | None = None
    scopes: frozenset[str] = frozenset()
    token_type: bool = True


class Refused(Exception):
    """The token is none that is good here.

    Attributes:
        why: Which demand it does not meet: the name of a member, never its value.
        reason: What the application is told.
    """

    def __init__(self, why: str, reason: NotSignedIn = NotSignedIn.UNKNOWN) -> None:
        """Keep both."""
        super().__init__(why)
        self.why = why
        self.reason = reason


def answer_of(response: Any, token: str, demands: Demands, now: datetime) -> ProviderAnswer:
    """Return whose session a token is, from what the server says of it.

    Args:
        response: What it says, as JSON was read.
        token: The token.
        demands: What it must be.
        now: The time, in UTC.

    Raises:
        Refused: The token is not active, or not meant for us.
        Nonsense: The response is none.
    """
    said = as_object(response)
    if said is None or not isinstance(active := said.get("active"), bool):
        msg = "the response has no member 'active' that is true or false"
        raise Nonsense(msg)
    if not active:
        raise Refused("active")
    _check_times(said, now)
    _check_kind(said, demands)
    _check_place(said, demands)
    return _answer(said, token, now)


def _check_times(said: Mapping[str, Any], now: datetime) -> None:
    expires = _moment(said, "exp")
    if expires is not None and expires <= now:
        raise Refused("exp", NotSignedIn.EXPIRED)
    begins = _moment(said, "nbf")
    if begins is not None and begins > now + LEEWAY:
        raise Refused("nbf")


def _check_kind(said: Mapping[str, Any], demands: Demands) -> None:
    """Refuse what is no bearer token: a refresh token, or one that only the owner of a key may use (rules J2, J8)."""
    if said.get("cnf") is not None:
        # Somebody must prove that the key is theirs (RFC 9449 section 6, RFC 8705 section 3), and here nobody has.
        raise Refused("cnf")
    kind = _text(said, "token_type")
    if kind is None and demands.token_type:
        raise Refused("token_type")
    if kind is not None and kind.lower() != "bearer":
        raise Refused("token_type")
    if _text(said, "token_use") not in {None, "access_token"}:
        raise Refused("token_use")


def _check_place(said: Mapping[str, Any], demands: Demands) -> None:
    if demands.issuer is not None and _text(said, "iss") != demands.issuer:
        raise Refused("iss")
    if demands.audience is not None and demands.audience not in _texts(said, "aud"):
        raise Refused("aud")
    if not demands.scopes <= set((_text(said, "scope") or "").split(" ")):
        raise Refused("scope")


def _answer(said: Mapping[str, Any], token: str, now: datetime) -> ProviderAnswer:
    authenticated = _moment(said, "auth_time")
    record = identity(
        _session_id(said, token),
        _user(said, token),
        created_at=_moment(said, "iat") or authenticated or now,
        # A server need not say when it ends. Then it is good for as long as an answer may be kept, and no longer.
        ends_at=_moment(said, "exp") or now + LONGEST_COPY,
        authenticated_at=authenticated,
        data=dict(_data(said, token)),
        actor=_actor(said),
    )
    return ProviderAnswer(record, tags=tuple(_logins(said)))


def _user(said: Mapping[str, Any], token: str) -> User | None:
    """Return the user; None for a token that a client has for itself.

    Its `sub` may be missing, or be the client's own id: that must never be taken for a user's (RFC 9068 section 5).
    """
    subject = _text(said, "sub")
    if subject is None or subject == _text(said, "client_id"):
        return None
    verified = said.get("email_verified")
    return User(
        id=subject,
        name=_text(said, "name") or _text(said, "preferred_username") or _text(said, "username"),
        email=_text(said, "email"),
        email_verified=verified if isinstance(verified, bool) else None,
        attributes={name: said[name] for name in ("preferred_username", "username") if _may_be_kept(said, name, token)},
    )


def _actor(said: Mapping[str, Any]) -> str | None:
    """Return who acts as the user (RFC 8693 section 4.1), the last of them if they are several.

    Raises:
        Refused: Somebody does, and nobody says who.
    """
    if said.get("act") is None:
        return None
    actor = (as_object(said["act"]) or {}).get("sub")
    if not isinstance(actor, str):
        raise Refused("act")
    return actor


def _session_id(said: Mapping[str, Any], token: str) -> str:
    """Return the public id: the token's `jti`, or a digest of the token where that is, or is part of, the token."""
    name = _text(said, "jti")
    if name is not None and 0 < len(name.encode("utf-8", "replace")) <= _LONGEST_ID:
        overlap = name in token or token in name
        if not overlap:
            return name
    digest = hashlib.sha256(b"coatcheck introspection\0" + token.encode()).digest()
    return urlsafe_b64encode(digest[:18]).decode()


def _data(said: Mapping[str, Any], token: str) -> Iterator[tuple[str, Any]]:
    for name, value in said.items():
        if name not in _OF_USER and _may_be_kept(said, name, token):
            yield name, value


def _may_be_kept(said: Mapping[str, Any], name: str, token: str) -> bool:
    """Tell whether a member is there and does not repeat the token, as a `jti` may (rule T9)."""
    return said.get(name) is not None and token not in str(said[name]) and (name != "jti" or said[name] not in token)


def _logins(said: Mapping[str, Any]) -> Iterator[bytes]:
    issuer, sid = _text(said, "iss"), _text(said, "sid")
    if issuer is not None and sid is not None:
        yield login_tag(issuer, sid)


def _text(said: Mapping[str, Any], name: str) -> str | None:
    value = said.get(name)
    if value is None or isinstance(value, str):
        return value
    msg = f"{name!r} is no text"
    raise Nonsense(msg)


def _texts(said: Mapping[str, Any], name: str) -> frozenset[str]:
    """Return a member that is one text or a list of them (RFC 7519 section 4.1.3)."""
    value = said.get(name)
    values = as_list([] if value is None else value)
    values = [value] if values is None else values
    texts = [text for text in values if isinstance(text, str)]
    if len(texts) == len(values):
        return frozenset(texts)
    msg = f"{name!r} is neither a text nor a list of texts"
    raise Nonsense(msg)


def _moment(said: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time; JSON has it in seconds since the epoch (RFC 7662 section 2.2), some servers with a fraction."""
    value = said.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _LAST:
        msg = f"{name!r} is no number of seconds since the epoch"
        raise Nonsense(msg)
    return datetime.fromtimestamp(value, UTC)
