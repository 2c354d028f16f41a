"""Seals on the copies that lie in a shared cache.

Whoever can write into the cache can delete copies and put old ones back; the coherence rule makes up for that. They
cannot forge one, alter one, or pass one off as the copy of something else: the seal is a MAC over what a copy says
and where it belongs, with a key that never leaves the workers (rule S5). They can read it: it is not encrypted.

    name   = HMAC-SHA256(label, where), cut to 18 octets, in base64url
    sealed = version, HMAC-SHA256(label, where, copy), copy
    where  = what kind of copy, epoch and local-cache key, each behind its length

HMAC-SHA256 and nothing faster: a FIPS policy allows it everywhere, and workers with and without one share a cache.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CONTEXT = b"shared cache 1"
"""What the keys of the seals are derived for, by `KeyRing.derived`."""

VERSION = 1
"""The layout above; a sealed copy of another version counts as missing."""

_MAC = 32
_START = 1 + _MAC
_NAME = 18

_NAME_LABEL = b"coatcheck copy name" + bytes((VERSION,))
_SEAL_LABEL = b"coatcheck copy seal" + bytes((VERSION,))


class Kind(NamedTuple):
    """One kind of copies, whose seals fit no other.

    Attributes:
        name: What they are, with the version of their layout: during an update, workers of two releases do not
            overwrite each other's copies.
        whole: Tells whether octets are such a copy, as long as it says.
    """

    name: bytes
    whole: Callable[[bytes], bool]


class Place(NamedTuple):
    """Where one copy belongs, under one key."""

    secret: bytes
    where: bytes
    whole: Callable[[bytes], bool]

    @property
    def name(self) -> bytes:
        """What the cache calls it. It says nothing about the copy, and nobody else can tell it."""
        digest = hmac.digest(self.secret, _NAME_LABEL + self.where, "sha256")
        return urlsafe_b64encode(digest[:_NAME])

    @property
    def lease(self) -> bytes:
        """What the cache calls the lease by which one worker alone reads what belongs here."""
        return self.name + b".lease"

    def seal(self, copy: bytes) -> bytes:
        """Return the copy with its seal."""
        return b"".join(((VERSION).to_bytes(1), self._mac(copy), copy))

    def open(self, sealed: bytes) -> bytes | None:
        """Return the copy that was sealed for this place; None for anything else, whatever it is."""
        if len(sealed) < _START or sealed[0] != VERSION:
            return None
        copy = sealed[_START:]
        if not hmac.compare_digest(sealed[1:_START], self._mac(copy)):
            return None
        return copy if self.whole(copy) else None

    def _mac(self, copy: bytes) -> bytes:
        return hmac.digest(self.secret, b"".join((_SEAL_LABEL, self.where, copy)), "sha256")

    def __repr__(self) -> str:
        return "<Place>"


class Seals:
    """The seals of one kind of copies."""

    def __init__(self, kind: Kind, secrets: Sequence[bytes]) -> None:
        """Keep the keys.

        Args:
            kind: What is sealed.
            secrets: `KeyRing.derived(CONTEXT)`: the first seals, all open (rule S3).
        """
        self._kind = kind
        self._secrets = tuple(secrets)

    def places(self, epoch: str, key: bytes) -> tuple[Place, ...]:
        """Return where a copy with this local-cache key belongs: the place to put it, and those to look at."""
        where = b"".join(len(part).to_bytes(4) + part for part in (self._kind.name, epoch.encode(), key))
        return tuple(Place(secret, where, self._kind.whole) for secret in self._secrets)
