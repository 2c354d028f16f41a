"""Sealed slots: secrets of others, such as an OAuth provider's tokens, that a session keeps on the server (rule J5).

A slot is a key of the session's data under a reserved name, so it begins, is copied and ends with the session. What
stands there is sealed for this session and this name, by keys that no store and no cache has:

    sealed = version, nonce, AES-256-GCM(key, nonce, secret and its end as JSON, associated data: session and name)

Whoever can write into the store can read none, alter none, and pass none off as that of another session or name (rule
S5).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, Protocol

from coatcheck.core.base64url import octets_of, text_of
from coatcheck.core.refusals import refuse
from coatcheck.core.times import from_micros, to_micros
from coatcheck.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

CONTEXT: Final = b"sealed slot 1"
"""What the keys are derived for, by `KeyRing.derived`."""

RESERVED: Final = "coatcheck:"
"""What no key of an application's data begins with."""

NONCE: Final = 12
"""Octets of randomness for each seal (SP 800-38D section 8.2.2: good for 2^32 seals by one key)."""

_PREFIX: Final = RESERVED + "sealed:"
_LABEL: Final = b"coatcheck sealed slot 1"
_VERSION: Final = b"\x01"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Cipher(Protocol):
    """Who calculates: the standard library has no such cipher. It is AES-256 in GCM, with a tag of 16 octets behind."""

    def seal(self, key: bytes, nonce: bytes, plain: bytes, associated: bytes) -> bytes:
        """Return what is sealed."""
        ...

    def open(self, key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes | None:
        """Return what was sealed with this key, nonce and associated data; None for anything else."""
        ...


class Secret:
    """What a slot holds; it never shows itself in a log, a repr or a trace (rule T9).

    Attributes:
        expires_at: When it ends, in UTC; None if nobody has said.
    """

    __slots__ = ("_value", "expires_at")

    def __init__(self, value: Any, expires_at: datetime | None = None) -> None:
        """Wrap a secret: JSON, such as the texts of an access and a refresh token.

        Args:
            value: The secret.
            expires_at: When it ends; aware.
        """
        self._value = value
        self.expires_at = expires_at

    def reveal(self) -> Any:
        """Return the secret itself, to send it where it is for; never to a browser."""
        return self._value

    def ends_within(self, time: timedelta, now: datetime) -> bool:
        """Tell whether it is over so soon after `now`."""
        return self.expires_at is not None and self.expires_at - time <= now

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> NoReturn:
        msg = "a secret cannot be pickled"
        raise TypeError(msg)


class Slot(NamedTuple):
    """A place for one secret.

    Attributes:
        session_id: Whose.
        name: What for.
    """

    session_id: str
    name: str

    @property
    def associated(self) -> bytes:
        """What a seal is good for, and for nothing else."""
        parts = (self.session_id.encode(), self.name.encode())
        return _LABEL + b"".join(len(part).to_bytes(4) + part for part in parts)


def key_of(name: str) -> str:
    """Return the key of the session's data under which a slot stands.

    Raises:
        ConfigurationError: The name is no plain one.
    """
    if not _NAME.fullmatch(name):
        refuse("slot", name, "use 1 to 64 letters, digits and '_.-', such as 'google'")
    return _PREFIX + name


def sealed(slot: Slot, secret: Secret, cipher: Cipher, key: bytes, nonce: bytes) -> str:
    """Return a secret as it is kept.

    Args:
        slot: Where.
        secret: What.
        cipher: Who calculates.
        key: The first of the derived keys.
        nonce: Randomness: never twice the same.

    Raises:
        DataError: It is not JSON; the message has nothing of it.
    """
    end = None if secret.expires_at is None else to_micros(secret.expires_at)
    try:
        plain = json.dumps([secret.reveal(), end], separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        msg = f"the secret for slot {slot.name!r} is not JSON"
        raise DataError(msg) from None
    return text_of(_VERSION + nonce + cipher.seal(key, nonce, plain, slot.associated))


def opened(slot: Slot, text: object, cipher: Cipher, keys: Sequence[bytes]) -> Secret | None:
    """Return what was sealed for this slot; None for anything else, whatever it is (rule S2).

    Args:
        slot: Where it stands.
        text: What stands there.
        cipher: Who calculates.
        keys: The derived keys: the first seals, all open (rule S3).
    """
    octets = octets_of(text) if isinstance(text, str) else None
    if octets is None or not octets.startswith(_VERSION):
        return None
    nonce, rest = octets[1 : 1 + NONCE], octets[1 + NONCE :]
    for key in keys:
        plain = cipher.open(key, nonce, rest, slot.associated)
        if plain is not None:
            value, end = json.loads(plain)
            return Secret(value, None if end is None else from_micros(end))
    return None
