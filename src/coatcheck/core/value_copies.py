"""How the application's own values are kept in the caches.

copy = stamp (what the coherence rule needs; `touch_at` is when it is to be loaded anew), version, value (JSON)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from coatcheck.core.local_cache import LocalCache
from coatcheck.core.namespaces import octets, subjects_of_key
from coatcheck.core.sealing import Kind, Seals
from coatcheck.core.session import STAMP, restamped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from coatcheck.core.sealing import Place
    from coatcheck.core.settings import ValueSettings

VERSION = 1
"""The layout above; a copy of another version counts as missing."""

BODY = STAMP.size + 1
"""Where a copy's value begins."""


def _is_whole(copy: bytes) -> bool:
    return len(copy) >= BODY and copy[STAMP.size] == VERSION


class Mark(NamedTuple):
    """Where the log stood before a value was read: what it may claim to be as new as.

    Attributes:
        epoch: The identity of the log; empty while it cannot be asked, and then nothing is kept.
        as_of: The position in it.
        now: The authority's clock, in nanoseconds since the epoch.
    """

    epoch: str
    as_of: int
    now: int


class Loaded(NamedTuple):
    """What a loader has brought.

    Attributes:
        epoch: The identity of the log; empty for what must not be kept.
        now: The authority's clock before it was loaded.
        copy: What is kept; of a value that is too long, only handed on.
        keep: For how many nanoseconds the copy is of use, with the time for which it may be served stale.
        leased: Whether a lease is to be given back once the copy is shared.
    """

    epoch: str
    now: int
    copy: bytes
    keep: int = 0
    leased: bool = False


class ValueCopies:
    """Copies of values, under their full keys."""

    def __init__(self, settings: ValueSettings, *, secrets: Sequence[bytes], lots: Callable[[], float]) -> None:
        """Keep what bounds them.

        Args:
            settings: How many are kept, how long, and how large.
            secrets: The keys of the seals on shared ones.
            lots: Returns random numbers from 0 to 1, for the ends.
        """
        self._settings = settings
        self.ttl = settings.ttl_ns
        self._lots = lots
        self._seals = Seals(Kind(b"value" + bytes((VERSION,)), _is_whole), secrets)

    def loaded(self, mark: Mark, value: bytes, *, ttl: int, stale: int, took: int) -> Loaded:
        """Return a value as it is kept.

        Args:
            mark: Where the log stood before it was read.
            value: The value's bytes.
            ttl: For how many nanoseconds it may be served.
            stale: For how many more it may be of use.
            took: How many nanoseconds loading took; it will take as long again.
        """
        life = ttl - int(ttl * self._settings.jitter * self._lots())
        share = self._settings.refresh
        early = min(max(int(life * share), 2 * took), life // 2) if share else 0
        end = mark.now + life
        copy = STAMP.pack(mark.as_of, end, end - early) + VERSION.to_bytes(1) + value
        keeps = len(value) <= self._settings.max_value_bytes
        return Loaded(mark.epoch if keeps else "", mark.now, copy, life + stale)

    def subjects(self, key: str, _: bytes) -> Iterable[str]:
        """Return what log entries may call it."""
        return subjects_of_key(key)

    def kept(self, loaded: Loaded) -> bytes:
        """Return the copy to be kept in memory, where its time may be shorter."""
        as_of, serve_until, touch_at = STAMP.unpack_from(loaded.copy)
        if serve_until <= loaded.now + self.ttl:
            return loaded.copy
        return restamped(loaded.copy, as_of, loaded.now + self.ttl, touch_at)

    def shared(self, loaded: Loaded) -> tuple[bytes, int, bool]:
        """Return the copy to be shared, for how long, and whether that ends a lease."""
        return loaded.copy, min(loaded.keep, self._settings.shared_ttl_ns), loaded.leased

    def places(self, epoch: str, key: str) -> tuple[Place, ...]:
        """Return where a value's copy belongs in a shared cache."""
        return self._seals.places(epoch, octets(key))

    def new_cache(self) -> LocalCache[str]:
        """Return an empty cache."""
        return LocalCache(self._settings.max_entries, self._settings.max_bytes)
