"""Public keys of devices and API clients, as JWKs (RFC 7517, RFC 7518 section 6): checked before they are used."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Final, NamedTuple

from coatcheck.core.base64url import octets_of, text_of
from coatcheck.core.foreign import as_object

_SMALLEST_RSA: Final = 2048
_LARGEST_RSA: Final = 8192
_SMALLEST_EXPONENT: Final = 65537
_LARGEST_EXPONENT: Final = 2**32
_LONGEST_TEXT: Final = 4096
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})  # RFC 7518 section 6, RFC 8037 section 2

# P-256: y² = x³ - 3x + b modulo p (SP 800-186 section 3.2.1.3).
_P: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B: Final = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_COORDINATE: Final = 32


class ECKey(NamedTuple):
    """A point on the curve P-256."""

    x: int
    y: int


class RSAKey(NamedTuple):
    """An RSA key: modulus and exponent."""

    n: int
    e: int


PublicKey = ECKey | RSAKey


class BadKey(Exception):
    """What was sent is no key that proofs may be signed with; says why, with nothing out of it."""


def key_of(algorithm: str, jwk: object) -> PublicKey:
    """Return the key in a JWK that goes with an algorithm.

    Raises:
        BadKey: It is of another type, not on the curve, too weak, or not the public half alone.
    """
    members = as_object(jwk)
    if members is None:
        raise BadKey("the key is no object")
    if not _PRIVATE.isdisjoint(members):
        raise BadKey("the key is a private one, which nobody may ever send")
    return _ec(members) if algorithm == "ES256" else _rsa(members)


def _ec(members: dict[str, Any]) -> ECKey:
    if members.get("kty") != "EC" or members.get("crv") != "P-256":
        raise BadKey("ES256 needs a key of the type EC on the curve P-256")
    x, y = (_number(members.get(name), size=_COORDINATE) for name in ("x", "y"))
    if not (x < _P and y < _P and (y * y - (x * x * x - 3 * x + _B)) % _P == 0):
        raise BadKey("the key is no point on the curve")
    return ECKey(x, y)


def _rsa(members: dict[str, Any]) -> RSAKey:
    if members.get("kty") != "RSA":
        raise BadKey("RS256 needs a key of the type RSA")
    n, e = (_number(members.get(name)) for name in ("n", "e"))
    if not _SMALLEST_RSA <= n.bit_length() <= _LARGEST_RSA or not n % 2:
        raise BadKey(f"an RSA key has {_SMALLEST_RSA} to {_LARGEST_RSA} bits")
    if not _SMALLEST_EXPONENT <= e <= _LARGEST_EXPONENT or not e % 2:
        raise BadKey("the exponent of the RSA key is not possible")
    return RSAKey(n, e)


def _number(text: object, *, size: int | None = None) -> int:
    octets = octets_of(text) if isinstance(text, str) and len(text) <= _LONGEST_TEXT else None
    if not octets or (size is not None and len(octets) != size):
        raise BadKey("a number of the key is not in base64url, or of the wrong length")
    return int.from_bytes(octets)


def written(key: PublicKey) -> str:
    """Return a key as it is kept: the members that RFC 7638 section 3.2 wants, in its order."""
    return json.dumps(_members(key), sort_keys=True, separators=(",", ":"))


def _members(key: PublicKey) -> dict[str, str]:
    if isinstance(key, ECKey):
        x, y = (text_of(number.to_bytes(_COORDINATE)) for number in key)
        return {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    n, e = (text_of(number.to_bytes((number.bit_length() + 7) // 8)) for number in key)
    return {"e": e, "kty": "RSA", "n": n}


def read(text: str) -> PublicKey:
    """Return a key that `written` has written.

    Raises:
        BadKey: It has been altered since.
    """
    jwk = json.loads(text)
    return key_of("ES256" if jwk.get("kty") == "EC" else "RS256", jwk)


def thumbprint(key: PublicKey) -> str:
    """Return the name by which a key is known (RFC 7638 section 3)."""
    return text_of(sha256(written(key).encode()).digest())
