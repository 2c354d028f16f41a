"""OAuth 2.0 token introspection (RFC 7662): bearer tokens, validated by asking the server that issued them."""

from coatcheck.providers.introspection.async_introspection import AsyncIntrospection
from coatcheck.providers.introspection.introspection import Introspection

__all__ = ["AsyncIntrospection", "Introspection"]
