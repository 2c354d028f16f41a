"""Signed webhooks, in the form of Standard Webhooks 1.0: three headers, and an HMAC over id, time and body.

webhook-id         names the message; a repetition has the same
webhook-timestamp  when it was sent, in seconds since the epoch
webhook-signature  "v1,<base64>", several with spaces between them while a secret is replaced
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coatcheck.core.foreign import as_list, as_object, is_id
from coatcheck.core.refusals import refuse, refuse_secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TOLERANCE: Final = timedelta(minutes=5)
"""How far a message's time may be from ours, to either side."""

_PREFIX: Final = "whsec_"
_SHORTEST: Final = 24
_LONGEST: Final = 64
_LONGEST_ID: Final = 255
_MOST_SIGNATURES: Final = 20
_MOST_IDS: Final = 100
_SECONDS: Final = re.compile(rb"[0-9]{1,12}")
_ID: Final = re.compile(rb"[\x21-\x2d\x2f-\x7e]+")  # no dot: that is what stands between id, time and body


class WebhookRefused(Exception):
    """A message is none that counts. It says which rule it breaks, and nothing of what is in it.

    Attributes:
        signed: Whether the signature is good, and only the body makes no sense.
    """

    def __init__(self, problem: str, *, signed: bool = False) -> None:
        """Keep both."""
        super().__init__(problem)
        self.signed = signed


class SignOut(NamedTuple):
    """What a message tells.

    Attributes:
        sessions: Ids of sessions that have ended.
        users: Ids of users about whom the provider is to be asked again.
        signed_out: Ids of users, each with when all their sessions ended.
    """

    sessions: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    signed_out: tuple[tuple[str, datetime], ...] = ()


class Received(NamedTuple):
    """A message whose signature is good.

    Attributes:
        id: Its id.
        sent_at: When it was sent, in UTC.
    """

    id: str
    sent_at: datetime


def checked_secrets(secrets: Sequence[str]) -> tuple[bytes, ...]:
    """Return the keys in secrets such as `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`.

    Raises:
        ConfigurationError: There is none, or one is malformed or too short.
    """
    if isinstance(secrets, str) or not secrets:
        refuse("secrets", "***" if secrets else secrets, "use a list of one or more secrets", of="webhook")
    return tuple(map(_key_of, secrets))


def _key_of(secret: str) -> bytes:
    try:
        key = b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(_PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        fix = f"make one of {_SHORTEST} to {_LONGEST} random bytes: 'whsec_' and their base64"
        refuse_secret("secrets", "has one that is none", fix)
    return key


def signature(key: bytes, identifier: bytes, timestamp: bytes, body: bytes) -> bytes:
    """Return the signature of a message, as the header has it."""
    digest = hmac.digest(key, b".".join((identifier, timestamp, body)), hashlib.sha256)
    return b"v1," + b64encode(digest)


def received(
    headers: Mapping[bytes, bytes], body: bytes, keys: Sequence[bytes], now: datetime, tolerance: timedelta = TOLERANCE
) -> Received:
    """Return the id of a message that one of the keys has signed, and that is neither old nor from the future.

    Args:
        headers: The message's headers, their names in small letters.
        body: Its body, as it came.
        keys: The keys that are accepted.
        now: The time, in UTC.
        tolerance: How far its time may be from that.

    Raises:
        WebhookRefused: Nobody who has a key has signed this, or not now.
    """
    identifier = headers.get(b"webhook-id", b"")
    timestamp = headers.get(b"webhook-timestamp", b"")
    given = headers.get(b"webhook-signature", b"").split(b" ", _MOST_SIGNATURES)[:_MOST_SIGNATURES]
    if not _ID.fullmatch(identifier) or len(identifier) > _LONGEST_ID:
        raise WebhookRefused("webhook-id is missing or none")
    if not _SECONDS.fullmatch(timestamp) or abs((sent := _moment(timestamp)) - now) > tolerance:
        raise WebhookRefused("webhook-timestamp is missing, none, or too far from now")
    good = [signature(key, identifier, timestamp, body) for key in keys]
    # All of them, each in constant time: how long it takes says nothing of which one was nearly right.
    matches = [hmac.compare_digest(one, other) for one in given for other in good]
    if not any(matches):
        raise WebhookRefused("no signature is right")
    return Received(identifier.decode("ascii"), sent)


def _moment(seconds: bytes) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (OverflowError, ValueError):
        raise WebhookRefused("webhook-timestamp is no time") from None


def sign_out_of(body: bytes, sent_at: datetime) -> SignOut:
    """Return what a message tells.

    Args:
        body: Its body, whose signature is good.
        sent_at: When it was sent.

    Raises:
        WebhookRefused: It is of no known type, or names nobody.
    """
    try:
        message = as_object(json.loads(body))
    except (ValueError, RecursionError):
        raise WebhookRefused("the body is not JSON", signed=True) from None
    if message is None or (data := as_object(message.get("data"))) is None:
        raise WebhookRefused("the body is no object with 'type' and 'data'", signed=True)
    kind = message.get("type")
    if kind == "session.ended":
        return SignOut(sessions=_ids(data, "session_id", "session_ids"))
    if kind == "user.changed":
        return SignOut(users=_ids(data, "user_id", "user_ids"))
    if kind == "user.signed_out":
        return SignOut(signed_out=tuple((user_id, sent_at) for user_id in _ids(data, "user_id", "user_ids")))
    raise WebhookRefused("the type is none of session.ended, user.changed, user.signed_out", signed=True)


def _ids(data: Mapping[str, Any], one: str, many: str) -> tuple[str, ...]:
    found = [data[one]] if one in data else as_list(data.get(many))
    if found is None or not 0 < len(found) <= _MOST_IDS or not all(is_id(each, _LONGEST_ID) for each in found):
        raise WebhookRefused(f"data has neither '{one}' nor 1 to {_MOST_IDS} '{many}'", signed=True)
    return tuple(found)
