"""What the JSON API answers. Public ids throughout: no value in here works as a cookie (rule T10)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from coatcheck.core.session import Session
from coatcheck.core.users import User
from coatcheck.devices import describe_device

_USER = {
    "id": "7",
    "email": "ada@example.org",
    "name": "Ada",
    "role": "editor",
    "session_id": "qUQfB1q0n2nWkq0lT1oJ3g",
    "exp": 1767225600,
}
_ME = {
    **_USER,
    "email_verified": True,
    "labels": ["gold"],
    "created_at": "2024-02-29T12:00:00Z",
    "updated_at": "2025-11-30T18:15:00Z",
    "attributes": {"language": "en"},
}
_DEVICE = {
    "id": "qUQfB1q0n2nWkq0lT1oJ3g",
    "device": "Firefox 143 on Windows",
    "ip": "203.0.113.7",
    "created_at": "2025-12-25T08:00:00Z",
    "last_seen_at": "2025-12-25T09:30:00Z",
    "expires_at": "2026-01-01T09:30:00Z",
    "current": True,
}
_ACCOUNT = {
    "session_id": "qUQfB1q0n2nWkq0lT1oJ3g",
    "user_id": "7",
    "name": "Ada",
    "email": "ada@example.org",
    "active": True,
}


def _example(value: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [value]})


SessionId = Annotated[str, Field(description="The session's public id: no credential, safe to list and to log.")]


Id = Annotated[
    str,
    Path(
        description="The session's public id, as the list says it.",
        pattern=r"^[A-Za-z0-9._~-]{1,128}$",
        examples=["qUQfB1q0n2nWkq0lT1oJ3g"],
    ),
]
"""A session's id in a path."""


class SignedInUser(BaseModel):
    """Who is signed in, and until when."""

    model_config = _example(_USER)

    id: str = Field(description="The user's id.")
    email: str | None = Field(description="The user's address, when a users table, loader or provider tells it.")
    name: str | None = Field(description="Their display name, when a users table, loader or provider tells it.")
    role: str | None = Field(description="Their role, when a users table, loader or provider tells it.")
    session_id: SessionId
    exp: int = Field(
        description="When the session ends if it is not used again: seconds since the epoch in UTC, as `exp` "
        "in a JWT (RFC 7519). Using the session moves it, up to the end of the session's lifetime."
    )

    @classmethod
    def of(cls, session: Session) -> Self:
        """Return what the session of a signed-in user says."""
        user = session.user
        return cls(
            id=session.user_id or "",
            email=user.email if user else None,
            name=user.name if user else None,
            role=user.role if user else None,
            session_id=session.id,
            exp=int(session.ends_at.timestamp()),
        )


class Me(SignedInUser):
    """Who is signed in, with all that is known of them and may be shown."""

    model_config = _example(_ME)

    email_verified: bool | None = Field(description="Whether the address is proved to be theirs; null: nobody says.")
    labels: list[str] = Field(description="Their labels, such as a tier.")
    created_at: datetime | None = Field(description="When they registered; ISO 8601 in UTC.")
    updated_at: datetime | None = Field(description="When they last changed; ISO 8601 in UTC.")
    attributes: dict[str, Any] = Field(
        description="What else the application shows of them: always the same names, null for what nobody says."
    )

    @classmethod
    def described(cls, session: Session, attributes: Sequence[str]) -> Self:
        """Return what the session of a signed-in user says, with those of their attributes that may be shown."""
        user = session.user or User(session.user_id or "")
        return cls(
            **SignedInUser.of(session).model_dump(),
            email_verified=user.email_verified,
            labels=list(user.labels),
            created_at=user.created_at,
            updated_at=user.updated_at,
            attributes={name: user.attributes.get(name) for name in attributes},
        )


class DeviceSession(BaseModel):
    """One of the user's sessions: the device or browser that holds it."""

    model_config = _example(_DEVICE)

    id: SessionId
    device: str = Field(
        description="A readable guess at the device, from what its browser says of itself; or who acts as the user."
    )
    ip: str | None = Field(
        description="The address the session was last noted at; null for that of somebody who acts as the user."
    )
    created_at: datetime = Field(description="When the session began; ISO 8601 in UTC.")
    last_seen_at: datetime = Field(description="When it was last used, up to some minutes ago; ISO 8601 in UTC.")
    expires_at: datetime = Field(description="When it ends if it is not used again; ISO 8601 in UTC.")
    current: bool = Field(description="Whether this request was made with it.")

    @classmethod
    def of(cls, session: Session, current: Session) -> Self:
        """Return a session as its owner sees it."""
        return cls(
            id=session.id,
            device=session.shown_as or describe_device(session.user_agent),
            ip=None if session.actor_id else session.ip,
            created_at=session.created_at,
            last_seen_at=session.last_seen_at,
            expires_at=session.ends_at,
            current=session.id == current.id,
        )


class DeviceSessions(BaseModel):
    """The user's sessions, newest first."""

    model_config = _example({"sessions": [_DEVICE]})

    sessions: list[DeviceSession] = Field(description="The live sessions, newest first, at most `limit` of them.")


class SignedInAccount(BaseModel):
    """One of the accounts that are signed in in this browser."""

    model_config = _example(_ACCOUNT)

    session_id: SessionId
    user_id: str = Field(description="The user's id.")
    name: str | None = Field(description="Their display name, when a users table or loader tells it.")
    email: str | None = Field(description="Their address, when a users table or loader tells it.")
    active: bool = Field(description="Whether requests are made as this user; at most one is.")


class SignedInAccounts(BaseModel):
    """The accounts of this browser, the active one first."""

    model_config = _example({"accounts": [_ACCOUNT]})

    accounts: list[SignedInAccount] = Field(description="The accounts; none when nobody is signed in.")


class EndedSessions(BaseModel):
    """How many sessions have ended."""

    model_config = _example({"ended": 3})

    ended: int = Field(description="How many sessions have ended.", ge=0)


class InvalidParameter(BaseModel):
    """A parameter that is not possible."""

    place: str = Field(alias="in", description="Where it stands: path or query.")
    name: str = Field(description="Its name.")
    detail: str = Field(description="What is wrong with it.")


class SessionProblem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str = Field(description="Always about:blank: the status says what it is.")
    title: str = Field(description="What is wrong.")
    status: int = Field(description="The HTTP status.")
    detail: str | None = Field(None, description="What is wrong with this request, and how to fix it.")
    reason: str | None = Field(None, description="A fixed word for programs.")
    max_age: int | None = Field(None, description="How many seconds ago the user may have signed in.")
    errors: list[InvalidParameter] | None = Field(None, description="Each parameter that is not possible.")
