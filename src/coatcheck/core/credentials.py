"""What clients present: a token, with a signature where keys are configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.tokens import Token

if TYPE_CHECKING:
    from coatcheck.core.signing import KeyRing
    from coatcheck.core.tokens import TokenHash

LONGEST = 512
"""A longer value is malformed, whatever it is."""


def presented_bytes(token: str | bytes | Token | None) -> bytes:
    """Return what was presented as bytes; nothing is the empty value."""
    if isinstance(token, bytes):
        return token
    if isinstance(token, Token):
        return token.reveal().encode()
    return b"" if token is None else token.encode("utf-8", "surrogatepass")


class Credentials:
    """How tokens are judged before any store is asked, and how they are handed out."""

    __slots__ = ("_hash", "_keys")

    def __init__(self, token_hash: TokenHash, keys: KeyRing | None) -> None:
        """Keep the hash, and the keys if tokens are signed."""
        self._hash = token_hash
        self._keys = keys

    @property
    def token_hash(self) -> TokenHash:
        """How tokens are hashed."""
        return self._hash

    @property
    def signing_keys(self) -> int:
        """How many keys there are; 0 when tokens are not signed."""
        return 0 if self._keys is None else len(self._keys)

    def hash_of(self, presented: bytes) -> bytes | NotSignedIn:
        """Return the hash under which stores know the token, once its form and signature are good (T5, T7)."""
        secret = self._secret(presented)
        return secret if isinstance(secret, NotSignedIn) else self._hash(secret)

    def _secret(self, presented: bytes) -> bytes | NotSignedIn:
        if not presented:
            return NotSignedIn.NO_TOKEN
        if len(presented) > LONGEST:
            return NotSignedIn.MALFORMED
        if self._keys is not None:
            verified = self._keys.verify(presented.decode("ascii", "replace"))
            if verified is None:
                return NotSignedIn.MALFORMED
            presented = verified.token.encode()
        return presented if self._hash.well_formed(presented) else NotSignedIn.MALFORMED

    def hash_of_new(self, token: Token) -> bytes:
        """Return the hash of a token that was just made, and is not signed yet."""
        return self._hash(token.reveal().encode())

    def issued(self, token: Token) -> Token:
        """Return what the client gets: the token, signed by the first key if there are any."""
        return token if self._keys is None else Token(self._keys.sign(token.reveal()))

    def renewed(self, presented: bytes) -> Token | None:
        """Return the token with a new signature, if an older key than the first signed it (S3)."""
        if self._keys is None or len(self._keys) == 1:  # which was judged when the token was
            return None
        verified = self._keys.verify(presented.decode("ascii", "replace"))
        return None if verified is None or verified.current else self.issued(Token(verified.token))
