"""Answers of the middleware and the decorators: problem details for programs, a redirect for pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from django.conf import settings as django_settings
from django.http import HttpResponseRedirect, JsonResponse
from django.shortcuts import resolve_url
from django.utils.cache import patch_vary_headers

from coatcheck.errors import LimitReached, Unavailable
from coatcheck.web.errors import RecentAuthRequired, SignInRequired

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

_PAGES: Final = frozenset({"GET", "HEAD"})


def answer_to(error: Exception, request: HttpRequest, login_url: str | None = None) -> HttpResponse:
    """Return the answer to a request that ended with one of `ANSWERED`; a browser page goes to the sign-in page."""
    if isinstance(error, Unavailable):
        return unavailable(error)
    if isinstance(error, LimitReached):
        listed = [{"id": session.id, "created_at": session.created_at.isoformat()} for session in error.sessions]
        return problem(409, "Too many sessions", limit=error.limit, sessions=listed)
    if request.method in _PAGES and "text/html" in request.headers.get("accept", ""):
        return _to_sign_in(request, login_url)
    if isinstance(error, RecentAuthRequired):
        seconds = int(error.max_age.total_seconds())
        title = "Recent authentication required"
        return problem(401, title, reason="authentication_too_old", max_age=seconds)
    reason = error.reason.value if isinstance(error, SignInRequired) else "no_token"
    return problem(401, "Sign-in required", reason=reason)


def _to_sign_in(request: HttpRequest, login_url: str | None) -> HttpResponse:
    # Not with the function of `django.contrib.auth`, which not every site has.
    url = resolve_url(login_url or django_settings.LOGIN_URL)
    response = HttpResponseRedirect(f"{url}{'&' if '?' in url else '?'}next={quote(request.get_full_path(), safe='/')}")
    never_stored(response)
    return response


def unavailable(error: Unavailable) -> HttpResponse:
    """Return the answer when nobody can tell who it is: 503, and no word about the cookie (rule S9)."""
    response = problem(503, "Sessions are unavailable", detail="Try again shortly.")
    response["Retry-After"] = str(error.retry_after)
    return response


def problem(status: int, title: str, **members: Any) -> HttpResponse:
    """Return an answer in problem details (RFC 9457)."""
    content = {"type": "about:blank", "title": title, "status": status, **members}
    response = JsonResponse(content, status=status, content_type="application/problem+json")
    never_stored(response)
    return response


def vary_by_cookie(response: HttpResponseBase) -> None:
    """Say that a response depends on the cookie (rule H1)."""
    if response.has_header("Vary"):
        patch_vary_headers(response, ("Cookie",))
    else:
        response["Vary"] = "Cookie"


def never_stored(response: HttpResponseBase) -> None:
    """Have no cache keep a response: a stored Set-Cookie would sign other people in (rule H2)."""
    response["Cache-Control"] = "no-store"
