"""The signature of Better Auth's session cookie: `token.signature`, percent-encoded.

The signature is the HMAC-SHA256 of the token in standard base64 with padding, under Better Auth's secret as UTF-8, as
better-call's `signCookieValue` makes it. That it is right says that Better Auth has issued the token once, and nothing
of whether its session still stands.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from coatcheck.core.refusals import refuse_secret
from coatcheck.core.signing import check_key, octets

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIX: Final = "use Better Auth's own, made with: openssl rand -base64 32"

# What a cookie can carry (RFC 6265 section 4.1.1) without a percent sign, a dot at most before the last one; and the
# 44 characters that are 32 octets in base64. Short enough that no look at it takes long (rule T7).
_SIGNED: Final = re.compile(rb"([\x21\x23-\x24\x26-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,512})\.([A-Za-z0-9+/]{43}=)")
_RAW: Final = re.compile(rb"[A-Za-z0-9_-]{1,512}")
_LONGEST: Final = 2048


class SignedToken(NamedTuple):
    """The two parts of a cookie's value, of which nothing is known yet."""

    token: bytes
    signature: bytes

    def __repr__(self) -> str:
        return "<SignedToken>"


def split(value: bytes) -> SignedToken | None:
    """Return the parts of a cookie's value as it was received; None for what cannot be one (rule T7).

    Percent-encoded or not: browsers send it as Better Auth has encoded it, others decode it first.
    """
    if len(value) > _LONGEST:
        return None
    found = _SIGNED.fullmatch(unquote_to_bytes(value))
    return None if found is None else SignedToken(*found.groups())


def is_raw_token(value: bytes) -> bool:
    """Tell whether this can be a token without a signature, which only Better Auth's bearer plugin takes."""
    return _RAW.fullmatch(value) is not None


class Signatures:
    """Checks signatures with every secret that is accepted."""

    __slots__ = ("_keys",)

    def __init__(self, secrets: Sequence[str]) -> None:
        """Check the secrets.

        Args:
            secrets: Better Auth's secrets, each as Better Auth has it. Better Auth itself accepts cookies of the
                newest only; to change it without a gap here, name the new one and the old one.

        Raises:
            ConfigurationError: There is none, or one is short, well known or repeated (rule S4). The message names
                it by its position and never contains it.
        """
        if isinstance(secrets, (str, bytes)) or not secrets:
            refuse_secret("secrets", "must be a list of at least one secret", _FIX)
        self._keys = tuple(octets(secret) for secret in secrets)
        for position in range(len(self._keys)):
            check_key(self._keys, position, setting="secrets", fix=_FIX)

    def verify(self, value: bytes) -> bytes | None:
        """Return the token of a cookie's value; None where no secret has made its signature.

        It takes as long for each secret, and for each signature.
        """
        parts = split(value)
        return parts.token if parts is not None and self.made(parts) else None

    def made(self, parts: SignedToken) -> bool:
        """Tell whether one of the secrets has made the signature."""
        # The texts are compared: other spellings of the last character decode to the same octets, and none may pass.
        matches = [hmac.compare_digest(_signature(key, parts.token), parts.signature) for key in self._keys]
        return any(matches)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<Signatures by {len(self)} secrets>"


def signed(token: str, secret: str) -> str:
    """Return a token as Better Auth signs it, without the percent-encoding of cookies."""
    return f"{token}.{_signature(octets(secret), token.encode()).decode()}"


def _signature(key: bytes, token: bytes) -> bytes:
    return b64encode(hmac.digest(key, token, "sha256"))
