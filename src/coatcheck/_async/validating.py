"""What all sessions are validated by, our own and a provider's: from memory, by the log and the authority's time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from coatcheck._async.cached_reads import Read
from coatcheck._async.opened import AsyncOpened
from coatcheck.core.credentials import presented_bytes
from coatcheck.core.local_cache import KEY_SIZE, key_hash
from coatcheck.core.session import Session
from coatcheck.core.times import from_micros
from coatcheck.hooks import EventHook

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from coatcheck._async.cached_reads import AsyncCachedReads
    from coatcheck._async.tiers import AsyncTiers
    from coatcheck.core.events import Event
    from coatcheck.core.health import Health
    from coatcheck.core.sealing import Place
    from coatcheck.core.tokens import Token
    from coatcheck.stores.async_protocol import AsyncStore

R = TypeVar("R", bound=Read)

_new = object.__new__


class AsyncValidating(AsyncOpened, Generic[R]):
    """Sessions of any authority, behind the caches."""

    _reads: AsyncCachedReads[bytes, R]

    def __init__(self, tiers: AsyncTiers, on_event: Callable[[Event], None] | None) -> None:
        """Keep what they stand on, and who is told of events."""
        self.tiers = tiers
        self._clock = tiers.clock
        self._log = tiers.log
        self._events = EventHook(on_event, self.now)

    @property
    def store(self) -> AsyncStore:
        """Where the log stands, and our own sessions."""
        return self.tiers.store

    @property
    def reads(self) -> AsyncCachedReads[bytes, R]:
        """The caches in front of the authority."""
        return self._reads

    @property
    def events(self) -> EventHook:
        """Where events are told."""
        return self._events

    def now(self) -> datetime:
        """Return the time by which sessions are judged, in UTC: the store's, as far as it is known."""
        return from_micros(self._log.best_now() // 1000)

    def lookup(self, token: str | bytes | Token) -> Session | None:
        """Answer from memory, at once; None says nothing: ask `get`."""
        presented = token if type(token) is bytes else presented_bytes(token)
        copy = self._reads.lookup(key_hash(presented).digest()[:KEY_SIZE])
        if copy is None:
            return None
        session = _new(Session)
        # Session(copy) without the call of __init__, which is a tenth of it all
        session._copy = copy  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return session

    async def finish(self) -> None:
        """Finish what was left for later: copies for the shared cache, values being loaded."""
        await self.tiers.finish()

    async def _health(
        self, probe: Sequence[Place], max_entries: int, provider: tuple[str, bool] | None = None
    ) -> Health:
        numbers = {"entries": len(self._reads.cache), "max_entries": max_entries}
        return await self.tiers.health(probe, numbers, provider=provider)
