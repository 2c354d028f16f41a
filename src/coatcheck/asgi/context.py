"""Where a request's context is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from coatcheck.web.attached import attached
from coatcheck.web.pages import answer_to, in_text, problem_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.asgi.types import Scope
    from coatcheck.web.async_context import RequestContext
    from coatcheck.web.pages import Answered

SCOPE_KEY = "coatcheck"


def context_of(scope: Mapping[str, object]) -> RequestContext:
    """Return the context that the middleware has attached.

    Raises:
        ConfigurationError: There is none: the middleware is missing.
    """
    context: RequestContext = attached(scope, SCOPE_KEY, "add it: app.add_middleware(SessionMiddleware, sessions=…)")
    return context


def method_of(scope: Mapping[str, object]) -> str:
    """Return a request's method; a WebSocket begins as a GET."""
    return str(scope.get("method", "GET"))


def answered(error: Exception, scope: Mapping[str, object]) -> Answered:
    """Return the answer to a request that ended with one of `ANSWERED`: problem details, or a page's way to sign in.

    It is for frameworks that let no exception out to the middleware, which would answer so itself.

    Raises:
        ConfigurationError: The middleware is missing.
    """
    context = context_of(scope)
    if scope["type"] == "websocket":
        return in_text(problem_of(error, context))
    return in_text(answer_to(error, cast("Scope", scope), context))
