"""Proofs: the JWTs by which a browser shows that it has the private half of a key.

    {"typ": "dbsc+jwt", "alg": "ES256", "jwk": {…}}.{"jti": challenge, "authorization": …, "aud": …}.signature

`jwk` comes with the registration, and never again: at a refresh the key is the one that is kept. There are no times in
it: it is fresh because its challenge is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from coatcheck.core.dbsc.headers import ALGORITHMS
from coatcheck.core.dbsc.keys import BadKey, ECKey, PublicKey, key_of, octets_of
from coatcheck.core.foreign import as_object

if TYPE_CHECKING:
    from collections.abc import Collection

_PARTS: Final = 3
_TYPE: Final = "dbsc+jwt"


class Verifier(Protocol):
    """Who calculates: the standard library knows neither elliptic curves nor RSA."""

    def verifies(self, key: PublicKey, message: bytes, signature: bytes) -> bool:
        """Tell whether a signature of this message was made with the private half of the key: ES256 or RS256."""
        ...


class ProofRefused(Exception):
    """A proof does not count; says which rule it breaks, with nothing out of it."""


class SignatureWrong(ProofRefused):
    """Somebody signs with another key than the session's: the cookie was stolen, or the proof made up."""


class Proof(NamedTuple):
    """What a proof says, before its signature is verified.

    Attributes:
        algorithm: What it is signed with: one of `ALGORITHMS`.
        jwk: The key that it brings along; None for none.
        challenge: Its `jti`.
        authorization: What was handed over with the challenge; None for nothing.
        audience: Its `aud`; None for none, which is what Chromium sends.
        message: What is signed.
        signature: The signature.
    """

    algorithm: str
    jwk: object
    challenge: str
    authorization: str | None
    audience: str | None
    message: bytes
    signature: bytes

    def __repr__(self) -> str:
        """Show nothing of it: whoever has it could send it too (rule T9)."""
        return f"<Proof {self.algorithm}>"


def parsed(text: str) -> Proof:
    """Return what a proof says.

    Raises:
        ProofRefused: It is none.
    """
    parts = text.split(".", _PARTS)
    if len(parts) != _PARTS:
        raise ProofRefused("it is no JWT")
    header, claims = _object(parts[0]), _object(parts[1])
    signature = octets_of(parts[2])
    if header is None or claims is None or not signature:
        raise ProofRefused("it is no JWT")
    if header.get("typ") != _TYPE:
        raise ProofRefused("its type is not dbsc+jwt")
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise ProofRefused(f"it is not signed with {' or '.join(ALGORITHMS)}")
    if "crit" in header:
        raise ProofRefused("it demands what nobody here understands")  # RFC 7515 section 4.1.11
    return Proof(
        algorithm,
        header.get("jwk"),
        _text(claims, "jti") or "",
        _text(claims, "authorization"),
        _text(claims, "aud"),
        text.rpartition(".")[0].encode("ascii"),
        signature,
    )


def _object(part: str) -> dict[str, Any] | None:
    try:
        return as_object(json.loads(octets_of(part) or b""))
    except (ValueError, RecursionError):
        return None


def _text(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise ProofRefused(f"its {name} is no text")
    return value


def registered_key(proof: Proof, verifier: Verifier, *, audiences: Collection[str]) -> PublicKey:
    """Return the key that a registration brings, once it has signed for itself; the challenge is the caller's matter.

    Args:
        proof: The proof.
        verifier: Who calculates.
        audiences: What `aud` may be, if it is there: the URLs of this endpoint.

    Raises:
        ProofRefused: The key is none that counts, or has not signed this.
    """
    if proof.jwk is None:
        raise ProofRefused("it brings no key")
    try:
        key = key_of(proof.algorithm, proof.jwk)
    except BadKey as bad:
        raise ProofRefused(str(bad)) from None
    _check_audience(proof, audiences)
    if not verifier.verifies(key, proof.message, proof.signature):
        raise SignatureWrong("its key has not signed it")
    return key


def check(proof: Proof, key: PublicKey, verifier: Verifier, *, audiences: Collection[str]) -> None:
    """Check the proof of a refresh against the key that is kept; the challenge is the caller's matter.

    Args:
        proof: The proof.
        key: The session's key.
        verifier: Who calculates.
        audiences: What `aud` may be, if it is there.

    Raises:
        SignatureWrong: The session's key has not signed it.
        ProofRefused: It is no proof of a refresh.
    """
    if proof.jwk is not None:
        raise ProofRefused("it brings a key, which only a registration does")
    if (proof.algorithm == "ES256") != isinstance(key, ECKey):
        raise ProofRefused("it is signed with another algorithm than the session's")
    _check_audience(proof, audiences)
    if not verifier.verifies(key, proof.message, proof.signature):
        raise SignatureWrong("the session's key has not signed it")


def _check_audience(proof: Proof, audiences: Collection[str]) -> None:
    if proof.audience is not None and proof.audience not in audiences:
        raise ProofRefused("it is meant for another address")
