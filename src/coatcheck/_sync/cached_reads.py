# Generated from _async/cached_reads.py by tools/generate_sync.py: edit that, run `make generate`.
"""Reads through the caches, under the coherence rule: of sessions, and of any other value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from coatcheck._sync._pair import FlightError, Flights
from coatcheck.core.session import NEVER, STAMP, restamped
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from coatcheck._sync.log_reader import LogReader
    from coatcheck._sync.shared_tier import SharedTier
    from coatcheck.clock import Clock
    from coatcheck.core.answers import LoaderFailed, Source
    from coatcheck.core.coherence import Knowledge
    from coatcheck.core.local_cache import LocalCache
    from coatcheck.core.sealing import Place

K = TypeVar("K")
R = TypeVar("R", bound="Read")
R_contra = TypeVar("R_contra", contravariant=True)

_stamp = STAMP.unpack_from

_RETRY = 1_000_000_000
"""Nanoseconds between two polls that requests wait for while known copies are served without a proof."""


def _always(_: bytes) -> bool:
    return True


class Read(Protocol):
    """What was read from an authority, and where the log stood before."""

    @property
    def epoch(self) -> str:
        """The identity of the log; empty for what must not be kept."""
        ...

    @property
    def now(self) -> int:
        """The authority's clock, in nanoseconds since the epoch."""
        ...


class Copies(Protocol[K, R_contra]):
    """How one kind of thing is kept: a copy is a stamp (`STAMP`) and whatever it wants to say."""

    def subjects(self, key: K, copy: bytes, /) -> Iterable[str]:
        """Return what log entries may call it."""
        ...

    def kept(self, reading: R_contra, /) -> bytes | None:
        """Return the copy to be kept in memory; None for nothing."""
        ...

    def shared(self, reading: R_contra, /) -> tuple[bytes, int, bool] | None:
        """Return the copy to be shared, for how many nanoseconds it is of use, and whether a lease ends then."""
        ...

    def places(self, epoch: str, key: K, /) -> tuple[Place, ...]:
        """Return where its copy belongs in a shared cache."""
        ...

    def new_cache(self) -> LocalCache[K]:
        """Return an empty cache for a new epoch."""
        ...

    @property
    def ttl(self) -> int:
        """How many nanoseconds after its reading a copy is kept in memory at the most."""
        ...


