"""An exhaustive search through the interleavings of everything that meets in the coherence rule.

One session, one worker, and whoever changes the session. Every step of every actor may come at any time, late or
never. The authority is a model: a row, a log, one writer. The worker is the real one: each step of it runs the
methods of `CachedReads`, `Touches` and `Knowledge` on the state at hand, and what they leave behind is the next
state.

In every state that can be reached:
- safety: whatever `lookup` serves was true less than one lease ago;
- liveness: if the session is there, one poll and one read make a hit.

Times are ticks, and the lease is one of them: a proof sent in a tick is good for that tick only.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from coatcheck import CacheSettings, Policy, Session
from coatcheck._sync.cached_reads import CachedReads
from coatcheck._sync.touches import Touches
from coatcheck.core.coherence import EVERYONE, Entry, Knowledge, LogPage, session_subject, user_subject
from coatcheck.core.local_cache import LocalCache, key_of
from coatcheck.core.session import STAMP, Record
from coatcheck.stores.base import Reading, Touch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LEASE = 1
FAR = 10**12
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
    slots: tuple[Any, ...]
    entries: frozenset[tuple[str, int]]
    copies: tuple[tuple[bytes, bytes], ...]


_SLOTS = tuple(slot for slot in Knowledge.__slots__ if slot not in {"_entries", "cache"})


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


class Flush(NamedTuple):
    """A touch under way: noted, or answered by the authority."""

    key: bytes
    copy: bytes
    confirmed: bool | None = None


class State(NamedTuple):
    """Everything, at one moment."""

    time: int
    row: Row | None
    ended: tuple[int, ...]
    log: tuple[Entry, ...]
    floor: int
    head: int
    epoch: int
    todo: tuple[str, ...]
    writing: str | None
    written: int | None
    known: Known
    poll: Poll | None
    fill: Fill | None
    flush: Flush | None
    shared: tuple[str, int, bytes] | None
    remote: Fill | None
    unrelated: int
    trims: int
    restarts: int
    restores: int


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
        shared: Whether there is a shared cache, filled by another worker.
        touching: Whether uses are noted.
        ticks: How much time passes.
        lively: Whether liveness is looked at too.
        reads: The worker's cache.
        knowledge: The worker's knowledge.
        log_before_commit: The entry is written, and seen, before the change.
        two_statements: A poll reads the floor first and then the entries.
        same_epoch: A restored authority takes itself for the one it was.
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
    shared: bool = False
    touching: bool = False
    ticks: int = 2
    lively: bool = True
    reads: type[CachedReads] = CachedReads
    knowledge: type[Knowledge] = Knowledge
    log_before_commit: bool = False
    two_statements: bool = False
    same_epoch: bool = False
    restamped: bool = False
    touch_renews: bool = False
    trusting_followers: bool = False


class Violation(Exception):
    """The shortest way to a state that must not be."""


class _Clock:
    """The time of one step."""

    def __init__(self) -> None:
        self.time = 0

    def now(self) -> int:
        return self.time

    def monotonic(self) -> int:
        return self.time


class _Answers:
    """A store that answers one step of the worker with what the authority said earlier."""

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
        self._reads = scenario.reads(
            store, CacheSettings(max_entries=8), self._clock, touch_every=FAR, on_use=lambda *_: None
        )
        self._touches = Touches(store, Policy(), touch_every=FAR, flush_every=FAR, cache=lambda: self._reads.cache)
        # A new epoch is met with the knowledge of this scenario, whose lease is in ticks.
        self._reads._ignorance = self._ignorance  # type: ignore[method-assign]
        self._copies: dict[bytes, bytes] = {}
        self._seen: dict[tuple[Any, ...], Any] = {}

    def _ignorance(self, epoch: str) -> Knowledge:
        return self._scenario.knowledge(epoch, lease=LEASE, cache=LocalCache(8))

    def nothing(self) -> Known:
        """Return the state of a worker that has just started."""
        return self._known(self._ignorance(""))

    def _known(self, knowledge: Knowledge) -> Known:
        copies = sorted(knowledge.cache.young.items())
        return Known(
            knowledge.epoch,
            knowledge.floor,
            knowledge.newest,
            knowledge.cursor,
            tuple(getattr(knowledge, slot) for slot in _SLOTS),
            frozenset(knowledge._entries.items()),
            tuple((key, self._copies.setdefault(copy, copy)) for key, copy in copies),
        )

    def _put(self, known: Known, time: int) -> None:
        knowledge = self._ignorance(known.epoch)
        for slot, value in zip(_SLOTS, known.slots, strict=True):
            setattr(knowledge, slot, value)
        knowledge._entries = dict(known.entries)
        knowledge.cache.young.update(known.copies)
        self._reads._knowledge = knowledge
        self._clock.time = time

    def _taken(self) -> Known:
        return self._known(self._reads._knowledge)

    def _once(self, *case: Any, run: Callable[[], Any]) -> Any:
        """Run a step of the worker once for each case; many states differ in what the worker does not see."""
        if case not in self._seen:
            self._seen[case] = run()
        return self._seen[case]

    def served(self, known: Known, time: int, token: int) -> int | None:
        """Return which fact a request for this token is served from memory."""

        def run() -> int | None:
            self._put(known, time)
            return fact_of(self._reads.lookup(TOKENS[token]))

        return self._once("serve", known, time, token, run=run)  # type: ignore[no-any-return]

    def polled(self, known: Known, poll: Poll, time: int, again: LogPage) -> Known:
        """Return the state after a poll's answer has arrived; another poll, if one follows, is answered at once."""

        def answer() -> LogPage:
            self._clock.time = time
            assert poll.page is not None
            return poll.page

        def run() -> Known:
            self._put(known, poll.sent)
            self._answers.pages = [answer, lambda: again]
            self._reads._poll()
            return self._taken()

        return self._once("poll", known, poll, time, again, run=run)  # type: ignore[no-any-return]

    def filled(self, known: Known, fill: Fill, time: int) -> Known:
        """Return the state after a read has landed, into the knowledge that there was when it began."""

        def run() -> Known:
            self._put(known, time)
            now = self._reads._knowledge
            if fill.begun.epoch != known.epoch:
                self._put(fill.begun, time)

            def read() -> Reading:
                self._reads._knowledge = now
                return fill.reading

            self._reads._read(KEYS[fill.token], read)
            return self._taken()

        return self._once("fill", known, fill, time, run=run)  # type: ignore[no-any-return]

    def copied(self, fill: Fill) -> bytes:
        """Return the copy that another worker makes of a read."""
        assert fill.reading.record is not None
        return CachedReads.copy_of(self._reads, fill.reading, fill.reading.record)

    def taken_over(self, known: Known, token: int, copy: bytes) -> Known:
        """Return the state after a copy was taken from the shared cache."""
        if self._scenario.restamped:
            copy = stamped(copy, max(known.newest + 1, known.floor))

        def run() -> Known:
            self._put(known, 0)
            self._reads.cache.put(KEYS[token], copy)
            return self._taken()

        return self._once("share", known, token, copy, run=run)  # type: ignore[no-any-return]

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


