"""Django: `SESSION_ENGINE = "coatcheck.django.sessions"`, and the verbs on a request.

>>> from coatcheck.django import current_session, recent_auth_required, session_required, session_set

`request.session`, `login` and `logout` go on working as they are; the settings stand in `COATCHECK`.
"""

from __future__ import annotations

from coatcheck.django.accounts import Accounts
from coatcheck.django.acting import Acting
from coatcheck.django.decorators import own_session_required, recent_auth_required, session_required
from coatcheck.django.scopes import ApiGuard
from coatcheck.django.session_set import SessionSet, session_set
from coatcheck.django.signals import session_event
from coatcheck.django.verbs import (
    acurrent_session,
    arequire_own_session,
    arequire_recent_auth,
    arequire_session,
    arevoke_others,
    current_session,
    require_own_session,
    require_recent_auth,
    require_session,
    revoke_others,
)
from coatcheck.web.accounts import Account
from coatcheck.web.errors import AccountUnknown, RecentAuthRequired, SignInRequired, TooManyAccounts

__all__ = [
    "Account",
    "AccountUnknown",
    "Accounts",
    "Acting",
    "ApiGuard",
    "RecentAuthRequired",
    "SessionSet",
    "SignInRequired",
    "TooManyAccounts",
    "acurrent_session",
    "arequire_own_session",
    "arequire_recent_auth",
    "arequire_session",
    "arevoke_others",
    "current_session",
    "own_session_required",
    "recent_auth_required",
    "require_own_session",
    "require_recent_auth",
    "require_session",
    "revoke_others",
    "session_event",
    "session_required",
    "session_set",
]
