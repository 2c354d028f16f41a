"""Passwords of operators, as settings keep them: scrypt (RFC 7914), with what is needed to compute it again.

    scrypt:17:8:1:SALT:DIGEST      log2(N), r, p, and both octet strings in base64url

No dollar sign and no comma is in it, so that it can stand in a compose file and in a list with commas.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import unicodedata
from base64 import urlsafe_b64decode
from typing import Final, NamedTuple

from coatcheck.core.base64url import text_of

SHORTEST: Final = 15
"""Characters of a password that stands alone (NIST SP 800-63B-4 section 3.1.1.2)."""

LONGEST: Final = 256
"""Characters of a password that is computed at all; nobody types more."""

# The OWASP Password Storage Cheat Sheet's choices: for each log2(N) the least p, with r=8. The first is ours.
_LEAST: Final = {17: 1, 16: 2, 15: 3, 14: 5, 13: 10}
_LOG2_N, _R, _P = 17, 8, 1
_MOST_LOG2_N: Final = 20
_MOST: Final = 32
_OCTETS: Final = 32
_SALT: Final = 16
_FORM: Final = re.compile(r"scrypt:([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2}):([A-Za-z0-9_-]{22}):([A-Za-z0-9_-]{43})")


class PasswordHash(NamedTuple):
    """One password, hashed.

    Attributes:
        log2_n: The logarithm of scrypt's cost N.
        r: Its block size.
        p: Its parallelisation.
        salt: 16 random octets.
        digest: 32 octets.
    """

    log2_n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def text(self) -> str:
        """Return it as settings have it."""
        return f"scrypt:{self.log2_n}:{self.r}:{self.p}:{text_of(self.salt)}:{text_of(self.digest)}"

    def fits(self, password: str) -> bool:
        """Tell whether this is the password; takes some tenths of a second and 128 MiB, and compares in constant time.

        It is worth a thread: nothing else happens in this one meanwhile.
        """
        return hmac.compare_digest(_digest(password, self.log2_n, self.r, self.p, self.salt), self.digest)

    def fingerprint(self) -> str:
        """Return a name for this very hash, from which neither it nor the password can be found."""
        return hashlib.sha256(self.text().encode("ascii")).hexdigest()[:16]

    def __repr__(self) -> str:
        """Show nothing that could be attacked offline."""
        return "<PasswordHash>"


def hashed(password: str) -> PasswordHash:
    """Hash a password with a new salt."""
    salt = secrets.token_bytes(_SALT)
    return PasswordHash(_LOG2_N, _R, _P, salt, _digest(password, _LOG2_N, _R, _P, salt))


def parsed(text: str) -> PasswordHash | None:
    """Return the hash that a text says; None if it is none, or one that costs less than OWASP asks for."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    log2_n, r, p = map(int, match.groups()[:3])
    if p < _LEAST.get(min(log2_n, _LOG2_N), _MOST) or not _R <= r <= _MOST or log2_n > _MOST_LOG2_N or p > _MOST:
        return None
    return PasswordHash(log2_n, r, p, _decoded(match[4]), _decoded(match[5]))


def _digest(password: str, log2_n: int, r: int, p: int, salt: bytes) -> bytes:
    # Two keyboards may spell one character in two ways; surrogates come from nobody who types.
    octets = unicodedata.normalize("NFKC", password[:LONGEST]).encode("utf-8", "replace")
    memory = 128 * r * ((1 << log2_n) + p + 2) + (1 << 16)
    return hashlib.scrypt(octets, salt=salt, n=1 << log2_n, r=r, p=p, maxmem=memory, dklen=_OCTETS)


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
