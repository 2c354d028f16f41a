"""An exhaustive search through the interleavings of loads, invalidations and all that cached values go through.

The workers are real: `AsyncCache` with its tiers, leases and background jobs, in an event loop of steps. Every answer
to a worker, every step of whoever invalidates, and every accident may come at any time, late or never. A state is
reached by going the whole way to it; one that differs in nothing from another that was reached is not gone on from.

In every state that can be reached:
- safety: no request is told what was invalidated a lease before it began (with SQLite: before it began), from memory,
  from the shared cache, from somebody else's load, or because the loader has failed; nor what is older than it may be;
- liveness: if nothing fails any more, every request ends with a value, and then the memory has one.
"""

from __future__ import annotations

from collections import Counter, deque
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.coherence.stepwise import Way, position
from tests.coherence.value_world import TICK, Asked, Worker, World, stepwise, told_by

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

ROUNDS = 400
"""So often everything that is under way may go on until all requests have their answers."""

ROUND = 100
"""Ticks that go by in a round, in which leases in the shared cache end, and loaders that hang."""


class Violation(Exception):
    """The shortest way to a state that must not be."""


class Searched:
    """One world on its way."""

    world_of: Callable[[Any], Any] = World

    def __init__(self, scenario: Any) -> None:
        self.scenario = scenario
        self.world: Any = type(self).world_of(scenario)
        self.writing: tuple[str, int] | None = None
        self.others: tuple[int, ...] = ()
        self.way: list[str] = []
        self.seen = self.world.seen
        self._since: dict[Any, tuple[Any, int]] = {}

    def fail(self, what: str) -> None:
        """End the search."""
        raise Violation(f"{what} after: {', '.join(self.way)}")

    # --- what can happen now

    def ways(self) -> list[Way]:
        """Return everything that can happen next."""
        found = [*self._writers(), *self._accidents()]
        for worker in self.world.workers:
            if worker.todo:
                found.append(Way(f"{worker.who} is asked: {worker.todo[0]}", worker.ask))
            if worker.alive and self.world.may("polls"):
                found.append(Way(f"{worker.who} polls", partial(self._poll, worker)))
        for errand in self.world.waiting():
            found.extend(way._replace(name=f"{errand.who}'s {errand.name} {way.name}") for way in errand.ways())
        if self.world.left.ticks:
            found.append(Way("tick", self._tick))
        return found

    def _tick(self) -> None:
        self.world.left.ticks -= 1
        self.world.pass_time()

    def _poll(self, worker: Worker) -> None:
        self.world.spend("polls")
        worker.todo = ("poll", *worker.todo)
        worker.ask()

    def _writers(self) -> Iterator[Way]:
        left, authority = self.world.left, self.world.authority
        if self.writing is not None:
            yield Way(f"invalidation of {self.writing[0]} commits", self._commit)
        elif left.changes and self.scenario.transactions:
            yield Way(f"invalidation of {left.changes[0]} begins", self._begin)
        elif left.changes:
            yield Way(f"{left.changes[0]} is invalidated", self._change)
        if left.unrelated:
            yield Way("others begin to write", partial(self._spend, "unrelated", self._others_begin))
        for number in self.others:
            yield Way(f"others have written {number}", partial(self._others_commit, number))
        if left.trims and authority.log:
            yield Way("trim", partial(self._spend, "trims", authority.trim))
        if left.restores:
            yield Way("restore", partial(self._spend, "restores", self._restore))

    def _others_begin(self) -> None:
        number = self.world.authority.begin()
        if self.scenario.transactions:
            self.others = (*self.others, number)
        else:
            self.world.authority.commit(number, "another key", self.world.now)

    def _others_commit(self, number: int) -> None:
        self.others = tuple(other for other in self.others if other != number)
        self.world.authority.commit(number, "another key", self.world.now)

    def _spend(self, name: str, do: object) -> None:
        self.world.spend(name)
        assert callable(do)
        do()

    def _begin(self) -> None:
        change, *rest = self.world.left.changes
        self.world.left.changes = tuple(rest)
        self.writing = change, self.world.authority.begin()

    def _commit(self) -> None:
        assert self.writing is not None
        change, number = self.writing
        self.writing = None
        self.world.authority.commit(number, change, self.world.now)

    def _change(self) -> None:
        self._begin()
        self._commit()

    def _restore(self) -> None:
        if self.writing is not None:
            # Whoever wanted it tries again.
            self.world.left.changes = (self.writing[0], *self.world.left.changes)
            self.writing = None
        self.others = ()
        self.world.authority.restore()

    def _accidents(self) -> Iterator[Way]:
        leases = self.world.places.leases
        if self.world.left.losses and leases:
            yield Way("the lease is lost", partial(self._spend, "losses", leases.clear))
        if self.world.left.deaths:
            for worker in self.world.workers:
                if worker.alive and worker.unfinished:
                    yield Way(f"{worker.who} dies", partial(self._spend, "deaths", worker.die))

    def go(self, way: Way) -> None:
        """Let one thing happen, and all that follows by itself."""
        self.way.append(way.name)
        way.go()
        self.settle()

    def settle(self) -> None:
        """Let everybody go on who can, and look at what they were told."""
        self.world.loop.settle()
        if self.scenario.alone and self.world.loading > 1:
            self.fail("two load at once")
        for error in self.world.loop.failures:
            self.fail(f"{error!r} was raised in the background,")
        for task in self.world.loop.tasks():
            awaited = task._fut_waiter
            if task not in self._since or self._since[task][0] is not awaited:
                self._since[task] = awaited, len(self.way)
        for worker in self.world.workers:
            for asked in [asked for asked in worker.unfinished if asked.task.done()]:
                worker.unfinished.remove(asked)
                self._check(worker, asked)

    # --- what must hold

    def _check(self, worker: Worker, asked: Asked) -> None:
        if (error := asked.task.exception()) is not None:
            self.fail(f"worker {worker.who} raises {error!r}")
        if asked.failed and asked.kind != "poll" and not self._loader_fails():
            self.fail(f"worker {worker.who} fails with {asked.failed}, and nothing has failed")
        if asked.told is None:
            if asked.kind in {"load", "stale"} and not asked.failed:
                self.fail(f"worker {worker.who} is told nothing")
            return
        self._witness(worker)
        self._check_told(worker, asked.told, asked.oldest, asked.began)

    def _witness(self, worker: Worker) -> None:
        """Note what happens, where one might fear that it never does."""
        self.seen.add("told")
        numbers = worker.cache.numbers
        self.seen |= {name for name in ("refreshes", "stale") if numbers[name]}
        if not worker.loads and self.scenario.shared:
            self.seen.add("told what another has loaded")

    def _check_told(self, worker: Worker, told: int, oldest: int, began: int) -> None:
        version, read = told_by(told)
        if version < oldest:
            self.fail(f"worker {worker.who} tells {version}, which is outdated,")
        if version > 0:
            self.seen.add("told what is new")
        end = read + self.scenario.ttl * TICK
        if began >= end:
            self.seen.add("told what has expired")
            if began >= end + self.scenario.stale * TICK or not self._loader_fails():
                self.fail(f"worker {worker.who} tells what has expired")

    def _loader_fails(self) -> bool:
        return "loader fails" in self.seen or self.scenario.timeout <= self.scenario.ticks

    def check_memory(self) -> None:
        """Look at what a request would be told from memory."""
        oldest, now = self.world.oldest(), self.world.now
        for worker in self.world.workers:
            if worker.alive and (told := worker.served()) is not None:
                self.seen.add("hit")
                self._check_told(worker, told, oldest, now)
                if self.world.authority.epoch > 1 and worker.log.knowledge.epoch == str(self.world.authority.epoch):
                    self.seen.add("hit in a new epoch")

    def check_liveness(self) -> None:
        """From here on nothing fails: everybody gets an answer, and then the memory has one."""
        self.world.calm = True
        if self.writing is not None:
            self.go(Way("the transaction commits", self._commit))
        for number in self.others:
            self._others_commit(number)
        self.way.append("and if nothing fails any more")
        self._finish(self.world.workers)
        self.world.pass_time(2)
        for worker in self.world.workers:
            if worker.alive:
                self._check_hit(worker)

    def _check_hit(self, worker: Worker) -> None:
        for _ in range(2):
            loads = self.world.loads
            worker.todo = ("load",)
            worker.ask()
            self._finish([worker])
        if self.world.loads != loads or worker.served() is None:
            self.fail(f"the memory of worker {worker.who} has nothing,")

    def _finish(self, workers: list[Worker]) -> None:
        for _ in range(ROUNDS):
            self.settle()
            waiting = self.world.waiting()
            if not waiting and not any(worker.unfinished for worker in workers):
                return
            for errand in waiting:
                if errand.pending:
                    next(way for way in errand.ways() if not way.fault).go()
            if not any(errand.name != "sleep" for errand in waiting):
                self.world.pass_time(ROUND)
        self.fail("somebody waits for ever,")

    # --- comparing

    def state(self) -> Hashable:
        """Return all that matters from now on."""
        world = self.world
        workers = tuple(worker.state() for worker in world.workers)
        outside = (world.now, world.authority.state(), world.places.state(), self.writing)
        return (outside, workers, self._tasks())

    def _tasks(self) -> Hashable:
        errands = {errand.task: (errand.who, errand.name, errand.state) for errand in self.world.waiting()}
        found: list[Hashable] = []
        queue: list[tuple[int, Hashable]] = []
        for task in self.world.loop.tasks():
            place = position(task, self._known)
            if task in errands:
                found.append((place, errands[task]))
            else:
                queue.append((self._since[task][1], place))
        queue.sort(key=lambda waits: waits[0])  # who has waited for longest for somebody here goes on first
        return frozenset(Counter(found).items()), tuple(place for _, place in queue), "loader fails" in self.seen

    def _known(self, value: object) -> Hashable:
        who = self.world.parts.get(id(value))
        known: Hashable = self.world.knows(value) if who is None else who
        return known


