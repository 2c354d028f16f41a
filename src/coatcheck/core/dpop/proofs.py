"""Proofs: the JWTs by which a client shows, with each request, that it has the private half of a key.

    {"typ": "dpop+jwt", "alg": "ES256", "jwk": {…}}.{"jti": …, "htm": "GET", "htu": …, "iat": …, "ath": …}.signature

The numbers in the comments are those of the checks in RFC 9449 section 4.3 (rule J8).
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coatcheck.core.base64url import text_of
from coatcheck.core.dpop import nonces
from coatcheck.core.dpop.addresses import normal_address
from coatcheck.core.dpop.settings import SKEW
from coatcheck.core.jose import jwts, keys
from coatcheck.core.jose.jwts import ALGORITHMS, ProofRefused

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from coatcheck.core.dpop.settings import DPoP

HEADER: Final = b"dpop"
NONCE_HEADER: Final = b"dpop-nonce"

_TYPE: Final = "dpop+jwt"
_LONGEST_ID: Final = 256
_USED: Final = b"coatcheck dpop proof 1"


class NonceWanted(ProofRefused):
    """The proof must have a nonce of ours, and one that is not too old; the client is to try again with the new one."""


class WrongKey(ProofRefused):
    """The proof is one of another key than the token's: the token was stolen, or taken for another."""


class Asked(NamedTuple):
    """The request that a proof has to be for.

    Attributes:
        method: Its method, as it was sent.
        addresses: The addresses that it may have been sent to, in their normal form.
        token: The token that it presents, as it was sent; None for none, as at a token endpoint.
        thumbprint: That of the key which the token is bound to; None for none, with which any key will do.
    """

    method: str
    addresses: Collection[str]
    token: bytes | None
    thumbprint: str | None

    def __repr__(self) -> str:
        """Show nothing of the token (rule T9)."""
        return f"<Asked {self.method}>"


class Proof(NamedTuple):
    """A proof that counts, unless it was used before.

    Attributes:
        thumbprint: That of the key which has signed it (RFC 7638).
        used: The name by which it is known whether it was used: a hash, so that nobody can fill a store with long ones.
        nonce_age: How many seconds ago its nonce was given out; None without one.
    """

    thumbprint: str
    used: bytes
    nonce_age: int | None


def checked(
    lines: Sequence[bytes],
    asked: Asked,
    settings: DPoP,
    verifier: jwts.Verifier,
    *,
    secrets: Sequence[bytes],
    now: int,
) -> Proof:
    """Check the proof of a request.

    Args:
        lines: The values of its DPoP header, one for each line.
        asked: The request.
        settings: The settings.
        verifier: Who calculates.
        secrets: The keys of the nonces.
        now: The time, in seconds since the epoch.

    Raises:
        NonceWanted: It has no nonce, or one that is over.
        WrongKey: It is of another key than the token's.
        ProofRefused: It is none, or not for this request; the message says why, with nothing out of it.
    """
    if len(lines) != 1:  # 1
        raise ProofRefused("there is more than one" if lines else "there is none")
    parts = jwts.parts_of(lines[0].decode("latin-1"), _TYPE)  # 2, 4, 5
    key = jwts.key_brought(parts.algorithm, parts.header.get("jwk"))  # 7
    if parts.text("htm") != asked.method:  # 3, 8
        raise ProofRefused("its htm is not the method of the request")
    if normal_address(parts.text("htu") or "") not in asked.addresses:  # 3, 9
        raise ProofRefused("its htu is not the address of the request")
    name, made, nonce = _id(parts), _time(parts.claims), parts.text("nonce")  # 3
    if asked.token is not None and parts.text("ath") != text_of(sha256(asked.token).digest()):  # 3, 12
        raise ProofRefused("its ath is not the hash of the token")
    if not verifier.verifies(key, parts.message, parts.signature):  # 6
        raise ProofRefused("its key has not signed it")
    age = _nonce_age(settings, secrets, nonce, now) if settings.nonces else None  # 10, 11
    window = settings.window.total_seconds()
    if age is None and not -window <= now - made <= window:  # 11
        raise ProofRefused("its iat is too far from the time here")
    thumbprint = keys.thumbprint(key)
    if asked.thumbprint not in {None, thumbprint}:  # 12
        raise WrongKey("it is of another key than the token's")
    return Proof(thumbprint, _used(thumbprint, name), age)


def _id(parts: jwts.Parts) -> str:
    name = parts.text("jti")
    if not name or len(name) > _LONGEST_ID:
        raise ProofRefused(f"its jti is missing, or longer than {_LONGEST_ID} characters")
    return name


def _time(claims: Mapping[str, Any]) -> int | float:
    made = claims.get("iat")
    if isinstance(made, bool) or not isinstance(made, (int, float)):
        raise ProofRefused("its iat is missing, or no number")
    return made


def _nonce_age(settings: DPoP, secrets: Sequence[bytes], nonce: str | None, now: int) -> int:
    age = None if nonce is None else nonces.age(secrets, nonce, now)
    # Workers agree on the time to a fraction of a second. One from later was given out by a clock that was wrong, and
    # would be good for longer than its proof is remembered.
    if age is None or not -SKEW.total_seconds() <= age <= settings.nonce_ttl.total_seconds():
        raise NonceWanted("it needs the nonce that comes with this answer")
    return age


def _used(thumbprint: str, name: str) -> bytes:
    # The thumbprint is always of the same length, so the parts cannot be told apart in two ways.
    return sha256(_USED + thumbprint.encode() + name.encode("utf-8", "surrogatepass")).digest()


def challenges(scheme: str, error: str, description: str, *, bearer: bool) -> list[bytes]:
    """Return the values of WWW-Authenticate with which a request is refused (RFC 9449 sections 7.1 and 7.2).

    Args:
        scheme: By which the request has presented its token: "Bearer" or "DPoP"; that one's challenge says the error.
        error: What was wrong; empty if nothing was presented.
        description: More of it, for developers: ASCII without quotation marks.
        bearer: Whether bearer tokens are read too.
    """
    told = [f'error="{error}"', f'error_description="{description}"'] if error else []
    parameters = {"Bearer": [], "DPoP": [f'algs="{" ".join(ALGORITHMS)}"']}
    parameters[scheme] = [*told, *parameters[scheme]]
    asked = parameters if bearer else ["DPoP"]
    return [f"{each} {', '.join(parameters[each])}".rstrip().encode("ascii") for each in asked]
