"""Litestar: the plugin, the verbs, the guards, and `request.session`.

>>> from coatcheck.litestar import CoatcheckPlugin, requires_session, sign_in, sign_out
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from litestar import Litestar, Request, Response, asgi
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, WebSocketException
from litestar.middleware import DefineMiddleware
from litestar.openapi.spec import Components, SecurityScheme
from litestar.plugins import InitPlugin
from litestar.types import Empty
from litestar.types import Receive as LitestarReceive
from litestar.types import Scope as LitestarScope
from litestar.types import Send as LitestarSend

from coatcheck.asgi import (
    ANSWERED,
    DeviceBindingRequired,
    RecentAuthRequired,
    SessionMiddleware,
    SignInRequired,
    answered,
    context_of,
    safe_next,
)
from coatcheck.asgi.context import method_of
from coatcheck.core.api_tokens import ApiToken
from coatcheck.core.session import Session
from coatcheck.core.transport import bearer_token
from coatcheck.web.async_bearer import AsyncBearer
from coatcheck.web.async_request_session import RequestSession
from coatcheck.web.bearer_answers import wanted
from coatcheck.web.verbs import Verbs, grace_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from datetime import timedelta

    from litestar.config.app import AppConfig
    from litestar.handlers import BaseRouteHandler

    from coatcheck.asgi.types import App, Message, Receive, Scope, Send
    from coatcheck.web.async_authority import Authority
    from coatcheck.web.async_bearer import AsyncAccepted

    Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]

__all__ = [
    "ApiGuard",
    "CoatcheckPlugin",
    "CurrentSession",
    "DeviceBindingRequired",
    "OptionalSession",
    "RecentAuthRequired",
    "SignInRequired",
    "current_session",
    "requires_device_bound",
    "requires_own_session",
    "requires_recent_auth",
    "requires_session",
    "revoke_others",
    "rotate",
    "safe_next",
    "sign_in",
    "sign_out",
]

Connection = ASGIConnection[Any, Any, Any, Any]

CurrentSession = NamedDependency[Session]
"""The type of the parameter `session`: that of a signed-in user; others end with 401, or at the sign-in page."""

OptionalSession = NamedDependency[Session | None]
"""The type of the parameter `optional_session`: None where there is none; a visitor's has no `user_id`."""

_POLICY_VIOLATION = 1008


class CoatcheckPlugin(InitPlugin):
    """The trust boundary for a Litestar application: `Litestar(route_handlers, plugins=[CoatcheckPlugin(sessions)])`.

    It opens and closes the sessions, gives handlers `request.session` and the dependencies `session` (of a signed-in
    user) and `optional_session`, answers 401, 403 and 503, and puts the cookie into the OpenAPI document.
    """

    def __init__(
        self,
        sessions: Authority,
        *,
        user_key: str | None = None,
        retrieve_user: Callable[[Session, Connection], Awaitable[Any]] | None = None,
        exclude_opt_key: str = "exclude_from_auth",
        **settings: Any,
    ) -> None:
        """Keep the configuration.

        Args:
            sessions: Where sessions are validated: `AsyncSessions`, or `AsyncProviderSessions`.
            user_key: The key of `request.session` under which the application keeps the id of the user: setting it
                signs in under a new token, removing it signs out.
            retrieve_user: Makes every route one for signed-in users, and returns what `request.user` is there;
                `request.auth` is the session.
            exclude_opt_key: The option of a route that makes it one for everybody.
            **settings: The fields of `WebSettings`, such as `cookie` or `bearer`.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        self.boundary = SessionMiddleware(_nothing, sessions, **settings)
        self.user_key = user_key
        self.retrieve_user = retrieve_user
        self.exclude_opt_key = exclude_opt_key

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Set up an application."""
        config: Any = app_config  # whose annotations leave much open
        config.middleware = [DefineMiddleware(cast("Any", _Boundary), plugin=self), *config.middleware]
        config.lifespan = [*config.lifespan, self._lifespan]
        config.exception_handlers = {**dict.fromkeys(ANSWERED, _answer), **config.exception_handlers}
        given = {"session": Provide(_session), "optional_session": Provide(_optional_session)}
        config.dependencies = {**given, **config.dependencies}
        config.signature_types = [*config.signature_types, Session]
        if (devices := self.boundary.devices) is not None:
            # Routes of their own, for the middleware is one of routes; it answers before they do.
            paths = [devices.binding.register_path, devices.binding.refresh_path]
            config.route_handlers = [*config.route_handlers, asgi(paths, copy_scope=True)(_nothing_there)]
        if config.openapi_config is not None:
            self._describe(config.openapi_config)
        return app_config

    def _describe(self, openapi: Any) -> None:
        cookie = self.boundary.settings.cookie.name
        scheme = SecurityScheme(type="apiKey", name=cookie, security_scheme_in="cookie", description="Session cookie.")
        before: Any = openapi.components
        known: list[Any] = [before] if isinstance(before, Components) else before
        openapi.components = [*known, Components(security_schemes={"session": scheme})]
        if self.retrieve_user is not None:
            openapi.security = [*(openapi.security or ()), {"session": []}]

    @asynccontextmanager
    async def _lifespan(self, _: Litestar) -> AsyncGenerator[None]:
        async with self.boundary.sessions:
            try:
                yield
            finally:
                await self.boundary.streams.close()


