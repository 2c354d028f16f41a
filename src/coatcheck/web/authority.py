# Generated from web/async_authority.py by tools/generate_sync.py: edit that, run `make generate`.
"""Whose sessions a middleware validates: our own, or those of a provider."""

from __future__ import annotations

from coatcheck._sync.provider_sessions import ProviderSessions
from coatcheck._sync.sessions import Sessions
from coatcheck.web.errors import IssuedElsewhere

Authority = Sessions | ProviderSessions


def own(authority: Authority) -> Sessions:
    """Return the sessions as those that we issue ourselves.

    Raises:
        IssuedElsewhere: They are a provider's, which alone can begin, list and change them.
    """
    if isinstance(authority, Sessions):
        return authority
    raise IssuedElsewhere(authority.provider.name)


def keeps_trail(authority: Authority) -> bool:
    """Tell whether there is an audit trail, whose entries are to say who has made the request."""
    return isinstance(authority, Sessions) and authority.policy.audit_keep_for is not None
