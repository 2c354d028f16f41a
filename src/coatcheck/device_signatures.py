"""Signatures of devices: ES256 and RS256, verified by `cryptography`, which `coatcheck[dbsc]` brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from coatcheck.core.jose.keys import ECKey

if TYPE_CHECKING:
    from coatcheck.core.jose.keys import PublicKey, RSAKey

_HALF: Final = 32


class Signatures:
    """A `coatcheck.core.jose.jwts.Verifier`."""

    def verifies(self, key: PublicKey, message: bytes, signature: bytes) -> bool:
        """Tell whether a signature of this message was made with the private half of the key (RFC 7518 section 3)."""
        try:
            if isinstance(key, ECKey):
                _verify_ec(key, message, signature)
            else:
                _verify_rsa(key, message, signature)
        except (InvalidSignature, ValueError):
            return False
        return True


def _verify_ec(key: ECKey, message: bytes, signature: bytes) -> None:
    if len(signature) != 2 * _HALF:
        raise InvalidSignature
    r, s = (int.from_bytes(half) for half in (signature[:_HALF], signature[_HALF:]))
    public = EllipticCurvePublicNumbers(key.x, key.y, SECP256R1()).public_key()
    public.verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))


def _verify_rsa(key: RSAKey, message: bytes, signature: bytes) -> None:
    RSAPublicNumbers(key.e, key.n).public_key().verify(signature, message, PKCS1v15(), SHA256())
