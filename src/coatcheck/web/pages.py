"""Answers that the middleware gives itself: problem details for programs, a redirect for pages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from coatcheck.core.answers import NotSignedIn
from coatcheck.errors import FormTokenRejected, ImpersonationRefused, LimitReached, Unavailable
from coatcheck.web.errors import (
    AccountUnknown,
    DeviceBindingRequired,
    DeviceProofAwaited,
    ProofRejected,
    RecentAuthRequired,
    SignInRequired,
    TooManyAccounts,
)

if TYPE_CHECKING:
    from coatcheck.web.types import Asked, Headers, Scope

    Answer = tuple[int, Headers, bytes]

ANSWERED = (
    SignInRequired,
    RecentAuthRequired,
    DeviceProofAwaited,
    DeviceBindingRequired,
    ProofRejected,
    Unavailable,
    LimitReached,
    FormTokenRejected,
    ImpersonationRefused,
    AccountUnknown,
    TooManyAccounts,
)
"""The exceptions that the middleware turns into answers."""

PROBLEM = b"application/problem+json"

NO_STORE = (b"cache-control", b"no-store")
"""What a response with a cookie says, and each answer of ours, instead of whatever the application says of caches."""


class Answered(NamedTuple):
    """An answer as frameworks want it; Flask and Quart take it from a handler as it is."""

    body: bytes
    status: int
    headers: list[tuple[str, str]]


def in_text(answer: Answer) -> Answered:
    """Return an answer as frameworks want it."""
    status, headers, body = answer
    return Answered(body, status, [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])


def problem(status: int, title: str, **members: Any) -> Answer:
    """Return an answer in problem details (RFC 9457)."""
    body = json.dumps({"type": "about:blank", "title": title, "status": status, **members}).encode()
    headers = [(b"content-type", PROBLEM), NO_STORE]
    return status, [*headers, (b"content-length", str(len(body)).encode())], body


def cross_origin_problem(reason: str) -> Answer:
    """Return the answer to a request that another site made (rule X1)."""
    return problem(403, "Cross-origin request refused", reason=reason)


def answer_to(error: Exception, scope: Scope, context: Asked) -> Answer:
    """Return the answer to a request that ended with one of `ANSWERED`; a browser page goes to the sign-in page."""
    if isinstance(error, DeviceProofAwaited) and (answer := _come_again(error, scope)) is not None:
        return answer
    if isinstance(error, (SignInRequired, RecentAuthRequired, DeviceProofAwaited)) and is_page(scope):
        return 302, [(b"location", _sign_in_url(scope, context)), (b"content-length", b"0")], b""
    return problem_of(error, context)


def problem_of(error: Exception, context: Asked) -> Answer:
    """Return the problem details for one of `ANSWERED`, whoever asks."""
    status, title, members = told(error)
    status, headers, body = problem(status, title, **members)
    if isinstance(error, ProofRejected):
        headers[0] = (b"content-type", b"application/json")  # as clients expect of a token endpoint
    if isinstance(error, Unavailable):
        headers.append((b"retry-after", str(error.retry_after).encode()))
    if isinstance(error, (SignInRequired, RecentAuthRequired)):
        headers += context.challenges
    return status, headers, body


def told(error: Exception) -> tuple[int, str, dict[str, Any]]:
    """Return what problem details say of one of `ANSWERED`: the status, the title, and the other members."""
    if isinstance(error, Unavailable):
        return 503, "Sessions are unavailable", {"detail": "Try again shortly."}
    if isinstance(error, LimitReached):
        sessions = [{"id": session.id, "created_at": session.created_at.isoformat()} for session in error.sessions]
        return 409, f"Too many {error.what}", {"limit": error.limit, "sessions": sessions}
    if isinstance(error, DeviceBindingRequired):
        return 403, "Device-bound session required", {"reason": "device_not_bound"}
    if isinstance(error, ProofRejected):  # with the members of RFC 6749 section 5.2, for it is about to issue a token
        return 400, "Proof rejected", {"error": error.error, "error_description": error.description}
    if isinstance(error, (ImpersonationRefused, AccountUnknown, TooManyAccounts)):
        return _told_of_accounts(error)
    return _told_to_browsers(error)


def _told_of_accounts(error: Exception) -> tuple[int, str, dict[str, Any]]:
    if isinstance(error, ImpersonationRefused):
        return 403, "Refused because of impersonation", {"reason": "impersonation", "detail": str(error)}
    if isinstance(error, TooManyAccounts):
        return 409, "Too many accounts", {"reason": "too_many_accounts", "limit": error.limit}
    return 404, "No such account", {"reason": "account_unknown"}


def _told_to_browsers(error: Exception) -> tuple[int, str, dict[str, Any]]:
    if isinstance(error, RecentAuthRequired):
        seconds = int(error.max_age.total_seconds())
        wanted = {"factors": error.factors} if error.factors > 1 else {}
        return 401, "Recent authentication required", {"reason": "authentication_too_old", "max_age": seconds, **wanted}
    if isinstance(error, FormTokenRejected):
        return 403, "Form token rejected", {"detail": "Load the page again, and send the form once more."}
    reason = error.reason if isinstance(error, SignInRequired) else NotSignedIn.NO_TOKEN
    if isinstance(error, DeviceProofAwaited):
        reason = NotSignedIn.DEVICE
    return 401, "Sign-in required", {"reason": reason.value}


_INTERSTITIAL = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>One moment</title><p><a href="">Continue</a></p></html>
"""


def _come_again(error: DeviceProofAwaited, scope: Scope) -> Answer | None:
    """Return an answer without data after which a browser asks for the same address; None if it could not."""
    headers = [NO_STORE, (b"set-cookie", error.counted)]
    if error.how == "interstitial" and scope.get("method") in {"GET", "HEAD"}:
        # No address in it, so nothing of the request is repeated. A redirect would not do: Chromium takes the request
        # that follows for one of the other site, too.
        headers += [(b"refresh", b"0"), (b"content-type", b"text/html; charset=utf-8"), (b"x-frame-options", b"DENY")]
        headers.append((b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"))
        return 200, [*headers, (b"content-length", str(len(_INTERSTITIAL)).encode())], _INTERSTITIAL
    place = path_of(scope)
    if error.how != "again" or safe_next(place, "") != place:
        return None
    query = scope.get("query_string", b"")
    location = place.encode() + (b"?" + query if query else b"")
    return 307, [(b"location", location), NO_STORE, (b"content-length", b"0")], b""


def is_page(scope: Scope) -> bool:
    """Tell whether a browser asks for a page, not a program for data."""
    accepts = any(key == b"accept" and b"text/html" in value for key, value in scope["headers"])
    return accepts and scope["method"] in {"GET", "HEAD"}


def _sign_in_url(scope: Scope, context: Asked) -> bytes:
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = path_of(scope) + (f"?{query}" if query else "")
    return f"{context.settings.sign_in_path}?next={quote(wanted, safe='')}".encode("latin-1")


def path_of(scope: Scope) -> str:
    """Return the path of a request as a browser writes it, with what a proxy or another application has taken off."""
    root = scope.get("root_path", "")
    return quote(root + scope["path"].removeprefix(root), safe="/")


def safe_next(target: str | None, default: str = "/") -> str:
    """Return where to go after sign-in: a path of this site, or the default.

    Anything that a browser could read as another site is refused: `//host`, a backslash, a control character.
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return default
    if "\\" in target or not target.isprintable() or not target.isascii():
        return default
    return target
