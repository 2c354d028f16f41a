"""Starlette: the middleware, and the verbs on a request.

>>> from coatcheck.starlette import SessionMiddleware, current_session, sign_in, sign_out
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
from starlette.exceptions import HTTPException
from starlette.routing import Route

from coatcheck.asgi import (
    DeviceBindingRequired,
    RecentAuthRequired,
    SessionMiddleware,
    SignInRequired,
    context_of,
    safe_next,
)
from coatcheck.asgi.context import method_of
from coatcheck.asgi.health import Liveness, Readiness
from coatcheck.asgi.request_session import RequestSessionMiddleware
from coatcheck.core.api_tokens import ApiToken
from coatcheck.core.transport import bearer_token
from coatcheck.device_page import DevicePage, device_routes
from coatcheck.web.async_bearer import AsyncBearer
from coatcheck.web.bearer_answers import wanted
from coatcheck.web.verbs import Verbs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.requests import HTTPConnection

    from coatcheck.asgi.health import HasHealth
    from coatcheck.core.session import Session
    from coatcheck.web.async_bearer import AsyncAccepted

__all__ = [
    "ApiGuard",
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
    "proof_key",
    "require_device_bound",
    "require_own_session",
    "require_recent_auth",
    "require_session",
    "revoke_others",
    "rotate",
    "safe_next",
    "sign_in",
    "sign_out",
]


_verbs: Verbs[HTTPConnection] = Verbs(
    lambda connection: context_of(connection.scope), lambda connection: method_of(connection.scope)
)

current_session = _verbs.current_session
require_session = _verbs.require_session
require_recent_auth = _verbs.require_recent_auth
require_device_bound = _verbs.require_device_bound
require_own_session = _verbs.require_own_session
proof_key = _verbs.proof_key
sign_in = _verbs.sign_in
sign_out = _verbs.sign_out
rotate = _verbs.rotate
revoke_others = _verbs.revoke_others


class ApiGuard:
    """Asks programs for their token: `ApiGuard(api_tokens)`, or with access tokens too `ApiGuard(api_tokens, pairs)`.

    It needs no middleware, and looks at `Authorization: Bearer` only.
    """

    def __init__(self, *accepted: AsyncAccepted, realm: str = "api") -> None:
        """Keep which tokens are accepted, and what `WWW-Authenticate` calls all this.

        Raises:
            ConfigurationError: Nothing is accepted, or the realm cannot stand in a header.
        """
        self._bearer = AsyncBearer(accepted, realm=realm)

    async def require_scopes(self, connection: HTTPConnection, *scopes: str) -> ApiToken:
        """Return the token of a request that has all of these scopes.

        Raises:
            HTTPException: 401, 403, 400 or 503, with the headers of RFC 6750 section 3.
        """
        answer = await self._bearer.judge(connection.scope["headers"], wanted(scopes))
        if isinstance(answer, ApiToken):
            return answer
        raise HTTPException(answer.status, answer.title, answer.headers)

    async def require_either(self, connection: HTTPConnection, *scopes: str) -> ApiToken | Session:
        """Return the token as `require_scopes` does, or for a request without one the session of a signed-in user.

        A request with a token is judged by it, and by nothing else. Scopes are asked of tokens only.

        Raises:
            HTTPException: There is a token, and it is not good for this.
            SignInRequired: There is none, and nobody is signed in.
        """
        if bearer_token(connection.scope["headers"]) is not None:
            return await self.require_scopes(connection, *scopes)
        return await require_session(connection)


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
