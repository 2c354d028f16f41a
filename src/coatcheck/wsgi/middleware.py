"""The one trust boundary: a WSGI middleware."""

from __future__ import annotations

import atexit
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from coatcheck.actors import request_begins, request_ends
from coatcheck.core.cross_origin import SAFE_METHODS
from coatcheck.web.authority import keeps_trail
from coatcheck.web.context import RequestContext
from coatcheck.web.cross_origin import refusal
from coatcheck.web.device_endpoints import device_answer, devices_of, is_device_endpoint
from coatcheck.web.pages import ANSWERED, NO_STORE, answer_to, cross_origin_problem
from coatcheck.web.proof_gate import proofs_of
from coatcheck.web.settings import WebSettings
from coatcheck.wsgi.body import WatchedBody
from coatcheck.wsgi.environment import KEY, asked_of, scope_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from coatcheck.core.session import Session
    from coatcheck.web.authority import Authority
    from coatcheck.web.pages import Answer
    from coatcheck.web.types import Headers, Scope

    Fault = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class SessionMiddleware:
    """Attaches the session to each request, refuses cross-origin requests, and answers 401, 403 and 503.

    Opens the sessions at once, so that a wrong configuration fails when the server starts, and closes them when the
    process ends; a server may fork in between.
    """

    def __init__(self, app: WSGIApplication, /, sessions: Authority, **settings: Any) -> None:
        """Wrap an application.

        Args:
            app: The application.
            sessions: Where sessions are validated: `Sessions`, or `ProviderSessions`.
            **settings: The fields of `WebSettings`, such as `cookie` or `bearer`.

        Raises:
            ConfigurationError: A setting is wrong, or the store can never work as configured.
            SchemaError: The tables are missing, older or newer, or have been altered.
        """
        self.app = app
        self.sessions = sessions
        self.settings = WebSettings(**settings)
        self._devices = devices_of(sessions, self.settings)
        transport = sessions.transport(self.settings.cookie.name, bearer=self.settings.bearer)
        self._transport, self._proofs = proofs_of(sessions, self.settings, transport)
        self._looks_closer = self._devices is not None or self._proofs is not None
        self._keeps_trail = keeps_trail(sessions)
        self._check_every = self.settings.stream_check_every.total_seconds()
        sessions.open()
        atexit.register(sessions.close)

    def attach(self, environ: WSGIEnvironment, scope: Scope) -> RequestContext:
        """Give a request its context."""
        context = environ[KEY] = RequestContext(
            scope, self.sessions, self.settings, self._transport, self._devices, proofs=self._proofs
        )
        return context

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        sent = environ.copy()  # what lies inside may give the request another path
        context = self.attach(environ, scope_of(environ) if self._looks_closer else asked_of(environ))
        response = Response(context, start_response)
        context.on_session = response.belongs_to
        if environ["REQUEST_METHOD"] not in SAFE_METHODS and (reason := refusal(scope_of(sent), context)) is not None:
            return response.answer(cross_origin_problem(reason))
        before = request_begins(context) if self._keeps_trail else None
        try:
            if self._devices is not None and is_device_endpoint(self._devices, scope := scope_of(sent)):
                return response.answer(device_answer(self._devices, scope, context))
            body = self.app(environ, response.start)
        except ANSWERED as error:
            if response.started:
                raise
            return response.answer(answer_to(error, scope_of(sent), context))
        finally:
            if before is not None:
                request_ends(before)
        return response.watched(body, self._check_every)


class Response:
    """The response to one request: with the headers it needs, and no longer than its session lives."""

    __slots__ = ("_context", "_owner", "_start", "started")

    def __init__(self, context: RequestContext, start_response: StartResponse) -> None:
        """Stand between the application and the server."""
        self._context = context
        self._start = start_response
        self._owner: tuple[Session, bytes] | None = None
        self.started = False

    def belongs_to(self, session: Session, presented: bytes) -> None:
        """Note whose response this is."""
        self._owner = session, presented

    def start(
        self, status: str, headers: list[tuple[str, str]], fault: Fault | None = None, /
    ) -> Callable[[bytes], object]:
        """Begin the response."""
        self.started = True
        if self._context.due:
            self._context.renew()
        added: Headers = []
        self._context.finish(added)
        if NO_STORE in added:
            headers = [pair for pair in headers if pair[0].lower() != "cache-control"]
        headers = _with_one_vary(
            [*headers, *((name.decode("latin-1"), value.decode("latin-1")) for name, value in added)]
        )
        return self._start(status, headers) if fault is None else self._start(status, headers, fault)

    def answer(self, answer: Answer) -> list[bytes]:
        """Answer in the application's place."""
        status, headers, body = answer
        lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        self.start(f"{status} {HTTPStatus(status).phrase}", lines)
        return [body]

    def watched(self, body: Iterable[bytes], check_every: float) -> Iterable[bytes]:
        """Return a body that ends when the session does; one that is complete already is returned as it is."""
        if isinstance(body, (list, tuple)) or self._owner is None:
            return body
        return WatchedBody(body, self._context.authority, *self._owner, check_every)


def _with_one_vary(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Join `Vary` with the application's own; some caches look at the first line only."""
    found = [value for name, value in lines if name.lower() == "vary"]
    if len(found) < 2:  # noqa: PLR2004 - one is as it should be
        return lines
    fields = dict.fromkeys(part.strip() for value in found for part in value.split(","))
    return [*(pair for pair in lines if pair[0].lower() != "vary"), ("Vary", ", ".join(fields))]
