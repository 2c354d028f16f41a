"""Seals on the copies that lie in a shared cache.

Whoever can write into the cache can delete copies and put old ones back; the coherence rule makes up for that. They
cannot forge one, alter one, or pass one off as the copy of another session: the seal is a MAC over what a copy says
and where it belongs, with a key that never leaves the workers (rule S5). They can read it: it is not encrypted.

    name   = HMAC-SHA256(label, where), cut to 18 octets, in base64url
    sealed = version, HMAC-SHA256(label, where, copy), copy
    where  = epoch and local-cache key, each behind its length

HMAC-SHA256 and nothing faster: a FIPS policy allows it everywhere, and workers with and without one share a cache.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from typing import NamedTuple

from coatcheck.core.session import (
    _HEAD,  # pyright: ignore[reportPrivateUsage]
    STAMP,
)
from coatcheck.core.session import VERSION as RECORD_VERSION

CONTEXT = b"shared cache 1"
"""What the keys of the seals are derived for, by `KeyRing.derived`."""

VERSION = 1
"""The layout above; a sealed copy of another version counts as missing."""

_MAC = 32
_START = 1 + _MAC
_NAME = 18
_BODY = STAMP.size + _HEAD.size

# The versions are in both labels: during an update, workers of two releases do not overwrite each other's copies.
_NAME_LABEL = b"coatcheck copy name" + bytes((VERSION, RECORD_VERSION))
_SEAL_LABEL = b"coatcheck copy seal" + bytes((VERSION, RECORD_VERSION))


class Place(NamedTuple):
    """Where the copy of one session belongs, under one key."""

    secret: bytes
    where: bytes

    @property
    def name(self) -> bytes:
        """What the cache calls it. It says nothing about the session, and nobody else can tell it."""
        digest = hmac.digest(self.secret, _NAME_LABEL + self.where, "sha256")
        return urlsafe_b64encode(digest[:_NAME])

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
        return copy if is_whole(copy) else None

    def _mac(self, copy: bytes) -> bytes:
        return hmac.digest(self.secret, b"".join((_SEAL_LABEL, self.where, copy)), "sha256")

    def __repr__(self) -> str:
        return "<Place>"


def place(secret: bytes, epoch: str, key: bytes) -> Place:
    """Return the place of a copy: under which of the derived keys, in which epoch, with which local-cache key."""
    name = epoch.encode()
    return Place(secret, b"".join((len(name).to_bytes(4), name, len(key).to_bytes(4), key)))


def is_whole(copy: bytes) -> bool:
    """Tell whether a copy is of this release's record version, and as long as its head says."""
    if len(copy) < _BODY:
        return False
    head: tuple[int, ...] = _HEAD.unpack_from(copy, STAMP.size)
    return head[0] == RECORD_VERSION and len(copy) == _BODY + sum(head[8:])
