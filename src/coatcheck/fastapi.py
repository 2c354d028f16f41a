"""FastAPI: sessions as dependencies that show up in OpenAPI.

>>> from coatcheck.fastapi import CurrentSession, OptionalSession, SessionMiddleware, sign_in, sign_out
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Security
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import HTTPConnection

from coatcheck import asgi
from coatcheck.asgi import DeviceBindingRequired, RecentAuthRequired, SignInRequired, context_of, safe_next
from coatcheck.asgi.context import method_of
from coatcheck.asgi.health import HasHealth
from coatcheck.asgi.types import Receive, Scope, Send
from coatcheck.core.api_tokens import ApiToken
from coatcheck.core.cookies import CookieSettings
from coatcheck.core.session import Session
from coatcheck.core.transport import Transport
from coatcheck.device_page import DevicePage, device_routes
from coatcheck.starlette import ApiGuard as _ApiGuard
from coatcheck.starlette import health_routes, revoke_others, rotate, sign_in, sign_out
from coatcheck.web.bearer_answers import wanted
from coatcheck.web.verbs import grace_for

__all__ = [
    "ApiGuard",
    "ApiToken",
    "BoundSession",
    "CurrentSession",
    "DeviceBindingRequired",
    "DevicePage",
    "OptionalSession",
    "OwnSession",
    "ProofKey",
    "RecentAuthRequired",
    "SessionCookie",
    "SessionMiddleware",
    "SignInRequired",
    "describe_security",
    "device_router",
    "health_router",
    "recent_auth",
    "revoke_others",
    "rotate",
    "safe_next",
    "sign_in",
    "sign_out",
]


class SessionMiddleware(asgi.SessionMiddleware):
    """The middleware of all ASGI frameworks, which here also says in the OpenAPI document what it reads."""

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = scope.get("app")
        if isinstance(app, FastAPI):
            _describe(app, self.transport)
        await super()._lifespan(scope, receive, send)


def describe_security(app: FastAPI) -> None:
    """Name in the OpenAPI document the cookies, and the bearer tokens, that the application's middleware reads.

    The middleware does so by itself when the server starts; this is for those who write the document without one.
    """
    added: list[Any] = [*app.user_middleware]
    for entry in added:
        if isinstance(entry.cls, type) and issubclass(entry.cls, asgi.SessionMiddleware):
            _describe(app, entry.cls(app, *entry.args, **entry.kwargs).transport)
            return


def _describe(app: FastAPI, transport: Transport) -> None:
    if not isinstance(app.openapi, _Described):
        app.openapi = _Described(app.openapi, transport)  # type: ignore[method-assign]


class _Described:
    """An application's `openapi`, with the security schemes as its middleware has them.

    The dependencies cannot know them: they are the same in every application.
    """

    def __init__(self, openapi: Callable[[], dict[str, Any]], transport: Transport) -> None:
        self._openapi = openapi
        self._schemes: dict[str, dict[str, str]] = {}
        for number, name in enumerate(transport.cookies, 1):
            scheme = _SCHEME if number == 1 else f"{_SCHEME}_{number}"
            self._schemes[scheme] = {"type": "apiKey", "in": "cookie", "name": name.decode()}
        if transport.bearer:
            self._schemes["bearer"] = {"type": "http", "scheme": "bearer"}
        if transport.dpop:
            self._schemes["dpop"] = {"type": "http", "scheme": "dpop"}

    def __call__(self) -> dict[str, Any]:
        document = self._openapi()
        schemes = document.get("components", {}).get("securitySchemes", {})
        if schemes.pop(_SCHEME, None) is not None:
            schemes.update(self._schemes)
            for methods in document["paths"].values():
                for operation in methods.values():
                    self._offer(operation.get("security", []))
        return document

    def _offer(self, security: list[dict[str, list[str]]]) -> None:
        """Put them all, as alternatives, where the dependencies have named the one that they know."""
        if {_SCHEME: []} in security:
            offered = [{scheme: list[str]()} for scheme in self._schemes]
            security[:] = [each for each in security if each not in offered and each != {_SCHEME: []}] + offered


_SCHEME = "session"


class SessionCookie(APIKeyCookie):
    """The OpenAPI security scheme of the session cookie; the middleware reads it, for WebSockets too."""

    def __init__(self, name: str = CookieSettings().name) -> None:
        """Name the cookie as the middleware does."""
        super().__init__(name=name, scheme_name=_SCHEME, auto_error=False)

    async def __call__(self, connection: HTTPConnection) -> None:
        """Do nothing: the middleware has the trust boundary."""


# The dependencies are security schemes themselves: FastAPI takes longer to solve a second one than we for a session.


class _Current(SessionCookie):
    async def __call__(self, connection: HTTPConnection) -> Session:  # type: ignore[override]
        return await context_of(connection.scope).require()


class _Bound(SessionCookie):
    async def __call__(self, connection: HTTPConnection) -> Session:  # type: ignore[override]
        return await context_of(connection.scope).require_device_bound()


class _Own(SessionCookie):
    async def __call__(self, connection: HTTPConnection) -> Session:  # type: ignore[override]
        return await context_of(connection.scope).require_own_session()


class _ProofKey:
    async def __call__(self, connection: HTTPConnection) -> str:
        return await context_of(connection.scope).proof_key()


class _Optional(SessionCookie):
    async def __call__(self, connection: HTTPConnection) -> Session | None:  # type: ignore[override]
        return await context_of(connection.scope).session() or None


class _Recent(SessionCookie):
    def __init__(self, max_age: timedelta, factors: int, grace: timedelta | None) -> None:
        super().__init__()
        self._max_age = max_age
        self._factors = factors
        self._grace = grace

    async def __call__(self, connection: HTTPConnection) -> Session:  # type: ignore[override]
        grace = grace_for(method_of(connection.scope), self._grace)
        context = context_of(connection.scope)
        return await context.require_recent_auth(self._max_age, factors=self._factors, grace=grace)


def recent_auth(max_age: timedelta, *, factors: int = 1, grace: timedelta | None = None) -> Any:
    """Return the dependency on a user who proved who they are at most `max_age` ago (ASVS 7.5.1).

    Args:
        max_age: How old the proofs may be.
        factors: Of how many kinds they must be (rule A2).
        grace: For how much longer a form that was begun in time may be sent: all but GET, HEAD and OPTIONS.
    """
    return Security(_Recent(max_age, factors, grace))


CurrentSession = Annotated[Session, Security(_Current())]
"""The session of a signed-in user; without one the request ends with 401, or at the sign-in page."""

BoundSession = Annotated[Session, Security(_Bound())]
"""The session of a signed-in user that belongs to the device which sends the request; others end with 401 or 403."""

OwnSession = Annotated[Session, Security(_Own())]
"""The session of a signed-in user in which nobody else acts, for what is theirs alone; others end with 401 or 403."""


ProofKey = Annotated[str, Depends(_ProofKey())]
"""The thumbprint of the key that has signed a request, to bind a new token to it; without a proof it ends with 400."""

OptionalSession = Annotated[Session | None, Security(_Optional())]
"""The session, or None where there is none; a visitor's has no `user_id`. An outage is neither: it ends with 503."""


