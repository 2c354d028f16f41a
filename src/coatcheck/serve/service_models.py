"""What the internal API takes and answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from coatcheck.core.session import Session
from coatcheck.devices import describe_device

UserId = Annotated[
    str,
    Field(
        description="The user's id: up to 255 bytes of UTF-8, without control characters.",
        min_length=1,
        max_length=255,
        pattern=r"^[^\x00-\x1f\x7f]+$",
    ),
]


def _encodable(data: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair is no character") from None
    return data


def sendable(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return data as it can be sent: an application in Python may have stored half a surrogate pair."""
    sendable: dict[str, Any] = json.loads(json.dumps(dict(data), ensure_ascii=False).encode("utf-8", "replace"))
    return sendable


Data = Annotated[dict[str, JsonValue], AfterValidator(_encodable)]


def whole(value: Any) -> Any:
    """Return a number as JSON Schema understands it: JSON has one kind, so 60.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Seconds = Annotated[int, BeforeValidator(whole), Field(ge=1, le=315_360_000)]
PresentedToken = Annotated[
    str, Field(description="What the client presents: the cookie's value, or its bearer token.", min_length=1)
]
PublicId = Annotated[
    str, Field(description="The session's public id: no credential.", pattern=r"^[A-Za-z0-9._~-]{1,128}$")
]
_TOKEN = "wWfCa5sRf3VsrVv0VLDn7mF0zH7bZTQ4iQ7QwY2pZ0k"  # noqa: S105 - an example
_SESSION = {
    "id": "qUQfB1q0n2nWkq0lT1oJ3g",
    "user_id": "7",
    "actor_id": None,
    "created_at": "2025-12-25T08:00:00Z",
    "authenticated_at": "2025-12-25T08:00:00Z",
    "last_seen_at": "2025-12-25T09:30:00Z",
    "idle_expires_at": "2026-01-01T09:30:00Z",
    "expires_at": "2026-01-24T08:00:00Z",
    "remember": False,
    "ip": "203.0.113.7",
    "user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "device": "Firefox 143 on Windows",
    "data": {"language": "en"},
    "user": {"email": "ada@example.org", "email_verified": True, "name": "Ada", "role": "editor", "labels": ["gold"]},
}


def given(example: Any) -> ConfigDict:
    """Return how a body is taken, with an example of one."""
    return ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [example]})


def answered(example: Any) -> ConfigDict:
    """Return how an answer is described, with an example of one."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class UserDetails(BaseModel):
    """What a users table or a provider tells of the user."""

    email: str | None = Field(description="Their address.")
    email_verified: bool | None = Field(description="Whether it is proved to be theirs; null: nobody says.")
    name: str | None = Field(description="Their display name.")
    role: str | None = Field(description="Their role.")
    labels: list[str] = Field(description="Their labels, such as a tier.")


class ServiceSession(BaseModel):
    """All about a session but what its client presents. Times are ISO 8601 in UTC."""

    model_config = answered(_SESSION)

    id: PublicId
    user_id: str | None = Field(description="Who has signed in; null for an anonymous visitor.")
    actor_id: str | None = Field(description="Who acts in it as the user, if it is somebody else.")
    created_at: datetime = Field(description="When it began.")
    authenticated_at: datetime | None = Field(
        description="When the user last proved who they are; null where somebody acts as them, which proves nothing."
    )
    last_seen_at: datetime = Field(description="When it was last used, up to some minutes ago.")
    idle_expires_at: datetime = Field(description="When it ends if it is not used.")
    expires_at: datetime | None = Field(description="When it ends whatever happens; null: no such end.")
    remember: bool = Field(description="Whether the user asked to be remembered on this device.")
    ip: str | None = Field(description="The address it was last noted at.")
    user_agent: str | None = Field(description="The browser's description of itself.")
    device: str = Field(description="A readable guess at the device, from that.")
    data: dict[str, JsonValue] = Field(description="The application's data.")
    user: UserDetails | None = Field(description="Null where nobody tells of the user.")

    @classmethod
    def of(cls, session: Session) -> Self:
        """Return a session as a back end sees it."""
        user = session.user
        details = None if user is None else UserDetails.model_validate(user, from_attributes=True)
        return cls(
            id=session.id,
            user_id=session.user_id,
            actor_id=session.actor_id,
            created_at=session.created_at,
            authenticated_at=session.authenticated_at if session.actor_id is None else None,
            last_seen_at=session.last_seen_at,
            idle_expires_at=session.idle_expires_at,
            expires_at=session.expires_at,
            remember=session.remember,
            ip=session.ip,
            user_agent=session.user_agent,
            device=describe_device(session.user_agent),
            data=sendable(session.data),
            user=details,
        )


class ServiceSessions(BaseModel):
    """Some sessions."""

    model_config = answered({"sessions": [_SESSION]})

    sessions: list[ServiceSession] = Field(description="At most `limit` of them.")


