"""The trust boundary for every ASGI framework: one middleware that validates, and a context for each request."""

from coatcheck.asgi.context import context_of
from coatcheck.asgi.middleware import SessionMiddleware
from coatcheck.web.async_context import RequestContext
from coatcheck.web.errors import DeviceBindingRequired, RecentAuthRequired, SignInRequired
from coatcheck.web.pages import safe_next

__all__ = [
    "DeviceBindingRequired",
    "RecentAuthRequired",
    "RequestContext",
    "SessionMiddleware",
    "SignInRequired",
    "context_of",
    "safe_next",
]
