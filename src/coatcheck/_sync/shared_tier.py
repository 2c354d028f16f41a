# Generated from _async/shared_tier.py by tools/generate_sync.py: edit that, run `make generate`.
"""The shared tier: sealed copies in a shared cache, within a time that is small and stated.

What it returns is a hint like any other copy: the coherence rule decides whether it is served.
"""

from __future__ import annotations

import logging
import random
from threading import Lock
from typing import TYPE_CHECKING

from coatcheck._sync._errands import Deadline, Errands
from coatcheck.core.breaker import Breaker
from coatcheck.core.sealing import place
from coatcheck.errors import ConfigurationError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coatcheck.caches.protocol import SharedCache
    from coatcheck.clock import Clock
    from coatcheck.core.breaker import Ticket
    from coatcheck.core.settings import SharedCacheSettings

_log = logging.getLogger("coatcheck")

_WRITES_AT_ONCE = 8
_WRITES_WAITING = 1000
"""With so many copies waiting to be written the cache is too slow for more of them."""

_MILLISECOND = 1_000_000


class SharedTier:
    """A shared cache that a request can ask without fear: no error, no forged copy, and no long wait.

    Attributes:
        cache: Where the copies lie.
        hits: How many copies it has returned.
        misses: How often it has returned none, though the cache answered.
        refused: How many of the misses found something whose seal did not fit.
        failures: How many calls of the cache have failed or taken too long.
        dropped: How many copies were not put there: the cache is left alone, or too many were on their way.
    """

    def __init__(
        self,
        cache: SharedCache,
        settings: SharedCacheSettings,
        *,
        secret: Sequence[bytes],
        clock: Clock,
        lots: Callable[[], float] = random.random,
    ) -> None:
        """Wire the tier to its cache.

        Args:
            cache: Where the copies lie.
            settings: Time to live, timeout, and when to leave the cache alone.
            secret: `KeyRing.derived(coatcheck.core.sealing.CONTEXT)`: the first key seals, all open.
            clock: Where the time comes from.
            lots: Returns random numbers from 0 to 1, for the pauses.

        Raises:
            ConfigurationError: There is no key.
        """
        if not secret:
            raise ConfigurationError(
                "a shared cache needs keys=[...]: without them anybody who can write there signs in"
            )
        self.cache = cache
        self._settings = settings
        self._secrets = tuple(secret)
        self._clock = clock
        self._lots = lots
        self.hits = self.misses = self.refused = self.failures = self.dropped = 0
        self.forked()

    def forked(self) -> None:
        """Start anew: what is on its way is the parent's."""
        settings = self._settings
        self._breaker = Breaker(
            failures=settings.failures, pause=settings.pause_ns, longest_pause=settings.longest_pause_ns
        )
        # Held for the breaker's few instructions and never while something is waited for, so it is right for tasks too.
        self._lock = Lock()
        self._errands = Errands(at_once=_WRITES_AT_ONCE, most=_WRITES_WAITING)

    @property
    def available(self) -> bool:
        """Whether the cache is asked: it is not while it fails."""
        return self._breaker.closed

    def open(self) -> None:
        """Connect; a cache that is away is left alone for a while, as it is later.

        Raises:
            ConfigurationError: The cache can never work as configured.
        """
        try:
            self.cache.open()
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - a cache is never needed
            self.failures += 1
            with self._lock:
                opened = self._breaker.trip(self._clock.monotonic(), self._lots())
            if opened:
                _note(error)

    def close(self) -> None:
        """Finish what is on its way, and close the cache."""
        self._errands.close()
        self.cache.close()

    def get(self, epoch: str, key: bytes) -> bytes | None:
        """Return the copy that was put under this key in this epoch, or None. Never raises, never waits for long."""
        ticket = self._enter(epoch)
        if ticket is None:
            return None
        try:
            with Deadline(self._settings.timeout_ns, self._clock) as deadline:
                copy = self._read(epoch, key)
        except Exception as error:  # noqa: BLE001 - whatever it is, the store answers
            self._fail(ticket, error)
            return None
        except BaseException:
            self._withdraw(ticket)
            raise
        self._end(ticket, late=deadline.missed)
        if copy is None:
            self.misses += 1
        else:
            self.hits += 1
        return copy

    def _read(self, epoch: str, key: bytes) -> bytes | None:
        """Look under each of our keys: the copy may be from before the first one was new (rule S3)."""
        for secret in self._secrets:
            there = place(secret, epoch, key)
            sealed = self.cache.get(there.name)
            if sealed is not None:
                copy = there.open(sealed)
                if copy is not None:
                    return copy
                self.refused += 1
        return None

    def put(self, epoch: str, key: bytes, copy: bytes, ttl_ns: int) -> None:
        """Put a copy there for so many nanoseconds at most; it may get lost, and nobody waits for it."""
        ttl_ms = min(ttl_ns, self._settings.ttl_ns) // _MILLISECOND
        if not epoch or ttl_ms < 1:
            return
        # Only a look: a task that is cancelled before it begins could not give a ticket back.
        resting = self._breaker.rests(self._clock.monotonic())
        if resting or not self._errands.run(lambda: self._write(epoch, key, copy, ttl_ms)):
            self.dropped += 1

    def _write(self, epoch: str, key: bytes, copy: bytes, ttl_ms: int) -> None:
        ticket = self._enter(epoch)
        if ticket is None:
            self.dropped += 1
            return
        try:
            with Deadline(self._settings.timeout_ns, self._clock) as deadline:
                there = place(self._secrets[0], epoch, key)
                self.cache.put(there.name, there.seal(copy), ttl_ms)
        except Exception as error:  # noqa: BLE001 - the copy is a hint, and can be made again
            self.dropped += 1
            self._fail(ticket, error)
        except BaseException:
            self._withdraw(ticket)
            raise
        else:
            self._end(ticket, late=deadline.missed)

    # --- the breaker

    def _enter(self, epoch: str) -> Ticket | None:
        if not epoch:
            return None  # of a reading that must not be cached
        with self._lock:
            return self._breaker.enter(self._clock.monotonic())

    def _withdraw(self, ticket: Ticket) -> None:
        with self._lock:
            self._breaker.withdraw(ticket)

    def _end(self, ticket: Ticket, *, late: bool) -> None:
        """Note the end of a call; one that came late has cost as much as one that failed."""
        if late:
            self._fail(ticket, TimeoutError())
            return
        with self._lock:
            closed = self._breaker.succeed(ticket)
        if closed:
            _log.info("coatcheck.shared_cache_available")

    def _fail(self, ticket: Ticket, error: Exception) -> None:
        self.failures += 1
        with self._lock:
            opened = self._breaker.fail(ticket, self._clock.monotonic(), self._lots())
        if opened:
            _note(error)


def _note(error: Exception) -> None:
    # Only our own errors are known to name no secret.
    reason = str(error) if isinstance(error, Unavailable) else type(error).__name__
    _log.warning("coatcheck.shared_cache_unavailable", extra={"reason": reason})
