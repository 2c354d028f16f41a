"""Signatures: a cookie's token with a keyed hash behind it, so that made-up values never reach a store."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from coatcheck.core.base64url import text_of
from coatcheck.core.refusals import refuse, refuse_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_KEY: Final = 32
"""Octets of the shortest key: as many as SHA-256 returns (RFC 2104 section 3, rule S4)."""

_MIN_DISTINCT: Final = 8
_FIX: Final = "make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"

# What is signed starts with this, so that the keys may serve other purposes too.
_CONTEXT: Final = b"coatcheck signed token 1"
# No message that is signed starts like this.
_DERIVED: Final = b"coatcheck derived key 1"

# 43 base64url characters are the 32 octets of a SHA-256 hash.
_SIGNED: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+")

_PLACEHOLDERS: Final = (
    b"changeme",
    b"change-me",
    b"change_me",
    b"change this",
    b"change-this",
    b"change_this",
    b"insecure",
    b"placeholder",
    b"replace-me",
    b"replace_me",
    b"your-secret",
    b"your_secret",
)
# Long enough, random to look at, and printed in tutorials or built in: FastAPI's, Flask's, jwt.io's, Better Auth's.
_PUBLISHED: Final = (
    b"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    b"192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    b"a-string-secret-at-least-256-bits-long",
    b"better-auth-secret-12345678901234567890",
)


class Verified(NamedTuple):
    """A token whose signature is right."""

    token: str
    """The token without its signature."""
    current: bool
    """The first key made the signature; if not, send the cookie again before the old key goes away."""


class KeyRing:
    """The keys that sign cookies, for one deployment: the first signs, all verify (rule S3).

    To change keys, put the new one first, and drop the old one when its cookies have ended.
    """

    __slots__ = ("_context", "_keys")

    def __init__(self, keys: Sequence[str | bytes], *, deployment: str) -> None:
        """Check the keys and bind them to the deployment.

        Args:
            keys: The keys, the newest first, 32 octets or more each; text counts as UTF-8.
            deployment: A name for this site and stage, such as "shop-production". It is part of what is
                signed, so a value of one deployment means nothing to another, even with the same key.

        Raises:
            ConfigurationError: There is no key, a key is short, well known or repeated, or the deployment
                is empty (rule S4). The message names a key by its position and never contains it.
        """
        if isinstance(keys, (str, bytes)) or not keys:
            refuse_secret("keys", "must be a list of at least one key", _FIX)
        if not deployment.strip():
            refuse("deployment", deployment, "it is empty; name the site and stage, such as 'shop-production'")
        self._keys = tuple(octets(key) for key in keys)
        for position in range(len(self._keys)):
            check_key(self._keys, position)
        name = deployment.encode()
        # The length keeps the deployment and the token behind it apart: "ab" + "c" is not "a" + "bc".
        self._context = _CONTEXT + len(name).to_bytes(4, "big") + name

    def sign(self, token: str) -> str:
        """Return the token, a dot, and its signature in 43 characters of base64url.

        Raises:
            ValueError: The token is empty or not of base64url characters. The message does not contain it.
        """
        if not _TOKEN.fullmatch(token):
            raise ValueError("only a token of base64url characters can be signed")
        return f"{token}.{self._signature(self._keys[0], token)}"

    def verify(self, value: str) -> Verified | None:
        """Return the token of a signed value, or None for anything that `sign` did not return."""
        match = _SIGNED.fullmatch(value)
        if match is None:
            return None
        token, signature = match.groups()
        for position, key in enumerate(self._keys):
            # The texts are compared, not the octets they encode: the last character has two spare bits, so
            # three other spellings decode to the same octets, and none of them may verify.
            if hmac.compare_digest(self._signature(key, token), signature):
                return Verified(token, current=position == 0)
        return None

    def derived(self, context: bytes) -> tuple[bytes, ...]:
        """Return keys of 32 octets for another purpose of this deployment, in the same order as ours.

        They say nothing about our keys, about each other, or about those of another context or deployment.
        """
        # The one part of a message that differs comes last, so no length is needed to keep the parts apart.
        label = _DERIVED + self._context + context
        return tuple(hmac.digest(key, label, "sha256") for key in self._keys)

    def _signature(self, key: bytes, token: str) -> str:
        digest = hmac.digest(key, self._context + token.encode("ascii"), "sha256")
        return text_of(digest)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        count = len(self)
        return f"<KeyRing of {count} {'key' if count == 1 else 'keys'}>"


def octets(key: str | bytes) -> bytes:
    """Return a key's octets; text counts as UTF-8."""
    return key.encode() if isinstance(key, str) else bytes(key)


def check_key(keys: Sequence[bytes], position: int, *, setting: str = "keys", fix: str = _FIX) -> None:
    """Check one of some keys (rule S4).

    Args:
        keys: All of them.
        position: Which one.
        setting: What the list is called.
        fix: How to get a good one.

    Raises:
        ConfigurationError: It is short, well known, or the same as one before it.
    """
    key = keys[position]
    name = f"{setting}[{position}]"
    if len(key) < MIN_KEY:
        refuse_secret(name, f"has {len(key)} octets, and {MIN_KEY} are needed", fix)
    if _is_well_known(key):
        refuse_secret(name, "can be guessed: a placeholder, a published example, or a repetition", fix)
    if key in keys[:position]:
        refuse_secret(name, f"is the same as {setting}[{keys.index(key)}]", "remove it")


def _is_well_known(key: bytes) -> bool:
    if len(set(key)) < _MIN_DISTINCT or _repeats(key):
        return True
    lowered = key.lower()
    return any(word in lowered for word in (*_PLACEHOLDERS, *_PUBLISHED))


def _repeats(key: bytes) -> bool:
    """Tell whether the key is one piece twice or more often, the last time perhaps cut short."""
    return any(key[length:] == key[:-length] for length in range(1, len(key) // 2 + 1))
