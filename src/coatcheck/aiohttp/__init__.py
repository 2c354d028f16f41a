"""aiohttp: `setup`, the verbs on a request, the decorators, and the session's data.

>>> from coatcheck.aiohttp import current_session, login_required, setup, sign_in, sign_out
"""

from __future__ import annotations

from coatcheck.aiohttp.boundary import setup
from coatcheck.aiohttp.guards import fresh_required, login_required, own_session_required
from coatcheck.aiohttp.health import health_routes
from coatcheck.aiohttp.requests import context_of, get_session
from coatcheck.aiohttp.scopes import API_TOKEN, ApiGuard
from coatcheck.web.errors import RecentAuthRequired, SignInRequired
from coatcheck.web.pages import safe_next
from coatcheck.web.verbs import Verbs

__all__ = [
    "API_TOKEN",
    "ApiGuard",
    "RecentAuthRequired",
    "SignInRequired",
    "context_of",
    "current_session",
    "fresh_required",
    "get_session",
    "health_routes",
    "login_required",
    "own_session_required",
    "require_own_session",
    "require_recent_auth",
    "require_session",
    "revoke_others",
    "rotate",
    "safe_next",
    "setup",
    "sign_in",
    "sign_out",
]

_verbs = Verbs(context_of, lambda request: request.method)

current_session = _verbs.current_session
require_session = _verbs.require_session
require_recent_auth = _verbs.require_recent_auth
require_own_session = _verbs.require_own_session
sign_in = _verbs.sign_in
sign_out = _verbs.sign_out
rotate = _verbs.rotate
revoke_others = _verbs.revoke_others
