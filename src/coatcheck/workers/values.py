"""Values of the application in KV alone, where there is no database, with no more than what that allows.

Each value lies under a name that depends on its label, and an invalidation writes a new label for its key. Who loads a
value reads the label first. So whatever lies under the newest label was loaded after that was written, however late it
comes and whatever clocks say. A place of Cloudflare's that does not see the newest label yet sees it a minute later.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from coatcheck._async._pair import AsyncFlights, FlightError
from coatcheck._async.namespace import AsyncNamespace
from coatcheck._async.shared_tier import AsyncSharedTier
from coatcheck._async.tiers import AsyncTiers
from coatcheck._async.values import AsyncValues, Use
from coatcheck.caches.kv import AsyncKVCache
from coatcheck.core.namespaces import Space
from coatcheck.core.session import STAMP
from coatcheck.core.settings import SharedCacheSettings, ValueSettings
from coatcheck.core.value_copies import Mark
from coatcheck.errors import ConfigurationError
from coatcheck.stores.kv import AsyncKVStore
from coatcheck.workers.labels import Labels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coatcheck._async.values import Wanted
    from coatcheck.clock import Clock
    from coatcheck.core.answers import LoaderFailed
    from coatcheck.core.value_copies import Loaded
    from coatcheck.errors import Unavailable
    from coatcheck.values import Codec
    from coatcheck.web.async_authority import Authority
    from coatcheck.workers.labels import Written


class AsyncKVValues(AsyncNamespace):
    """Get-or-load in KV alone: for values of which a minute-old one does no harm.

    In the isolate that invalidates a key its old value is not served again, and nowhere after KV has told: up to 60
    seconds, as Cloudflare says. Of those who want a value in one isolate one loads it, and every isolate loads for
    itself. Each call reads KV twice, one after the other; nothing is kept in memory, for nobody would tell that it is
    outdated. Copies are sealed: whoever can write into the namespace can bring back an older value, and forge none.

    Namespaces and tenants keep keys apart. To invalidate all of one at once, to wait until an invalidation is seen, or
    to join a transaction, there has to be a log: `AsyncCache` on D1, with KV beside it.
    """

    def __init__(
        self,
        namespace: Any,
        *,
        keys: Sequence[str | bytes],
        prefix: str = "coatcheck:values:",
        deployment: str = "coatcheck",
        settings: ValueSettings | None = None,
        timeout: timedelta = timedelta(seconds=1),
        sessions: Authority | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Take the binding; nothing is asked yet.

        Args:
            namespace: The binding: `env.CACHE`.
            keys: Keys of 32 bytes or more, by which nobody else can write values: the first seals, all open.
            prefix: What the names of all our keys in KV begin with.
            deployment: The name that the keys are bound to.
            settings: How values are loaded, and how large they may be; of what concerns memory nothing is used.
            timeout: How long a call waits for KV before it loads; one second at most.
            sessions: The sessions of the Worker in which this is used. What is done in the background is then finished
                after the response; otherwise hand `finish()` to `waitUntil`.
            clock: Where the time comes from; for tests.

        Raises:
            ConfigurationError: It is no KV binding, or a setting is not possible.
        """
        cache = AsyncKVCache(namespace, prefix=prefix, clock=clock)
        tiers = AsyncTiers(
            AsyncKVStore(namespace, clock=clock),
            keys=keys,
            deployment=deployment,
            lease=timedelta(seconds=2),
            serve_stale_for=timedelta(0),
            clock=clock,
        )
        if not tiers.secrets("values"):
            msg = "keys=[] is not possible: without a key anybody who can write into the namespace is believed"
            raise ConfigurationError(msg)
        self._labelled = _Labelled(tiers, settings or ValueSettings(), cache, SharedCacheSettings(timeout=timeout))
        super().__init__(self._labelled, Space())
        if sessions is not None:
            sessions.tiers.add_background(self._labelled)

    def namespace(self, name: str, *, tenant: str | None = None) -> AsyncNamespace:
        """Return a part of the values, whose keys reach no other part's.

        Raises:
            ConfigurationError: The tenant is empty.
        """
        return AsyncNamespace(self._labelled, Space(name, tenant))

    async def finish(self) -> None:
        """Wait for what is loaded in the background, and for what is on its way to KV."""
        await self._labelled.finish()

    @property
    def numbers(self) -> Mapping[str, int]:
        """How often values were loaded, could not be, were loaded anew, served stale, unusable or too large."""
        return {**self._labelled.numbers}


