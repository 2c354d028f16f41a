"""What the internal API takes and answers about API tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, Field

from coatcheck.core.api_tokens import LONGEST_NAME, MOST_SCOPES, ApiToken
from coatcheck.serve.service_models import PublicId, UserId, answered, given, whole

Scope = Annotated[
    str, Field(description="A scope (RFC 6749 section 3.3).", pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,100}$")
]
_Lifetime = Annotated[int, BeforeValidator(whole), Field(ge=1, le=366 * 86_400)]
_TOKEN = "cct_wWfCa5sRf3VsrVv0VLDn7mF0zH7bZTQ4iQ7QwY2pZ0k6c3a1f09"  # noqa: S105 - an example
_SHOWN = {
    "id": "qUQfB1q0n2nWkq0lT1oJ3g",
    "user_id": "7",
    "name": "Nightly export",
    "scopes": ["invoices:read"],
    "created_at": "2025-12-25T08:00:00Z",
    "last_used_at": None,
    "expires_at": "2026-01-24T08:00:00Z",
}


class ServiceToken(BaseModel):
    """All about an API token but its text. Times are ISO 8601 in UTC."""

    model_config = answered(_SHOWN)

    id: PublicId
    user_id: str = Field(description="Whose token it is.")
    name: str = Field(description="What its owner calls it.")
    scopes: list[str] = Field(description="What it may be used for, in alphabetical order.")
    created_at: datetime = Field(description="When it was made.")
    last_used_at: datetime | None = Field(
        description="When it was last used, up to some minutes ago; null if it never was."
    )
    expires_at: datetime = Field(description="When it ends, whatever happens.")

    @classmethod
    def of(cls, token: ApiToken) -> Self:
        """Return a token as a back end sees it."""
        return cls(
            id=token.id,
            user_id=token.user_id,
            name=token.name,
            scopes=list(token.scopes),
            created_at=token.created_at,
            last_used_at=token.last_used_at,
            expires_at=token.expires_at,
        )


class ServiceTokens(BaseModel):
    """Some API tokens."""

    model_config = answered({"tokens": [_SHOWN]})

    tokens: list[ServiceToken] = Field(description="At most `limit` of them.")


class NewToken(BaseModel):
    """An API token to make."""

    model_config = given({"user_id": "7", "name": "Nightly export", "scopes": ["invoices:read"], "lifetime": 2_592_000})

    user_id: UserId
    name: str = Field(
        description="What its owner calls it: printable characters.",
        min_length=1,
        max_length=LONGEST_NAME,
        pattern=r"^[^\x00-\x1f\x7f]+$",
    )
    scopes: list[Scope] = Field(default=[], description="What it may be used for.", max_length=MOST_SCOPES)
    lifetime: _Lifetime | None = Field(
        default=None, description="How long it lives, in seconds; 90 days if nothing is said."
    )


class IssuedToken(BaseModel):
    """A new API token, which nobody but its owner may get, and nobody can show again."""

    model_config = answered({"token": _TOKEN, "api_token": _SHOWN})

    token: str = Field(description="What the program presents. Never log it.")
    api_token: ServiceToken


class EndedTokens(BaseModel):
    """How many API tokens have ended."""

    model_config = answered({"ended": 1})

    ended: int = Field(description="How many have ended.", ge=0)
