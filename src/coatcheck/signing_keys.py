"""Private keys that sign tokens for others, and their public halves as they are published; needs PyJWT."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from coatcheck.core.base64url import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class SigningKey(NamedTuple):
    """A key.

    Attributes:
        private: What signs; PyJWT takes it.
        algorithm: The one algorithm that goes with it (rule J1).
        public: The public half as a JWK, named by its thumbprint (RFC 7638).
    """

    private: Any
    algorithm: str
    public: Mapping[str, str]

    def __repr__(self) -> str:
        """Show nothing of the private half (rule T9)."""
        return f"<SigningKey {self.algorithm} {self.public['kid']}>"


def signing_key(pem: bytes) -> SigningKey | None:
    """Return the key in a PEM; None if it is neither P-256 nor Ed25519.

    Raises:
        ValueError: There is none; the message may quote it.
        TypeError: It has a password.
    """
    private = load_pem_private_key(pem, password=None)
    if isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1):
        return _named(private, "ES256", ECAlgorithm.to_jwk(private.public_key(), as_dict=True))
    if isinstance(private, Ed25519PrivateKey):
        return _named(private, "EdDSA", OKPAlgorithm.to_jwk(private.public_key(), as_dict=True))
    return None


def _named(private: Any, algorithm: str, jwk: Mapping[str, Any]) -> SigningKey:
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y") if name in jwk}
    name = text_of(sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest())
    return SigningKey(private, algorithm, {**members, "kid": name, "alg": algorithm, "use": "sig"})
