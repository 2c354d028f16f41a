"""A device in software: it signs as Chromium 156 does, or wrongly in one respect."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from coatcheck.core.base64url import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARAMETER = re.compile(r';(\w+)="([^"]*)"')


def parameters_of(header: str) -> dict[str, str]:
    """Return the parameters of a `Secure-Session-Registration`, or the id of a challenge."""
    return dict(_PARAMETER.findall(header))


def challenge_of(header: str) -> str:
    """Return the challenge in a `Secure-Session-Challenge`."""
    return header.split('"')[1]


class Device:
    """A key that does not leave this object."""

    def __init__(self, algorithm: str = "ES256", *, bits: int = 2048) -> None:
        """Make the key."""
        self.algorithm = algorithm
        self._ec = ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else None
        self._rsa = rsa.generate_private_key(65537, bits) if algorithm != "ES256" else None

    @property
    def jwk(self) -> dict[str, str]:
        """The public half."""
        if self._ec is not None:
            point = self._ec.public_key().public_numbers()
            return {"kty": "EC", "crv": "P-256", "x": text_of(point.x.to_bytes(32)), "y": text_of(point.y.to_bytes(32))}
        assert self._rsa is not None
        numbers = self._rsa.public_key().public_numbers()
        n, e = (text_of(number.to_bytes((number.bit_length() + 7) // 8)) for number in (numbers.n, numbers.e))
        return {"kty": "RSA", "n": n, "e": e}

    def sign(self, message: bytes) -> bytes:
        """Return a signature as a JWT has it."""
        if self._ec is not None:
            r, s = decode_dss_signature(self._ec.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32) + s.to_bytes(32)
        assert self._rsa is not None
        return self._rsa.sign(message, PKCS1v15(), hashes.SHA256())

    def registration(self, offer: str, **changes: Any) -> str:
        """Return the proof for an offer: a `Secure-Session-Registration`."""
        told = parameters_of(offer)
        claims = {"authorization": told["authorization"], "jti": told["challenge"], **changes.pop("claims", {})}
        return self.proof({"jwk": self.jwk, **changes.pop("header", {})}, claims, **changes)

    def refresh(self, challenge: str, **changes: Any) -> str:
        """Return the proof for a challenge."""
        return self.proof(changes.pop("header", {}), {"jti": challenge, **changes.pop("claims", {})}, **changes)

    def proof(self, header: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes | None = None) -> str:
        """Return a JWT; what is None in it is left out."""
        whole = {"alg": self.algorithm, "typ": "dbsc+jwt", **header}
        parts = [{name: value for name, value in part.items() if value is not None} for part in (whole, claims)]
        message = ".".join(text_of(json.dumps(part).encode()) for part in parts)
        signed = self.sign(message.encode()) if signature is None else signature
        return f"{message}.{text_of(signed)}"
