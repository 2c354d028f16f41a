"""Settings of the caches and of the coherence rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from coatcheck.core.refusals import refuse
from coatcheck.core.times import duration_nanos

LONGEST_COPY = timedelta(hours=1)
"""No copy is served longer than this after it was read; older log entries can be trimmed."""

LONGEST_VALUE = timedelta(days=7)
"""No value is kept longer than this."""

_SECOND = timedelta(seconds=1)
_HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """The local cache of one process.

    Attributes:
        max_entries: How many sessions are kept in memory; 0 switches the cache off.
        ttl: How long after its reading from the store a copy may be served; at most one hour.
        lease: How long a worker may trust its cache after it last asked for the invalidation log. It is the
            longest time a revoked session can still be accepted under any fault; where the store can tell at
            once that nothing has changed (SQLite), every request asks, and that time is zero. Zero reads each session
            from the store on each request, in one round trip with the log, where the store can do that (D1).
        serve_stale_for: For how long after the lease known sessions are still served when the store does not answer.
            It is added to the bound, and zero unless somebody asks for it: then such requests are refused with 503.
    """

    max_entries: int = 100_000
    ttl: timedelta = timedelta(minutes=10)
    lease: timedelta = timedelta(seconds=2)
    serve_stale_for: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        if self.max_entries < 0:
            refuse("max_entries", self.max_entries, "use 0 (no cache) or more", of="cache")
        if not _SECOND <= self.ttl <= LONGEST_COPY:
            refuse("ttl", self.ttl, "use one second to one hour", of="cache")
        if not timedelta(0) <= self.lease <= timedelta(minutes=1):
            refuse("lease", self.lease, "use zero to one minute", of="cache")
        if not timedelta(0) <= self.serve_stale_for <= LONGEST_COPY:
            refuse("serve_stale_for", self.serve_stale_for, "use zero (refuse) to one hour", of="cache")

    @property
    def ttl_ns(self) -> int:
        """The time to live in nanoseconds."""
        return duration_nanos(self.ttl)

    @property
    def lease_ns(self) -> int:
        """The lease in nanoseconds."""
        return duration_nanos(self.lease)

    @property
    def serve_stale_ns(self) -> int:
        """The time after the lease in nanoseconds."""
        return duration_nanos(self.serve_stale_for)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedCacheSettings:
    """The shared cache, between the processes.

    A request never waits for it longer than `timeout`. After `failures` calls in a row have failed or taken longer,
    where those that were under way together count as one, nobody asks it for a pause, and a request then pays nothing
    for it. After the pause one call tries; if that fails too, the next pause is twice as long.

    Attributes:
        enabled: Whether it is used.
        ttl: How long a copy stays there; at most one hour, and never longer than its session.
        timeout: How long a request waits for it before it goes on to the store.
        failures: After how many failures in a row it is left alone.
        pause: For how long at first.
        longest_pause: For how long at most.
    """

    enabled: bool = True
    ttl: timedelta = LONGEST_COPY
    timeout: timedelta = timedelta(milliseconds=50)
    failures: int = 3
    pause: timedelta = timedelta(milliseconds=500)
    longest_pause: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        if not _SECOND <= self.ttl <= LONGEST_COPY:
            refuse("ttl", self.ttl, "use one second to one hour", of="shared cache")
        if not timedelta(milliseconds=1) <= self.timeout <= _SECOND:
            refuse("timeout", self.timeout, "use one millisecond to one second", of="shared cache")
        if self.failures < 1:
            refuse("failures", self.failures, "use 1 or more", of="shared cache")
        if not timedelta(milliseconds=10) <= self.pause <= timedelta(minutes=1):
            refuse("pause", self.pause, "use ten milliseconds to one minute", of="shared cache")
        if not self.pause <= self.longest_pause <= timedelta(minutes=10):
            refuse("longest_pause", self.longest_pause, "use pause to ten minutes", of="shared cache")

    @property
    def ttl_ns(self) -> int:
        """The time to live in nanoseconds."""
        return duration_nanos(self.ttl)

    @property
    def timeout_ns(self) -> int:
        """The timeout in nanoseconds."""
        return duration_nanos(self.timeout)

    @property
    def pause_ns(self) -> int:
        """The first pause in nanoseconds."""
        return duration_nanos(self.pause)

    @property
    def longest_pause_ns(self) -> int:
        """The longest pause in nanoseconds."""
        return duration_nanos(self.longest_pause)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """How long the answers of a provider may stand in for asking it.

    What ends here, or is told to us, is refused as soon as a revoked session of our own would be. What the provider
    ends by itself and tells nobody is accepted for `revalidate_after` at most.

    Attributes:
        revalidate_after: How long after it was asked a provider's answer may be served; zero asks with each request, at
            most one hour. None leaves it to the provider: five minutes, and zero for OAuth2 introspection.
        memory_ttl: How long it stays in a process's memory before the shared cache is looked at again; None for as long
            as `revalidate_after`. In the shared cache it stays for `revalidate_after`, or that cache's own `ttl`.
        refused_for: How long "not signed in" is remembered; at most one minute, and never longer than
            `revalidate_after`.
        serve_stale_for: For how much longer known sessions are served while the provider cannot be asked. It is added
            to the bound, and zero unless somebody asks for it: then such requests are refused with 503.
        max_entries: How many sessions are kept in memory; 0 keeps none there.
        lease: How long a worker may trust its memory after it last asked for the invalidation log.
    """

    revalidate_after: timedelta | None = None
    memory_ttl: timedelta | None = None
    refused_for: timedelta = timedelta(seconds=5)
    serve_stale_for: timedelta = timedelta(0)
    max_entries: int = 100_000
    lease: timedelta = timedelta(seconds=2)

    def __post_init__(self) -> None:
        if self.revalidate_after is not None and not timedelta(0) <= self.revalidate_after <= LONGEST_COPY:
            refuse("revalidate_after", self.revalidate_after, "use zero (ask always) to one hour", of="provider")
        if self.memory_ttl is not None and not timedelta(0) < self.memory_ttl <= LONGEST_COPY:
            refuse("memory_ttl", self.memory_ttl, "use more than zero and at most one hour", of="provider")
        if not timedelta(0) <= self.refused_for <= timedelta(minutes=1):
            refuse("refused_for", self.refused_for, "use zero (ask always) to one minute", of="provider")
        if not timedelta(0) <= self.serve_stale_for <= LONGEST_COPY:
            refuse("serve_stale_for", self.serve_stale_for, "use zero (refuse) to one hour", of="provider")
        if self.max_entries < 0:
            refuse("max_entries", self.max_entries, "use 0 (no cache) or more", of="provider")
        if not timedelta(0) < self.lease <= timedelta(minutes=1):
            refuse("lease", self.lease, "use more than zero and at most one minute", of="provider")


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSettings:
    """What is kept of the application's own values: query results, flags, configuration.

    Attributes:
        max_entries: How many values are kept in memory; 0 keeps none there.
        max_bytes: How many bytes they may have together.
        max_value_bytes: How long one value may be; a longer one is handed on and not kept.
        ttl: How long a value may be kept in memory, whatever its own time to live.
        shared_ttl: How long it may be kept in the shared cache.
        jitter: By up to which part of its time to live a value ends early, so that not all end together.
        refresh: In which last part of its life a value that is used is loaded anew in the background.
        load_timeout: How long a loader may take. A thread cannot be interrupted: there it is how long the others wait.
    """

    max_entries: int = 10_000
    max_bytes: int = 64 * 1024 * 1024
    max_value_bytes: int = 1024 * 1024
    ttl: timedelta = LONGEST_VALUE
    shared_ttl: timedelta = LONGEST_VALUE
    jitter: float = 0.1
    refresh: float = 0.2
    load_timeout: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        if self.max_entries < 0:
            refuse("max_entries", self.max_entries, "use 0 (none in memory) or more", of="values")
        if self.max_value_bytes < 1:
            refuse("max_value_bytes", self.max_value_bytes, "use 1 or more", of="values")
        if self.max_bytes < 4 * self.max_value_bytes:
            refuse("max_bytes", self.max_bytes, "use four times max_value_bytes or more", of="values")
        if not timedelta(0) < self.ttl <= LONGEST_VALUE:
            refuse("ttl", self.ttl, "use more than zero and at most 7 days", of="values")
        if not timedelta(0) < self.shared_ttl <= LONGEST_VALUE:
            refuse("shared_ttl", self.shared_ttl, "use more than zero and at most 7 days", of="values")
        if not 0 <= self.jitter <= _HALF:
            refuse("jitter", self.jitter, "use 0 to 0.5", of="values")
        if not 0 <= self.refresh <= _HALF:
            refuse("refresh", self.refresh, "use 0 (never in the background) to 0.5", of="values")
        if not timedelta(0) < self.load_timeout <= timedelta(minutes=10):
            refuse("load_timeout", self.load_timeout, "use more than zero and at most ten minutes", of="values")

    @property
    def ttl_ns(self) -> int:
        """The longest time in memory, in nanoseconds."""
        return duration_nanos(self.ttl)

    @property
    def shared_ttl_ns(self) -> int:
        """The longest time in the shared cache, in nanoseconds."""
        return duration_nanos(self.shared_ttl)

    @property
    def load_timeout_ns(self) -> int:
        """How long a loader may take, in nanoseconds."""
        return duration_nanos(self.load_timeout)
