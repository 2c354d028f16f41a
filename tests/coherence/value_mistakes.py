"""Ways to get cached values wrong: each replaces a piece of the real cache, everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck._async import leases, log_reader
from coatcheck._async.cached_reads import AsyncCachedReads
from coatcheck._async.leases import AsyncLeases
from coatcheck._async.shared_tier import AsyncSharedTier
from coatcheck._async.values import AsyncValues, Wanted
from coatcheck.core import namespaces, value_copies
from coatcheck.core.local_cache import LocalCache
from coatcheck.core.session import STAMP
from coatcheck.core.value_copies import Loaded, Mark, ValueCopies
from tests.coherence.mistakes import EveryoneIgnored

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import pytest

    from coatcheck.core.answers import Source
    from coatcheck.core.coherence import Knowledge
    from coatcheck.core.sealing import Place

    Reads = AsyncCachedReads[str, Loaded]
    Read = Callable[[Knowledge], Awaitable[bytes | Loaded]]
    Mistake = Callable[[pytest.MonkeyPatch], None]


def _replace(patch: pytest.MonkeyPatch, name: str, mistaken: Any) -> None:
    """Replace a method of the reads of values; sessions are read as before."""
    real = getattr(AsyncCachedReads, name)

    def chosen(self: AsyncCachedReads[Any, Any], *arguments: Any, **options: Any) -> Any:
        return (mistaken if isinstance(self._copies, ValueCopies) else real)(self, *arguments, **options)

    patch.setattr(AsyncCachedReads, name, chosen)


def stamped(copy: bytes, as_of: int, *, later: int = 0) -> bytes:
    """Return a copy that claims to have been read at another position, and may live longer."""
    _, serve_until, touch_at = STAMP.unpack_from(copy)
    return STAMP.pack(as_of, serve_until + later, touch_at) + copy[STAMP.size :]


def marked_after_loading(patch: pytest.MonkeyPatch) -> None:
    """A value claims to be as new as what was known when its loader returned."""
    real = AsyncValues._loaded

    async def loaded(self: AsyncValues, wanted: Wanted, mark: Mark, lease: Place | None = None) -> Loaded:
        brought = await real(self, wanted, mark, lease)
        return brought._replace(copy=stamped(brought.copy, self._mark().as_of))

    patch.setattr(AsyncValues, "_loaded", loaded)


def marked_with_the_newest(patch: pytest.MonkeyPatch) -> None:
    """A value claims to be newer than the newest entry, though older numbers may not have been committed yet."""

    def mark(self: AsyncValues) -> Mark:
        knowledge = self.tiers.log.knowledge
        return Mark(knowledge.epoch, max(knowledge.newest + 1, knowledge.floor), self.tiers.log.now())

    patch.setattr(AsyncValues, "_mark", mark)


def advanced_to_the_newest(patch: pytest.MonkeyPatch) -> None:
    """A copy that was judged claims to be newer than the newest entry."""
    real = AsyncCachedReads._advanced

    def advanced(self: Reads, knowledge: Knowledge, cache: LocalCache[str], key: str, copy: bytes) -> bytes | None:
        reached, knowledge.as_of = knowledge.as_of, knowledge.newest + 1
        try:
            return real(self, knowledge, cache, key, copy)
        finally:
            knowledge.as_of = reached

    _replace(patch, "_advanced", advanced)


def advanced_unjudged(patch: pytest.MonkeyPatch) -> None:
    """A copy in memory is stamped anew whatever the log says of it."""

    def advanced(self: Reads, knowledge: Knowledge, cache: LocalCache[str], key: str, copy: bytes) -> bytes:
        renewed = stamped(copy, knowledge.as_of)
        cache.replace(key, copy, renewed)
        return renewed

    _replace(patch, "_advanced", advanced)


def mark_of_put_ignored(patch: pytest.MonkeyPatch) -> None:
    """What is put counts as read now, whenever it was read."""
    real = AsyncValues.put

    async def put(self: AsyncValues, key: str, copy: bytes, ttl: int, mark: Mark | None) -> None:
        await real(self, key, copy, ttl, None)

    patch.setattr(AsyncValues, "put", put)


def refresh_marked_on_landing(patch: pytest.MonkeyPatch) -> None:
    """What is loaded anew claims to be as new as what is known when it lands."""
    real = AsyncCachedReads.renew

    async def renew(self: Reads, key: str, read: Read) -> bool:
        async def brought(knowledge: Knowledge) -> bytes | Loaded:
            answer = await read(knowledge)
            assert isinstance(answer, Loaded)
            return answer._replace(copy=stamped(answer.copy, self._log.knowledge.as_of))

        return await real(self, key, brought)

    _replace(patch, "renew", renew)


def refresh_renews_the_old_value(patch: pytest.MonkeyPatch) -> None:
    """The old value gets a new life while it is being loaded anew."""
    real = AsyncValues.renew

    def renew(self: AsyncValues, key: str, copy: bytes, wanted: Wanted) -> None:
        longer = stamped(copy, STAMP.unpack_from(copy)[0], later=wanted.ttl)
        self.reads.cache.replace(key, copy, longer)
        real(self, key, longer, wanted)

    patch.setattr(AsyncValues, "renew", renew)


def epoch_unchecked(patch: pytest.MonkeyPatch) -> None:
    """What was loaded in another life of the database is kept in this one."""

    async def ask(self: Reads, key: str, read: Read) -> bytes | Loaded:
        answer = await read(self.view[0])
        if isinstance(answer, Loaded):
            self._fill(self.cache, key, answer)
        return answer

    _replace(patch, "_ask", ask)


def put_of_any_epoch(patch: pytest.MonkeyPatch) -> None:
    """What was read in another life of the database is put into this one."""
    _replace(patch, "keep", lambda self, key, loaded: self._fill(self.cache, key, loaded))


def shared_of_any_epoch(patch: pytest.MonkeyPatch) -> None:
    """A copy is looked for, and accepted, whatever epoch it was put there in."""
    real = ValueCopies.places
    patch.setattr(ValueCopies, "places", lambda self, _, key: real(self, "", key))


def trusting_follower(patch: pytest.MonkeyPatch) -> None:
    """Who waits for somebody else's load takes what it brings, though it may have begun earlier."""

    async def get(self: Reads, key: str, read: Read, nearby: Any = None, usable: Any = bool) -> tuple[Any, Source]:
        await self._log.prove()
        if (copy := self.lookup(key)) is not None:
            return copy, "memory"
        flight = self._flights.claim(key)
        if flight is not None and (answer := await self._flights.wait(flight)) is not None:
            return answer, "store"
        return await self._lead(key, lambda: self._read(key, read, nearby, usable)), "store"

    _replace(patch, "get", get)


