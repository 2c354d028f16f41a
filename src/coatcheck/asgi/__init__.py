"""The trust boundary for every ASGI framework: one middleware that validates, and a context for each request."""

from coatcheck.asgi.context import RecentAuthRequired, RequestContext, SignInRequired, context_of
from coatcheck.asgi.middleware import SessionMiddleware
from coatcheck.asgi.pages import safe_next

__all__ = [
    "RecentAuthRequired",
    "RequestContext",
    "SessionMiddleware",
    "SignInRequired",
    "context_of",
    "safe_next",
]