class Search:
    """All states of one scenario; the liveness of those in which a way ends, or meets another."""

    searched: type[Searched] = Searched

    def __init__(self, scenario: Any, *, lively: bool = True) -> None:
        self.scenario = scenario
        self.lively = lively
        self.seen: set[str] = set()
        self.states = 0

    def run(self) -> Search:
        """Visit every state.

        Raises:
            Violation: One of them must not be; the message is the shortest way there.
        """
        try:
            self.deeply()
        except Violation:
            self.broadly()
            raise
        return self

    def broadly(self) -> None:
        """Visit every state, those that are near first.

        Raises:
            Violation: One of them must not be; the message is the shortest way there.
        """
        ways: deque[tuple[int, ...]] = deque([()])
        known: set[Hashable] = set()
        while ways:
            way = ways.popleft()
            with self._gone(way) as searched:
                ways.extend((*way, number) for number in range(self._visit(searched, known)))
                self._end(searched, known)

    def deeply(self) -> None:
        """Visit every state; go on as far as one way leads before the next, so as not to go it again.

        Raises:
            Violation: One of them must not be; the message is a way there.
        """
        ways: list[tuple[int, ...]] = [()]
        known: set[Hashable] = set()
        while ways:
            way = ways.pop()
            with self._gone(way) as searched:
                while count := self._visit(searched, known):
                    ways.extend((*way, number) for number in range(1, count))
                    way = (*way, 0)
                    searched.go(searched.ways()[0])
                self._end(searched, known)

    @contextmanager
    def _gone(self, way: tuple[int, ...]) -> Iterator[Searched]:
        with stepwise() as worlds:
            searched = self.searched(self.scenario)
            worlds.append(searched.world)
            try:
                for number in way:
                    searched.go(searched.ways()[number])
                yield searched
            finally:
                searched.world.loop.end()

    def _visit(self, searched: Searched, known: set[Hashable]) -> int:
        """Look at a state; returns how many ways lead on from there, if nobody has been there."""
        searched.check_memory()
        self.seen |= searched.seen
        state = searched.state(), searched.world.left.state()
        if hash(state) in known:
            return 0
        known.add(hash(state))
        self.states += 1
        return len(searched.ways())

    def _end(self, searched: Searched, known: set[Hashable]) -> None:
        """Where a way ends, or meets another, look at what comes of it if nothing more happens."""
        state = hash(searched.state())
        if self.lively and state not in known:
            known.add(state)
            searched.check_liveness()
            self.seen |= searched.seen
