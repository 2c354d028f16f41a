# Generated from _async/shared_tier.py by tools/generate_sync.py: edit that, run `make generate`.
"""The shared tier: sealed copies in a shared cache, within a time that is small and stated.

What it returns is a hint like any other copy: the coherence rule decides whether it is served.
"""

from __future__ import annotations

import logging
import random
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from coatcheck._sync._errands import Deadline, Errands
from coatcheck.core.breaker import Breaker
from coatcheck.errors import ConfigurationError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coatcheck.caches.protocol import SharedCache
    from coatcheck.clock import Clock
    from coatcheck.core.breaker import Ticket
    from coatcheck.core.sealing import Place
    from coatcheck.core.settings import SharedCacheSettings

T = TypeVar("T")

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
        clock: Clock,
        lots: Callable[[], float] = random.random,
    ) -> None:
        """Wire the tier to its cache.

        Args:
            cache: Where the copies lie.
            settings: Time to live, timeout, and when to leave the cache alone.
            clock: Where the time comes from.
            lots: Returns random numbers from 0 to 1, for the pauses.
        """
        self.cache = cache
        self._settings = settings
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

    def finish(self) -> None:
        """Finish what is on its way."""
        self._errands.close()

    def close(self) -> None:
        """Finish what is on its way, and close the cache."""
        self.finish()
        self.cache.close()

    def get(self, places: Sequence[Place]) -> bytes | None:
        """Return the copy that was put in one of these places, or None. Never raises, never waits for long.

        The copy may be from before the first key was new, and lie where an older one has put it (rule S3).
        """
        answered, copy = self._ask(lambda: self._read(places))
        if not answered:
            return None
        if copy is None:
            self.misses += 1
        else:
            self.hits += 1
        return copy

    def _read(self, places: Sequence[Place]) -> bytes | None:
        for there in places:
            sealed = self.cache.get(there.name)
            if sealed is not None:
                copy = there.open(sealed)
                if copy is not None:
                    return copy
                self.refused += 1
        return None

    def put(self, there: Place, copy: bytes, ttl_ns: int, *, gives: bool = False) -> None:
        """Put a copy there for so many nanoseconds at most; it may get lost, and nobody waits for it.

        Args:
            there: Its place.
            copy: The copy.
            ttl_ns: For how long.
            gives: Whether the lease on the place is given back afterwards.
        """
        ttl_ms = ttl_ns // _MILLISECOND
        if ttl_ms >= 1:
            self._later(lambda: self._write(there, copy, ttl_ms, gives=gives))

    def _write(self, there: Place, copy: bytes, ttl_ms: int, *, gives: bool) -> None:
        answered, _ = self._ask(lambda: self.cache.put(there.name, there.seal(copy), ttl_ms))
        if not answered:
            self.dropped += 1
        if gives and self.cache.adds:
            self._ask(lambda: self.cache.remove(there.lease))

    def take(self, there: Place, ttl_ns: int) -> bool:
        """Take the lease on a place, by which one of all workers reads what belongs there.

        Returns:
            False if somebody else has it. A cache that does not answer holds nobody back.
        """
        if not self.cache.adds:
            return True
        answered, taken = self._ask(lambda: self.cache.add(there.lease, b"", ttl_ns // _MILLISECOND))
        return bool(taken) or not answered

    def renew(self, there: Place, ttl_ns: int) -> None:
        """Hold a lease for longer."""
        if self.cache.adds:
            self._ask(lambda: self.cache.put(there.lease, b"", ttl_ns // _MILLISECOND))

    def give(self, there: Place) -> None:
        """Give a lease back, with nothing read; nobody waits for it."""
        if self.cache.adds:
            self._later(lambda: self._give(there))

    def _give(self, there: Place) -> None:
        self._ask(lambda: self.cache.remove(there.lease))

    def _later(self, job: Callable[[], None]) -> None:
        # Only a look: a task that is cancelled before it begins could not give a ticket back.
        resting = self._breaker.rests(self._clock.monotonic())
        if resting or not self._errands.run(job):
            self.dropped += 1

    def _ask(self, call: Callable[[], T]) -> tuple[bool, T | None]:
        """Call the cache, unless it is to be left alone; returns whether it answered, and what."""
        with self._lock:
            ticket = self._breaker.enter(self._clock.monotonic())
        if ticket is None:
            return False, None
        try:
            with Deadline(self._settings.timeout_ns, self._clock) as deadline:
                answer = call()
        except Exception as error:  # noqa: BLE001 - whatever it is, there is a way without the cache
            self._fail(ticket, error)
            return False, None
        except BaseException:
            with self._lock:
                self._breaker.withdraw(ticket)
            raise
        self._end(ticket, late=deadline.missed)
        return True, answer

    # --- the breaker

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
