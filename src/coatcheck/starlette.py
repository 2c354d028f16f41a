"""Starlette: the middleware, and the verbs on a request.

>>> from coatcheck.starlette import SessionMiddleware, current_session, sign_in, sign_out
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from coatcheck.asgi import RecentAuthRequired, SessionMiddleware, SignInRequired, context_of, safe_next
from coatcheck.asgi.health import Liveness, Readiness

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from starlette.requests import HTTPConnection

    from coatcheck.asgi.health import HasHealth
    from coatcheck.core.answers import NotSignedIn
    from coatcheck.core.session import Session

__all__ = [
    "RecentAuthRequired",
    "SessionMiddleware",
    "SignInRequired",
    "current_session",
    "health_routes",
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


def health_routes(sessions: HasHealth) -> list[Route]:
    """Return the routes `/healthz` (the process is alive) and `/readyz` (it can serve requests)."""
    return [Route("/healthz", Liveness()), Route("/readyz", Readiness(sessions))]
