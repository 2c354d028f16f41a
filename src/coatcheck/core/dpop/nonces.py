"""Nonces: what a client is told to sign, so that no proof is made before its time (RFC 9449 sections 8, 9 and 11.2).

Each says itself when it was given out, under a MAC, so every worker knows those of all others and none keeps any.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from coatcheck.core.base64url import octets_of, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTEXT: Final = b"dpop nonce 1"
"""What the keys of the MACs are derived for, by `KeyRing.derived`."""

_LABEL: Final = b"coatcheck dpop nonce 1"
_TIME: Final = 5
_LONGEST: Final = 60


def issued(secret: bytes, now: int) -> str:
    """Return a nonce.

    Args:
        secret: The first of the derived keys.
        now: The time, in seconds since the epoch.
    """
    time = now.to_bytes(_TIME)
    return text_of(time + _mac(secret, time))


def age(secrets: Sequence[bytes], nonce: str, now: int) -> int | None:
    """Return how many seconds ago a nonce was given out; None if we never did. It is negative where clocks differ.

    Args:
        secrets: The derived keys: the first issues, all verify (rule S3).
        nonce: What a proof has.
        now: The time, in seconds since the epoch.
    """
    octets = octets_of(nonce) if len(nonce) <= _LONGEST else None
    if octets is None:
        return None
    time, mac = octets[:_TIME], octets[_TIME:]
    if not any(hmac.compare_digest(_mac(secret, time), mac) for secret in secrets):
        return None
    return now - int.from_bytes(time)


def _mac(secret: bytes, time: bytes) -> bytes:
    return hmac.digest(secret, _LABEL + time, "sha256")
