"""A Worker's `fetch`: sessions made once in each isolate, every request behind the middleware, the rest afterwards."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from coatcheck.asgi import SessionMiddleware, context_of
from coatcheck.errors import CoatcheckError
from coatcheck.web.pages import problem
from coatcheck.workers import bridge
from coatcheck.workers.messages import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coatcheck.asgi import RequestContext
    from coatcheck.asgi.types import App, Receive, Scope, Send
    from coatcheck.web.async_authority import Authority
    from coatcheck.web.pages import Answer
    from coatcheck.workers.messages import Response

    Handler = Callable[[Request, RequestContext], Awaitable[Response]]

_log = logging.getLogger("coatcheck")

_MISCONFIGURED = problem(503, "Sessions are unavailable", detail="Try again later.")
_BROKEN = problem(500, "Internal server error")


class _Worker:
    """What both kinds of Workers do."""

    def __init__(self, sessions: Callable[[Any], Authority], **settings: Any) -> None:
        self._make = sessions
        self._settings = settings
        self._sessions: Authority | None = None
        self._middleware: App | None = None

    def _app(self, env: Any) -> App:
        raise NotImplementedError

    async def fetch(self, request: Any, env: Any, ctx: Any = None) -> Any:
        """Answer one request.

        Whatever goes wrong, the client sees a problem and no more: 503 when the sessions cannot be made or asked, 500
        for an error of the application. The log says what it was.

        Args:
            request: JavaScript's Request, or the one of Cloudflare's SDK.
            env: The Worker's bindings.
            ctx: The request's context; what is left to do when the response is out goes to its `waitUntil`.

        Returns:
            JavaScript's Response.
        """
        request = getattr(request, "js_object", request)
        task = asyncio.ensure_future(self._served(request, env))
        bridge.keep_alive(ctx, asyncio.ensure_future(self._finished(task)))
        return (await asyncio.shield(task)).response()

    async def scheduled(self, env: Any, ctx: Any = None) -> int:  # noqa: ARG002 - as Cloudflare calls it
        """Delete expired sessions and old log entries, on a Cron Trigger; returns how many sessions there were.

        Raises:
            Unavailable: The store did not answer.
            ConfigurationError: A binding is missing, or a setting is wrong.
            SchemaError: The tables are missing, older or newer.
        """
        sessions, _ = await self._opened(env)
        return await sessions.sweep()

    async def _served(self, request: Any, env: Any) -> bridge.Answered:
        try:
            _, app = await self._opened(env)
            return await bridge.run(app, bridge.scope_of(request), request)
        except CoatcheckError:
            # A setting, a table or a binding; the store that does not answer is the middleware's to say.
            _log.exception("coatcheck.worker_misconfigured")
            return await _answered(_MISCONFIGURED)
        except Exception:  # noqa: BLE001 - the client must not see it
            _log.exception("coatcheck.worker_failed")
            return await _answered(_BROKEN)

    async def _opened(self, env: Any) -> tuple[Authority, App]:
        # No lock: an isolate's first requests may each ask the database for its tables, and none waits for another.
        if self._sessions is None or self._middleware is None:
            sessions = await self._make(env).open()
            if self._sessions is None or self._middleware is None:  # else another request was faster
                self._middleware = SessionMiddleware(self._app(env), sessions, **self._settings)
                self._sessions = sessions
        return self._sessions, self._middleware

    async def _finished(self, task: asyncio.Future[Any]) -> None:
        """Do what a request has left for later, when it has its answer."""
        await asyncio.wait([task])
        if self._sessions is None:
            return
        try:
            await self._sessions.finish()
        except Exception:  # noqa: BLE001 - nobody is there to hear it
            _log.exception("coatcheck.background_failed")


class ASGIWorker(_Worker):
    """A Worker with an ASGI application, such as FastAPI's, without streams and WebSockets."""

    def __init__(
        self,
        sessions: Callable[[Any], Authority],
        app: App,
        **settings: Any,
    ) -> None:
        """Wire it; nothing is made before the first request, as a Worker may do nothing before it.

        Args:
            sessions: Makes the sessions, from `env`: `AsyncSessions`, or `AsyncProviderSessions` of another authority.
            app: The application, without a `SessionMiddleware` of its own; it finds `env` in `scope["env"]`.
            **settings: The fields of `WebSettings`, such as `cookie` or `sign_in_path`.
        """
        super().__init__(sessions, **settings)
        self._application = app

    def _app(self, env: Any) -> App:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["env"] = env
            await self._application(scope, receive, send)

        return app


class SessionWorker(_Worker):
    """A Worker with a function that answers requests."""

    def __init__(
        self,
        sessions: Callable[[Any], Authority],
        handler: Handler,
        **settings: Any,
    ) -> None:
        """Wire it; nothing is made before the first request, as a Worker may do nothing before it.

        Args:
            sessions: Makes the sessions, from `env`: `AsyncSessions`, or `AsyncProviderSessions` of another authority.
            handler: Answers a request; it also gets the request's session. `SignInRequired` and the like, as
                `await session.require()` raises them, become 401 or the sign-in page.
            **settings: The fields of `WebSettings`, such as `cookie` or `sign_in_path`.
        """
        super().__init__(sessions, **settings)
        self._handler = handler

    def _app(self, env: Any) -> App:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            response = await self._handler(Request(scope, receive, env), context_of(scope))
            await response.send(send)

        return app


async def _answered(answer: Answer) -> bridge.Answered:
    status, headers, body = answer
    answered = bridge.Answered()
    await answered.send({"type": "http.response.start", "status": status, "headers": headers})
    await answered.send({"type": "http.response.body", "body": body})
    return answered
