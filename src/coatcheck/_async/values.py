"""What loads the application's values, keeps them, and loads them anew before their time is over."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any

from coatcheck._async._errands import AsyncDeadline, AsyncJobs
from coatcheck._async._pair import FlightError
from coatcheck._async.cached_reads import AsyncCachedReads
from coatcheck._async.leases import AsyncLeases
from coatcheck.core.answers import LoaderFailed
from coatcheck.core.session import STAMP, restamped
from coatcheck.core.value_copies import BODY, Loaded, Mark, ValueCopies
from coatcheck.errors import CoatcheckError, DataError, Unavailable
from coatcheck.fork import after_fork

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from coatcheck._async.tiers import AsyncTiers
    from coatcheck.core.sealing import Place
    from coatcheck.core.settings import ValueSettings
    from coatcheck.values import Codec

_log = logging.getLogger("coatcheck")

_JOBS = 8
"""So many values are loaded anew at once; more of them wait, or for threads come again with the next use."""

_WAITING = 1000
_DUE = 10_000

_RETRY = 1_000_000_000
"""Nanoseconds until a value that is being loaded anew, here or elsewhere, is looked after again."""


class Use:
    """What one caller makes of copies.

    Attributes:
        refused: Whether one was of no use to this caller.
    """

    __slots__ = ("_codec", "_copy", "_value", "refused")

    def __init__(self, codec: Codec[Any]) -> None:
        """Keep the codec of the type that the caller wants."""
        self._codec = codec
        self._copy: bytes | None = None
        self._value: Any = None
        self.refused = False

    def usable(self, copy: bytes) -> bool:
        """Tell whether a copy is of the type that is wanted, and remember what it says."""
        if copy is self._copy:
            return True
        try:
            self._value = self._codec.decode(copy[BODY:])
        except DataError:
            self.refused = True
            return False
        self._copy = copy
        return True

    def value_of(self, copy: bytes) -> Any:
        """Return what a usable copy says."""
        return self._value if copy is self._copy else self._codec.decode(copy[BODY:])


class Wanted(Use):
    """What one caller asks for: also how to load it, and how long it lives."""

    __slots__ = ("loader", "stale", "ttl")

    def __init__(self, codec: Codec[Any], loader: Callable[[], Awaitable[Any]], *, ttl: int, stale: int) -> None:
        """Keep it; times are in nanoseconds."""
        super().__init__(codec)
        self.loader = loader
        self.ttl = ttl
        self.stale = stale

    def copied(self, value: Any) -> bytes:
        """Return a loaded value's bytes.

        Raises:
            LoaderFailed: It is not of the type that is wanted.
        """
        try:
            return self._codec.encode(value)
        except DataError as error:
            raise LoaderFailed(error) from error


class AsyncValues:
    """The values of one process.

    Attributes:
        reads: The caches.
        due: The full keys of values in use that are to be loaded anew.
        numbers: How often values were loaded, could not be, and so on.
    """

    def __init__(self, tiers: AsyncTiers, settings: ValueSettings) -> None:
        """Wire them to the tiers."""
        self.tiers = tiers
        self.settings = settings
        self._copies = ValueCopies(settings, secrets=tiers.secrets("values"), lots=random.random)
        self.due: set[str] = set()
        self.reads: AsyncCachedReads[str, Loaded] = AsyncCachedReads(
            tiers.log,
            self._copies,
            unchanged=tiers.store.unchanged,
            clock=tiers.clock,
            on_use=self._note,
            shared=tiers.shared,
            patience=settings.load_timeout.total_seconds(),
        )
        self._leases = (
            None if tiers.shared is None else AsyncLeases(tiers.shared, tiers.clock, settings.load_timeout_ns)
        )
        self.numbers = dict.fromkeys(("loads", "failures", "refreshes", "stale", "unusable", "too_large"), 0)
        self._jobs = AsyncJobs(at_once=_JOBS, most=_WAITING)
        after_fork(self)

    def forked(self) -> None:
        """Drop what belongs to the parent process."""
        self.due.clear()
        self.reads.forked()
        self._jobs = AsyncJobs(at_once=_JOBS, most=_WAITING)
        if self._leases is not None:
            self._leases.forked()

    async def finish(self) -> None:
        """Wait for what is being loaded in the background."""
        await self._jobs.aclose()

    async def aclose(self) -> None:
        """Wait for what is being loaded anew."""
        await self.finish()
        if self._leases is not None:
            await self._leases.aclose()

    # --- reading

    def decoded(self, key: str, copy: bytes, type_: Any, codec: Codec[Any]) -> tuple[bool, Any]:
        """Return whether a copy in memory can be used, and what it says."""
        try:
            value = codec.decode(copy[BODY:])
        except DataError:
            return False, None
        if codec.shareable:
            self.reads.cache.views[key] = copy, type_, value
        return True, value

    async def find(self, key: str, codec: Codec[Any]) -> tuple[bool, Any]:
        """Return whether a cache has the value, and which it is."""
        use = Use(codec)
        if not await self.tiers.log.can_prove():
            return False, None
        copy = self.reads.lookup(key)
        if copy is None or not use.usable(copy):
            copy = await self.reads.from_shared(key, use.usable)
        self.numbers["unusable"] += use.refused
        return copy is not None, None if copy is None else use.value_of(copy)

    async def get(self, key: str, wanted: Wanted, *, refresh: bool) -> Any:
        """Return the value from a cache, or from the loader; with `refresh` one in use is loaded anew in time.

        Raises:
            Exception: What the loader has raised.
            Unavailable: The loader took too long.
        """
        try:
            answer = await self._answer(key, wanted)
        except FlightError as error:
            failure = error
        else:
            value = wanted.value_of(answer if isinstance(answer, bytes) else answer.copy)
            if refresh and isinstance(answer, bytes) and key in self.due:
                self.renew(key, answer, wanted)
            return value
        copy = await self._past(key, wanted)
        if copy is None:
            # Outside of the handler, or it would look as if our own error had caused the loader's.
            raise failure.error if isinstance(failure, LoaderFailed) else failure
        self.numbers["stale"] += 1
        _log.warning("coatcheck.stale_value", extra={"reason": _kind_of(failure)})
        return wanted.value_of(copy)

    async def _answer(self, key: str, wanted: Wanted) -> bytes | Loaded:
        """Return a copy that this caller can use, or what was loaded for it."""
        try:
            answer = await self._read(key, wanted)
            if not wanted.usable(answer if isinstance(answer, bytes) else answer.copy):
                # Somebody else has loaded another type under the same key, and it could not be kept: nor can ours.
                answer = await self._loaded(wanted, Mark("", 0, 0))
            return answer
        finally:
            self.numbers["unusable"] += wanted.refused

    async def _read(self, key: str, wanted: Wanted) -> bytes | Loaded:
        began = self.tiers.clock.monotonic()
        if await self.tiers.log.can_prove():
            try:
                return (await self.reads.get(key, lambda _: self._load(key, wanted), usable=wanted.usable))[0]
            except Unavailable:
                # The log's, which may answer again by now; or somebody else's load has taken too long.
                took = self.tiers.clock.monotonic() - began
                if not self.tiers.log.failing and took >= self.settings.load_timeout_ns:
                    raise
        # A cache must not fail what would work without it.
        self.tiers.log.follow()
        return await self.reads.without_log(key, lambda: self._loaded(wanted, Mark("", 0, 0)))

    async def _past(self, key: str, wanted: Wanted) -> bytes | None:
        """Return a value whose time is over, where the caller wants that rather than an error."""
        # A loader that hangs may have taken longer than the proof was good, and the log may have grown since.
        if not wanted.stale or not (self.tiers.log.proven() or await self.tiers.log.can_prove()):
            return None
        copy = self.reads.past(key, wanted.stale)
        return copy if copy is not None and wanted.usable(copy) else None

    # --- loading

    async def mark(self) -> Mark:
        """Return where the log stands, as far as it can be asked."""
        return self._mark() if await self.tiers.log.can_prove() else Mark("", 0, 0)

    def _mark(self) -> Mark:
        knowledge = self.tiers.log.knowledge
        return Mark(knowledge.epoch, knowledge.as_of, self.tiers.clock.monotonic() + knowledge.offset)

    async def _load(self, key: str, wanted: Wanted) -> bytes | Loaded:
        """Load a value, unless another worker does: then wait for what it brings."""
        leased, copy = await self._leased(key, wanted.usable, wait=True)
        return copy if copy is not None else await self._loaded(wanted, self._mark(), leased)

    async def _leased(
        self, key: str, usable: Callable[[bytes], bool], *, wait: bool
    ) -> tuple[Place | None, bytes | None]:
        """Return the lease on a value's place, if there are any and it was free, or what somebody has put there."""
        epoch = self.tiers.log.knowledge.epoch
        if self._leases is None or not epoch:
            return None, None
        there = self._copies.places(epoch, key)[0]
        leased, copy = await self._leases.take(there, lambda: self._look(key, usable), wait=wait)
        return there if leased else None, copy

    async def _look(self, key: str, usable: Callable[[bytes], bool]) -> bytes | None:
        """Return what somebody has put into the shared cache, if the rule admits it."""
        try:
            await self.tiers.log.prove()  # loading it may have taken longer than our proof was good
        except Unavailable:
            return None  # it is no failure of the load, for which others wait too
        return await self.reads.from_shared(key, usable)

    async def _loaded(self, wanted: Wanted, mark: Mark, lease: Place | None = None) -> Loaded:
        began = self.tiers.clock.monotonic()
        given = False
        try:
            value = await self._called(wanted.loader)
            copy = wanted.copied(value)
            took = self.tiers.clock.monotonic() - began
            loaded = self._measured(mark, copy, ttl=wanted.ttl, stale=wanted.stale, took=took)
            self.numbers["loads"] += 1
            given = lease is not None and bool(loaded.epoch)
            return loaded._replace(leased=given)
        finally:
            self._end(lease, given=given)

    def _end(self, lease: Place | None, *, given: bool) -> None:
        if lease is not None and self._leases is not None:
            self._leases.end(lease, given=given)

    async def _called(self, loader: Callable[[], Awaitable[Any]]) -> Any:
        deadline = AsyncDeadline(self.settings.load_timeout_ns, self.tiers.clock)
        try:
            async with deadline:
                return await loader()
        except Exception as error:
            self.numbers["failures"] += 1
            if isinstance(error, TimeoutError) and deadline.missed:
                msg = f"the loader took longer than load_timeout={self.settings.load_timeout.total_seconds():g} s"
                raise LoaderFailed(Unavailable(msg)) from error
            raise LoaderFailed(error) from error

    def _measured(self, mark: Mark, copy: bytes, *, ttl: int, stale: int = 0, took: int = 0) -> Loaded:
        """Return a value as it is kept, and note one that is too large for that."""
        loaded = self._copies.loaded(mark, copy, ttl=ttl, stale=stale, took=took)
        if mark.epoch and not loaded.epoch:
            self.numbers["too_large"] += 1
            size = len(copy)
            _log.warning("coatcheck.value_too_large", extra={"bytes": size})
        return loaded

    async def put(self, key: str, copy: bytes, ttl: int, mark: Mark | None) -> None:
        """Keep a value's bytes that the caller has read after a mark."""
        self.reads.keep(key, self._measured(mark or await self.mark(), copy, ttl=ttl))

    async def invalidate(self, subjects: Sequence[str], *, wait: bool, connection: Any) -> None:
        """Make every worker load what has one of these subjects anew."""
        self.tiers.check_wait(connection, wait=wait)
        if subjects:
            await self.tiers.store.invalidate(subjects, connection=connection)
            self.tiers.changed(connection)
            await self.tiers.settled(wait=wait)

    # --- loading anew

    def _note(self, key: str, _: bytes, __: int) -> None:
        if len(self.due) >= _DUE:
            self.due.clear()  # of those, nobody has asked again
        self.due.add(key)

    def renew(self, key: str, copy: bytes, wanted: Wanted) -> None:
        """Load a value anew in the background, before its time is over."""
        self.due.discard(key)
        as_of, serve_until, touch_at = STAMP.unpack_from(copy)
        now = self.tiers.log.now()
        if now < touch_at:
            return  # it was loaded anew since it was noted
        # Not again with the next use: it is under way, here or elsewhere.
        later = now + min(_RETRY, max(1, (serve_until - now) // 4))
        self.reads.cache.replace(key, copy, restamped(copy, as_of, serve_until, later))
        self._jobs.run(lambda: self._renewed(key, wanted, now))

    async def _renewed(self, key: str, wanted: Wanted, now: int) -> None:
        def fresh(copy: bytes) -> bool:
            return STAMP.unpack_from(copy)[2] > now and wanted.usable(copy)

        try:
            lease, copy = await self._leased(key, fresh, wait=False)
            if copy is not None or (lease is None and self._leases is not None):
                return  # another worker has loaded it, or is about to: then it is found with a later use
            done = await self.reads.renew(key, lambda _: self._loaded(wanted, self._mark(), lease))
        except (LoaderFailed, CoatcheckError) as error:
            self.note_failed(error)
            return
        if done:
            self.numbers["refreshes"] += 1
        else:
            self._end(lease, given=False)

    def note_failed(self, error: BaseException) -> None:
        """Say that a value could not be loaded anew; the old one is served until its time is over."""
        _log.warning("coatcheck.refresh_failed", extra={"reason": _kind_of(error)})


def _kind_of(error: BaseException) -> str:
    # Its kind and no more: what a loader says may hold anything.
    return type(error.error if isinstance(error, LoaderFailed) else error).__name__
