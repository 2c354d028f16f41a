"""The gate: a proxy asks it about each request, and lets through what is answered with 200.

Three answers, kept apart: signed in is 200 with the identity headers; not signed in is 401, or the way to the sign-in
page for a browser that asks for a page; and could not find out is 503, which no proxy takes for a yes.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.api_tokens import is_scope, session_behind
from coatcheck.core.cross_origin import SAFE_METHODS
from coatcheck.core.transport import bearer_token
from coatcheck.errors import Unavailable
from coatcheck.serve.forwarded import NotForwarded, Seen, seen_as_sent, seen_in_headers, sign_in_address
from coatcheck.serve.identity import IdentityHeaders
from coatcheck.serve.responding import respond
from coatcheck.web.async_context import RequestContext
from coatcheck.web.cross_origin import refusal
from coatcheck.web.errors import SignInRequired
from coatcheck.web.pages import NO_STORE, cross_origin_problem, is_page, problem, problem_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.asgi.types import Headers, Receive, Scope, Send
    from coatcheck.configuration.serve_options import ServeOptions
    from coatcheck.core.session import Session
    from coatcheck.serve.counts import Counts
    from coatcheck.serve.tokens import IdentityTokens
    from coatcheck.web.async_authority import Authority
    from coatcheck.web.async_bearer import AsyncBearer
    from coatcheck.web.pages import Answer
    from coatcheck.web.settings import WebSettings

PREFIX: Final = "/auth/"
"""Below which the gate answers: /auth/nginx, /auth/forward, /auth/envoy/…; /auth/optional/nginx and so on; and
/auth/scope/invoices:read/nginx and so on, with as many scopes as are wanted, each behind a "scope/" of its own."""

_OPTIONAL: Final = "optional/"
_SCOPE: Final = re.compile(r"scope/([^/]+)/")
_WAYS: Final = frozenset({"nginx", "forward", "envoy"})
# What a WebSocket's handshake has and no page can leave out; "Upgrade" itself proxies do not pass on.
_HANDSHAKE: Final = frozenset({b"sec-websocket-key", b"sec-websocket-version"})

_log = logging.getLogger("coatcheck")


class Question(NamedTuple):
    """What the path of a request to the gate says.

    Attributes:
        way: How the proxy asks: "nginx", "forward" or "envoy".
        optional: Whether a request of nobody is let through as well, with empty identity headers.
        scopes: What a program's token must be good for, all of it, to be let through.
        rest: What stands behind it: with Envoy the original path.
    """

    way: str
    optional: bool
    scopes: tuple[str, ...]
    rest: bytes


class Gate:
    """Answers proxies; a plain ASGI application for the paths below `PREFIX`."""

    def __init__(
        self,
        sessions: Authority,
        web: WebSettings,
        options: ServeOptions,
        counts: Counts,
        tokens: IdentityTokens | None = None,
        *,
        programs: AsyncBearer | None = None,
    ) -> None:
        """Keep whom to ask and what to say."""
        self._sessions = sessions
        self._web = web
        self._transport = sessions.transport(web.cookie.name, bearer=web.bearer)
        self._options = options
        self._origins = options.accepted_origins()
        self._identity = IdentityHeaders(options.header_names())
        self._sign_in = options.sign_in_header.lower().encode("ascii")
        self._tokens = tokens
        self._programs = programs
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI calls it so
        """Serve one request."""
        question = question_of(scope)
        if question is None:
            answer = problem(404, "No such way to ask", detail="see docs/gate.md")
        else:
            answer = await self._answer(question, scope)
        await respond(scope, send, answer)

    async def _answer(self, question: Question, scope: Scope) -> Answer:
        try:
            seen = _seen(question, scope)
        except NotForwarded as error:
            self._counts.add("misconfigured")
            _log.warning("coatcheck.proxy_misconfigured", extra={"reason": str(error)})
            return self._said(problem(400, "The proxy is not configured for the gate", detail=str(error)), None)
        inner = _scope_of(seen, scope)
        context = RequestContext(inner, self._sessions, self._web, self._transport)
        if not _is_safe(inner) and (refused := refusal(inner, context)) is not None:
            self._counts.add("cross_origin")
            return self._said(cross_origin_problem(refused), None)
        try:
            presented = bearer_token(inner["headers"])
            if presented is not None and self._programs is not None and self._programs.claims(presented):
                return await self._program(self._programs, presented, question)
            session = await context.session()
        except Unavailable as error:
            self._counts.add("unavailable")
            return self._said(problem_of(error, context), None)
        if session and session.user_id:
            self._counts.add("signed_in")
            answer = self._said(_nothing(200), session)
        else:
            self._counts.add("anonymous")
            reason = session if isinstance(session, NotSignedIn) else NotSignedIn.NO_TOKEN  # an anonymous visitor
            answer = self._nobody(question, seen, inner, problem_of(SignInRequired(reason), context))
        context.finish(answer[1])
        return answer

    async def _program(self, programs: AsyncBearer, presented: bytes, question: Question) -> Answer:
        token = await programs.get(presented)
        if token and not token.allows(*question.scopes):
            self._counts.add("insufficient_scope")
            return self._said(programs.insufficient(question.scopes).answer(), None)
        if token:
            self._counts.add("signed_in")
            return self._said(_nothing(200), session_behind(token), scopes=token.scopes)
        self._counts.add("anonymous")
        return self._said(_nothing(200) if question.optional else programs.invalid().answer(), None)

    def _nobody(self, question: Question, seen: Seen, inner: Scope, refused: Answer) -> Answer:
        if question.optional:
            return self._said(_nothing(200), None)
        url = self._options.sign_in_url
        if url is None or inner["type"] != "http" or not is_page(inner):
            return self._said(refused, None)
        address = sign_in_address(url, self._options.next_parameter, seen, self._origins).encode("latin-1")
        if question.way == "nginx":  # to which a redirect is a failure: its configuration makes one of this
            return self._said(refused, None, sign_in=address)
        status, headers, body = _nothing(302)
        return self._said((status, [*headers, (b"location", address)], body), None)

    def _said(
        self, answer: Answer, session: Session | None, *, sign_in: bytes = b"", scopes: Sequence[str] | None = None
    ) -> Answer:
        """Return the answer with every identity header, whatever it is: one that is not set overwrites nothing."""
        status, headers, body = answer
        identity = self._identity.nobody if session is None else self._identity.of(session, scopes)
        now = self._sessions.now()
        token: Headers = [] if self._tokens is None else [self._tokens.header(session, now, scopes)]
        return status, [*headers, *identity, *token, (self._sign_in, sign_in)], body


def question_of(scope: Scope) -> Question | None:
    """Return how a proxy asks, by the path; None if nobody asks so."""
    path: bytes = scope.get("raw_path") or scope["path"].encode("latin-1", "replace")
    asked = path.partition(b"?")[0].decode("latin-1")
    way = asked.removeprefix(PREFIX)
    optional = way.startswith(_OPTIONAL)
    way = way.removeprefix(_OPTIONAL)
    scopes: list[str] = []
    while not optional and (wanted := _SCOPE.match(way)):
        scopes.append(unquote(wanted[1], "latin-1"))
        way = way[wanted.end() :]
    name, slash, rest = way.partition("/")
    if name not in _WAYS or (slash and name != "envoy") or not all(map(is_scope, scopes)):
        return None
    return Question(name, optional, tuple(scopes), (slash + rest).encode("latin-1"))


def _seen(question: Question, scope: Scope) -> Seen:
    if question.way != "envoy":
        return seen_in_headers(scope["headers"])
    query: bytes = scope.get("query_string", b"")
    uri = question.rest + (b"?" + query if query else b"")
    return seen_as_sent(scope["method"], uri, scope["headers"])


def _scope_of(seen: Seen, scope: Scope) -> Scope:
    """Return the request that is asked about as if it had come here."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    websocket = seen.method in SAFE_METHODS and any(name in _HANDSHAKE for name, _ in headers)
    return {
        "type": "websocket" if websocket else "http",
        "method": seen.method,
        "scheme": seen.scheme,
        "path": seen.uri.partition("?")[0],
        "headers": [(b"host", seen.host), *headers],
        "client": None,
    }


def _is_safe(inner: Scope) -> bool:
    return inner["type"] == "http" and inner["method"] in SAFE_METHODS


def _nothing(status: int) -> Answer:
    return status, [NO_STORE, (b"content-length", b"0")], b""
