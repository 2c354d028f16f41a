"""The gate's application: its parts, put together, for any ASGI server."""

from __future__ import annotations

from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI

from coatcheck._async.fleet_numbers import AsyncFleetNumbers
from coatcheck._async.sessions import AsyncSessions
from coatcheck.api import identity_router, session_router
from coatcheck.asgi.health import Liveness, Readiness
from coatcheck.asgi.messages import refuse_socket
from coatcheck.configuration import Settings
from coatcheck.fastapi import SessionMiddleware
from coatcheck.serve.api_tokens import served_tokens
from coatcheck.serve.authority import sessions_of, web_settings
from coatcheck.serve.console import console_of
from coatcheck.serve.counts import Counts
from coatcheck.serve.forwarded import NotForwarded, scheme_of
from coatcheck.serve.gate import PREFIX as GATE
from coatcheck.serve.gate import Gate
from coatcheck.serve.key_set import KeySet
from coatcheck.serve.metrics import Metrics
from coatcheck.serve.responding import respond
from coatcheck.serve.service import PREFIX as SERVICE
from coatcheck.serve.service import service_app
from coatcheck.serve.service_keys import ServiceKeys
from coatcheck.serve.tokens import identity_tokens
from coatcheck.web.pages import problem
from coatcheck.web.settings import WebSettings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from coatcheck.asgi.types import App, Receive, Scope, Send
    from coatcheck.web.async_authority import Authority

API: Final = "/api"
KEY_SET: Final = "/.well-known/jwks.json"


def from_environment() -> Served:
    """Return the application as the environment, and the file that it names, configure it; for servers' workers.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    return Served(Settings.load())


class Served:
    """Everything that `coatcheck serve` answers: a plain ASGI application.

    Attributes:
        sessions: Whose sessions they are: our own, or those of a provider.
    """

    def __init__(self, settings: Settings, **more: Any) -> None:
        """Wire the parts.

        Args:
            settings: The settings.
            **more: What only code can say of the sessions; for tests.

        Raises:
            ConfigurationError: Something is wrong with them, or something that they need is not installed.
        """
        self.sessions: Authority = sessions_of(settings, **more)
        options, web, counts = settings.serve, web_settings(settings.serve), Counts()
        tokens = identity_tokens(options)
        programs = served_tokens(self.sessions, options)
        self._gate = Gate(
            self.sessions, web, options, counts, tokens, programs=None if programs is None else programs.bearer
        )
        numbers = None
        if options.numbers_every is not None:
            numbers = AsyncFleetNumbers(self.sessions, every=options.numbers_every)
        self._site = _site(self.sessions, web, numbers)
        self._api = _as_forwarded(self._site)
        self._internal: App | None = None
        if options.service_keys:
            self._internal = ServiceKeys(service_app(self.sessions, web.cookie, programs), options.service_keys)
        console = console_of(self.sessions, settings.console, numbers)
        self._console = None if console is None else _as_forwarded(console)
        self._console_path = "" if settings.console is None else settings.console.path
        self._places: Mapping[str, App] = {
            "/healthz": Liveness(),
            "/readyz": Readiness(self.sessions),
            "/metrics": Metrics(self.sessions, counts, numbers),
            **({} if tokens is None else {KEY_SET: KeySet(tokens.key_set)}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._site(scope, receive, send)
            return
        if await refuse_socket(scope, send):
            return
        await self._app_at(scope["path"])(scope, receive, send)

    def _app_at(self, path: str) -> App:
        if path.startswith(GATE):
            return self._gate
        if path.startswith(f"{API}/"):
            return self._api
        if self._internal is not None and path.startswith(f"{SERVICE}/"):
            return self._internal
        if self._console is not None and (path == self._console_path or path.startswith(f"{self._console_path}/")):
            return self._console
        return self._places.get(path, _nothing_here)


def _site(sessions: Authority, web: WebSettings, numbers: AsyncFleetNumbers | None) -> App:
    @asynccontextmanager
    async def telling(_: FastAPI) -> AsyncGenerator[None]:  # while the sessions are open, which the middleware sees to
        async with numbers or nullcontext():
            yield

    app = FastAPI(openapi_url=None, redirect_slashes=False, lifespan=telling)
    router = session_router() if isinstance(sessions, AsyncSessions) else identity_router()
    app.include_router(router, prefix=API)
    return SessionMiddleware(app, sessions, cookie=web.cookie, cross_origin=web.cross_origin, bearer=web.bearer)


def _as_forwarded(app: App) -> App:
    """Return an application for browsers, who have used the scheme that the proxy says."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            scheme = scheme_of(scope["headers"])
        except NotForwarded as error:
            await respond(scope, send, problem(400, "The proxy is not configured for the gate", detail=str(error)))
            return
        await app({**scope, "scheme": scheme or scope["scheme"]}, receive, send)

    return serve


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI calls it so
    await respond(scope, send, problem(404, "Nothing here"))
