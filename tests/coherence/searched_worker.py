"""The worker of the exhaustive search: the real one, put into any state and read out again.

Times are ticks, and the lease is one of them: a proof sent in a tick is good for that tick only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from coatcheck import CacheSettings, Policy, Session, Sessions, SharedCacheSettings, Unavailable
from coatcheck._sync import cached_reads, log_reader
from coatcheck._sync.cached_reads import CachedReads
from coatcheck._sync.log_reader import LogReader
from coatcheck._sync.shared_tier import SharedTier
from coatcheck._sync.touches import Touches
from coatcheck.core.coherence import EVERYONE, Knowledge, LogPage, session_subject, user_subject
from coatcheck.core.local_cache import key_of
from coatcheck.core.sealing import Seals
from coatcheck.core.session import SEALED, STAMP, Record
from coatcheck.core.session_copies import SessionCopies
from coatcheck.stores.base import Reading, Touch
from coatcheck.testing import MemoryStore
from tests.coherence.threads import interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

LEASE = 1
TICK = timedelta(seconds=2)
FAR = 10**12
SECRET = b"the secret of the shared cache...."
RETRY = 1
SESSION = "the-session"
USER = "ann"
TOKENS = (b"first token", b"second token")
KEYS = tuple(map(key_of, TOKENS))
CURRENT = -1
"""The end of a fact that holds still."""

SUBJECTS = {
    "revoke": session_subject(SESSION),
    "evict": session_subject(SESSION),
    "revoke_user": user_subject(USER),
    "revoke_everyone": EVERYONE,
    "save": session_subject(SESSION),
    "rotate": session_subject(SESSION),
    "renew": session_subject(SESSION),
}


class Row(NamedTuple):
    """The session in the authority: under which token, and which fact it states."""

    token: int
    fact: int


class Known(NamedTuple):
    """What the worker's `Knowledge` and its cache hold: a few fields by name, and all of them to go back to."""

    epoch: str
    floor: int
    newest: int
    cursor: Any
    failed_at: int | None
    slots: tuple[Any, ...]
    entries: frozenset[tuple[str, int]]
    moments: frozenset[tuple[str, tuple[int, int]]]
    copies: tuple[tuple[bytes, bytes], ...]


_SLOTS = tuple(slot for slot in Knowledge.__slots__ if slot not in {"_entries", "_moments"})


class Poll(NamedTuple):
    """A poll under way: not seen by the authority yet, or answered."""

    sent: int
    floor: int | None = None
    page: LogPage | None = None


class Fill(NamedTuple):
    """A read that the authority has answered, and that has not landed yet."""

    token: int
    reading: Reading
    begun: Known
    requested: int


class Shared(NamedTuple):
    """A copy that was put into the shared cache, where it belongs."""

    epoch: str
    token: int
    copy: bytes


class Flush(NamedTuple):
    """A touch under way: noted, or answered by the authority."""

    key: bytes
    copy: bytes
    confirmed: bool | None = None


