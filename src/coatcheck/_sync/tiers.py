# Generated from _async/tiers.py by tools/generate_sync.py: edit that, run `make generate`.
"""A worker's tiers, which sessions and values share: the store, its log's reader, the cache between the workers."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from coatcheck._sync._pair import sleep
from coatcheck._sync.log_reader import LogReader
from coatcheck._sync.shared_tier import SharedTier
from coatcheck.caches.urls import cache_from_url
from coatcheck.clock import SystemClock
from coatcheck.core.health import Proof, health_of
from coatcheck.core.refusals import refuse
from coatcheck.core.sealing import CONTEXT
from coatcheck.core.settings import SharedCacheSettings
from coatcheck.core.signing import KeyRing
from coatcheck.errors import ConfigurationError, Unavailable
from coatcheck.fork import after_fork
from coatcheck.stores.urls import store_from_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from coatcheck.caches.protocol import SharedCache
    from coatcheck.clock import Clock
    from coatcheck.core.health import Health
    from coatcheck.core.sealing import Place
    from coatcheck.stores.protocol import Store
    from coatcheck.stores.users import UsersTable


class Background(Protocol):
    """Something that works in the background."""

    def finish(self) -> None:
        """Wait for what is under way."""
        ...


class Tiers:
    """The parts that everything cached in a worker stands on.

    Attributes:
        store: The authority, whose log proves all copies.
        log: The one who reads it.
        shared: The tier between the processes, if there is one.
        clock: Where the time comes from.
        deployment: The name that keys are bound to.
        lease: How long a proof is good; with zero no copy is ever served.
    """

    def __init__(
        self,
        store: Store | str,
        *,
        users: UsersTable | None = None,
        shared_cache: SharedCache | str | None = None,
        shared_cache_settings: SharedCacheSettings | None = None,
        keys: Sequence[str | bytes] | None = None,
        deployment: str,
        lease: timedelta,
        serve_stale_for: timedelta,
        clock: Clock | None = None,
    ) -> None:
        """Wire the tiers; nothing is connected yet. The arguments are those of `Sessions`."""
        self.clock = clock or SystemClock()
        self.store = _store_of(store, users, clock)
        self.deployment = deployment
        self.lease = lease
        self._keys = keys
        self.shared_settings = shared_cache_settings or SharedCacheSettings()
        self.shared = self._tier_of(shared_cache)
        if self.store.capabilities.eventual:
            _check_eventual(self.shared, serve_stale_for)
        self.log = LogReader(self.store, self.clock, lease=lease, serve_stale_for=serve_stale_for)
        self._background: WeakSet[Background] = WeakSet()
        self._kindred: WeakSet[Background] = WeakSet()
        after_fork(self)

    def add_background(self, thing: Background) -> None:
        """Have `finish` wait for what this does in the background, too."""
        self._background.add(thing)

    def add_kindred(self, thing: Background) -> None:
        """Have `finish` wait for this, too, and `close` before the connections are gone."""
        self._kindred.add(thing)

    def _tier_of(self, cache: SharedCache | str | None) -> SharedTier | None:
        settings = self.shared_settings
        if cache is None or not settings.enabled:
            return None
        if not self._keys:
            msg = "shared_cache without keys= is not possible: without a key anybody who can write into it is believed"
            raise ConfigurationError(msg)
        if not self.lease:
            refuse(
                "shared_cache", type(cache).__name__, "with lease=0 every session is read from the store: leave it out"
            )
        cache = cache_from_url(cache, timeout=settings.timeout) if isinstance(cache, str) else cache
        return SharedTier(cache, settings, clock=self.clock)

    def ring(self, purpose: str) -> KeyRing | None:
        """Return the keys for one purpose; None when there are none."""
        return None if self._keys is None else KeyRing(self._keys, deployment=f"{self.deployment}:{purpose}")

    def secrets(self, purpose: str, context: bytes = CONTEXT) -> tuple[bytes, ...]:
        """Return keys that are made of ours: those that seal copies in the shared cache, or for something else."""
        ring = self.ring(purpose)
        return () if ring is None else tuple(ring.derived(context))

    def forked(self) -> None:
        """Drop what belongs to the parent process."""
        self.log.forked()
        if self.shared is not None:
            self.shared.forked()

    def open(self) -> None:
        """Connect, and verify the tables.

        Raises:
            ConfigurationError: Something can never work as configured.
            SchemaError: The tables are missing, older or newer, or have been altered.
        """
        try:
            self.store.open()
            if self.shared is not None:
                self.shared.open()
        except BaseException:
            self.close()  # nobody else will, of what could not be entered
            raise

    def finish(self) -> None:
        """Wait for what is loaded in the background, and for the copies that are on their way to the shared cache."""
        for thing in [*self._background, *self._kindred]:
            thing.finish()
        if self.shared is not None:
            self.shared.finish()

    def close(self) -> None:
        """Stop what runs in the background, and close all connections."""
        for thing in list(self._kindred):
            thing.finish()
        self.log.close()
        if self.shared is not None:
            self.shared.close()
        self.store.close()

    def health(
        self, probe: Sequence[Place], cached: Mapping[str, float], *, provider: tuple[str, bool] | None = None
    ) -> Health:
        """Say how every part is: by what is known, and by asking the store if nothing is. Never raises.

        Args:
            probe: A place in the shared cache where nothing is.
            cached: The numbers of the local cache.
            provider: The name of a provider that is asked besides, and whether it has answered lately.
        """
        if self.log.failing and self.store.capabilities.pushes_changes:
            self.log.follow()  # a server that has stopped answers nobody, and a probe must not wait for it
            sleep(0)
        else:
            with suppress(Unavailable):
                self.log.prove()
        if self.shared is not None and not self.shared.available:
            self.shared.get(probe)  # without a miss nobody would notice that it is back
        vitals = self.store.vitals()
        return health_of(
            answers=not self.log.failing,
            proof=Proof(self.clock.monotonic(), self.log.proof_sent, self.log.lease_ns, self.log.stale_ns),
            listening=vitals.listening,
            shared_cache=None if self.shared is None else self.shared.available,
            shared_cache_numbers={} if self.shared is None else _numbers(self.shared),
            local_cache_numbers=cached,
            pool_numbers={"connections": vitals.connections, "idle": vitals.idle} if vitals.connections else {},
            provider=provider,
        )

    def check_wait(self, connection: Any, *, wait: bool) -> None:
        """Refuse to wait for what nobody can see yet, or what nobody can tell."""
        if wait and self.store.capabilities.eventual:
            msg = (
                "wait=True is not possible: this store cannot tell when all have seen a change; use D1, or do not wait"
            )
            raise ConfigurationError(msg)
        if wait and connection is not None:
            msg = "wait=True with connection= is not possible: nobody can see the change before the caller commits"
            raise ConfigurationError(msg)

    def changed(self, connection: Any) -> None:
        """See our own changes at once, unless the caller has yet to commit them."""
        if connection is None:
            self.log.doubt()

    def settled(self, *, wait: bool) -> None:
        """Wait, if that is wanted, until no worker can serve what has just changed."""
        if wait:
            self.log.settled()


def _check_eventual(shared: SharedTier | None, serve_stale_for: timedelta) -> None:
    """Refuse what needs an invalidation log."""
    if shared is not None:
        refuse("shared_cache", type(shared.cache).__name__, "without a log no copy can be proven: use D1 as the store")
    if serve_stale_for:
        refuse(
            "serve_stale_for", serve_stale_for, "nothing is kept in memory without a log: use zero, or D1", of="cache"
        )


def _numbers(shared: SharedTier) -> Mapping[str, float]:
    return {name: getattr(shared, name) for name in ("hits", "misses", "refused", "failures", "dropped")}


def _store_of(store: Store | str, users: UsersTable | None, clock: Clock | None) -> Store:
    if isinstance(store, str):
        return store_from_url(store, users, clock)
    if users is not None:
        msg = "users= goes with a store URL; a store object takes it itself, as in SQLiteStore(path, users=...)"
        raise ConfigurationError(msg)
    return store
