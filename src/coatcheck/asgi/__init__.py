"""The trust boundary for every ASGI framework: one middleware that validates, and a context for each request."""

from coatcheck.asgi.context import answered, context_of
from coatcheck.asgi.middleware import SessionMiddleware
from coatcheck.asgi.request_session import RequestSessionMiddleware, request_session
from coatcheck.web.async_accounts import Account, AsyncAccounts
from coatcheck.web.async_acting import AsyncActing
from coatcheck.web.async_context import RequestContext
from coatcheck.web.async_login_flows import AsyncLoginFlows
from coatcheck.web.async_second_factor import AsyncSecondFactor
from coatcheck.web.errors import (
    AccountUnknown,
    DeviceBindingRequired,
    ProofRejected,
    RecentAuthRequired,
    SignInRequired,
    TooManyAccounts,
)
from coatcheck.web.pages import ANSWERED, Answered, safe_next

__all__ = [
    "ANSWERED",
    "Account",
    "AccountUnknown",
    "Answered",
    "AsyncAccounts",
    "AsyncActing",
    "AsyncLoginFlows",
    "AsyncSecondFactor",
    "DeviceBindingRequired",
    "ProofRejected",
    "RecentAuthRequired",
    "RequestContext",
    "RequestSessionMiddleware",
    "SessionMiddleware",
    "SignInRequired",
    "TooManyAccounts",
    "answered",
    "context_of",
    "request_session",
    "safe_next",
]
