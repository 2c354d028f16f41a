"""The one trust boundary of an application: a middleware, a signal, and what is open while it runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web

from coatcheck.actors import request_begins, request_ends
from coatcheck.aiohttp.requests import KEY, scope_of
from coatcheck.aiohttp.responses import WatchedResponse
from coatcheck.errors import Unavailable
from coatcheck.web.async_authority import keeps_trail
from coatcheck.web.async_context import RequestContext
from coatcheck.web.async_device_endpoints import async_device_answer, async_devices_of, is_device_endpoint
from coatcheck.web.async_proof_gate import async_proofs_of
from coatcheck.web.cross_origin import refusal
from coatcheck.web.pages import ANSWERED, answer_to, cross_origin_problem, in_text, problem_of
from coatcheck.web.settings import WebSettings
from coatcheck.web.streams import SESSION_ENDED, TRY_AGAIN_LATER, OpenStreams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from coatcheck.aiohttp.responses import Handler
    from coatcheck.web.async_authority import Authority
    from coatcheck.web.pages import Answer
    from coatcheck.web.types import Scope


def setup(app: web.Application, sessions: Authority, *, user_key: str | None = None, **settings: Any) -> None:
    """Put the trust boundary around an application, its subapplications with it; not to be called for those again.

    It opens and closes the sessions, refuses cross-origin requests, answers 401, 403 and 503, and ends WebSockets and
    streams with their sessions.

    Args:
        app: The application, before it runs.
        sessions: Where sessions are validated: `AsyncSessions`, or `AsyncProviderSessions`.
        user_key: The key of `get_session(request)` under which the application keeps the id of the user: setting it
            signs in under a new token, removing it signs out.
        **settings: The fields of `WebSettings`, such as `cookie` or `bearer`.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    boundary = Boundary(sessions, WebSettings(**settings), user_key)
    app.middlewares.insert(0, boundary.serve)
    app.on_response_prepare.append(boundary.prepared)
    app.cleanup_ctx.append(boundary.opened)


class Boundary:
    """Attaches the session to each request of one application."""

    def __init__(self, sessions: Authority, settings: WebSettings, user_key: str | None) -> None:
        """Keep the configuration."""
        self.sessions = sessions
        self.settings = settings
        self._user_key = user_key
        self._devices = async_devices_of(sessions, settings)
        transport = sessions.transport(settings.cookie.name, bearer=settings.bearer)
        self._transport, self._proofs = async_proofs_of(sessions, settings, transport)
        self._streams = OpenStreams(sessions, settings.stream_check_every.total_seconds())
        self._keeps_trail = keeps_trail(sessions)

    async def opened(self, _: web.Application) -> AsyncIterator[None]:
        """Have the sessions open while the application runs."""
        try:
            await self.sessions.open()
            yield
        finally:
            await self._streams.close()
            await self.sessions.aclose()

    async def prepared(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Hear of each response before its headers are sent."""
        watched = request.get(KEY)
        if watched is not None:
            await watched.begin(response)

    @web.middleware
    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve one request."""
        scope = scope_of(request)
        context = RequestContext(
            scope, self.sessions, self.settings, self._transport, self._devices, proofs=self._proofs
        )
        watched = request[KEY] = WatchedResponse(request, context, self._streams, self._user_key)
        if (reason := refusal(scope, context)) is not None:
            return _response(cross_origin_problem(reason))
        context.on_session = watched.belongs_to
        before = request_begins(context) if self._keeps_trail else None
        try:
            response = await watched.of(self._of_device(scope, context) or handler)
        except (Exception, asyncio.CancelledError) as error:
            if not watched.is_over():
                if isinstance(error, ANSWERED):
                    return await _answered(error, scope, watched)
                raise
            response = None
        finally:
            watched.forget()
            if before is not None:
                request_ends(before)
        return response if response is not None and not watched.is_over() else await watched.ended()

    def _of_device(self, scope: Scope, context: RequestContext) -> Handler | None:
        """Return what answers where browsers bind sessions to their device; None for all other addresses."""
        devices = self._devices
        if devices is None or not is_device_endpoint(devices, scope):
            return None

        async def handler(_: web.Request) -> web.StreamResponse:
            return _response(await async_device_answer(devices, scope, context))

        return handler


async def _answered(error: Exception, scope: Scope, watched: WatchedResponse) -> web.StreamResponse:
    """Return the answer to a request that its handler has refused, or whose session nobody can tell."""
    begun = watched.begun
    if begun is None:
        socket = scope["type"] == "websocket"
        return _response(problem_of(error, watched.context) if socket else answer_to(error, scope, watched.context))
    if not watched.is_socket():
        raise error  # too late for an answer: the server cuts the connection
    await watched.close(TRY_AGAIN_LATER if isinstance(error, Unavailable) else SESSION_ENDED)
    return begun


def _response(answer: Answer) -> web.Response:
    body, status, headers = in_text(answer)
    return web.Response(status=status, headers=headers, body=body)
