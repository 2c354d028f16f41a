"""Where a request's context is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.web.attached import attached

if TYPE_CHECKING:
    from coatcheck.asgi.types import Scope
    from coatcheck.web.async_context import RequestContext

SCOPE_KEY = "coatcheck"


def context_of(scope: Scope) -> RequestContext:
    """Return the context that the middleware has attached.

    Raises:
        ConfigurationError: There is none: the middleware is missing.
    """
    context: RequestContext = attached(scope, SCOPE_KEY, "add it: app.add_middleware(SessionMiddleware, sessions=…)")
    return context
