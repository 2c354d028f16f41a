"""Whose sessions a middleware validates: our own, or those of a provider."""

from __future__ import annotations

from coatcheck._async.provider_sessions import AsyncProviderSessions
from coatcheck._async.sessions import AsyncSessions
from coatcheck.web.errors import IssuedElsewhere

Authority = AsyncSessions | AsyncProviderSessions


def own(authority: Authority) -> AsyncSessions:
    """Return the sessions as those that we issue ourselves.

    Raises:
        IssuedElsewhere: They are a provider's, which alone can begin, list and change them.
    """
    if isinstance(authority, AsyncSessions):
        return authority
    raise IssuedElsewhere(authority.provider.name)


def keeps_trail(authority: Authority) -> bool:
    """Tell whether there is an audit trail, whose entries are to say who has made the request."""
    return isinstance(authority, AsyncSessions) and authority.policy.audit_keep_for is not None
