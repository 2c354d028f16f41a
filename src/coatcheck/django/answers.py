"""Answers of the middleware and the decorators: problem details for programs, a redirect for pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from django.conf import settings as django_settings
from django.http import HttpResponseRedirect, JsonResponse
from django.shortcuts import resolve_url
from django.utils.cache import patch_vary_headers

from coatcheck.errors import Unavailable
from coatcheck.web.errors import RecentAuthRequired, SignInRequired
from coatcheck.web.pages import PROBLEM, told

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

_PAGES: Final = frozenset({"GET", "HEAD"})


def answer_to(error: Exception, request: HttpRequest, login_url: str | None = None) -> HttpResponse:
    """Return the answer to a request that ended with one of `ANSWERED`; a browser page goes to the sign-in page."""
    if isinstance(error, Unavailable):
        return unavailable(error)
    asks_for_page = request.method in _PAGES and "text/html" in request.headers.get("accept", "")
    if isinstance(error, (SignInRequired, RecentAuthRequired)) and asks_for_page:
        return _to_sign_in(request, login_url)
    return _problem(error)


def _to_sign_in(request: HttpRequest, login_url: str | None) -> HttpResponse:
    # Not with the function of `django.contrib.auth`, which not every site has.
    url = resolve_url(login_url or django_settings.LOGIN_URL)
    response = HttpResponseRedirect(f"{url}{'&' if '?' in url else '?'}next={quote(request.get_full_path(), safe='/')}")
    never_stored(response)
    return response


def unavailable(error: Unavailable) -> HttpResponse:
    """Return the answer when nobody can tell who it is: 503, and no word about the cookie (rule S9)."""
    response = _problem(error)
    response["Retry-After"] = str(error.retry_after)
    return response


def _problem(error: Exception) -> HttpResponse:
    status, title, members = told(error)
    content = {"type": "about:blank", "title": title, "status": status, **members}
    response = JsonResponse(content, status=status, content_type=PROBLEM.decode())
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
