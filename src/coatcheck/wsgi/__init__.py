"""The trust boundary for every WSGI framework: one middleware that validates, and a context for each request."""

from coatcheck.web.context import RequestContext
from coatcheck.web.errors import DeviceBindingRequired, RecentAuthRequired, SignInRequired
from coatcheck.web.pages import safe_next
from coatcheck.wsgi.environment import context_of
from coatcheck.wsgi.middleware import SessionMiddleware

__all__ = [
    "DeviceBindingRequired",
    "RecentAuthRequired",
    "RequestContext",
    "SessionMiddleware",
    "SignInRequired",
    "context_of",
    "safe_next",
]
