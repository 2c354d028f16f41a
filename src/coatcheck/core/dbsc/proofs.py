"""Proofs: the JWTs by which a browser shows that it has the private half of a key.

    {"typ": "dbsc+jwt", "alg": "ES256", "jwk": {…}}.{"jti": challenge, "authorization": …, "aud": …}.signature

`jwk` comes with the registration, and never again: at a refresh the key is the one that is kept. There are no times in
it: it is fresh because its challenge is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.core.jose.jwts import ProofRefused, SignatureWrong, key_brought, parts_of
from coatcheck.core.jose.keys import ECKey, PublicKey

if TYPE_CHECKING:
    from collections.abc import Collection

    from coatcheck.core.jose.jwts import Verifier

_TYPE: Final = "dbsc+jwt"


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
    parts = parts_of(text, _TYPE)
    return Proof(
        parts.algorithm,
        parts.header.get("jwk"),
        parts.text("jti") or "",
        parts.text("authorization"),
        parts.text("aud"),
        parts.message,
        parts.signature,
    )


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
    key = key_brought(proof.algorithm, proof.jwk)
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