class CachedReads(Generic[K, R]):
    """The caches in front of an authority: hits without waiting, and one read for all who miss.

    Attributes:
        view: What is known of the current epoch, and the copies that were read in it.
    """

    def __init__(
        self,
        log: LogReader,
        copies: Copies[K, R],
        *,
        unchanged: Callable[[object], bool],
        clock: Clock,
        on_use: Callable[[K, bytes, int], None],
        shared: SharedTier | None = None,
        patience: float | None = None,
    ) -> None:
        """Wire the caches.

        Args:
            log: Proves them.
            copies: How things are kept.
            unchanged: Tells at once that the log has not grown, as far as that can be told.
            clock: Where the time comes from.
            on_use: Called with key, copy and time when a use is worth noting: at or after the copy's `touch_at`.
            shared: The tier between the processes.
            patience: For how many seconds a thread waits for another's read.
        """
        self._log = log
        self._copies = copies
        self._unchanged = unchanged
        self._clock = clock
        self._on_use = on_use
        self._shared = shared
        self._patience = patience
        self.forked()
        log.add_keeper(self._begin)

    def forked(self) -> None:
        """Start anew; what is under way is the parent's."""
        self._monotonic = self._clock.monotonic
        self._flights: Flights[K, bytes | R] = Flights(self._patience)

    def _begin(self, knowledge: Knowledge) -> None:
        # Both at once: a copy is judged by the knowledge of the epoch it was read in, and by no other.
        self.view = knowledge, self._copies.new_cache()

    @property
    def cache(self) -> LocalCache[K]:
        """The copies of the current epoch."""
        return self.view[1]

    def lookup(self, key: K) -> bytes | None:
        """Return the copy in memory if it may be served, at once; None says nothing about the thing itself.

        This is the path of every request; each line of it is one condition of the coherence rule.
        """
        knowledge, cache = self.view
        try:
            copy = cache.young[key]
        except KeyError:
            older = cache.get(key)
            if older is None:
                return None
            copy = older
        uptime = self._monotonic()
        if uptime >= knowledge.proven_until or not self._unchanged(knowledge.cursor):
            return None
        as_of, serve_until, touch_at = _stamp(copy)
        now = uptime + knowledge.offset
        if now >= serve_until:
            return None
        if as_of < knowledge.clear_from:
            advanced = self._advanced(knowledge, cache, key, copy)
            if advanced is None:
                return None
            copy = advanced
        if now >= touch_at:
            self._on_use(key, copy, now)
        return copy

    def _advanced(self, knowledge: Knowledge, cache: LocalCache[K], key: K, copy: bytes) -> bytes | None:
        """Return a copy that rules 2 and 3 admit, as if it had just been read: nothing has outdated it since.

        So the copies in use stay above the floor, however long they live, and are judged once for each page of the log.
        """
        as_of, serve_until, touch_at = _stamp(copy)
        reached = knowledge.as_of  # before the judgement: what is learned during it may not count
        if not knowledge.admits(as_of, self._copies.subjects(key, copy)):
            return None
        if reached <= as_of:
            return copy
        advanced = restamped(copy, reached, serve_until, touch_at)
        cache.replace(key, copy, advanced)
        return advanced

    def get(
        self,
        key: K,
        read: Callable[[Knowledge], bytes | R],
        nearby: Callable[[], R | None] | None = None,
        usable: Callable[[bytes], bool] = _always,
    ) -> tuple[bytes | R, Source]:
        """Answer from memory if the log proves the copy good, or from elsewhere, with one read for all who ask.

        Args:
            key: The local-cache key.
            read: Reads from the authority, or returns a copy that was accepted meanwhile.
            nearby: Reads from a replica, if there is one.
            usable: Tells of a copy that the rule admits whether this caller can use it.

        Returns:
            The copy from a cache, or what was read; and which of them it was.

        Raises:
            Unavailable: The log, or the authority, could not answer.
        """
        failed_at = self._log.failed_at
        if failed_at is not None:
            copy = self._unproven(key, failed_at + _RETRY)
            if copy is not None and usable(copy):
                return copy, "stale"
        try:
            self._log.prove()
        except Unavailable:
            copy = self._unproven(key, NEVER)
            if copy is None or not usable(copy):
                raise
            return copy, "stale"
        if (copy := self.lookup(key)) is not None and usable(copy):
            return copy, "memory"
        waited = False
        while (flight := self._flights.claim(key)) is not None:
            answer = self._flights.wait(flight)
            if waited and answer is not None:
                return answer, _source(answer)
            # The first read may have begun before this request: only the rule can say whether it is good enough.
            # A second one cannot, and so is, whatever it says; thus a session that is gone is read twice at most.
            self._log.prove()
            if (copy := self.lookup(key)) is not None and usable(copy):
                return copy, "memory"
            waited = True
        answer = self._lead(key, lambda: self._read(key, read, nearby, usable))
        return answer, _source(answer)

    def _unproven(self, key: K, until: int) -> bytes | None:
        """Return a copy while the log cannot be asked, where that is wanted: all of the rule but its lease."""
        knowledge, cache = self.view
        copy = cache.get(key) if self._log.stale_ns else None
        until = min(knowledge.proven_until + self._log.stale_ns, until)
        return None if copy is None or self._judged(knowledge, key, copy, until) is None else copy

    def _judged(self, knowledge: Knowledge, key: K, copy: bytes, until: int, grace: int = 0) -> int | None:
        """Judge a copy by the whole rule, with a lease until then; returns the authority's time if it is good."""
        as_of, serve_until, _ = _stamp(copy)
        uptime = self._monotonic()
        now = uptime + knowledge.offset
        if uptime >= until or now >= serve_until + grace:
            return None
        return now if knowledge.admits(as_of, self._copies.subjects(key, copy)) else None

    def _lead(self, key: K, read: Callable[[], bytes | R]) -> bytes | R:
        """Read for all who wait, and let them go on whatever happens."""
        result: bytes | R | Unavailable | LoaderFailed | None = None
        try:
            answer = result = read()
        except FlightError as error:
            result = error
            raise
        finally:
            self._flights.end(key, result)
        return answer

    def _read(
        self,
        key: K,
        read: Callable[[Knowledge], bytes | R],
        nearby: Callable[[], R | None] | None = None,
        usable: Callable[[bytes], bool] = _always,
    ) -> bytes | R:
        if (copy := self.from_shared(key, usable)) is not None:
            return copy
        view = self.view
        if nearby is not None:
            reading = nearby()
            if reading is not None and view is self.view and self._is_current(view[0], key, reading):
                return reading
        return self._ask(key, read)

    def _ask(self, key: K, read: Callable[[Knowledge], bytes | R]) -> bytes | R:
        # Taken before the read: if a new epoch begins meanwhile, the copy lands where nobody looks.
        knowledge, cache = self.view
        answer = read(knowledge)
        if not isinstance(answer, bytes) and answer.epoch and answer.epoch == knowledge.epoch:
            self._fill(cache, key, answer)
        return answer

    def _is_current(self, knowledge: Knowledge, key: K, reading: R) -> bool:
        """Judge what a replica says by the rule: it is good as long as a copy read then would be."""
        if reading.epoch != knowledge.epoch or not reading.epoch:
            return False
        copy = self._copies.kept(reading)  # what it has not got, it may not have got yet
        return copy is not None and self._judged(knowledge, key, copy, knowledge.proven_until) is not None

    def renew(self, key: K, read: Callable[[Knowledge], bytes | R]) -> bool:
        """Read again what is in memory already; returns False if somebody else reads it now.

        Raises:
            Unavailable: The authority could not answer.
        """
        if self._flights.claim(key) is not None:
            return False
        self._lead(key, lambda: self._ask(key, read))
        return True

    def without_log(self, key: K, read: Callable[[], R]) -> bytes | R:
        """Read for all who wait while the log cannot be asked; nothing is kept.

        Raises:
            Unavailable: The authority could not answer.
        """
        waited = False
        while (flight := self._flights.claim(key)) is not None:
            answer = self._flights.wait(flight)
            if waited and answer is not None:
                return answer
            waited = True
        return self._lead(key, read)

    def past(self, key: K, grace: int) -> bytes | None:
        """Return a copy whose time is over by no more than so many nanoseconds: all of the rule but its expiry."""
        knowledge, cache = self.view
        copy = cache.get(key)
        if copy is None or self._judged(knowledge, key, copy, knowledge.proven_until, grace) is None:
            return None
        return copy

    def drop(self, key: K) -> None:
        """Forget a copy, as of what the authority has refused since."""
        self.cache.drop(key)

    def keep(self, key: K, reading: R) -> None:
        """Keep what was read elsewhere, if its epoch is not over."""
        knowledge, cache = self.view
        if reading.epoch and reading.epoch == knowledge.epoch:
            self._fill(cache, key, reading)

    def keep_here(self, key: K, reading: R) -> None:
        """Keep what was read elsewhere in memory only, if its epoch is not over."""
        knowledge, cache = self.view
        if reading.epoch and reading.epoch == knowledge.epoch and (copy := self._copies.kept(reading)) is not None:
            cache.put(key, copy)

    def from_shared(self, key: K, usable: Callable[[bytes], bool] = _always) -> bytes | None:
        """Return the copy from the shared tier if the rule admits it, and keep it here."""
        view = knowledge, cache = self.view
        if self._shared is None or not knowledge.epoch:
            return None
        copy = self._shared.get(self._copies.places(knowledge.epoch, key))
        now = None if copy is None else self._judged(knowledge, key, copy, knowledge.proven_until)
        if copy is None or now is None or not usable(copy):
            return None
        if view is not self.view:
            return None  # its time to live would look as if it had been read in the new epoch
        as_of, serve_until, touch_at = _stamp(copy)
        # A copy's time to live counts from its reading; what is left of it here may only be shorter.
        copy = restamped(copy, as_of, min(serve_until, now + self._copies.ttl), touch_at)
        cache.put(key, copy)
        if now >= touch_at:
            self._on_use(key, copy, now)
        return copy

    def _fill(self, cache: LocalCache[K], key: K, reading: R) -> None:
        if (copy := self._copies.kept(reading)) is not None:
            cache.put(key, copy)
        if self._shared is not None and (sharing := self._copies.shared(reading)) is not None:
            copy, keep, gives = sharing
            self._shared.put(self._copies.places(reading.epoch, key)[0], copy, keep, gives=gives)

    def admits(self, key: K, copy: bytes) -> bool:
        """Tell whether a copy that was served earlier is still good by what is known of the log and the time."""
        knowledge = self.view[0]
        # It may outlive the epoch it was read in, and positions of two epochs cannot be compared.
        known = knowledge.began is not None and _stamp(copy)[1] - self._copies.ttl >= knowledge.began
        return known and self._judged(knowledge, key, copy, knowledge.proven_until) is not None


def _source(answer: object) -> Source:
    return "shared" if isinstance(answer, bytes) else "store"
