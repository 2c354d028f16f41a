"""An exhaustive search through the interleavings of everything that meets in the coherence rule.

One session, one worker, and whoever changes the session. Every step of every actor may come at any time, late or
never. The authority is a model: a row, a log, one writer; `search_transactions.py` has the one with transactions. The
worker is the real one: each step of it runs the methods of `CachedReads`, `SharedTier`, `Touches` and `Knowledge` on
the state at hand, and what they leave behind is the next state.

In every state that can be reached:
- safety: whatever is served was true less than one lease ago; a stale copy less than `serve_stale_for` longer, and only
  after a poll that failed; nothing that had ended when `wait=True` returned;
- liveness: if the session is there, one poll and one read make a hit.

Threads are looked at where it matters: a poll's answer may arrive between any two lines of a request, and a request may
be answered between any two lines of that arrival (`threads.py`).

A shared cache returns whatever was ever put there, at any time, under any name, or nothing: that is all that slow
writers, losses, repetitions, failovers and mix-ups can do. What a replica says is served, and changes nothing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from coatcheck.core.coherence import Entry, LogPage, session_subject
from coatcheck.core.successors import Retired
from coatcheck.stores.base import Reading
from tests.coherence.searched_worker import (
    CURRENT,
    KEYS,
    LEASE,
    RETRY,
    SESSION,
    SUBJECTS,
    TOKENS,
    Fill,
    Flush,
    Known,
    Poll,
    Row,
    Scenario,
    Shared,
    Worker,
    fact_in,
    record_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Replica(NamedTuple):
    """What a replica has replayed."""

    row: Row | None
    as_of: int
    epoch: str


class Grace(NamedTuple):
    """The first token, after a periodic rotation: which fact is stated under it, and until when."""

    fact: int
    until: int


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
    shared: frozenset[Shared]
    shares: int
    replica: Replica | None
    nearby: Fill | None
    unrelated: int
    trims: int
    restarts: int
    restores: int
    open: tuple[int, ...] = ()
    upper: int = 1
    named: bool = True
    crashes: int = 0
    committed: int = 0
    grace: Grace | None = None


GRACE = 1
FOR_EVER = 10**6


class Violation(Exception):
    """The shortest way to a state that must not be."""


def _over(state: State) -> bool:
    """Tell whether nothing can be served any more, whatever comes."""
    copies = (*state.known.copies, state.fill, *state.shared, state.nearby, state.replica and state.replica.row)
    return state.row is None and not state.writing and not state.restores and not any(copies)


class Search:
    """All states of one scenario, breadth first, so that what is found is as short as can be."""

    def __init__(self, scenario: Scenario) -> None:
        """Set out from a session that nobody has read."""
        self.scenario = scenario
        self.worker = Worker(scenario)
        self._wait = self.worker.wait() if scenario.waits else FOR_EVER
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
            shared=frozenset(),
            shares=scenario.shared,
            replica=Replica(Row(0, 0), 1, "1") if scenario.replica else None,
            nearby=None,
            unrelated=scenario.unrelated,
            trims=scenario.trims,
            restarts=scenario.restarts,
            restores=scenario.restores,
            crashes=scenario.crashes,
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
            if fact is not None:
                self._check_served(state, fact, LEASE)
                self._witness(state, fact)
        if self.scenario.lively and state.poll is None and state.fill is None and state.row is not None:
            self._check_liveness(state, state.row)

    def _check_served(self, state: State, fact: int, bound: int) -> None:
        if self._stale(state, fact, state.time, bound):
            self._fail(state, f"fact {fact} is served at {state.time} and ended at {state.ended[fact]}")
        if self._stale(state, fact, state.time, self._wait):
            self._fail(state, f"fact {fact} is served at {state.time}, after wait=True")

    def _stale(self, state: State, fact: int, asked: int, bound: int = LEASE) -> bool:
        end = state.ended[fact]
        return end != CURRENT and asked >= end + bound

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
        case = (state.known, state.log, state.floor, state.head, state.upper, state.epoch, state.row, state.time)
        if case in self._lively or state.open:
            return  # while a transaction is open, a hit may have to wait for it
        self._lively.add(case)
        state = self._named(state)
        known = self._after_poll(state, Poll(state.time, page=self._page(state, state.known.cursor)))
        fill = Fill(row.token, self._reading(state, row.token), known, state.time)
        known = self.worker.filled(known, fill, state.time)
        if self.worker.served(known, state.time, row.token) != row.fact:
            self._fail(state, "a valid session is not served even after a poll and a read")

    # --- the authority

    def _named(self, state: State) -> State:
        """Return the state in which somebody has polled, who names the epoch if it has no name."""
        return state

    def _page(self, state: State, cursor: Any, floor: int | None = None) -> LogPage:
        epoch = str(state.epoch)
        resumed = cursor is None or cursor[0] == epoch
        first = 0 if cursor is None else cursor[1]
        entries = tuple(entry for entry in state.log if resumed and entry.position >= first)
        floor = state.floor if floor is None else floor
        reached = state.head + self.scenario.reached_too_far
        return LogPage(epoch, floor, entries, (epoch, state.head), state.time, resumed, reached)

    def _reading(self, state: State, token: int) -> Reading:
        row, grace = state.row, state.grace
        if row is not None and grace is not None and token == 0:
            record = record_of(grace.fact) if state.time < grace.until else None
            return Reading(str(state.epoch), state.head, state.time, record, None, Retired(SESSION, grace.until))
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
        if change == "renew":
            # What the old token says holds on for the grace, and ends with the session.
            grace = Grace(row.fact, state.time + GRACE)
            ended[row.fact] = grace.until
            return state._replace(row=Row(1, len(ended)), ended=(*ended, CURRENT), grace=grace)
        if change not in {"save", "rotate"}:
            if state.grace is not None:
                ended[state.grace.fact] = min(ended[state.grace.fact], state.time)
            return state._replace(row=None, ended=tuple(ended))
        token = 1 if change == "rotate" else row.token
        return state._replace(row=Row(token, len(ended)), ended=(*ended, CURRENT))

    # --- the steps

    def _steps(self, state: State) -> Iterator[tuple[str, State]]:
        if state.time < self.scenario.ticks:
            yield "tick", state._replace(time=state.time + 1)
        yield from self._writer(state)
        yield from self._poller(state)
        yield from self._user(state)
        if self.scenario.filling:
            yield from self._filler(state)
        if self.scenario.shared:
            yield from self._sharer(state)
        if state.replica is not None:
            yield from self._replica(state, state.replica)
        if self.scenario.stale:
            yield from self._requester(state)
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
            emptied = self._emptied(state)
            yield "restore to before it", emptied
            yield "restore", emptied._replace(row=Row(0, 0), ended=(CURRENT, *emptied.ended[1:]))

    def _emptied(self, state: State) -> State:
        """Go back to before the beginning: what has been known since ends now, and no entry says so."""
        ended = tuple(state.time if end == CURRENT else end for end in state.ended)
        epoch = state.epoch if self.scenario.same_epoch else state.epoch + 1
        begun = state._replace(row=None, ended=ended, log=(), floor=1, head=1, epoch=epoch, grace=None)
        return begun._replace(restores=state.restores - 1)

    def _poller(self, state: State) -> Iterator[tuple[str, State]]:
        poll = state.poll
        if poll is None:
            yield "poll is sent", state._replace(poll=Poll(state.time))
            return
        if poll.page is None and poll.floor is None and self.scenario.two_statements:
            yield "poll reads the floor", state._replace(poll=poll._replace(floor=state.floor))
        elif poll.page is None:
            named = self._named(state)
            page = self._page(named, state.known.cursor, poll.floor)
            yield "poll is answered", named._replace(poll=Poll(poll.sent, page=page))
        else:
            yield "poll arrives", state._replace(poll=None, known=self._after_poll(state, poll))
            if self.scenario.threads:
                yield from self._meeting(state, poll)
        yield "poll is lost", state._replace(poll=None)

    def _meeting(self, state: State, poll: Poll) -> Iterator[tuple[str, State]]:
        """Yield what comes of a poll's answer and of a request that run in two threads."""
        for token, key in enumerate(KEYS):
            if key in dict(state.known.copies):
                for known, fact in self.worker.met(state.known, poll, state.time, self._page(state, None), token):
                    if fact is not None:
                        self._check_served(state, fact, LEASE)
                        self.witnesses.add("hit in another thread")
                    yield "poll arrives in the middle of a request", state._replace(poll=None, known=known)

    def _user(self, state: State) -> Iterator[tuple[str, State]]:
        """Yield requests that leave a trace: a copy that nothing has outdated is stamped anew."""
        for token in range(len(TOKENS)):
            known, _ = self.worker.looked_up(state.known, state.time, token)
            if known != state.known:
                self.witnesses.add("copy stamped anew")
                yield f"token {token} is used", state._replace(known=known)

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
            fact = fact_in(self.worker.copied(fill))
            if fact is not None and self._stale(state, fact, fill.requested):
                self._fail(state, f"fact {fact} is served to a follower who asked at {fill.requested}")
        yield "read lands", state._replace(fill=None, known=self.worker.filled(state.known, fill, state.time))

    def _read(self, state: State, token: int) -> Fill | None:
        reading = self._reading(state, token)
        return None if reading.record is None else Fill(token, reading, state.known, state.time)

    def _sharer(self, state: State) -> Iterator[tuple[str, State]]:
        for token in range(len(TOKENS)):
            fill = self._read(state, token) if state.shares else None
            if fill is not None and fill.reading.epoch and self.worker.keeps(fill):
                put = Shared(fill.reading.epoch, token, self.worker.copied(fill))
                yield "another shares", state._replace(shares=state.shares - 1, shared=state.shared | {put})
            for shared in state.shared:
                known, fact = self.worker.taken_over(state.known, state.time, token, shared)
                if fact is not None:
                    self._check_served(state, fact, LEASE)
                    if shared.token != token:
                        self._fail(state, f"fact {fact} is served to somebody else")
                    self.witnesses.add("hit in the shared cache")
                yield "taken from the shared cache", state._replace(known=known)

    def _replica(self, state: State, replica: Replica) -> Iterator[tuple[str, State]]:
        """Yield the steps of a replica that lags, and of the worker that asks it."""
        now = Replica(state.row, self._reading(state, 0).as_of, str(state.epoch))
        if now != replica and state.named:
            yield "replica catches up", state._replace(replica=now)
        if state.nearby is not None:
            known, fact = self.worker.nearby(state.known, state.nearby, state.time)
            if fact is not None:
                self._check_served(state, fact, LEASE)
                self.witnesses.add("hit in the replica")
            if known != state.known:
                self._fail(state, "what a replica said is served from memory later")
            yield "replica's answer lands", state._replace(nearby=None)
        elif replica.row is not None:
            record = record_of(replica.row.fact)
            reading = Reading(replica.epoch, replica.as_of, state.time, record)
            yield "replica is read", state._replace(nearby=Fill(replica.row.token, reading, state.known, state.time))

    def _requester(self, state: State) -> Iterator[tuple[str, State]]:
        """Yield requests that find nobody who answers, and such that do."""
        named = self._named(state)
        page = self._page(named, state.known.cursor)
        for token in range(len(TOKENS)):
            for answers, after in ((None, state), (page, named)):
                known, fact, source = self.worker.asked(state.known, state.time, token, answers)
                bound = LEASE
                if fact is not None and source == "stale":
                    self.witnesses.add("hit in an outage")
                    failed = state.known.failed_at
                    if answers is not None and (failed is None or state.time >= failed + RETRY):
                        self._fail(state, f"fact {fact} is served stale though the log can be asked")
                    bound = LEASE + self.scenario.stale
                if fact is not None:
                    self._check_served(state, fact, bound)
                yield f"request {'in an outage' if answers is None else 'is made'}", after._replace(known=known)

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
            restarts=state.restarts - 1, known=self.worker.nothing(), poll=None, fill=None, flush=None, nearby=None
        )