@dataclass(frozen=True)
class Scenario:
    """Who takes part, and how the parts are wired; the fields after `lively` are mutations.

    Attributes:
        changes: What is done to the session, in this order.
        unrelated: How many log entries there are about others.
        trims: How often the log is trimmed.
        restarts: How often the worker starts anew.
        restores: How often the authority goes back to its beginning.
        filling: Whether the worker reads from the authority itself.
        shared: How many copies another worker puts into a shared cache, which returns any of them at any time.
        touching: Whether uses are noted.
        crashes: How often the authority crashes, where positions are transaction numbers.
        replica: Whether the worker asks a replica that lags.
        stale: For how many ticks known copies are served while the log cannot be asked.
        waits: Whether whoever changes the session waits until nobody can accept it.
        threads: Whether a poll may arrive in the middle of a request, and a request come in the middle of its arrival.
        busy: Whether the others' transactions may end other sessions.
        ticks: How much time passes.
        lively: Whether liveness is looked at too.
        reads: The worker's cache.
        log: The worker's reader of the log.
        copies: What the worker makes of what it has read.
        knowledge: The worker's knowledge.
        log_before_commit: The entry is written, and seen, before the change.
        two_statements: A poll reads the floor first and then the entries.
        same_epoch: A restored authority takes itself for the one it was.
        highest_as_of: A copy claims to have seen all transactions below the newest one.
        highest_cursor: A poll forgets which transactions were open in the last one.
        reached_too_far: By how much a poll exaggerates what it has reached.
        highest_reached: A poll claims to have reached all transactions below the newest one.
        settled: What waits for `wait=True`.
        restamped: Whoever takes a copy from the shared cache stamps it anew.
        touch_renews: A confirmed touch stamps the copy anew.
        trusting_followers: Who joins a read under way is served what it brings.
    """

    changes: tuple[str, ...]
    unrelated: int = 0
    trims: int = 0
    restarts: int = 0
    restores: int = 0
    filling: bool = True
    shared: int = 0
    touching: bool = False
    crashes: int = 0
    replica: bool = False
    stale: int = 0
    waits: bool = False
    threads: bool = False
    busy: bool = False
    ticks: int = 2
    lively: bool = True
    reads: type[CachedReads[bytes, Reading]] = CachedReads
    log: type[LogReader] = LogReader
    copies: type[SessionCopies] = SessionCopies
    knowledge: type[Knowledge] = Knowledge
    log_before_commit: bool = False
    two_statements: bool = False
    same_epoch: bool = False
    highest_as_of: bool = False
    highest_cursor: bool = False
    reached_too_far: int = 0
    highest_reached: bool = False
    settled: Any = LogReader.settled
    restamped: bool = False
    touch_renews: bool = False
    trusting_followers: bool = False


class _Clock:
    """The time of one step."""

    def __init__(self) -> None:
        self.time = 0

    def now(self) -> int:
        return self.time

    def monotonic(self) -> int:
        return self.time


class _Cache:
    """A shared cache that returns what it is told to."""

    def __init__(self) -> None:
        self.sealed: bytes | None = None

    def get(self, _: bytes) -> bytes | None:
        return self.sealed

    def put(self, *_: Any) -> None:
        """Lose it: another worker's copies say all that this one's would."""


class NotHeld(Exception):
    """The worker has gone on to the authority."""


def not_held(_: Knowledge) -> Reading:
    """Stand in the place of the authority."""
    raise NotHeld


class _Answers:
    """A store that answers one step of the worker with what the authority said earlier."""

    capabilities = MemoryStore.capabilities

    def __init__(self) -> None:
        self.pages: list[Callable[[], LogPage]] = []
        self.confirmed: set[str] = set()

    def unchanged(self, _: Any) -> bool:
        return True

    def poll(self, _: Any) -> LogPage:
        return self.pages.pop(0)()

    def touch(self, _: list[Touch]) -> set[str]:
        return self.confirmed


