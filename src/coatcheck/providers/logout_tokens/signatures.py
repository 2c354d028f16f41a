"""Signatures of logout tokens: which keys may have made one, and whether one of them has. PyJWT does the arithmetic."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jwt import InvalidTokenError, PyJWK, PyJWS, PyJWTError, get_unverified_header

from coatcheck.core.foreign import as_list, as_object
from coatcheck.core.identities import Nonsense
from coatcheck.core.refusals import refuse
from coatcheck.providers.logout_tokens.claims import LogoutRefused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

# The algorithms of asymmetric keys only: with HS256 our public key would be the secret, and "none" needs no key at all
# (rule J1; RFC 8725 section 3.1).
_KINDS: Final[Mapping[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
"""What is accepted where nobody says otherwise."""

_MOST_KEYS: Final = 50


class Claimed(NamedTuple):
    """What the header of a token says of its signature, before anything is verified."""

    algorithm: str
    key_id: str | None


def checked_algorithms(algorithms: Collection[str]) -> frozenset[str]:
    """Return the algorithms that are accepted.

    Raises:
        ConfigurationError: There is none, or one that nobody should accept.
    """
    if isinstance(algorithms, str) or not algorithms or not set(algorithms) <= _KINDS.keys():
        refuse("algorithms", algorithms, f"use some of {', '.join(_KINDS)}", of="logout tokens")
    return frozenset(algorithms)


def claimed(token: str, algorithms: Collection[str]) -> Claimed:
    """Return what a token says of its own signature; of the header no key and no address is believed (rule J1).

    Raises:
        LogoutRefused: It is no token, or its algorithm is not accepted.
    """
    try:
        header = get_unverified_header(token)
    except (PyJWTError, ValueError, RecursionError):
        raise LogoutRefused("it is no signed token") from None
    if "crit" in header:
        raise LogoutRefused("it demands what nobody here understands")  # RFC 7515 section 4.1.11
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise LogoutRefused("alg is not accepted")
    return Claimed(algorithm, key_id)


def keys_of(said: Any) -> tuple[Mapping[str, Any], ...]:
    """Return the keys of a set (RFC 7517 section 5).

    Raises:
        Nonsense: It is none.
    """
    found = as_list((as_object(said) or {}).get("keys"))
    keys = [key for each in found or () if (key := as_object(each)) is not None]
    if found is None or len(keys) != len(found) or len(keys) > _MOST_KEYS:
        msg = "the answer is no set of keys"
        raise Nonsense(msg)
    return tuple(keys)


def fitting(keys: Iterable[Mapping[str, Any]], wanted: Claimed) -> list[Mapping[str, Any]]:
    """Return the keys that may have made a signature."""
    kind, curve = _KINDS[wanted.algorithm]
    return [
        key
        for key in keys
        if key.get("kty") == kind
        and (curve is None or key.get("crv") == curve)
        and key.get("alg", wanted.algorithm) == wanted.algorithm
        and key.get("use", "sig") == "sig"
        and (wanted.key_id is None or key.get("kid") == wanted.key_id)
    ]


def verified(token: str, keys: Iterable[Mapping[str, Any]], wanted: Claimed) -> tuple[Mapping[str, Any], Any] | None:
    """Return header and claims of a token if one of the keys has signed it; None if none has.

    Raises:
        LogoutRefused: It is signed, and says no JSON.
    """
    for key in keys:
        try:
            made = PyJWK(dict(key), algorithm=wanted.algorithm)
            found = PyJWS().decode_complete(token, made, algorithms=[wanted.algorithm])
        except (InvalidTokenError, PyJWTError, ValueError, TypeError, KeyError):
            continue
        try:
            return found["header"], json.loads(found["payload"])
        except (ValueError, RecursionError):
            raise LogoutRefused("the claims are no JSON") from None
    return None