def fact_of(session: Session | None) -> int | None:
    """Return which fact a session states."""
    if session is None:
        return None
    fact: int = session.data["fact"]
    return fact


def record_of(fact: int) -> Record:
    """Return the row that states a fact."""
    return Record(SESSION, USER, 0, 0, 0, FAR, None, FAR, False, None, None, f'{{"fact": {fact}}}')  # noqa: FBT003


def _over(state: State) -> bool:
    """Tell whether nothing can be served any more, whatever comes."""
    copies = (*state.known.copies, state.fill, state.shared, state.remote)
    return state.row is None and not state.writing and not state.restores and not any(copies)


class Search:
    """All states of one scenario, breadth first, so that what is found is as short as can be."""

    def __init__(self, scenario: Scenario) -> None:
        """Set out from a session that nobody has read."""
        self.scenario = scenario
        self.worker = Worker(scenario)
        self.witnesses: set[str] = set()
        self.states = 0
        start = State(
            time=0,
            row=Row(0, 0),
            ended=(CURRENT,),
            log=(),
            floor=1,
            head=1,
            epoch=1,
            todo=scenario.changes,
            writing=None,
            written=None,
            known=self.worker.nothing(),
            poll=None,
            fill=None,
            flush=None,
            shared=None,
            remote=None,
            unrelated=scenario.unrelated,
            trims=scenario.trims,
            restarts=scenario.restarts,
            restores=scenario.restores,
        )
        self._from: dict[State, tuple[State, str] | None] = {start: None}
        self._queue = deque([start])
        self._lively: set[tuple[Any, ...]] = set()

    def run(self) -> Search:
        """Visit every state.

        Raises:
            Violation: One of them must not be; the message is the way there.
        """
        while self._queue:
            state = self._queue.popleft()
            self.states += 1
            self._check(state)
            if _over(state):
                continue
            for step, after in self._steps(state):
                if after not in self._from:
                    self._from[after] = (state, step)
                    self._queue.append(after)
        return self

    def _fail(self, state: State, what: str) -> None:
        way: list[str] = []
        origin = self._from[state]
        while origin is not None:
            state, step = origin
            way.append(step)
            origin = self._from[state]
        raise Violation(f"{what} after: {', '.join(reversed(way))}")

    # --- what must hold

    def _check(self, state: State) -> None:
        for token in range(len(TOKENS)):
            fact = self.worker.served(state.known, state.time, token)
            if fact is None:
                continue
            if self._stale(state, fact, state.time):
                self._fail(state, f"fact {fact} is served at {state.time} and ended at {state.ended[fact]}")
            self._witness(state, fact)
        if self.scenario.lively and state.poll is None and state.fill is None and state.row is not None:
            self._check_liveness(state, state.row)

    def _stale(self, state: State, fact: int, asked: int) -> bool:
        end = state.ended[fact]
        return end != CURRENT and asked >= end + LEASE

    def _witness(self, state: State, fact: int) -> None:
        """Note that hits happen where one might fear that they never do."""
        known = state.known
        self.witnesses.add("hit")
        if state.ended[fact] != CURRENT:
            self.witnesses.add("hit within the lease")
        if fact > 0:
            self.witnesses.add("hit after a change")
        if known.newest >= 0:
            self.witnesses.add("hit with entries known")
        if known.floor > 1:
            self.witnesses.add("hit above a risen floor")
        if state.epoch > 1 and known.epoch == str(state.epoch):
            self.witnesses.add("hit in a new epoch")
        if state.restarts < self.scenario.restarts:
            self.witnesses.add("hit after a restart")

    def _check_liveness(self, state: State, row: Row) -> None:
        case = (state.known, state.log, state.floor, state.head, state.epoch, state.row, state.time)
        if case in self._lively:
            return
        self._lively.add(case)
        known = self._after_poll(state, Poll(state.time, page=self._page(state, state.known.cursor)))
        fill = Fill(row.token, self._reading(state, row.token), known, state.time)
        known = self.worker.filled(known, fill, state.time)
        if self.worker.served(known, state.time, row.token) != row.fact:
            self._fail(state, "a valid session is not served even after a poll and a read")

    # --- the authority

    def _page(self, state: State, cursor: Any, floor: int | None = None) -> LogPage:
        epoch = str(state.epoch)
        resumed = cursor is None or cursor[0] == epoch
        first = 0 if cursor is None else cursor[1]
        entries = tuple(entry for entry in state.log if resumed and entry.position >= first)
        floor = state.floor if floor is None else floor
        return LogPage(epoch, floor, entries, (epoch, state.head), state.time, resumed)

    def _reading(self, state: State, token: int) -> Reading:
        row = state.row
        record = record_of(row.fact) if row is not None and row.token == token else None
        return Reading(str(state.epoch), state.head, state.time, record)

    def _logged(self, state: State, subject: str) -> State:
        return state._replace(log=(*state.log, Entry(state.head, subject)), head=state.head + 1)

    def _changed(self, state: State, change: str) -> State:
        """Return the state after a commit; what is done to a session that is gone does nothing."""
        row = state.row
        if row is None:
            return state
        if not self.scenario.log_before_commit:
            state = self._logged(state, SUBJECTS[change])
        ended = list(state.ended)
        ended[row.fact] = state.time
        if change not in {"save", "rotate"}:
            return state._replace(row=None, ended=tuple(ended))
        token = 1 if change == "rotate" else row.token
        return state._replace(row=Row(token, len(ended)), ended=(*ended, CURRENT))

    # --- the steps

    def _steps(self, state: State) -> Iterator[tuple[str, State]]:
        if state.time < self.scenario.ticks:
            yield "tick", state._replace(time=state.time + 1)
        yield from self._writer(state)
        yield from self._poller(state)
        if self.scenario.filling:
            yield from self._filler(state)
        if self.scenario.shared:
            yield from self._sharer(state)
        if self.scenario.touching:
            yield from self._toucher(state)
        if state.restarts:
            yield "restart", self._restarted(state)

    def _writer(self, state: State) -> Iterator[tuple[str, State]]:
        if state.writing is not None:
            done = state._replace(writing=None)
            yield f"{state.writing} commits", self._changed(done, state.writing)
            return
        if state.todo:
            change = state.todo[0]
            begun = state._replace(todo=state.todo[1:], writing=change)
            if self.scenario.log_before_commit:
                begun = self._logged(begun, SUBJECTS[change])
            yield f"{change} begins", begun
        if state.unrelated:
            other = state._replace(unrelated=state.unrelated - 1)
            yield "unrelated", self._logged(other, session_subject("another"))
        if state.trims and state.log:
            yield "trim", state._replace(trims=state.trims - 1, log=(), floor=state.head)
        if state.restores:
            yield "restore", self._restored(state)

    def _restored(self, state: State) -> State:
        """Go back to the beginning: what has been known since ends now, and what was forgotten holds again."""
        ended = tuple(state.time if end == CURRENT else end for end in state.ended)
        epoch = state.epoch if self.scenario.same_epoch else state.epoch + 1
        begun = state._replace(row=Row(0, 0), ended=(CURRENT, *ended[1:]), log=(), floor=1, head=1, epoch=epoch)
        return begun._replace(restores=state.restores - 1)

    def _poller(self, state: State) -> Iterator[tuple[str, State]]:
        poll = state.poll
        if poll is None:
            yield "poll is sent", state._replace(poll=Poll(state.time))
            return
        if poll.page is None and poll.floor is None and self.scenario.two_statements:
            yield "poll reads the floor", state._replace(poll=poll._replace(floor=state.floor))
        elif poll.page is None:
            page = self._page(state, state.known.cursor, poll.floor)
            yield "poll is answered", state._replace(poll=Poll(poll.sent, page=page))
        else:
            yield "poll arrives", state._replace(poll=None, known=self._after_poll(state, poll))
        yield "poll is lost", state._replace(poll=None)

    def _after_poll(self, state: State, poll: Poll) -> Known:
        return self.worker.polled(state.known, poll, state.time, self._page(state, None))

    def _filler(self, state: State) -> Iterator[tuple[str, State]]:
        if state.fill is None:
            for token in range(len(TOKENS)):
                if (fill := self._read(state, token)) is not None:
                    yield f"read with token {token}", state._replace(fill=fill)
            return
        fill = state.fill
        if self.scenario.trusting_followers:
            yield "follower joins", state._replace(fill=fill._replace(requested=state.time))
            fact = fact_of(Session(STAMP.pack(0, 0, 0) + (fill.reading.record or record_of(0)).pack()))
            if fact is not None and self._stale(state, fact, fill.requested):
                self._fail(state, f"fact {fact} is served to a follower who asked at {fill.requested}")
        yield "read lands", state._replace(fill=None, known=self.worker.filled(state.known, fill, state.time))

    def _read(self, state: State, token: int) -> Fill | None:
        reading = self._reading(state, token)
        return None if reading.record is None else Fill(token, reading, state.known, state.time)

    def _sharer(self, state: State) -> Iterator[tuple[str, State]]:
        if state.remote is None:
            for token in range(len(TOKENS)):
                if (fill := self._read(state, token)) is not None:
                    # Of the other worker's own knowledge nothing is needed: it only passes on what it has read.
                    yield "another reads", state._replace(remote=fill._replace(begun=self.worker.nothing()))
        else:
            remote = state.remote
            copy = self.worker.copied(remote)
            yield "another shares", state._replace(remote=None, shared=(remote.reading.epoch, remote.token, copy))
        if state.shared is not None and state.shared[0] == state.known.epoch:
            known = self.worker.taken_over(state.known, *state.shared[1:])
            yield "taken from the shared cache", state._replace(known=known)

    def _toucher(self, state: State) -> Iterator[tuple[str, State]]:
        flush = state.flush
        if flush is None:
            copies = dict(state.known.copies)
            for token, key in enumerate(KEYS):
                if self.worker.served(state.known, state.time, token) is not None:
                    yield "use is noted", state._replace(flush=Flush(key, copies[key]))
        elif flush.confirmed is None:
            yield "touch is written", state._replace(flush=flush._replace(confirmed=state.row is not None))
        else:
            yield (
                "touch is confirmed",
                state._replace(flush=None, known=self.worker.flushed(state.known, flush, state.time)),
            )

    def _restarted(self, state: State) -> State:
        return state._replace(
            restarts=state.restarts - 1, known=self.worker.nothing(), poll=None, fill=None, flush=None
        )