class Worker:
    """The real worker, put into any state and read out again."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._clock = _Clock()
        self._answers = _Answers()
        store: Any = self._answers  # it is asked nothing else
        self._cache = _Cache()
        cache: Any = self._cache
        self._log = scenario.log(store, self._clock, lease=TICK, serve_stale_for=TICK * scenario.stale)
        self._log.stale_ns = scenario.stale
        # A new epoch is met with the knowledge of this scenario, whose lease is in ticks.
        self._log._ignorance = self._ignorance  # type: ignore[method-assign]
        settings: Any = SimpleNamespace(max_entries=8, ttl_ns=FAR)
        self._session_copies = scenario.copies(settings, touch_every=FAR, shared_ttl=FAR, secrets=[SECRET])
        self._reads = scenario.reads(
            self._log,
            self._session_copies,
            unchanged=store.unchanged,
            clock=self._clock,
            on_use=lambda *_: None,
            shared=SharedTier(cache, SharedCacheSettings(), clock=self._clock),
        )
        self._touches = Touches(store, Policy(), touch_every=FAR, flush_every=FAR, cache=lambda: self._reads.cache)
        self._copies: dict[bytes, bytes] = {}
        self._seen: dict[tuple[Any, ...], Any] = {}

    def _ignorance(self, epoch: str) -> Knowledge:
        return self._scenario.knowledge(epoch, lease=LEASE)

    def nothing(self) -> Known:
        """Return the state of a worker that has just started."""
        self._log._begin(self._ignorance(""))
        self._log.failed_at = None
        return self._taken()

    def _taken(self) -> Known:
        knowledge, cache = self._reads.view
        return Known(
            knowledge.epoch,
            knowledge.floor,
            knowledge.newest,
            knowledge.cursor,
            self._log.failed_at,
            tuple(getattr(knowledge, slot) for slot in _SLOTS),
            frozenset(knowledge._entries.items()),
            frozenset(knowledge._moments.items()),
            tuple((key, self._copies.setdefault(copy, copy)) for key, copy in sorted(cache.young.items())),
        )

    def _put(self, known: Known, time: int) -> None:
        knowledge = self._ignorance(known.epoch)
        for slot, value in zip(_SLOTS, known.slots, strict=True):
            setattr(knowledge, slot, value)
        knowledge._entries = dict(known.entries)
        knowledge._moments = dict(known.moments)
        self._log._begin(knowledge)
        self._reads.cache.young.update(known.copies)
        self._log.failed_at = known.failed_at
        self._cache.sealed = None
        self._clock.time = time

    def _once(self, *case: Any, run: Callable[[], Any]) -> Any:
        """Run a step of the worker once for each case; many states differ in what the worker does not see."""
        if case not in self._seen:
            self._seen[case] = run()
        return self._seen[case]

    def served(self, known: Known, time: int, token: int) -> int | None:
        """Return which fact a request for this token is served from memory."""
        return self.looked_up(known, time, token)[1]

    def looked_up(self, known: Known, time: int, token: int) -> tuple[Known, int | None]:
        """Return the state after a request for this token, and which fact it is served from memory."""

        def run() -> tuple[Known, int | None]:
            self._put(known, time)
            fact = fact_in(self._reads.lookup(KEYS[token]))
            return self._taken(), fact

        return self._once("serve", known, time, token, run=run)  # type: ignore[no-any-return]

    def polled(self, known: Known, poll: Poll, time: int, again: LogPage) -> Known:
        """Return the state after a poll's answer has arrived; another poll, if one follows, is answered at once."""

        def run() -> Known:
            self._put(known, poll.sent)
            self._arrive(poll, time, again)
            return self._taken()

        return self._once("poll", known, poll, time, again, run=run)  # type: ignore[no-any-return]

    def _arrive(self, poll: Poll, time: int, again: LogPage) -> None:
        def answer() -> LogPage:
            self._clock.time = time
            assert poll.page is not None
            return poll.page

        self._clock.time = poll.sent
        self._answers.pages = [answer, lambda: again]
        self._log._poll()

    def met(self, known: Known, poll: Poll, time: int, again: LogPage, token: int) -> set[tuple[Known, int | None]]:
        """Return what may come of it when a poll's answer arrives and a request for this token is answered at once."""
        facts: list[int | None] = []

        def use() -> None:
            facts[:] = [fact_in(self._reads.lookup(KEYS[token]))]

        def arrive() -> None:
            self._arrive(poll, time, again)

        def run() -> set[tuple[Known, int | None]]:
            found = set()
            for first, second in ((use, arrive), (arrive, use)):
                for at in count(1):
                    self._put(known, time)
                    if not interrupted(first, second, at=at, begun=lambda: self._clock.time == time):
                        break
                    found.add((self._taken(), facts[0]))
            return found

        return self._once("meet", known, poll, time, again, token, run=run)  # type: ignore[no-any-return]

    def filled(self, known: Known, fill: Fill, time: int) -> Known:
        """Return the state after a read has landed, into the knowledge that there was when it began."""

        def run() -> Known:
            self._put(known, time)
            now = self._reads.view
            if fill.begun.epoch != known.epoch:
                self._put(fill.begun, time)

            def read(_: Knowledge) -> Reading:
                self._reads.view, self._log.knowledge = now, now[0]
                return fill.reading

            self._reads._read(KEYS[fill.token], read)
            return self._taken()

        return self._once("fill", known, fill, time, run=run)  # type: ignore[no-any-return]

    def keeps(self, fill: Fill) -> bool:
        """Tell whether another worker makes a copy of a read."""
        return self._session_copies.kept(fill.reading) is not None

    def copied(self, fill: Fill) -> bytes:
        """Return the copy that another worker makes of a read."""
        assert fill.reading.record is not None
        return self._session_copies.copy_of(fill.reading, fill.reading.record, FAR)

    def taken_over(self, known: Known, time: int, token: int, shared: Shared) -> tuple[Known, int | None]:
        """Return the state after the shared cache has returned a value for this token, and which fact was served."""
        copy = shared.copy
        if self._scenario.restamped:
            copy = stamped(copy, max(known.newest + 1, known.floor))

        def run() -> tuple[Known, int | None]:
            self._put(known, time)
            (there,) = Seals(SEALED, [SECRET]).places(shared.epoch, KEYS[shared.token])
            self._cache.sealed = there.seal(copy)
            return self._read(token, None)

        return self._once("share", known, time, token, shared, copy, run=run)  # type: ignore[no-any-return]

    def nearby(self, known: Known, fill: Fill, time: int) -> tuple[Known, int | None]:
        """Return the state after a replica's answer has landed, and which fact was served of it."""

        def run() -> tuple[Known, int | None]:
            self._put(known, time)
            return self._read(fill.token, lambda: fill.reading)

        return self._once("nearby", known, fill, time, run=run)  # type: ignore[no-any-return]

    def _read(self, token: int, nearby: Callable[[], Reading] | None) -> tuple[Known, int | None]:
        try:
            answer = self._reads._read(KEYS[token], not_held, nearby)
        except NotHeld:
            return self._taken(), None
        copy = answer if isinstance(answer, bytes) else self._session_copies.kept(answer)
        return self._taken(), fact_in(copy)

    def asked(self, known: Known, time: int, token: int, page: LogPage | None) -> tuple[Known, int | None, str]:
        """Return what a request is answered from memory, and from which tier, when a poll brings this page or fails."""

        def run() -> tuple[Known, int | None, str]:
            self._put(known, time)
            self._answers.pages = [lambda: _told(page)] * 2
            try:
                with patch.object(cached_reads, "_RETRY", RETRY):
                    answer, source = self._reads.get(KEYS[token], not_held)
            except (NotHeld, Unavailable):
                return self._taken(), None, ""
            assert isinstance(answer, bytes)
            return self._taken(), fact_in(answer), source

        return self._once("ask", known, time, token, page, run=run)  # type: ignore[no-any-return]

    def wait(self) -> int:
        """Return for how many ticks `wait=True` waits."""
        waited: list[float] = []
        settings = CacheSettings(lease=TICK * LEASE, serve_stale_for=TICK * self._scenario.stale)
        with patch.object(log_reader, "sleep", waited.append):
            self._scenario.settled(Sessions(MemoryStore(), cache=settings)._log)
        return round(sum(waited) / TICK.total_seconds())

    def flushed(self, known: Known, flush: Flush, time: int) -> Known:
        """Return the state after the answer to a touch has arrived."""

        def run() -> Known:
            self._put(known, time)
            self._answers.confirmed = {SESSION} if flush.confirmed else set()
            self._touches._pending = {SESSION: (flush.key, flush.copy, Touch(SESSION, time, FAR))}
            self._touches.flush()
            return self._renewed(self._taken(), flush) if self._scenario.touch_renews else self._taken()

        return self._once("flush", known, flush, time, run=run)  # type: ignore[no-any-return]

    def _renewed(self, known: Known, flush: Flush) -> Known:
        copies = dict(known.copies)
        if flush.confirmed and flush.key in copies:
            copies[flush.key] = stamped(copies[flush.key], known.newest + 1)
        return known._replace(copies=tuple(sorted(copies.items())))


def stamped(copy: bytes, as_of: int) -> bytes:
    """Return a copy that claims to have been read at another position."""
    _, serve_until, touch_at = STAMP.unpack_from(copy)
    return STAMP.pack(as_of, serve_until, touch_at) + copy[STAMP.size :]


def fact_in(copy: bytes | None) -> int | None:
    """Return which fact a copy states."""
    if copy is None:
        return None
    fact: int = Session(copy).data["fact"]
    return fact


def record_of(fact: int) -> Record:
    """Return the row that states a fact."""
    return Record(SESSION, USER, 0, 0, 0, FAR, None, FAR, False, None, None, f'{{"fact": {fact}}}')  # noqa: FBT003


def _told(page: LogPage | None) -> LogPage:
    if page is None:
        raise Unavailable("nobody answers")
    return page
