"""What a logout token must say (OpenID Connect Back-Channel Logout 1.0 sections 2.4 and 2.6, ASVS 10.5.5): pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coatcheck.core.foreign import as_list, as_object, is_id

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
"""The member of `events` that makes a token one of these."""

LEEWAY: Final = timedelta(minutes=1)
"""By how much two clocks may differ."""

OLDEST: Final = timedelta(hours=1)
"""How old a token may be. Its `jti` must be remembered until then, and the log keeps two hours."""

_LAST: Final = 253_402_300_799  # the end of the year 9999, the last that a datetime can say
_LONGEST: Final = 255
_TYPES: Final = ("logout+jwt", "application/logout+jwt")


class LogoutRefused(Exception):
    """A logout token is none that counts. The message says which rule it breaks, and nothing of what is in it."""


class Logout(NamedTuple):
    """A logout that a provider has told of.

    Attributes:
        issuer: The provider.
        id: The token's `jti`, which counts only once.
        at: When the token was issued, in UTC.
        sid: The session that has ended; None if the user was signed out everywhere.
        user_id: The user, the token's `sub`; None if only the session is named.
    """

    issuer: str
    id: str
    at: datetime
    sid: str | None
    user_id: str | None


def logout_of(
    header: Mapping[str, Any], payload: Any, *, issuer: str, clients: frozenset[str], now: datetime
) -> Logout:
    """Return what a logout token tells, once its signature is good.

    Args:
        header: The token's header.
        payload: Its claims, as JSON was read.
        issuer: Who must have issued it.
        clients: The ids under which the provider knows us.
        now: The time, in UTC.

    Raises:
        LogoutRefused: It breaks a rule.
    """
    _check(str(header.get("typ", _TYPES[0])).lower() in _TYPES, "typ is not logout+jwt")
    claims = as_object(payload)
    if claims is None:
        raise LogoutRefused("the claims are no object")
    _check(claims.get("iss") == issuer, "iss is somebody else")
    _check(bool(clients & _audience(claims)), "aud is not us")
    _check(_is_logout(claims.get("events")), "events has no back-channel logout")
    _check("nonce" not in claims, "it has a nonce, as ID tokens have")
    at = _checked_times(claims, now)
    logout = Logout(issuer, _text(claims, "jti") or "", at, _text(claims, "sid"), _text(claims, "sub"))
    _check(logout.id != "", "jti is missing")
    _check(logout.sid is not None or logout.user_id is not None, "both sid and sub are missing")
    return logout


def _check(good: bool, problem: str) -> None:  # noqa: FBT001 - a condition
    if not good:
        raise LogoutRefused(problem)


def _audience(claims: Mapping[str, Any]) -> set[str]:
    audience = claims.get("aud")
    return {text for text in as_list(audience) or [audience] if isinstance(text, str)}


def _is_logout(events: Any) -> bool:
    return as_object((as_object(events) or {}).get(EVENT)) is not None


def _checked_times(claims: Mapping[str, Any], now: datetime) -> datetime:
    issued, expires = _moment(claims, "iat"), _moment(claims, "exp")
    _check(issued <= now + LEEWAY, "iat is in the future")
    _check(issued >= now - OLDEST, "iat is too long ago")
    _check(expires > now - LEEWAY, "exp is over")
    return issued


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _LAST:
        raise LogoutRefused(f"{name} is missing or no time")
    return datetime.fromtimestamp(value, UTC)


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is None:
        return None
    if not is_id(value, _LONGEST):
        raise LogoutRefused(f"{name} is empty, too long or no text")
    return str(value)
