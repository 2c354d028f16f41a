"""Challenges: what a device has to sign, each for one session, for a while, and once.

Those of refreshes are kept with the device, the last few of them, and one that is signed is taken out in the same
compare-and-set that puts in the next. That of a registration is kept nowhere, for most browsers never register: it says
itself until when it is good, its `authorization` is a MAC over it, the session and the sign-in, and that it counts only
once follows from a session's being bound only once.
"""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coatcheck.core.base64url import octets_of, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

NONCE: Final = 24
"""Octets of randomness in a challenge; the draft asks for what cannot be guessed."""

OFFERED_FOR: Final = 300
"""Seconds: Chromium registers some 50 milliseconds after it was asked to."""

KEPT: Final = 3
"""How many challenges of one device are good at the same time: a browser may sign an older one (the draft's race)."""

_END: Final = 5
_LABEL: Final = b"coatcheck device offer 1"


NONE: Final = "[]"
"""The challenges of a device that was just registered: Chromium heeds none that comes with the answer."""


class Challenge(NamedTuple):
    """One challenge, and when it ends (seconds since the epoch)."""

    text: str
    end: int


class Spent(NamedTuple):
    """What spending a challenge leaves: what to keep, and the next one."""

    kept: str
    next: str


def current(kept: str, nonce: bytes, now: int, end: int) -> Spent:
    """Return the challenge for a browser that brings no proof.

    It is the latest one as long as that has half of its life before it: whoever asks often must not push out the one
    that the browser is about to sign.

    Args:
        kept: The device's challenges.
        nonce: Randomness for another one.
        now: The time, in seconds since the epoch.
        end: When another one ends.
    """
    good = _good(kept, now)
    if good and good[-1].end - now > (end - now) // 2:
        return Spent(kept, good[-1].text)
    return _with(nonce, end, good)


def spent(kept: str, challenge: str, nonce: bytes, now: int, end: int) -> Spent | None:
    """Return what is left when a challenge has been signed; None if it is none of the device's, or over, or spent."""
    good = _good(kept, now)
    signed = challenge.encode("utf-8", "surrogatepass")  # a proof may say anything
    left = [each for each in good if not hmac.compare_digest(each.text.encode(), signed)]
    return None if len(left) == len(good) else _with(nonce, end, left)


def _with(nonce: bytes, end: int, good: list[Challenge]) -> Spent:
    fresh = Challenge(text_of(nonce), end)
    return Spent(json.dumps([*good, fresh][-KEPT:], separators=(",", ":")), fresh.text)


def _good(kept: str, now: int) -> list[Challenge]:
    listed: list[tuple[Any, Any]] = json.loads(kept)
    return [Challenge(text, end) for text, end in listed if end > now]


class Offer(NamedTuple):
    """What a browser is handed at sign-in, to be sent along with its key."""

    challenge: str
    authorization: str


def offered(secret: bytes, session_id: str, authenticated_at: int, nonce: bytes, now: int) -> Offer:
    """Return the offer to bind one session, as of one sign-in.

    Args:
        secret: The key of the MAC.
        session_id: The session.
        authenticated_at: When its user proved who they are, in microseconds: a later proof makes this offer void.
        nonce: Randomness.
        now: The time, in seconds since the epoch.
    """
    challenge = text_of((now + OFFERED_FOR).to_bytes(_END) + nonce)
    return Offer(challenge, text_of(_mac(secret, session_id, authenticated_at, challenge)))


def accepts(secrets: Sequence[bytes], session_id: str, authenticated_at: int, offer: Offer, now: int) -> bool:
    """Tell whether this was offered to the session, and is still good.

    Args:
        secrets: The keys: the first has made it, unless keys have been changed since.
        session_id: The session.
        authenticated_at: When its user proved who they are, in microseconds.
        offer: What came back.
        now: The time, in seconds since the epoch.
    """
    octets = octets_of(offer.challenge)
    if octets is None or len(octets) != _END + NONCE or now >= int.from_bytes(octets[:_END]):
        return False
    given = octets_of(offer.authorization) or b""
    wanted = (_mac(secret, session_id, authenticated_at, offer.challenge) for secret in secrets)
    return any(hmac.compare_digest(mac, given) for mac in wanted)


def _mac(secret: bytes, session_id: str, authenticated_at: int, challenge: str) -> bytes:
    parts = (_LABEL, session_id.encode(), str(authenticated_at).encode(), challenge.encode())
    return hmac.digest(secret, b"".join(len(part).to_bytes(4) + part for part in parts), "sha256")