class _Labelled(AsyncValues):
    """Values under labels, where there is no log that would outdate them."""

    def __init__(
        self, tiers: AsyncTiers, settings: ValueSettings, cache: AsyncKVCache, waits: SharedCacheSettings
    ) -> None:
        super().__init__(tiers, settings)
        self._tier = AsyncSharedTier(cache, waits, clock=tiers.clock)
        self._labels = Labels(cache, tiers.secrets("values"), timeout=waits.timeout, clock=tiers.clock)
        self._flights: AsyncFlights[str, tuple[Written | None, bytes]] = AsyncFlights()
        self._renewing: set[str] = set()

    async def finish(self) -> None:
        await super().finish()
        await self._tier.finish()

    # --- reading

    async def find(self, key: str, codec: Codec[Any]) -> tuple[bool, Any]:
        use = Use(codec)
        copy = await self._copy(key, await self._labels.of(key), use)
        self.numbers["unusable"] += use.refused
        return copy is not None, None if copy is None else use.value_of(copy)

    async def _answer(self, key: str, wanted: Wanted) -> bytes:
        try:
            copy = await self._shared(key, wanted)
        finally:
            self.numbers["unusable"] += wanted.refused
        if self.tiers.clock.now() >= STAMP.unpack_from(copy)[2]:
            self.due.add(key)
        return copy

    async def _shared(self, key: str, wanted: Wanted) -> bytes:
        """Return what is in KV or was loaded, for all who ask in this isolate."""
        while (flight := self._flights.claim(key)) is not None:
            found = await self._flights.wait(flight)
            # It may have begun before this isolate has invalidated the key: then it is not what this caller asked for.
            if found is not None and self._labels.written(key) is found[0] and wanted.usable(found[1]):
                return found[1]
        result: tuple[Written | None, bytes] | Unavailable | LoaderFailed | None = None
        try:
            written = self._labels.written(key)
            label = await self._labels.of(key)
            copy = await self._copy(key, label, wanted) or await self._brought(key, label, wanted)
            result = written, copy
        except FlightError as error:
            result = error
            raise
        finally:
            self._flights.end(key, result)
        return copy

    async def _copy(self, key: str, label: str, use: Use, grace: int = 0) -> bytes | None:
        """Return the copy under a label, if its time is not over and it is of the type that is wanted."""
        copy = await self._tier.get(self._copies.places(label, key)) if label else None
        if copy is None or self.tiers.clock.now() >= STAMP.unpack_from(copy)[1] + grace or not use.usable(copy):
            return None
        return copy

    async def _past(self, key: str, wanted: Wanted) -> bytes | None:
        return await self._copy(key, await self._labels.of(key), wanted, wanted.stale) if wanted.stale else None

    # --- loading

    async def _brought(self, key: str, label: str, wanted: Wanted) -> bytes:
        loaded = await self._loaded(wanted, Mark(label, 0, self.tiers.clock.now()))
        self._keep(key, loaded)
        return loaded.copy

    def _keep(self, key: str, loaded: Loaded) -> None:
        if loaded.epoch:
            copy, keep, _ = self._copies.shared(loaded)
            self._tier.put(self._copies.places(loaded.epoch, key)[0], copy, keep)

    def renew(self, key: str, copy: bytes, wanted: Wanted) -> None:  # noqa: ARG002 - a new one does not depend on it
        self.due.discard(key)
        if key not in self._renewing and self._jobs.run(lambda: self._renewed(key, wanted, 0)):
            self._renewing.add(key)

    async def _renewed(self, key: str, wanted: Wanted, now: int) -> None:  # noqa: ARG002 - by when it was due
        try:
            await self._brought(key, await self._labels.of(key), wanted)
            self.numbers["refreshes"] += 1
        except FlightError as error:
            self.note_failed(error)
        finally:
            self._renewing.discard(key)

    async def put(self, key: str, copy: bytes, ttl: int, mark: Mark | None) -> None:
        if mark is not None:
            _refuse("mark=", "what was read before cannot be told from what was invalidated since")
        self._keep(key, self._measured(Mark(await self._labels.of(key), 0, self.tiers.clock.now()), copy, ttl=ttl))

    async def mark(self) -> Mark:
        _refuse("mark()", "there is no log whose position it could be")

    async def invalidate(self, subjects: Sequence[str], *, wait: bool, connection: Any) -> None:
        self.tiers.check_wait(connection, wait=wait)
        if connection is not None:
            _refuse("connection=", "KV has no transactions to join")
        await asyncio.gather(*map(self._labels.renew, subjects))


def _refuse(what: str, why: str) -> NoReturn:
    msg = f"{what} is not possible with KV alone: {why}; use AsyncCache on D1, with KV as shared_cache"
    raise ConfigurationError(msg)