def stale_unjudged(patch: pytest.MonkeyPatch) -> None:
    """A value whose time is over is served whatever the log has said about it."""

    def past(self: Reads, key: str, grace: int) -> bytes | None:
        copy = self.cache.get(key)
        ended = copy is None or self._log.now() >= STAMP.unpack_from(copy)[1] + grace
        return None if ended else copy

    _replace(patch, "past", past)


def stale_by_an_old_proof(patch: pytest.MonkeyPatch) -> None:
    """A value whose time is over is judged by a proof from before the log has grown."""

    async def past(self: AsyncValues, key: str, wanted: Wanted) -> bytes | None:
        copy = self.reads.past(key, wanted.stale) if wanted.stale else None
        return copy if copy is not None and wanted.usable(copy) else None

    patch.setattr(AsyncValues, "_past", past)


def stale_for_ever(patch: pytest.MonkeyPatch) -> None:
    """A value whose time is over is served however long ago that was."""
    real = AsyncCachedReads.past
    _replace(patch, "past", lambda self, key, _: real(self, key, 2**62))


def without_subject(kind: str) -> Mistake:
    """Return the mistake of not looking for entries of one kind."""

    def mistake(patch: pytest.MonkeyPatch) -> None:
        real = namespaces.subjects_of_key

        def subjects(full_key: str) -> Iterable[str]:
            return [subject for subject in real(full_key) if not subject.startswith(kind)]

        patch.setattr(value_copies, "subjects_of_key", subjects)

    return mistake


def everyone_ignored(patch: pytest.MonkeyPatch) -> None:
    """The entry for everyone is looked for among the others."""
    patch.setattr(log_reader, "Knowledge", EveryoneIgnored)


class _TrustedViews(dict[str, tuple[bytes, Any, Any]]):
    """Says of each view that it was made of the copy that is there now."""

    def __init__(self, cache: LocalCache[str]) -> None:
        super().__init__()
        self._cache = cache

    def get(self, key: str, default: Any = None) -> Any:
        view = super().get(key, default)
        return view and (self._cache.young.get(key), *view[1:])

    def pop(self, *_: Any) -> Any:
        """Keep it."""


class _TrustingCache(LocalCache[str]):
    def __init__(self, *bounds: Any) -> None:
        super().__init__(*bounds)
        self.views = _TrustedViews(self)


def views_trusted(patch: pytest.MonkeyPatch) -> None:
    """What was made of a copy is returned though another copy is in its place."""
    patch.setattr(value_copies, "LocalCache", _TrustingCache)


def shared_unjudged(patch: pytest.MonkeyPatch) -> None:
    """What the shared cache returns is served without the rule."""
    _replace(patch, "from_shared", _taken_over(lambda _, copy: copy))


def shared_copy_restamped(patch: pytest.MonkeyPatch) -> None:
    """Whoever takes a copy from the shared cache stamps it anew."""
    restamped = _taken_over(lambda knowledge, copy: stamped(copy, knowledge.as_of))
    _replace(patch, "from_shared", restamped)


def _taken_over(make: Callable[[Knowledge, bytes], bytes]) -> Any:
    async def from_shared(self: Reads, key: str, usable: Callable[[bytes], bool]) -> bytes | None:
        knowledge, cache = self.view
        copy = None if self._shared is None else await self._shared.get(self._copies.places(knowledge.epoch, key))
        if copy is None or not usable(copy):
            return None
        copy = make(self._log.knowledge, copy)
        cache.put(key, copy)
        return copy

    return from_shared


def leases_for_everybody(patch: pytest.MonkeyPatch) -> None:
    """Everybody gets the lease."""

    async def take(self: AsyncSharedTier, there: Place, ttl_ns: int) -> bool:
        return True

    patch.setattr(AsyncSharedTier, "take", take)


def leases_for_ever(patch: pytest.MonkeyPatch) -> None:
    """A lease outlives its holder, and is waited for without an end."""
    real = AsyncLeases.__init__

    def init(self: AsyncLeases, shared: AsyncSharedTier, clock: Any, patience: int) -> None:
        real(self, shared, clock, 2**62)

    patch.setattr(AsyncLeases, "__init__", init)
    patch.setattr(leases, "_LEASE", 2**62)


def abandoned_followers(patch: pytest.MonkeyPatch) -> None:
    """Who waits for a load that fails is told nothing of it."""

    async def lead(self: Reads, key: str, read: Callable[[], Awaitable[bytes | Loaded]]) -> bytes | Loaded:
        answer = await read()
        self._flights.end(key, answer)
        return answer

    _replace(patch, "_lead", lead)
