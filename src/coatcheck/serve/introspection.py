"""Introspection as RFC 7662 has it: a form with a token, and who is signed in by it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request
from starlette.exceptions import HTTPException

from coatcheck.core.api_tokens import ApiToken, session_behind
from coatcheck.core.session import Session
from coatcheck.serve.identity import claims_of
from coatcheck.serve.service_models import Introspected, sendable

_FORM = "application/x-www-form-urlencoded"
REQUEST: Mapping[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            _FORM: {
                "schema": {
                    "type": "object",
                    "required": ["token"],
                    "properties": {
                        "token": {"type": "string", "minLength": 1},
                        "token_type_hint": {"type": "string"},
                    },
                }
            }
        },
    }
}
"""The request's part of the OpenAPI description: FastAPI would need another package to read a form."""


def introspected(session: Session) -> Introspected:
    """Return what is answered about the token of somebody who is signed in."""
    claims = claims_of(session)
    return Introspected.model_validate(
        {
            "active": True,
            "token_type": "DPoP" if session.key_thumbprint else "Bearer",
            "cnf": {"jkt": session.key_thumbprint} if session.key_thumbprint else None,
            "username": claims.pop("name", None),
            "exp": int(session.ends_at.timestamp()),
            "iat": int(session.created_at.timestamp()),
            "data": sendable(session.data),
            **claims,
        }
    )


def introspected_program(token: ApiToken) -> Introspected:
    """Return what is answered about a good API token or access token: whose it is, and what it may be used for."""
    session = session_behind(token)
    claims = claims_of(session, token.scopes)
    return Introspected.model_validate(
        {
            "active": True,
            "token_type": "Bearer",
            "username": claims.pop("name", None),
            "token_kind": token.kind,
            "token_name": token.name,
            "exp": int(token.expires_at.timestamp()),
            "iat": int(token.created_at.timestamp()),
            **claims,
        }
    )


async def token_in(request: Request) -> str:
    """Return the token of a form.

    Raises:
        HTTPException: There is no form, or none with exactly one token.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _FORM:
        raise HTTPException(415)
    body = await request.body()
    try:
        form = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict")
        (token,) = form["token"]
    except (ValueError, KeyError):
        raise HTTPException(400) from None
    if not token:
        raise HTTPException(400)
    return token
