"""The bounded cache in a worker's memory."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

K = TypeVar("K")

KEY_SIZE = 15
"""Bytes of a key: 120 bits. Python would take 16 more of memory for one more."""


def _fastest() -> Callable[[bytes], Any]:
    """Return BLAKE2s, which is a quarter faster than SHA-256, or SHA-256 where a FIPS policy forbids it."""
    try:
        hashlib.blake2s(b"")
    except (AttributeError, ValueError):
        return hashlib.sha256
    return hashlib.blake2s


key_hash = _fastest()


def key_of(presented: bytes) -> bytes:
    """Return the cache key of a whole presented value, token and signature: the beginning of its hash.

    One altered character gives another key, so a hit needs no further check.
    """
    digest: bytes = key_hash(presented).digest()
    return digest[:KEY_SIZE]


class LocalCache(Generic[K]):
    """A bounded map from the key of a presented value to a copy, in two generations.

    New and recently used copies are in the young generation. When it holds half of the bound, it becomes the
    old one and the previous old one is dropped. That keeps what is used, costs a hit nothing, and needs no
    order of use in memory: keys and values are plain bytes or text, which the garbage collector never visits.

    Every operation is safe in any thread; two threads that turn the generations at once can only forget
    copies, which are hints anyway.

    Attributes:
        young: The young generation.
        views: What was made of copies in the young generation: of which copy, for which type, and the value.
    """

    __slots__ = ("_half", "_half_bytes", "_old", "_size", "views", "young")

    def __init__(self, max_entries: int, max_bytes: int | None = None) -> None:
        """Set the bounds: the number of copies kept at the most (0: none), and their length in all."""
        self._half = max(1, max_entries // 2) if max_entries else 0
        self._half_bytes = None if max_bytes is None else max_bytes // 2
        self._size = 0
        self.young: dict[K, bytes] = {}
        self.views: dict[K, tuple[bytes, Any, Any]] = {}
        self._old: dict[K, bytes] = {}

    def get(self, key: K) -> bytes | None:
        """Return the copy, and keep it for longer."""
        copy = self.young.get(key)
        if copy is None and (copy := self._old.get(key)) is not None:
            self.put(key, copy)
        return copy

    def put(self, key: K, copy: bytes) -> None:
        """Keep a copy, and drop the old generation when the young one is full."""
        young = self.young
        if not self._half:
            return
        if self._half_bytes is not None:
            self._size += len(copy) - len(young.get(key, b""))
        if (len(young) >= self._half and key not in young) or (self._half_bytes and self._size > self._half_bytes):
            self._old = young
            self.young = young = {}
            self.views = {}
            self._size = len(copy)
        young[key] = copy
        self.views.pop(key, None)

    def replace(self, key: K, old: bytes, new: bytes) -> None:
        """Put `new` in the place of exactly `old`; what has changed meanwhile stays as it is."""
        if self.young.get(key) == old:
            self.young[key] = new
        elif self._old.get(key) == old:
            self._old[key] = new

    def drop(self, key: K) -> None:
        """Forget a copy; its length counts until the generations turn, which they do the earlier for it."""
        self._old.pop(key, None)
        self.young.pop(key, None)
        self.views.pop(key, None)

    def __len__(self) -> int:
        return len(self.young) + sum(key not in self.young for key in self._old)
