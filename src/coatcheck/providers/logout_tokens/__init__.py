"""Logout tokens, by which an OpenID provider says that a session has ended (OpenID Connect Back-Channel Logout 1.0)."""

from coatcheck.providers.logout_tokens.async_tokens import AsyncLogoutTokens
from coatcheck.providers.logout_tokens.claims import Logout, LogoutRefused
from coatcheck.providers.logout_tokens.tokens import LogoutTokens

__all__ = ["AsyncLogoutTokens", "Logout", "LogoutRefused", "LogoutTokens"]
