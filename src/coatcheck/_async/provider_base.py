"""What the verbs of a provider's sessions stand on: the provider, the tiers, and how they are opened and closed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Self

from coatcheck._async.cached_reads import AsyncCachedReads
from coatcheck._async.tiers import AsyncTiers
from coatcheck._async.validating import AsyncValidating
from coatcheck.core.credentials import presented_bytes
from coatcheck.core.identity_copies import IdentityCopies, IdentityReading
from coatcheck.core.refusals import refuse
from coatcheck.core.refused_tokens import RefusedTokens
from coatcheck.core.settings import ProviderSettings
from coatcheck.core.times import duration_nanos
from coatcheck.core.transport import AMBIGUOUS, Transport
from coatcheck.fork import after_fork
from coatcheck.providers.base import NotesCookies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coatcheck.caches.async_protocol import AsyncSharedCache
    from coatcheck.clock import Clock
    from coatcheck.core.events import Event
    from coatcheck.core.health import Health
    from coatcheck.core.settings import SharedCacheSettings
    from coatcheck.core.tokens import Token
    from coatcheck.providers.async_protocol import AsyncProvider
    from coatcheck.stores.async_protocol import AsyncStore

_LONGEST_TOKEN = 8192
_MOST_REFUSED = 10_000


def _unused(*_: object) -> None:
    """Note no use: when its sessions are used is the provider's business."""


class AsyncProviderBase(AsyncValidating[IdentityReading]):
    """The parts that a provider's sessions are made of, and what they say about themselves."""

    def __init__(
        self,
        provider: AsyncProvider,
        store: AsyncStore | str,
        *,
        settings: ProviderSettings | None = None,
        shared_cache: AsyncSharedCache | str | None = None,
        shared_cache_settings: SharedCacheSettings | None = None,
        keys: Sequence[str | bytes] | None = None,
        deployment: str = "coatcheck",
        on_event: Callable[[Event], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Wire the sessions to their provider.

        Args:
            provider: Who issues and ends the sessions.
            store: Where the invalidation log stands, by which workers hear of each other's sign-outs: a store, or a URL
                such as `sqlite:///sign-outs.db` or `postgresql://user:password@host/database`.
            settings: How long the provider's answers may stand in for asking it.
            shared_cache: A cache between the processes, or its URL such as `valkey://host`; needs `keys`, by which
                nobody else can write into it.
            shared_cache_settings: Its time to live and how long a request waits for it.
            keys: Keys of 32 bytes or more.
            deployment: The name that the keys are bound to.
            on_event: Called with each event, after it happened; what it raises is logged and goes no further.
            clock: Where the time comes from; for tests.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        self.provider = provider
        self.settings = settings or ProviderSettings()
        wanted = self.settings.revalidate_after
        self.revalidate_after: timedelta = provider.revalidate_after if wanted is None else wanted
        tiers = AsyncTiers(
            store,
            shared_cache=shared_cache,
            shared_cache_settings=shared_cache_settings,
            keys=keys,
            deployment=deployment,
            lease=self.settings.lease,
            serve_stale_for=timedelta(0),  # without its log the provider itself is asked
            clock=clock,
        )
        super().__init__(tiers, on_event)
        if self.store.capabilities.eventual:
            refuse("store", type(self.store).__name__, "what has ended stands in an invalidation log: use D1")
        kept = duration_nanos(self.revalidate_after)
        self._stale = duration_nanos(self.settings.serve_stale_for)
        self._copies = IdentityCopies(
            revalidate_after=kept,
            max_entries=self.settings.max_entries,
            memory_ttl=None if self.settings.memory_ttl is None else duration_nanos(self.settings.memory_ttl),
            shared_ttl=self.tiers.shared_settings.ttl_ns,
            secrets=self.tiers.secrets(f"provider {provider.name} {provider.conditions}"),
        )
        self._refused_for = min(kept, duration_nanos(self.settings.refused_for))
        self._reads = AsyncCachedReads(
            self._log,
            self._copies,
            unchanged=self.store.unchanged,
            clock=self._clock,
            on_use=_unused,
            shared=self.tiers.shared,
        )
        self.forked()
        after_fork(self)

    def forked(self) -> None:
        """Drop what belongs to the parent process; the tiers do so by themselves."""
        self._refused = RefusedTokens(most=_MOST_REFUSED, keep=self._refused_for)
        self._reads.forked()
        self.provider.forked()

    async def open(self) -> Self:
        """Verify, and where configured create, the tables; a wrong configuration fails here.

        Raises:
            ConfigurationError: Something can never work as configured.
            SchemaError: The tables are missing, older or newer, or have been altered.
        """
        await super().open()
        try:
            await self.provider.open()
        except BaseException:
            await super().aclose()
            raise
        return self

    async def aclose(self) -> None:
        """Close all connections."""
        await self.provider.aclose()
        await super().aclose()

    async def sweep(self, *, batch: int = 1000) -> int:
        """Delete old log entries, and expired sessions of our own where the store has some; returns how many of those.

        Raises:
            Unavailable: The store did not answer.
        """
        total = 0
        while True:
            ended = len(await self.store.sweep(batch))
            total += ended
            if ended < batch:
                return total

    def well_formed(self, token: str | bytes | Token) -> bool:
        """Tell whether this could be a token of the provider, by its form and, where that is known, its signature."""
        presented = presented_bytes(token)
        if not 0 < len(presented) <= _LONGEST_TOKEN or presented == AMBIGUOUS:
            return False
        return self.provider.well_formed(presented)

    def transport(self, cookie: str, *, bearer: bool) -> Transport:
        """Return where tokens stand in a request.

        Args:
            cookie: The name of the cookie, where the provider has none.
            bearer: Whether bearer tokens are read, where the provider does not say.
        """
        own = self.provider.bearer
        noted = self.provider.noted_cookies if isinstance(self.provider, NotesCookies) else ()
        # Where it is about bearer tokens and names no cookie, none is read: a cookie that the application has for
        # something else would be sent to somebody else's server.
        names = self.provider.cookies or (() if own else (cookie,))
        return Transport(
            cookies=tuple(name.encode() for name in names),
            bearer=bearer if own is None else own,
            marks_bearer=self.provider.marks_bearer,
            noted=tuple(name.encode() for name in noted),
        )

    @property
    def notes_clients(self) -> bool:
        """Whether a new address or browser is noted: that is the provider's business."""
        return False

    async def health(self) -> Health:
        """Say how every part is: by what is known, and by asking the store if nothing is. Never raises."""
        probe = self._copies.places("health", b"")
        return await self._health(probe, self.settings.max_entries, (self.provider.name, self.provider.available))
