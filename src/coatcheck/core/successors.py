"""The successor of a token, sealed so that only whoever holds the token can read it.

In a periodic rotation all who present the old token within its grace get the same new one. The store keeps hashes only
(rule T5), so each retired token leaves a seal there: the successor XOR a pad that is derived from the retired token.
The successor is 32 random bytes and the pad is used for it alone, so the seal says nothing to anybody who has not got
the retired token, and whoever has it and comes in time is to get the successor anyway.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode
from typing import NamedTuple

from coatcheck.core.base64url import text_of
from coatcheck.core.tokens import Token

MOST_RETIRED = 100
"""So many retired tokens of one session are remembered, the latest; the use of an older one is not told from that of a
token that never was."""

_LABEL = b"coatcheck:successor"


class Retired(NamedTuple):
    """A token that has a successor, and is presented all the same.

    Attributes:
        session_id: The public id of its session.
        until: When its grace ends, in microseconds since the epoch by the authority's clock.
    """

    session_id: str
    until: int


def sealed(successor: Token, retired: bytes) -> bytes:
    """Return 32 bytes from which `opened` makes the successor, for whoever has the retired token."""
    return _xor(urlsafe_b64decode(successor.reveal() + "="), retired)


def opened(seal: bytes, retired: bytes) -> Token:
    """Return the successor in a seal."""
    return Token(text_of(_xor(seal, retired)))


def _xor(value: bytes, retired: bytes) -> bytes:
    # Another function of the token than any hash of it that a store could know.
    pad = hmac.digest(retired, _LABEL, "sha256")
    return bytes(one ^ other for one, other in zip(value, pad, strict=True))
