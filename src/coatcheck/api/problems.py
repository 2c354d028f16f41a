"""Every error of the JSON API as problem details (RFC 9457)."""

import json
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from coatcheck.asgi import context_of
from coatcheck.web.errors import DeviceProofAwaited, IssuedElsewhere
from coatcheck.web.pages import ANSWERED, problem, problem_of

LARGEST_BODY: Final = 1024
"""Octets of a request body that are read; these requests need none."""

BODY_INVALID: Final = {"title": "Invalid request", "detail": "body: not JSON; send no body, or {}"}
BODY_NEEDLESS: Final = {"title": "Invalid request", "detail": "body: this request takes none; send no body, or {}"}
BODY_NOT_JSON: Final = {"title": "Unsupported media type", "detail": "send no body, or {} as application/json"}
BODY_TOO_LARGE: Final = {"title": "Body too large", "detail": "send no body, or {}"}
NOT_FOUND: Final = {
    "title": "No such session",
    "detail": "id: you have no live session with this id; list them again",
}


def elsewhere(provider: str) -> Mapping[str, str]:
    """Return what is answered where only the provider that issues the sessions could do what is asked for."""
    return {
        "title": "Not possible with these sessions",
        "detail": f"{provider} issues them: list and end them there",
        "reason": "issued_elsewhere",
    }


def problem_response(status: int, title: str, **members: Any) -> Response:
    """Return problem details as a response."""
    return _response(*problem(status, title, **members))


def _response(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Response:
    return Response(body, status, {name.decode("latin-1"): value.decode("latin-1") for name, value in headers})


class ProblemRoute(APIRoute):
    """A route whose every error is problem details, and whose every answer says `Cache-Control: no-store`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with the errors of FastAPI and of the sessions answered here."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await _refused_body(request) or await handler(request)
            except DeviceProofAwaited:
                raise  # the middleware sends the browser back to the same address
            except ANSWERED as error:
                response = _response(*problem_of(error, context_of(request.scope)))
            except RequestValidationError as error:
                response = invalid_request(error)
            except HTTPException as error:
                response = problem_response(error.status_code, str(error.detail))
                response.headers.update(error.headers or {})
            response.headers["Cache-Control"] = "no-store"
            return response

        return answer

    def allowed(self) -> Collection[str]:
        """Return the methods that the path has, on this route and others."""
        return self.methods or set[str]()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; one of another method is a problem too."""
        methods = self.methods or set[str]()
        if scope["method"] in methods:
            await super().handle(scope, receive, send)
            return
        allowed = ", ".join(sorted(self.allowed()))
        response = problem_response(405, "Method not allowed", detail=f"use {allowed}")
        response.headers["Allow"] = allowed
        await response(scope, receive, send)


class DeviceRoute(ProblemRoute):
    """A route that only sessions of our own have; with those of a provider each request to it is answered 501.

    That comes before who asks is known: to sign in again would not help them.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with a look at whose the sessions are before it."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                _ = context_of(request.scope).sessions
            except IssuedElsewhere as error:
                return problem_response(501, **elsewhere(error.provider))
            return await handler(request)

        return answer


async def _refused_body(request: Request) -> Response | None:
    """Return why the request's body is refused, None if there is none or only `{}`.

    Forms of other sites can send only simple content types, so nothing but JSON is read (rule X3).
    """
    if request.method == "GET":
        return None
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            return problem_response(413, **BODY_TOO_LARGE)
    if not body:
        return None
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return _judged(body) if media_type == "application/json" else problem_response(415, **BODY_NOT_JSON)


def _judged(body: bytes) -> Response | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return problem_response(400, **BODY_INVALID)
    return None if value in ({}, None) else problem_response(422, **BODY_NEEDLESS)


def invalid_request(error: RequestValidationError) -> Response:
    """Return what FastAPI found wrong; never what was sent, which could be a secret in the wrong place."""
    errors: list[dict[str, str]] = []
    for found in error.errors():
        place, *path = map(str, found["loc"])
        errors.append({"in": place, "name": ".".join(path), "detail": found["msg"]})
    detail = "; ".join(f"{found['name']}: {found['detail']}" for found in errors)
    return problem_response(422, "Invalid request", detail=detail, errors=errors)
