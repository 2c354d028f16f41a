"""`AsyncCache`: the application's own values in the tiers of its sessions, and as coherent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from coatcheck._async.namespace import AsyncNamespace
from coatcheck._async.opened import AsyncOpened
from coatcheck._async.provider_sessions import AsyncProviderSessions
from coatcheck._async.sessions import AsyncSessions
from coatcheck._async.tiers import AsyncTiers
from coatcheck._async.values import AsyncValues
from coatcheck.core.namespaces import Space, tenant_subject
from coatcheck.core.refusals import refuse
from coatcheck.core.settings import CacheSettings, ValueSettings
from coatcheck.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coatcheck.caches.async_protocol import AsyncSharedCache
    from coatcheck.clock import Clock
    from coatcheck.core.settings import SharedCacheSettings
    from coatcheck.stores.async_protocol import AsyncStore


class AsyncCache(AsyncNamespace, AsyncOpened):
    """Query results, flags and configuration, cached in memory and between the workers.

    What was invalidated is not served again, on any worker, later than the bound of the store: at once on SQLite, and
    after about a millisecond, or a lease under any fault, on PostgreSQL and Valkey.

    It is its own namespace, the one without a name.
    """

    def __init__(
        self,
        source: AsyncSessions | AsyncProviderSessions | AsyncStore | str,
        *,
        settings: ValueSettings | None = None,
        shared_cache: AsyncSharedCache | str | None = None,
        shared_cache_settings: SharedCacheSettings | None = None,
        keys: Sequence[str | bytes] | None = None,
        deployment: str | None = None,
        lease: timedelta | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Wire the cache to its tiers.

        Args:
            source: The sessions, our own or a provider's, whose store, log and shared cache it uses, and which are
                opened and closed by themselves. Or a store, or its URL, with everything below.
            settings: How much is kept, and how it is loaded.
            shared_cache: A cache between the processes, or its URL such as `valkey://host`; needs `keys`.
            shared_cache_settings: How long a request waits for it.
            keys: Keys of 32 bytes or more, by which nobody else can write into the shared cache.
            deployment: The name that they are bound to; `coatcheck` by default.
            lease: How long a worker trusts its memory after it last asked for the log; two seconds by default.
            clock: Where the time comes from; for tests.

        Raises:
            ConfigurationError: A setting is wrong, or given beside sessions that have it already.
        """
        given = {
            "shared_cache": shared_cache,
            "shared_cache_settings": shared_cache_settings,
            "keys": keys,
            "deployment": deployment,
            "lease": lease,
            "clock": clock,
        }
        self._owns = not isinstance(source, (AsyncSessions, AsyncProviderSessions))
        if isinstance(source, (AsyncSessions, AsyncProviderSessions)):
            _refuse(given)
            tiers = source.tiers
        else:
            tiers = AsyncTiers(
                source,
                shared_cache=shared_cache,
                shared_cache_settings=shared_cache_settings,
                keys=keys,
                deployment=deployment or "coatcheck",
                lease=CacheSettings(lease=lease).lease if lease is not None else CacheSettings().lease,
                serve_stale_for=timedelta(0),
                clock=clock,
            )
        if tiers.store.capabilities.eventual:
            fix = "values need an invalidation log: use D1, with KV as shared_cache; AsyncKVValues does without, in KV"
            refuse("source", type(tiers.store).__name__, fix)
        if not tiers.lease:
            refuse("lease", tiers.lease, "use more than zero: without a proof no value is ever served from memory")
        self.tiers = tiers
        super().__init__(AsyncValues(tiers, settings or ValueSettings()), Space())
        tiers.add_background(self._values)

    async def open(self) -> Self:
        """Connect, and verify the tables; what belongs to sessions they open themselves.

        Raises:
            ConfigurationError: Something can never work as configured.
            SchemaError: The tables are missing, older or newer, or have been altered.
        """
        return await super().open() if self._owns else self

    async def aclose(self) -> None:
        """Wait for what is being loaded in the background, and close what was opened."""
        await self._values.aclose()
        if self._owns:
            await super().aclose()

    def namespace(self, name: str, *, tenant: str | None = None) -> AsyncNamespace:
        """Return a part of the cache, whose keys reach no other part's.

        Args:
            name: Any text.
            tenant: Whose values they are: another tenant's part of the same name is another part.

        Raises:
            ConfigurationError: The tenant is empty.
        """
        return AsyncNamespace(self._values, Space(name, tenant))

    async def invalidate_namespace(
        self, name: str, *, tenant: str | None = None, wait: bool = False, connection: Any = None
    ) -> None:
        """Make every worker load all values of a namespace anew.

        Args:
            name: Its name.
            tenant: Whose values; None for those of all tenants, and of none.
            wait: Whether to return only when no worker can serve the old values.
            connection: The caller's own connection, inside a transaction.

        Raises:
            Unavailable: The store did not answer.
        """
        await self._values.invalidate([Space(name, tenant).subject()], wait=wait, connection=connection)

    async def invalidate_tenant(self, tenant: str, *, wait: bool = False, connection: Any = None) -> None:
        """Make every worker load all values of a tenant anew, in all namespaces.

        Raises:
            Unavailable: The store did not answer.
        """
        await self._values.invalidate([tenant_subject(tenant)], wait=wait, connection=connection)

    @property
    def numbers(self) -> Mapping[str, int]:
        """How often values were loaded, could not be, were loaded anew, served stale, unusable or too large."""
        return {**self._values.numbers, "entries": len(self._values.reads.cache)}


def _refuse(given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if value is not None:
            msg = f"{name}= beside sessions is not possible: the cache uses theirs"
            raise ConfigurationError(msg)
