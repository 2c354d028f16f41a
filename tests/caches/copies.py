"""Copies of sessions, and tiers to put them in."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from coatcheck._async.shared_tier import AsyncSharedTier
from coatcheck._sync.shared_tier import SharedTier
from coatcheck.clock import SystemClock
from coatcheck.core.local_cache import key_of
from coatcheck.core.sealing import CONTEXT, Seals
from coatcheck.core.session import SEALED, STAMP
from coatcheck.core.settings import SharedCacheSettings
from coatcheck.core.signing import KeyRing
from coatcheck.testing._rows import a_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.caches.async_protocol import AsyncSharedCache
    from coatcheck.caches.protocol import SharedCache
    from coatcheck.clock import Clock
    from coatcheck.core.sealing import Place

EPOCH = "first log"
KEY = key_of(b"what somebody presented")
OTHER_KEY = key_of(b"what somebody else presented")
MINUTE = 60 * 10**9

APPLICATION_KEY, OLD_KEY = (hashlib.sha256(b"key %d" % number).digest() for number in range(2))
RING = KeyRing([APPLICATION_KEY], deployment="shop:session")
SECRET = RING.derived(CONTEXT)


def a_copy(**changes: Any) -> bytes:
    """Return a copy of a session, as the local cache has it."""
    return STAMP.pack(7, 10**18, 10**17) + a_row(10**15, **changes).pack()


def places(key: bytes, epoch: str = EPOCH, secrets: Sequence[bytes] = SECRET) -> tuple[Place, ...]:
    """Return where the copy of a session belongs."""
    return Seals(SEALED, secrets).places(epoch, key)


def place(key: bytes, epoch: str = EPOCH) -> Place:
    """Return where the copy of a session is put."""
    return places(key, epoch)[0]


def async_tier(cache: AsyncSharedCache, clock: Clock | None = None, **settings: Any) -> AsyncSharedTier:
    """Return a tier whose pauses have no jitter."""
    found = SharedCacheSettings(**settings)
    return AsyncSharedTier(cache, found, clock=clock or SystemClock(), lots=float)


def tier(cache: SharedCache, clock: Clock | None = None, **settings: Any) -> SharedTier:
    """Return a tier for threads whose pauses have no jitter."""
    found = SharedCacheSettings(**settings)
    return SharedTier(cache, found, clock=clock or SystemClock(), lots=float)
