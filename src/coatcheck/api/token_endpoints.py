"""The endpoints for applications that hold token pairs: the next pair (RFC 6749 section 6), and the end (RFC 7009)."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from coatcheck._async.token_pairs import AsyncTokenPairs
from coatcheck.core.answers import NotSignedIn
from coatcheck.errors import Unavailable

LARGEST_FORM: Final = 4096
"""Octets of a form that are read."""

_FORM: Final = "application/x-www-form-urlencoded"
_NOT_STORED: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # as RFC 6749 section 5.1 wants both
_MOST_FIELDS: Final = 20


class _NoForm(Exception):
    """The request has no form that can be read."""


def token_router(pairs: AsyncTokenPairs) -> APIRouter:
    """Return the routes `POST /token` and `POST /revoke`, to be included under any prefix; no middleware is needed.

    Their clients are public ones, as applications on a user's device are (RFC 6749 section 2.1): who has the refresh
    token is the client, and its rotation is what protects it (RFC 9700 section 2.2.2).
    """
    router = APIRouter(tags=["tokens"])
    endpoints = _Endpoints(pairs)
    router.add_api_route(
        "/token",
        endpoints.token,
        methods=["POST"],
        operation_id="refresh_token",
        summary="Exchange a refresh token for the next pair",
        response_description="The pair. The refresh token that was sent has been used.",
        responses={400: {"description": "`error` is invalid_grant, invalid_request or unsupported_grant_type."}},
        openapi_extra=_body("grant_type", "refresh_token"),
    )
    router.add_api_route(
        "/revoke",
        endpoints.revoke,
        methods=["POST"],
        operation_id="revoke_token",
        summary="End the grant behind an access or a refresh token",
        response_description="It has ended, or there was none.",
        responses={400: {"description": "`error` is invalid_request."}},
        openapi_extra=_body("token"),
    )
    return router


class _Endpoints:
    def __init__(self, pairs: AsyncTokenPairs) -> None:
        self._pairs = pairs

    async def token(self, request: Request) -> Response:
        """Exchange a refresh token; whoever uses one a second time, after its grace, ends the grant (rule L17)."""
        try:
            form = await _form_in(request, "grant_type")
            if form["grant_type"] != "refresh_token":
                return _error("unsupported_grant_type")
            pair = await self._pairs.refresh(form.get("refresh_token"))
        except _NoForm:
            return _error("invalid_request")
        except Unavailable as error:
            return _away(error)
        if isinstance(pair, NotSignedIn):
            return _error("invalid_request" if pair is NotSignedIn.NO_TOKEN else "invalid_grant")
        said = {
            "access_token": pair.access.reveal(),
            "token_type": "Bearer",
            "expires_in": int(pair.expires_in.total_seconds()),
            "refresh_token": pair.refresh.reveal(),
            "scope": " ".join(pair.grant.scopes),
        }
        return JSONResponse(said, headers=_NOT_STORED)

    async def revoke(self, request: Request) -> Response:
        """End a grant, everywhere at once. A token that is none is told nothing else (RFC 7009 section 2.2)."""
        try:
            await self._pairs.revoke((await _form_in(request, "token"))["token"])
        except _NoForm:
            return _error("invalid_request")
        except Unavailable as error:
            return _away(error)
        return Response(status_code=200, headers=_NOT_STORED)


def _error(code: str) -> Response:
    return JSONResponse({"error": code}, 400, _NOT_STORED)


def _away(error: Unavailable) -> Response:
    headers = {**_NOT_STORED, "Retry-After": str(error.retry_after)}
    return JSONResponse({"error": "temporarily_unavailable"}, 503, headers)


async def _form_in(request: Request, wanted: str) -> Mapping[str, str]:
    """Return a form in which nothing stands twice (RFC 6749 section 3.2), and something that is wanted.

    Raises:
        _NoForm: There is none such, or it is too large.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _FORM:
        raise _NoForm
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise _NoForm
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise _NoForm from None
    form = dict(fields)
    if len(form) != len(fields) or not form.get(wanted):
        raise _NoForm
    return form


def _body(*required: str) -> dict[str, Any]:
    names = (*required, *(() if "grant_type" in required else ("token_type_hint",)))
    schema = {
        "type": "object",
        "required": list(required),
        "properties": {name: {"type": "string"} for name in names},
    }
    return {"requestBody": {"required": True, "content": {_FORM: {"schema": schema}}}}
