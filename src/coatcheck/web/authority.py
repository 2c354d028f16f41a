# Generated from web/async_authority.py by tools/generate_sync.py: edit that, run `make generate`.
"""Whose sessions a middleware validates: our own, or those of a provider."""

from __future__ import annotations

from coatcheck._sync.provider_sessions import ProviderSessions
from coatcheck._sync.sessions import Sessions
from coatcheck.errors import ConfigurationError

Authority = Sessions | ProviderSessions


def own(authority: Authority) -> Sessions:
    """Return the sessions as those that we issue ourselves.

    Raises:
        ConfigurationError: They are a provider's, which alone can begin, list and change them.
    """
    if isinstance(authority, Sessions):
        return authority
    msg = f"this is not possible with sessions that {authority.provider.name} issues: do it there"
    raise ConfigurationError(msg)
