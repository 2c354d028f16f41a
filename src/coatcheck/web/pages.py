"""Answers that the middleware gives itself: problem details for programs, a redirect for pages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from coatcheck.errors import LimitReached, Unavailable
from coatcheck.web.errors import RecentAuthRequired, SignInRequired

if TYPE_CHECKING:
    from coatcheck.web.types import Asked, Headers, Scope

    Answer = tuple[int, Headers, bytes]

ANSWERED = (SignInRequired, RecentAuthRequired, Unavailable, LimitReached)
"""The exceptions that the middleware turns into answers."""

PROBLEM = b"application/problem+json"


def problem(status: int, title: str, **members: Any) -> Answer:
    """Return an answer in problem details (RFC 9457)."""
    body = json.dumps({"type": "about:blank", "title": title, "status": status, **members}).encode()
    headers = [(b"content-type", PROBLEM), (b"cache-control", b"no-store")]
    return status, [*headers, (b"content-length", str(len(body)).encode())], body


def cross_origin_problem(reason: str) -> Answer:
    """Return the answer to a request that another site made (rule X1)."""
    return problem(403, "Cross-origin request refused", reason=reason)


def answer_to(error: Exception, scope: Scope, context: Asked) -> Answer:
    """Return the answer to a request that ended with one of `ANSWERED`; a browser page goes to the sign-in page."""
    if isinstance(error, (SignInRequired, RecentAuthRequired)) and is_page(scope):
        return 302, [(b"location", _sign_in_url(scope, context)), (b"content-length", b"0")], b""
    return problem_of(error, context)


def problem_of(error: Exception, context: Asked) -> Answer:
    """Return the problem details for one of `ANSWERED`, whoever asks."""
    if isinstance(error, Unavailable):
        status, headers, body = problem(503, "Sessions are unavailable", detail="Try again shortly.")
        return status, [*headers, (b"retry-after", str(error.retry_after).encode())], body
    if isinstance(error, LimitReached):
        sessions = [{"id": session.id, "created_at": session.created_at.isoformat()} for session in error.sessions]
        return problem(409, "Too many sessions", limit=error.limit, sessions=sessions)
    status, headers, body = _sign_in_problem(error)
    if context.bearer:
        headers = [*headers, (b"www-authenticate", b"Bearer")]
    return status, headers, body


def _sign_in_problem(error: Exception) -> Answer:
    if isinstance(error, RecentAuthRequired):
        seconds = int(error.max_age.total_seconds())
        return problem(401, "Recent authentication required", reason="authentication_too_old", max_age=seconds)
    reason = error.reason.value if isinstance(error, SignInRequired) else "no_token"
    return problem(401, "Sign-in required", reason=reason)


def is_page(scope: Scope) -> bool:
    """Tell whether a browser asks for a page, not a program for data."""
    accepts = any(key == b"accept" and b"text/html" in value for key, value in scope["headers"])
    return accepts and scope["method"] in {"GET", "HEAD"}


def _sign_in_url(scope: Scope, context: Asked) -> bytes:
    target = scope.get("root_path", "") + scope["path"].removeprefix(scope.get("root_path", ""))
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = quote(target, safe="/") + (f"?{query}" if query else "")
    return f"{context.settings.sign_in_path}?next={quote(wanted, safe='')}".encode("latin-1")


def safe_next(target: str | None, default: str = "/") -> str:
    """Return where to go after sign-in: a path of this site, or the default.

    Anything that a browser could read as another site is refused: `//host`, a backslash, a control character.
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return default
    if "\\" in target or not target.isprintable() or not target.isascii():
        return default
    return target
