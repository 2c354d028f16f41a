"""Starlette: the middleware, and the verbs on a request.

>>> from coatcheck.starlette import SessionMiddleware, current_session, sign_in, sign_out
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
from starlette.routing import Route

from coatcheck.asgi import (
    DeviceBindingRequired,
    RecentAuthRequired,
    SessionMiddleware,
    SignInRequired,
    context_of,
    safe_next,
)
from coatcheck.asgi.health import Liveness, Readiness
from coatcheck.asgi.request_session import RequestSessionMiddleware
from coatcheck.device_page import DevicePage, device_routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

    from starlette.requests import HTTPConnection

    from coatcheck.asgi.health import HasHealth
    from coatcheck.core.answers import NotSignedIn
    from coatcheck.core.session import Session

__all__ = [
    "DeviceBindingRequired",
    "DevicePage",
    "RecentAuthRequired",
    "RequestSessionMiddleware",
    "SessionBackend",
    "SessionMiddleware",
    "SessionUser",
    "SignInRequired",
    "current_session",
    "device_routes",
    "health_routes",
    "require_device_bound",
    "require_recent_auth",
    "require_session",
    "revoke_others",
    "rotate",
    "safe_next",
    "sign_in",
    "sign_out",
]


async def current_session(connection: HTTPConnection) -> Session | NotSignedIn:
    """Return the session of a request or WebSocket, or why nobody is signed in.

    Raises:
        Unavailable: The store did not answer; left alone, it becomes a 503.
    """
    return await context_of(connection.scope).session()


async def require_session(connection: HTTPConnection) -> Session:
    """Return the session of a signed-in user; otherwise the request ends with 401 or the sign-in page.

    Raises:
        SignInRequired: Nobody is signed in.
    """
    return await context_of(connection.scope).require()


async def require_recent_auth(connection: HTTPConnection, max_age: timedelta) -> Session:
    """Return the session of a user who proved who they are at most `max_age` ago (ASVS 7.5.1).

    Raises:
        SignInRequired: Nobody is signed in.
        RecentAuthRequired: The user must prove it again; activity does not count.
    """
    return await context_of(connection.scope).require_recent_auth(max_age)


async def require_device_bound(connection: HTTPConnection) -> Session:
    """Return the session of a signed-in user that belongs to the device which sends the request.

    Raises:
        SignInRequired: Nobody is signed in.
        DeviceBindingRequired: The session belongs to no device: the browser cannot, or has not yet; it becomes a 403.
    """
    return await context_of(connection.scope).require_device_bound()


async def sign_in(
    connection: HTTPConnection,
    user_id: str,
    *,
    data: Mapping[str, Any] | None = None,
    remember: bool = False,
    transaction: Any = None,
) -> Session:
    """Begin a session for a user who has just proved who they are; the response brings the cookie.

    Args:
        connection: The request.
        user_id: The user.
        data: The application's data.
        remember: Whether the cookie outlives the browser's window, with the policy's longer durations.
        transaction: The caller's own database connection, inside a transaction.

    Raises:
        LimitReached: The user has too many sessions, and the policy evicts none.
    """
    context = context_of(connection.scope)
    return await context.sign_in(user_id, data=data, remember=remember, connection=transaction)


async def sign_out(connection: HTTPConnection, *, transaction: Any = None) -> None:
    """End the session everywhere and take back the cookie."""
    await context_of(connection.scope).sign_out(connection=transaction)


async def rotate(connection: HTTPConnection, *, reauthenticated: bool = False) -> Session:
    """Give the session a new token: after a change of privileges, or after the user proved again who they are.

    Raises:
        SignInRequired: The session has ended meanwhile.
    """
    return await context_of(connection.scope).rotate(reauthenticated=reauthenticated)


async def revoke_others(connection: HTTPConnection) -> int:
    """End the user's other sessions and rotate this one's token (ASVS 7.4.3); returns how many ended.

    Raises:
        SignInRequired: There is no session.
    """
    return await context_of(connection.scope).revoke_others()


class SessionUser(BaseUser):
    """`request.user`: the user of a session.

    Attributes:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        """Keep the session."""
        self.session = session

    @property
    def is_authenticated(self) -> bool:
        """Whether somebody is signed in."""
        return True

    @property
    def identity(self) -> str:
        """The user's id."""
        return self.session.user_id or ""

    @property
    def display_name(self) -> str:
        """The user's name as far as a users table, a loader or a provider tells it; otherwise their id."""
        user = self.session.user
        return (user.name if user else None) or self.identity


class SessionBackend(AuthenticationBackend):
    """What Starlette's `AuthenticationMiddleware` asks, so that `request.user` and `@requires` know the session.

    Its scopes are "authenticated", the user's role as "role:admin", and what `scopes` returns.
    """

    def __init__(self, scopes: Callable[[Session], Iterable[str]] | None = None) -> None:
        """Keep where further scopes come from."""
        self._scopes = scopes

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Return the scopes and the user of a request, or None if nobody is signed in.

        Raises:
            Unavailable: The store did not answer; the middleware around it makes it a 503.
        """
        session = await current_session(conn)
        if not session or session.user_id is None:
            return None
        scopes = ["authenticated", *(self._scopes(session) if self._scopes else ())]
        if session.user is not None and session.user.role:
            scopes.append(f"role:{session.user.role}")
        return AuthCredentials(scopes), SessionUser(session)


def health_routes(sessions: HasHealth) -> list[Route]:
    """Return the routes `/healthz` (the process is alive) and `/readyz` (it can serve requests)."""
    return [Route("/healthz", Liveness()), Route("/readyz", Readiness(sessions))]
