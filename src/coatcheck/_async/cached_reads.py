"""Reads through the local cache, under the coherence rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck._async._pair import AsyncFlights, AsyncLock
from coatcheck.core.coherence import Knowledge
from coatcheck.core.local_cache import KEY_SIZE, LocalCache, key_hash, key_of
from coatcheck.core.session import NEVER, STAMP, Record, Session, copy_in
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coatcheck.clock import Clock
    from coatcheck.core.settings import CacheSettings
    from coatcheck.stores.async_protocol import AsyncStore
    from coatcheck.stores.base import Reading

_stamp = STAMP.unpack_from
_new = object.__new__


class AsyncCachedReads:
    """The local cache in front of a store: hits without waiting, and one store read for all who miss."""

    def __init__(
        self,
        store: AsyncStore,
        settings: CacheSettings,
        clock: Clock,
        *,
        touch_every: int,
        on_use: Callable[[bytes, bytes, int], None],
    ) -> None:
        """Wire the cache to its store.

        Args:
            store: The authority.
            settings: Size, time to live and lease.
            clock: Where the time comes from.
            touch_every: After how many nanoseconds a use is worth noting again.
            on_use: Called with key, copy and time when a use is worth noting.
        """
        self._store = store
        self._settings = settings
        self._clock = clock
        self._touch_every = touch_every
        self._on_use = on_use
        self.forked()

    def forked(self) -> None:
        """Start anew, knowing nothing."""
        self._monotonic = self._clock.monotonic
        self._unchanged = self._store.unchanged
        self._knowledge = self._ignorance("")
        self._flights = AsyncFlights()
        self._polling = AsyncLock()
        self._poll_failure: tuple[str, int] | None = None

    def _ignorance(self, epoch: str) -> Knowledge:
        return Knowledge(epoch, lease=self._settings.lease_ns, cache=LocalCache(self._settings.max_entries))

    @property
    def cache(self) -> LocalCache:
        """The copies of the current epoch."""
        return self._knowledge.cache

    def lookup(self, presented: bytes) -> Session | None:
        """Answer from memory, at once, or not at all: None says nothing about the session.

        This is the path of every request; each line of it is one condition of the coherence rule.
        """
        knowledge = self._knowledge
        key = key_hash(presented).digest()[:KEY_SIZE]
        try:
            copy = knowledge.cache.young[key]
        except KeyError:
            older = knowledge.cache.get(key)
            if older is None:
                return None
            copy = older
        uptime = self._monotonic()
        if uptime >= knowledge.proven_until or not self._unchanged(knowledge.cursor):
            return None
        as_of, serve_until, touch_at = _stamp(copy)
        now = uptime + knowledge.offset
        if now >= serve_until or (as_of < knowledge.clear_from and not knowledge.admits(copy)):
            return None
        if now >= touch_at:
            self._on_use(key, copy, now)
        session = _new(Session)
        # Session(copy) without the call of __init__, which is a tenth of it all
        session._copy = copy  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return session

    async def get(self, presented: bytes, read: Callable[[], Awaitable[Reading]]) -> Session | Reading:
        """Answer from memory if the log proves the copy good, or from the store, with one read for all who ask.

        Returns:
            The session from memory, or what the store says, which may be a missing or an expired record.

        Raises:
            Unavailable: The store could not answer.
        """
        key = key_of(presented)
        await self.prove()
        if (session := self.lookup(presented)) is not None:
            return session
        waited = False
        while (flight := self._flights.claim(key)) is not None:
            reading = await self._flights.wait(flight)
            if waited and reading is not None:
                return reading
            # The first read may have begun before this request: only the rule can say whether it is good enough.
            # A second one cannot, and so is, whatever it says; thus a session that is gone is read twice at most.
            if (session := self.lookup(presented)) is not None:
                return session
            waited = True
        return await self._lead(key, read)

    async def _lead(self, key: bytes, read: Callable[[], Awaitable[Reading]]) -> Reading:
        """Read for all who wait, and let them go on whatever happens."""
        result: Reading | Unavailable | None = None
        try:
            reading = result = await self._read(key, read)
        except Unavailable as error:
            result = error
            raise
        finally:
            self._flights.end(key, result)
        return reading

    async def _read(self, key: bytes, read: Callable[[], Awaitable[Reading]]) -> Reading:
        # Taken before the read: if a new epoch begins meanwhile, the copy lands where nobody looks.
        knowledge = self._knowledge
        reading = await read()
        if reading.record is not None and reading.epoch == knowledge.epoch and self._settings.max_entries:
            knowledge.cache.put(key, self.copy_of(reading, reading.record))
        return reading

    def copy_of(self, reading: Reading, record: Record) -> bytes:
        """Return a copy of a record, stamped with when it was read and how long it may be served."""
        last_seen, end = record.last_seen_at * 1000, min(record.ends_at(), NEVER // 1000) * 1000
        serve_until = min(end, reading.now + self._settings.ttl_ns)
        return STAMP.pack(reading.as_of, serve_until, last_seen + self._touch_every) + record.pack()

    async def prove(self) -> None:
        """Learn all that the log held at the beginning of this call, or a lease ago, if the store is quick enough.

        Raises:
            Unavailable: The store could not answer.
        """
        if self._proven():
            return
        failure, proof = self._poll_failure, self._knowledge.proven_until
        async with self._polling:
            polled = self._knowledge.proven_until != proof  # by somebody else, while this call waited
            if polled and self._proven():
                return
            if self._poll_failure is not failure and self._poll_failure is not None:
                # It failed while this call waited; each trying for itself would make a queue of timeouts.
                message, retry_after = self._poll_failure
                raise Unavailable(message, retry_after=retry_after)
            if polled and self._unchanged(self._knowledge.cursor):
                # That poll took longer than a lease; another would as well.
                return
            await self._poll()

    def _proven(self) -> bool:
        knowledge = self._knowledge
        return self._monotonic() < knowledge.proven_until and self._unchanged(knowledge.cursor)

    async def _poll(self) -> None:
        try:
            self._knowledge = await self._polled(self._knowledge)
        except Unavailable as error:
            self._poll_failure = (str(error), error.retry_after)  # not the error, whose frames would live on
            raise

    async def _polled(self, knowledge: Knowledge) -> Knowledge:
        sent = self._monotonic()
        page = await self._store.poll(knowledge.cursor)
        if not page.resumed or page.epoch != knowledge.epoch:
            # The first poll of all, another file, or another life of the same one: nothing known before counts.
            if knowledge.cursor is not None:
                sent = self._monotonic()
                page = await self._store.poll(None)
            knowledge = self._ignorance(page.epoch)
        knowledge.apply(page, sent)
        return knowledge

    def admits(self, session: Session) -> bool:
        """Tell whether a session that was read earlier is still good by what is known of the log and the time."""
        copy = copy_in(session)
        knowledge = self._knowledge
        uptime = self._monotonic()
        _, serve_until, _ = _stamp(copy)
        alive = uptime < knowledge.proven_until and uptime + knowledge.offset < serve_until
        # A session may outlive the epoch it was read in, and positions of two epochs cannot be compared.
        known = knowledge.began is not None and serve_until - self._settings.ttl_ns >= knowledge.began
        return alive and known and knowledge.admits(copy)

    def now(self) -> int:
        """The authority's time, in nanoseconds since the epoch, as the last poll brought it."""
        return self._monotonic() + self._knowledge.offset
