"""Settings of the local cache and of the coherence rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from coatcheck.errors import ConfigurationError

LONGEST_COPY = timedelta(hours=1)
"""No copy is served longer than this after it was read; older log entries can be trimmed."""

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """The local cache of one process.

    Attributes:
        max_entries: How many sessions are kept in memory; 0 switches the cache off.
        ttl: How long after its reading from the store a copy may be served; at most one hour.
        lease: How long a worker may trust its cache after it last asked for the invalidation log. It is the
            longest time a revoked session can still be accepted under any fault; where the store can tell at
            once that nothing has changed (SQLite), every request asks, and that time is zero.
    """

    max_entries: int = 100_000
    ttl: timedelta = timedelta(minutes=10)
    lease: timedelta = timedelta(seconds=2)

    def __post_init__(self) -> None:
        if self.max_entries < 0:
            _refuse("max_entries", self.max_entries, "use 0 (no cache) or more")
        if not _SECOND <= self.ttl <= LONGEST_COPY:
            _refuse("ttl", self.ttl, "use one second to one hour")
        if not timedelta(0) < self.lease <= timedelta(minutes=1):
            _refuse("lease", self.lease, "use more than zero and at most one minute")

    @property
    def ttl_ns(self) -> int:
        """The time to live in nanoseconds."""
        return self.ttl // timedelta(microseconds=1) * 1000

    @property
    def lease_ns(self) -> int:
        """The lease in nanoseconds."""
        return self.lease // timedelta(microseconds=1) * 1000


def _refuse(setting: str, value: object, fix: str) -> None:
    msg = f"cache {setting}={value!s} is not possible: {fix}"
    raise ConfigurationError(msg)