class _ApiTokenScheme(HTTPBearer):
    """The OpenAPI security scheme of API tokens."""

    def __init__(self) -> None:
        super().__init__(scheme_name="api_token", description="An API token, or an access token.", auto_error=False)

    async def __call__(self, connection: HTTPConnection) -> None:
        """Do nothing: the guard has looked."""


class _Scoped(_ApiTokenScheme):
    def __init__(self, guard: _ApiGuard, scopes: tuple[str, ...]) -> None:
        super().__init__()
        self._guard = guard
        self._scopes = scopes

    async def __call__(self, connection: HTTPConnection) -> ApiToken:  # type: ignore[override]
        return await self._guard.require_scopes(connection, *self._scopes)


class ApiGuard(_ApiGuard):
    """Asks programs for their token, as a dependency that shows up in OpenAPI: `ApiGuard(api_tokens)`.

    >>> invoices = Annotated[ApiToken, guard.scopes("invoices:read")]

    It needs no middleware. In handlers `await guard.require_scopes(request, "invoices:read")` does the same.
    """

    def scopes(self, *scopes: str) -> Any:
        """Return the dependency on a token with all of these scopes; others end with 401 or 403."""
        return Security(_Scoped(self, scopes), scopes=list(wanted(scopes)))

    def either(self, *scopes: str) -> Any:
        """Return the dependency on such a token, or on the session of a signed-in user: `ApiToken | Session`.

        A request with a token is judged by it, and by nothing else. Scopes are asked of tokens only.
        """

        async def either(
            connection: HTTPConnection,
            _token: Annotated[None, Security(_ApiTokenScheme(), scopes=list(wanted(scopes)))],
            _cookie: Annotated[None, Security(SessionCookie())],
        ) -> ApiToken | Session:
            return await self.require_either(connection, *scopes)

        return Security(either)


def health_router(sessions: HasHealth) -> APIRouter:
    """Return a router with `/healthz` (the process is alive) and `/readyz` (it can serve requests), for orchestrators.

    Neither shows up in OpenAPI.
    """
    return APIRouter(routes=list(health_routes(sessions)))


def device_router(page: DevicePage | None = None) -> APIRouter:
    """Return a router with a page of the user's devices, by default at /devices; it does not show up in OpenAPI."""
    return APIRouter(routes=list(device_routes(page)))
