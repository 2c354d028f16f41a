"""The trust boundary for every WSGI framework: one middleware that validates, and a context for each request."""

from coatcheck.web.accounts import Account, Accounts
from coatcheck.web.acting import Acting
from coatcheck.web.context import RequestContext
from coatcheck.web.errors import (
    AccountUnknown,
    DeviceBindingRequired,
    ProofRejected,
    RecentAuthRequired,
    SignInRequired,
    TooManyAccounts,
)
from coatcheck.web.login_flows import LoginFlows
from coatcheck.web.pages import ANSWERED, Answered, safe_next
from coatcheck.web.second_factor import SecondFactor
from coatcheck.wsgi.environment import answered, context_of
from coatcheck.wsgi.middleware import SessionMiddleware
from coatcheck.wsgi.request_session import RequestSessionMiddleware, request_session

__all__ = [
    "ANSWERED",
    "Account",
    "AccountUnknown",
    "Accounts",
    "Acting",
    "Answered",
    "DeviceBindingRequired",
    "LoginFlows",
    "ProofRejected",
    "RecentAuthRequired",
    "RequestContext",
    "RequestSessionMiddleware",
    "SecondFactor",
    "SessionMiddleware",
    "SignInRequired",
    "TooManyAccounts",
    "answered",
    "context_of",
    "request_session",
    "safe_next",
]
