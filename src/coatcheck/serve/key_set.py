"""The public keys of the identity tokens, at a well-known address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coatcheck.serve.responding import document, respond

if TYPE_CHECKING:
    from coatcheck.asgi.types import Receive, Scope, Send

# How long before a new key signs it must have been published.
_KEPT: Final = b"public, max-age=300"


class KeySet:
    """Answers with a set of keys (RFC 7517 section 5); a plain ASGI application."""

    def __init__(self, body: bytes) -> None:
        """Keep the set, as JSON."""
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI calls it so
        """Serve one request."""
        await respond(scope, send, document(b"application/jwk-set+json", _KEPT, self._body))