async def _nothing_there(scope: LitestarScope, receive: LitestarReceive, send: LitestarSend) -> None:
    """Be there for the middleware."""


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve nothing: each route has an application of its own."""


class _Boundary(SessionMiddleware):
    """The middleware of one route; all of an application have the same sessions, settings and streams."""

    def __init__(self, app: App, plugin: CoatcheckPlugin) -> None:
        self.__dict__.update(plugin.boundary.__dict__)
        self.app = _Route(app, plugin)


class _Route:
    """What lies inside the boundary: `request.session`, and where that is wanted `request.user`."""

    def __init__(self, app: App, plugin: CoatcheckPlugin) -> None:
        self._app = app
        self._plugin = plugin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = scope["session"] = RequestSession(context_of(scope), self._plugin.user_key)
        await session.load()
        if self._plugin.retrieve_user is not None and not _is_open(scope, self._plugin.exclude_opt_key):
            scope["auth"] = await context_of(scope).require()
            scope["user"] = await self._plugin.retrieve_user(scope["auth"], ASGIConnection(cast("Any", scope)))

        async def commit(message: Message) -> None:
            await session.commit()
            await send(message)

        def committed(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                if (found := scope.get("session")) is not session:
                    _take_over(session, found)
                if session.looked_at:
                    return commit(message)
            return send(message)

        await self._app(scope, receive, committed)


def _is_open(scope: Scope, key: str) -> bool:
    return bool(scope["route_handler"].opt.get(key))


def _take_over(session: RequestSession, found: Any) -> None:
    """Apply what `set_session` and `clear_session` have put in the mapping's place."""
    if found is Empty or not found:
        session.clear()
    else:
        session.replace(found)


def _answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    body, status, headers = answered(error, cast("Scope", request.scope))
    named = dict(headers)
    return Response(body, status_code=status, headers=named, media_type=named.get("content-type", "text/plain"))


# --- dependencies and guards


async def _session(scope: LitestarScope) -> Session:
    return await _required(scope)


async def _required(scope: Any) -> Session:
    try:
        return await context_of(scope).require()
    except SignInRequired as error:
        if scope["type"] == ScopeType.WEBSOCKET:
            # The framework closes a socket for any other exception as if the server had failed.
            raise WebSocketException(detail=str(error), code=_POLICY_VIOLATION) from None
        raise


async def _optional_session(scope: LitestarScope) -> Session | None:
    return await context_of(cast("Any", scope)).session() or None


async def requires_session(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard routes for signed-in users: `guards=[requires_session]`.

    Raises:
        SignInRequired: Nobody is signed in; a program gets 401, a page goes to the sign-in page.
    """
    await _required(connection.scope)


def requires_recent_auth(max_age: timedelta, *, factors: int = 1, grace: timedelta | None = None) -> Guard:
    """Return a guard for users who proved who they are at most `max_age` ago (ASVS 7.5.1).

    Args:
        max_age: How old the proofs may be.
        factors: Of how many kinds they must be (rule A2).
        grace: For how much longer a form that was begun in time may be sent: all but GET, HEAD and OPTIONS.
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        scope = cast("Scope", connection.scope)
        more = grace_for(method_of(scope), grace)
        await context_of(scope).require_recent_auth(max_age, factors=factors, grace=more)

    return guard


async def requires_device_bound(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard routes for sessions that belong to the device which sends the request; a program gets 401 or 403."""
    await context_of(cast("Scope", connection.scope)).require_device_bound()


async def requires_own_session(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard routes that are for the user alone, and not for somebody who acts as them; a program gets 401 or 403."""
    await context_of(cast("Scope", connection.scope)).require_own_session()


class ApiGuard:
    """Asks programs for their token: `ApiGuard(api_tokens)`, or with access tokens too `ApiGuard(api_tokens, pairs)`.

    It needs no plugin, and looks at `Authorization: Bearer` only.
    """

    def __init__(self, *accepted: AsyncAccepted, realm: str = "api") -> None:
        """Keep which tokens are accepted, and what `WWW-Authenticate` calls all this.

        Raises:
            ConfigurationError: Nothing is accepted, or the realm cannot stand in a header.
        """
        self._bearer = AsyncBearer(accepted, realm=realm)

    def requires_scopes(self, *scopes: str, or_session: bool = False) -> Guard:
        """Return a guard for tokens that have all of these scopes; the token is `request.state.api_token` there.

        Args:
            *scopes: The scopes.
            or_session: Whether a request without a token may go on with the session of a signed-in user instead.
        """
        needed = wanted(scopes)

        async def guard(connection: Connection, _: BaseRouteHandler) -> None:
            headers: Any = connection.scope["headers"]
            if or_session and bearer_token(headers) is None:
                await _required(connection.scope)
                return
            answer = await self._bearer.judge(headers, needed)
            if not isinstance(answer, ApiToken):
                raise HTTPException(answer.title, status_code=answer.status, headers=answer.headers)
            connection.state.api_token = answer

        return guard


# --- verbs


_verbs: Verbs[Connection] = Verbs(
    lambda connection: context_of(cast("Scope", connection.scope)),
    lambda connection: method_of(cast("Scope", connection.scope)),
)

current_session = _verbs.current_session
sign_in = _verbs.sign_in
sign_out = _verbs.sign_out
rotate = _verbs.rotate
revoke_others = _verbs.revoke_others
