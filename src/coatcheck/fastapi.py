"""FastAPI: sessions as dependencies that show up in OpenAPI.

>>> from coatcheck.fastapi import CurrentSession, OptionalSession, SessionMiddleware, sign_in, sign_out
"""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Security
from fastapi.security import APIKeyCookie
from starlette.requests import HTTPConnection

from coatcheck.asgi import RecentAuthRequired, SessionMiddleware, SignInRequired, context_of, safe_next
from coatcheck.asgi.health import HasHealth
from coatcheck.core.cookies import CookieSettings
from coatcheck.core.session import Session
from coatcheck.starlette import health_routes, revoke_others, rotate, sign_in, sign_out

__all__ = [
    "CurrentSession",
    "OptionalSession",
    "RecentAuthRequired",
    "SessionCookie",
    "SessionMiddleware",
    "SignInRequired",
    "health_router",
    "recent_auth",
    "revoke_others",
    "rotate",
    "safe_next",
    "sign_in",
    "sign_out",
]


class SessionCookie(APIKeyCookie):
    """The OpenAPI security scheme of the session cookie; the middleware reads it, for WebSockets too."""

    def __init__(self, name: str = CookieSettings().name) -> None:
        """Name the cookie as the middleware does."""
        super().__init__(name=name, scheme_name="session", auto_error=False)

    async def __call__(self, connection: HTTPConnection) -> None:
        """Do nothing: the middleware has the trust boundary."""


_scheme = SessionCookie()


async def _current(connection: HTTPConnection, _: Annotated[None, Security(_scheme)]) -> Session:
    return await context_of(connection.scope).require()


async def _optional(connection: HTTPConnection, _: Annotated[None, Security(_scheme)]) -> Session | None:
    return await context_of(connection.scope).session() or None


def recent_auth(max_age: timedelta) -> Any:
    """Return the dependency on a user who proved who they are at most `max_age` ago (ASVS 7.5.1)."""

    async def recent(connection: HTTPConnection, _: Annotated[None, Security(_scheme)]) -> Session:
        return await context_of(connection.scope).require_recent_auth(max_age)

    return Depends(recent)


CurrentSession = Annotated[Session, Depends(_current)]
"""The session of a signed-in user; without one the request ends with 401, or at the sign-in page."""

OptionalSession = Annotated[Session | None, Depends(_optional)]
"""The session, or None when nobody is signed in. An outage is neither: it ends with 503."""


def health_router(sessions: HasHealth) -> APIRouter:
    """Return a router with `/healthz` (the process is alive) and `/readyz` (it can serve requests), for orchestrators.

    Neither shows up in OpenAPI.
    """
    return APIRouter(routes=list(health_routes(sessions)))
