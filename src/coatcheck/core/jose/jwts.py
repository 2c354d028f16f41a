"""JWTs in compact form (RFC 7519, RFC 7515), taken apart before anything in them is believed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from coatcheck.core.base64url import octets_of
from coatcheck.core.foreign import as_object
from coatcheck.core.jose.keys import BadKey, PublicKey, key_of

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHMS: Final = ("ES256", "RS256")
"""What a proof may be signed with, and nothing else; never "none" (rule J1)."""

LONGEST: Final = 8192
"""Octets; with an RSA key of 16,384 bits a proof would have 6,500."""

_PARTS: Final = 3


class Verifier(Protocol):
    """Who calculates: the standard library knows neither elliptic curves nor RSA."""

    def verifies(self, key: PublicKey, message: bytes, signature: bytes) -> bool:
        """Tell whether a signature of this message was made with the private half of the key: ES256 or RS256."""
        ...


class ProofRefused(Exception):
    """A proof does not count; says which rule it breaks, with nothing out of it."""


class SignatureWrong(ProofRefused):
    """The key that should have signed has not: somebody else signs, or the proof is made up."""


class Parts(NamedTuple):
    """A JWT, before its signature is verified.

    Attributes:
        algorithm: What it is signed with: one of `ALGORITHMS`.
        header: Its header.
        claims: Its claims.
        message: What is signed.
        signature: The signature.
    """

    algorithm: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    message: bytes
    signature: bytes

    def __repr__(self) -> str:
        """Show nothing of it: whoever has it could send it too (rule T9)."""
        return f"<Parts {self.algorithm}>"

    def text(self, name: str) -> str | None:
        """Return a claim that is a text; None when it is not there.

        Raises:
            ProofRefused: It is something else.
        """
        value = self.claims.get(name)
        if value is not None and not isinstance(value, str):
            raise ProofRefused(f"its {name} is no text")
        return value


def parts_of(text: str, kind: str) -> Parts:
    """Return what a JWT of this type says.

    Args:
        text: The JWT.
        kind: What its `typ` must be, so that nothing else that is signed can be taken for one (RFC 8725 section 3.11).

    Raises:
        ProofRefused: It is none, or signed in a way that does not count.
    """
    parts = text.split(".") if len(text) <= LONGEST else []
    if len(parts) != _PARTS:
        raise ProofRefused("it is no JWT")
    header, claims, signature = _object(parts[0]), _object(parts[1]), octets_of(parts[2])
    if header is None or claims is None or not signature:
        raise ProofRefused("it is no JWT")
    if header.get("typ") != kind:
        raise ProofRefused(f"its type is not {kind}")
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise ProofRefused(f"it is not signed with {' or '.join(ALGORITHMS)}")
    if "crit" in header:
        raise ProofRefused("it demands what nobody here understands")  # RFC 7515 section 4.1.11
    return Parts(algorithm, header, claims, text.rpartition(".")[0].encode("ascii"), signature)


def key_brought(algorithm: str, jwk: object) -> PublicKey:
    """Return the key that a JWT of this algorithm brings along.

    Raises:
        ProofRefused: It is none that counts.
    """
    try:
        return key_of(algorithm, jwk)
    except BadKey as bad:
        raise ProofRefused(str(bad)) from None


def _object(part: str) -> dict[str, Any] | None:
    try:
        return as_object(json.loads((octets_of(part) or b"").decode()))  # as octets they could be UTF-16, too
    except (ValueError, RecursionError):
        return None
