"""Reads through the caches, under the coherence rule."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from coatcheck._async._pair import AsyncFlights, AsyncLock
from coatcheck._async.follower import AsyncFollower
from coatcheck.core.coherence import Knowledge
from coatcheck.core.local_cache import KEY_SIZE, LocalCache, key_hash, key_of
from coatcheck.core.session import NEVER, STAMP, Record, Session, copy_in
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coatcheck._async.shared_tier import AsyncSharedTier
    from coatcheck.clock import Clock
    from coatcheck.core.answers import Source
    from coatcheck.core.settings import CacheSettings, SharedCacheSettings
    from coatcheck.stores.async_protocol import AsyncStore
    from coatcheck.stores.base import Reading

_log = logging.getLogger("coatcheck")

_stamp = STAMP.unpack_from
_new = object.__new__


_RETRY = 1_000_000_000
"""Nanoseconds between two polls that requests wait for while known copies are served without a proof."""


class AsyncCachedReads:
    """The caches in front of a store: hits without waiting, and one read for all who miss."""

    def __init__(
        self,
        store: AsyncStore,
        settings: CacheSettings,
        clock: Clock,
        *,
        touch_every: int,
        on_use: Callable[[bytes, bytes, int], None],
        shared: AsyncSharedTier | None = None,
        shared_settings: SharedCacheSettings | None = None,
    ) -> None:
        """Wire the caches to their store.

        Args:
            store: The authority.
            settings: Size, time to live and lease.
            clock: Where the time comes from.
            touch_every: After how many nanoseconds a use is worth noting again.
            on_use: Called with key, copy and time when a use is worth noting.
            shared: The tier between the processes.
            shared_settings: How long a copy stays there.
        """
        self._store = store
        self._settings = settings
        self._clock = clock
        self._touch_every = touch_every
        self._on_use = on_use
        self._shared = shared
        self._shared_ttl = 0 if shared_settings is None else shared_settings.ttl_ns
        self._follower = AsyncFollower(
            store, lease=settings.lease.total_seconds(), poll=self._ask_log, proven=self._proven
        )
        self.forked()

    def forked(self) -> None:
        """Start anew, knowing nothing."""
        self._monotonic = self._clock.monotonic
        self._unchanged = self._store.unchanged
        self._knowledge = self._ignorance("")
        self._flights = AsyncFlights()
        self._polling = AsyncLock()
        self._poll_failure: tuple[str, int] | None = None
        self._failed_at: int | None = None
        self._follower.forked()

    async def close(self) -> None:
        """Stop what runs in the background."""
        await self._follower.stop()

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

    async def get(
        self,
        presented: bytes,
        read: Callable[[], Awaitable[Reading]],
        nearby: Callable[[], Awaitable[Reading | None]] | None = None,
    ) -> tuple[Session | Reading, Source]:
        """Answer from memory if the log proves the copy good, or from elsewhere, with one read for all who ask.

        Args:
            presented: What the client has sent.
            read: Reads from the authority.
            nearby: Reads from a replica, if there is one.

        Returns:
            The session from a cache, or what the store says, which may be a missing or an expired record; and which
            of them it was.

        Raises:
            Unavailable: The store could not answer.
        """
        key = key_of(presented)
        if self._failed_at is not None and (session := self._unproven(key, self._failed_at + _RETRY)) is not None:
            return session, "stale"
        try:
            await self.prove()
        except Unavailable:
            if (session := self._unproven(key, NEVER)) is None:
                raise
            return session, "stale"
        if (session := self.lookup(presented)) is not None:
            return session, "memory"
        waited = False
        while (flight := self._flights.claim(key)) is not None:
            answer = await self._flights.wait(flight)
            if waited and answer is not None:
                return answer, _source(answer)
            # The first read may have begun before this request: only the rule can say whether it is good enough.
            # A second one cannot, and so is, whatever it says; thus a session that is gone is read twice at most.
            if (session := self.lookup(presented)) is not None:
                return session, "memory"
            waited = True
        answer = await self._lead(key, read, nearby)
        return answer, _source(answer)

    def _unproven(self, key: bytes, until: int) -> Session | None:
        """Return a session while the log cannot be asked, where that is wanted: all of the rule but its lease."""
        knowledge = self._knowledge
        uptime = self._monotonic()
        extra = self._settings.serve_stale_ns
        copy = knowledge.cache.get(key)
        if copy is None or not extra or uptime >= min(knowledge.proven_until + extra, until):
            return None
        alive = uptime + knowledge.offset < _stamp(copy)[1]
        return Session(copy) if alive and knowledge.admits(copy) else None

    async def _lead(
        self,
        key: bytes,
        read: Callable[[], Awaitable[Reading]],
        nearby: Callable[[], Awaitable[Reading | None]] | None = None,
    ) -> Session | Reading:
        """Read for all who wait, and let them go on whatever happens."""
        result: Session | Reading | Unavailable | None = None
        try:
            answer = result = await self._read(key, read, nearby)
        except Unavailable as error:
            result = error
            raise
        finally:
            self._flights.end(key, result)
        return answer

    async def _read(
        self,
        key: bytes,
        read: Callable[[], Awaitable[Reading]],
        nearby: Callable[[], Awaitable[Reading | None]] | None = None,
    ) -> Session | Reading:
        # Taken before the read: if a new epoch begins meanwhile, the copy lands where nobody looks.
        knowledge = self._knowledge
        if self._shared is not None:
            copy = await self._shared.get(knowledge.epoch, key)
            if copy is not None and (session := self._accepted(knowledge, key, copy)) is not None:
                return session
        if nearby is not None:
            reading = await nearby()
            if reading is not None and self._is_current(knowledge, reading):
                # Expiry is judged by the authority's clock, and a replica's host has another one.
                return reading._replace(now=self._monotonic() + knowledge.offset)
        reading = await read()
        if reading.record is not None and reading.epoch and reading.epoch == knowledge.epoch:
            self._fill(knowledge, key, reading, reading.record)
        return reading

    def _is_current(self, knowledge: Knowledge, reading: Reading) -> bool:
        """Judge what a replica says by the rule: it is good as long as a copy read then would be."""
        if reading.record is None or reading.epoch != knowledge.epoch or not reading.epoch:
            return False  # what it has not got, it may not have got yet
        if knowledge is not self._knowledge:
            return False  # it would look as if read in the new epoch, and be judged by its log
        uptime = self._monotonic()
        copy = self.copy_of(reading, reading.record)
        alive = uptime < knowledge.proven_until and uptime + knowledge.offset < _stamp(copy)[1]
        return alive and knowledge.admits(copy)

    def _accepted(self, knowledge: Knowledge, key: bytes, copy: bytes) -> Session | None:
        """Judge a copy from the shared tier by the same rule, and keep it here if it is good."""
        as_of, serve_until, touch_at = _stamp(copy)
        uptime = self._monotonic()
        now = uptime + knowledge.offset
        if uptime >= knowledge.proven_until or now >= serve_until or not knowledge.admits(copy):
            return None
        if knowledge is not self._knowledge:
            return None  # its time to live would look as if it had been read in the new epoch
        # A copy's time to live counts from its reading; what is left of it here may only be shorter.
        stamp = STAMP.pack(as_of, min(serve_until, now + self._settings.ttl_ns), touch_at)
        copy = stamp + copy[STAMP.size :]
        if self._settings.max_entries:
            knowledge.cache.put(key, copy)
        if now >= touch_at:
            self._on_use(key, copy, now)
        return Session(copy)

    def _fill(self, knowledge: Knowledge, key: bytes, reading: Reading, record: Record) -> None:
        if self._settings.max_entries:
            knowledge.cache.put(key, self.copy_of(reading, record))
        if self._shared is not None:
            copy = self.copy_of(reading, record, self._shared_ttl)
            self._shared.put(knowledge.epoch, key, copy, _stamp(copy)[1] - reading.now)

    def copy_of(self, reading: Reading, record: Record, ttl: int | None = None) -> bytes:
        """Return a copy of a record, stamped with when it was read and how long it may be served."""
        last_seen, end = record.last_seen_at * 1000, min(record.ends_at(), NEVER // 1000) * 1000
        serve_until = min(end, reading.now + (self._settings.ttl_ns if ttl is None else ttl))
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
        if self._store.capabilities.pushes_changes:
            self._follower.used()

    def doubt(self) -> None:
        """Ask the log before anything else is served: this worker sees its own changes at once."""
        if not self._store.capabilities.notices_changes:
            self._knowledge.doubt(self._monotonic())

    def retry(self) -> None:
        """Find out in the background whether the store answers again, where that is possible."""
        if self._store.capabilities.pushes_changes:
            self._follower.used()

    async def _ask_log(self) -> None:
        """Poll for nobody in particular: because there is news, or the lease will be over soon."""
        async with self._polling:
            await self._poll()

    def _proven(self) -> bool:
        knowledge = self._knowledge
        return self._monotonic() < knowledge.proven_until and self._unchanged(knowledge.cursor)

    async def _poll(self) -> None:
        try:
            self._knowledge = await self._polled(self._knowledge)
        except Unavailable as error:
            self._poll_failure = (str(error), error.retry_after)  # not the error, whose frames would live on
            if self._failed_at is None:
                _log.warning("coatcheck.authority_unavailable", extra={"reason": str(error)})
            self._failed_at = self._monotonic()
            raise
        if self._failed_at is not None:
            self._failed_at = None
            _log.info("coatcheck.authority_available")

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

    @property
    def failing(self) -> bool:
        """Whether the last poll has failed."""
        return self._failed_at is not None

    @property
    def proof_sent(self) -> int | None:
        """When the last complete poll was sent, by the monotonic clock; None before the first."""
        knowledge = self._knowledge
        return None if knowledge.began is None else knowledge.proven_until - knowledge.lease


def _source(answer: Session | Reading) -> Source:
    return "shared" if isinstance(answer, Session) else "store"
