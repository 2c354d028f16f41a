"""Pages for what does not work out: a browser's form deserves better than problem details."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from coatcheck import Unavailable
from coatcheck.asgi import RecentAuthRequired, SignInRequired
from coatcheck.demo.answered import ENDED
from coatcheck.demo.rendering import go, page, plain_page

_log = logging.getLogger("coatcheck.demo")

_EXPLANATIONS = {
    404: "There is no such page here, or no such device in your list any more.",
    405: "This address is for a form's button; it shows nothing by itself.",
}


async def _sign_in_required(request: Request, error: SignInRequired) -> Response:
    """Tell a device plainly that its session has ended; send a stranger to sign in."""
    if error.reason in ENDED:
        return await page(request, "ended.html", status=401, reason=error.reason)
    return go("/sign-in", next=_way_back(request))


async def _recent_auth_required(request: Request, _: RecentAuthRequired) -> Response:
    return go("/confirm", next=_way_back(request))


def _way_back(request: Request) -> str:
    """Return the page to come back to: of a form, the one it stands on."""
    path = request.url.path
    if request.method != "GET":
        return "/devices" if path.startswith("/devices/") else path
    return f"{path}?{request.url.query}" if request.url.query else path


async def _http_error(request: Request, error: HTTPException) -> Response:
    explanation = _EXPLANATIONS.get(error.status_code, "")
    title = HTTPStatus(error.status_code).phrase
    return await page(request, "problem.html", status=error.status_code, title=title, explanation=explanation)


async def _bad_form(request: Request, _: RequestValidationError) -> Response:
    explanation = "The form has something in it that it did not ask for."
    return await page(request, "problem.html", status=400, title="Bad request", explanation=explanation)


async def _unavailable(request: Request, error: Unavailable) -> Response:
    """Say that nobody knows who is signed in; the cookie stays (rule S9)."""
    _log.warning("the sessions are unavailable: %s", error)
    explanation = "The database does not answer, so nobody can tell who you are. Try again shortly."
    response = plain_page(
        request, "problem.html", status=503, title="Sessions are unavailable", explanation=explanation
    )
    response.headers["Retry-After"] = str(error.retry_after)
    return response


HANDLERS: Final[dict[int | type[Exception], Callable[..., Any]]] = {
    HTTPException: _http_error,
    RecentAuthRequired: _recent_auth_required,
    RequestValidationError: _bad_form,
    SignInRequired: _sign_in_required,
    Unavailable: _unavailable,
}
"""What FastAPI calls for which exception."""
