"""What clients present: a token, with a signature where keys are configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.core import successors
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.imported import imported_hash
from coatcheck.core.refusals import refuse
from coatcheck.core.tokens import Token, new_token

if TYPE_CHECKING:
    from coatcheck.core.imported import ImportedTokens
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

    __slots__ = ("_hash", "_imported", "_keys")

    def __init__(self, token_hash: TokenHash, keys: KeyRing | None, imported: ImportedTokens | None = None) -> None:
        """Keep the hash, the keys if tokens are signed, and whose tokens are accepted besides ours.

        Raises:
            ConfigurationError: Both are tokens of others.
        """
        if imported is not None and token_hash.adopted:
            refuse("imported", imported.library, "the table is adopted from another system, and knows only its tokens")
        self._hash = token_hash
        self._keys = keys
        self._imported = imported

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
        known = self._known(presented)
        return known if isinstance(known, NotSignedIn) else known[0]

    def _known(self, presented: bytes) -> tuple[bytes, bytes] | NotSignedIn:
        """Return the hash of a token and what it is without its signature."""
        secret = self._secret(presented)
        if not isinstance(secret, NotSignedIn):
            return self._hash(secret), secret
        if self._imported is not None and self._imported.well_formed(presented):
            return imported_hash(self._hash, presented), presented
        return secret

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

    def succession(self, presented: bytes) -> tuple[bytes, bytes, bytes] | NotSignedIn:
        """Make a successor for a token: the hash of the token, the successor's, and the seal on the successor."""
        known = self._known(presented)
        if isinstance(known, NotSignedIn):
            return known
        successor = new_token()
        return known[0], self.hash_of_new(successor), successors.sealed(successor, known[1])

    def opened(self, seal: bytes, presented: bytes) -> Token:
        """Return the successor of a token, as the client gets it; the token's form and signature were good."""
        known = self._known(presented)
        return self.issued(successors.opened(seal, b"" if isinstance(known, NotSignedIn) else known[1]))

    def made(self) -> tuple[Token, bytes]:
        """Make a token: what the client gets, and its hash."""
        token = new_token()
        return self.issued(token), self.hash_of_new(token)

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