class NewSession(BaseModel):
    """A session to begin, for somebody who has just proved who they are."""

    model_config = given({"user_id": "7", "ip": "203.0.113.7", "remember": False, "data": {"language": "en"}})

    user_id: UserId
    ip: str | None = Field(default=None, description="The client's address.", max_length=64)
    user_agent: str | None = Field(default=None, description="What its browser says of itself.", max_length=8192)
    data: Data = Field(default={}, description="The application's data.")
    remember: bool = Field(default=False, description="Whether the user asked to be remembered on this device.")
    idle_timeout: _Seconds | None = Field(default=None, description="Instead of the policy's, in seconds.")
    lifetime: _Seconds | None = Field(default=None, description="Instead of the policy's, in seconds.")
    key_thumbprint: str | None = Field(
        default=None,
        description="Of the key whose proof each request with the token will need (RFC 9449 section 6).",
        pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$",
    )
    replaces: PresentedToken | None = Field(
        default=None,
        description="What the client has presented until now: that session ends with this one's beginning.",
    )


class IssuedSession(BaseModel):
    """A session under a new token, which nobody but its client may get."""

    model_config = answered(
        {
            "token": _TOKEN,
            "set_cookies": [f"__Host-session={_TOKEN}; Path=/; Secure; HttpOnly; SameSite=Lax"],
            "session": _SESSION,
            "evicted": [],
        }
    )

    token: str = Field(description="What the client presents from now on. Never log it.")
    set_cookies: list[str] = Field(description="Values of Set-Cookie that give it to a browser.")
    session: ServiceSession
    evicted: list[str] = Field(description="The public ids of sessions that the limit per user has ended.")


class Rotation(BaseModel):
    """A session to give a new token: after a change of privileges, or when the user has proved again who they are."""

    model_config = given({"token": _TOKEN, "reauthenticated": True})

    token: PresentedToken
    reauthenticated: bool = Field(default=False, description="Whether the user has just proved again who they are.")


class Revocation(BaseModel):
    """What to end: the session of a token, or a program's token; all that a user has; or all there is. One of them."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "oneOf": [{"required": ["token"]}, {"required": ["user_id"]}, {"required": ["everyone"]}],
            "examples": [{"user_id": "7"}, {"token": _TOKEN}, {"everyone": True}],
        },
    )

    token: PresentedToken = ""
    user_id: UserId = ""
    everyone: bool = Field(
        default=False, description="Every session there is: true, or nothing.", json_schema_extra={"const": True}
    )
    wait: bool = Field(default=False, description="Whether to answer only when no process can accept them any more.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.token) + bool(self.user_id) + self.everyone != 1 or len(self.model_fields_set - {"wait"}) != 1:
            raise ValueError("name exactly one of token, user_id and everyone")
        return self


class Revoked(BaseModel):
    """How many sessions and tokens have ended."""

    model_config = answered({"ended": 1, "set_cookies": ["__Host-session=; Max-Age=0; Path=/; Secure; HttpOnly"]})

    ended: int = Field(description="How many sessions and tokens have ended.", ge=0)
    set_cookies: list[str] = Field(
        description="For a session's token: values of Set-Cookie that take it back from a browser."
    )


class Introspected(BaseModel):
    """An answer of RFC 7662 section 2.2: of a token that is not good it says that, and nothing else (rule J7)."""

    model_config = answered(
        {"active": True, "token_type": "Bearer", "sub": "7", "sid": _SESSION["id"], "exp": 1767225600}
    )

    active: bool = Field(description="Whether somebody is signed in by this token.")
    token_type: str | None = Field(default=None, description="Bearer, or DPoP for a token that needs a proof.")
    cnf: dict[str, str] | None = Field(
        default=None,
        description="As `jkt`, the thumbprint of the key that it is bound to (RFC 9449 section 6.2).",
    )
    sub: str | None = Field(default=None, description="The user's id.")
    sid: str | None = Field(default=None, description="The session's public id.")
    act: dict[str, str] | None = Field(
        default=None,
        description="As `sub`, who acts as the user, if it is somebody else (RFC 8693 section 4.1).",
    )
    exp: int | None = Field(
        default=None, description="When the session ends if it is not used: seconds since the epoch."
    )
    iat: int | None = Field(default=None, description="When it began: seconds since the epoch.")
    auth_time: int | None = Field(
        default=None, description="When the user last proved who they are: seconds since the epoch."
    )
    username: str | None = Field(default=None, description="Their display name.")
    email: str | None = Field(default=None, description="Their address.")
    email_verified: bool | None = Field(default=None, description="Whether it is proved to be theirs.")
    role: str | None = Field(default=None, description="Their role.")
    data: dict[str, JsonValue] | None = Field(default=None, description="The application's data.")
    scope: str | None = Field(default=None, description="What a program's token may be used for, with spaces between.")
    token_kind: str | None = Field(default=None, description="Of a program's token: api or access.")
    token_name: str | None = Field(default=None, description="What the token's owner, or its application, is called.")
