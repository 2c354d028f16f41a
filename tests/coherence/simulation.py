"""A fleet on a virtual clock: workers, one authority, and a network that delays, loses and forgets.

The workers are real `AsyncSessions`. Their event loop waits for nothing: when nobody has anything to do, the time
jumps to the next thing that is due. All chance comes from one seed, so a run is repeated by its seed.

Checked is every single answer, against what the authority knew while the request was under way:
- I1, I3: no session is served that ended a lease before the request began, nor one that says what was outdated then;
- I2: no session is refused that was valid from the beginning of the request to its end;
- I4: who cannot ask says so: an answer fails only when something was lost;
- I5: no worker has two reads for one token under way;
- I6: no user has more sessions than allowed.
"""

from __future__ import annotations

import asyncio
import json
import selectors
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Any

from coatcheck import (
    AsyncSessions,
    CacheSettings,
    LimitReached,
    NotSignedIn,
    Policy,
    Session,
    Token,
    TokenHash,
    Unavailable,
)
from coatcheck.testing import AsyncMemoryStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from coatcheck.core.session import Record

SECOND = 10**9
START = 4_102_444_800 * SECOND  # the year 2100
LEASE = 2 * SECOND
TIMEOUT = 1.0
DURATION = 20.0
WORKERS = 3
CLIENTS = 4
LIMIT = 3
USERS = ("ann", "bob", None)

_hash = TokenHash()


class Violated(AssertionError):
    """An answer that must not be, with the way to see it again."""


class World:
    """The time that really passes."""

    def __init__(self) -> None:
        self.time = 0

    def now(self) -> int:
        return START + self.time

    def monotonic(self) -> int:
        return self.time


class WorkersClock:
    """A worker's clocks: started at another time, and set to another hour now and then."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._booted = random.randrange(10**6) * SECOND
        self.wrong = 0

    def now(self) -> int:
        return self._world.now() + self.wrong

    def monotonic(self) -> int:
        return self._world.time + self._booted


class VirtualSelector(selectors.DefaultSelector):
    """Instead of waiting it moves the time."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise Violated("everybody waits for something that nobody will do")
        if not ready and timeout is not None and timeout > 0:
            self._world.time += max(1, ceil(timeout * SECOND))
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in the world's time."""

    def __init__(self, world: World) -> None:
        super().__init__(VirtualSelector(world))
        self._world = world

    def time(self) -> float:
        return self._world.time / SECOND


@dataclass
class Fact:
    """What a token stood for, from one moment to another; None while it still does."""

    states: tuple[Any, ...]
    since: int
    until: int | None = None


def states(row: Record | Session) -> tuple[Any, ...]:
    """Return what a session states, without what a touch moves."""
    data: Mapping[str, Any] = json.loads(row.data) if isinstance(row.data, str) else row.data
    return (row.id, row.user_id, row.ip, json.dumps(dict(data), sort_keys=True))


class Authority(AsyncMemoryStore):
    """The store, with a memory of everything that ever held, and with accidents."""

    def __init__(self, world: World) -> None:
        super().__init__(clock=world)
        self._world = world
        self.history: dict[bytes, list[Fact]] = {}
        self._backup: tuple[Any, ...] = ()
        self.back_up()

    def observe(self) -> None:
        """Write down what has changed."""
        for token_hash, facts in self.history.items():
            row = self._rows.get(token_hash)
            if facts[-1].until is None and (row is None or states(row) != facts[-1].states):
                facts[-1].until = self._world.time
        for token_hash, row in self._rows.items():
            facts = self.history.setdefault(token_hash, [])
            if not facts or facts[-1].until is not None:
                facts.append(Fact(states(row), self._world.time))

    def trim(self) -> None:
        """Forget all entries, however young."""
        self._trim(self._now() + 1)

    def back_up(self) -> None:
        """Keep a copy."""
        self._backup = (dict(self._rows), list(self._log), self._floor, self._position)

    def restore(self) -> None:
        """Go back to the copy: another life, which may use the same positions again."""
        rows, log, self._floor, self._position = self._backup
        self._rows, self._log = dict(rows), list(log)
        self._epoch += "'"
        self.observe()

    def live(self, user_id: str) -> int:
        """Return how many sessions a user has."""
        return len(self._live_of(user_id))


class Link:
    """What a worker sees of the authority, through the network."""

    def __init__(self, authority: Authority, worker: SimulatedWorker) -> None:
        self._authority = authority
        self._worker = worker
        self._reading: set[bytes] = set()
        self.capabilities = authority.capabilities

    def unchanged(self, _: Any) -> bool:
        return True

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **options: Any) -> Any:
            key = arguments[0] if name == "read" else None
            if key in self._reading:
                raise Violated("two reads for one token at once")
            if key is not None:
                self._reading.add(key)
            try:
                return await self._call(name, arguments, options)
            finally:
                self._reading.discard(key) if key is not None else None

        return call

    async def _call(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        worker = self._worker
        await worker.travel()
        lost = worker.loses()
        if lost == "request":
            await worker.give_up(name)
        answer = await getattr(self._authority, name)(*arguments, **options)
        self._authority.observe()
        if lost == "answer":
            await worker.give_up(name)
        await worker.travel()
        return answer


@dataclass
class SimulatedWorker:
    """One process: its sessions, its clock, its tasks, and its bad luck."""

    simulation: Simulation
    clock: WorkersClock
    loss: float = 0.0
    last_loss: int = -1
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    running: asyncio.Event = field(default_factory=asyncio.Event)
    sessions: AsyncSessions = field(init=False)

    def start(self) -> None:
        """Start, knowing nothing."""
        policy = Policy(touch_every=timedelta(seconds=1), max_sessions=LIMIT, when_full=self.simulation.when_full)
        store: Any = Link(self.simulation.authority, self)
        self.sessions = AsyncSessions(
            store,
            policy=policy,
            cache=CacheSettings(lease=timedelta(microseconds=LEASE // 1000)),
            flush_every=timedelta(seconds=0.5),
            clock=self.clock,
        )
        self.running.set()
        self.tasks = [asyncio.ensure_future(self.simulation.client(self)) for _ in range(CLIENTS)]

    def crash(self) -> None:
        """End in the middle of everything."""
        for task in self.tasks:
            task.cancel()
        timer = self.sessions._touches._timer
        for pending in (timer._handle, timer._task):
            if pending is not None:
                pending.cancel()

    async def travel(self) -> None:
        """Let a message travel, and be looked at when the process runs."""
        random = self.simulation.random
        slow = random.random() < 0.05
        await asyncio.sleep(random.uniform(0, 4) if slow else random.expovariate(100))
        await self.running.wait()

    def loses(self) -> str:
        """Tell which part of an exchange gets lost."""
        random = self.simulation.random
        return random.choice(["request", "answer"]) if random.random() < self.loss else ""

    async def give_up(self, name: str) -> None:
        """Wait for what does not come."""
        self.last_loss = self.simulation.world.time
        await asyncio.sleep(TIMEOUT)
        await self.running.wait()
        self.last_loss = self.simulation.world.time
        raise Unavailable(f"{name} timed out")


class Simulation:
    """One run."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - a seeded one is the point
        self.world = World()
        self.authority = Authority(self.world)
        self.when_full: Any = self.random.choice(["evict_oldest", "refuse"])
        self.tokens: list[Token] = []
        self.sessions: list[Session] = []
        self.trace: list[str] = []
        self.workers: list[SimulatedWorker] = []

    def run(self) -> list[str]:
        """Run to the end; returns what happened, which is the same for the same seed.

        Raises:
            Violated: An answer was wrong.
        """
        loop = VirtualLoop(self.world)
        try:
            loop.run_until_complete(self._run())
        finally:
            loop.close()
        return self.trace

    async def _run(self) -> None:
        self.workers = [SimulatedWorker(self, WorkersClock(self.world, self.random)) for _ in range(WORKERS)]
        for worker in self.workers:
            worker.start()
        chaos = asyncio.ensure_future(self._chaos())
        try:
            while self.world.time < DURATION * SECOND:
                await asyncio.sleep(0.5)
                self._raise_failures([chaos])
            await self._settle(chaos)
        finally:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _raise_failures(self, others: list[asyncio.Task[None]]) -> None:
        for task in [*others, *(task for worker in self.workers for task in worker.tasks)]:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _settle(self, chaos: asyncio.Task[None]) -> None:
        """When the accidents are over and a lease has passed, every worker answers exactly what is true."""
        chaos.cancel()
        for worker in self.workers:
            worker.loss = 0
            worker.running.set()
            for task in worker.tasks:
                task.cancel()
            await asyncio.gather(*worker.tasks, return_exceptions=True)
        await asyncio.sleep(LEASE / SECOND)
        for worker in self.workers:
            for number, token in enumerate(self.tokens):
                await self._get(worker, number, token)
        for user in filter(None, USERS):
            if self.authority.live(user) > LIMIT:
                self._fail(f"{user} has {self.authority.live(user)} sessions")

    def _fail(self, what: str) -> None:
        story = "\n  ".join(self.trace[-40:])
        raise Violated(f"seed {self.seed}: {what}; before that:\n  {story}")

    def _note(self, what: str) -> None:
        self.trace.append(f"{self.world.time / SECOND:9.4f} {what}")

    # --- accidents

    async def _chaos(self) -> None:
        accidents = [
            self._pause,
            self._crash,
            self._partition,
            self._set_clock,
            self._trim,
            self._back_up,
            self._restore,
        ]
        weights = [4, 2, 4, 1, 3, 2, 1]
        while True:
            await asyncio.sleep(self.random.expovariate(1))
            accident = self.random.choices(accidents, weights)[0]
            worker = self.random.randrange(WORKERS)
            self._note(f"{accident.__name__} {worker}")
            await accident(self.workers[worker])

    async def _pause(self, worker: SimulatedWorker) -> None:
        worker.running.clear()
        await asyncio.sleep(self.random.uniform(0, 3 * LEASE / SECOND))
        worker.running.set()

    async def _crash(self, worker: SimulatedWorker) -> None:
        worker.crash()
        await asyncio.sleep(self.random.uniform(0, 1))
        worker.start()

    async def _partition(self, worker: SimulatedWorker) -> None:
        worker.loss = self.random.choice([0.1, 0.5, 1])
        await asyncio.sleep(self.random.uniform(0, 3 * LEASE / SECOND))
        worker.loss = 0

    async def _set_clock(self, worker: SimulatedWorker) -> None:
        worker.clock.wrong = self.random.randrange(-3600, 3600) * SECOND

    async def _trim(self, _: SimulatedWorker) -> None:
        self.authority.trim()

    async def _back_up(self, _: SimulatedWorker) -> None:
        self.authority.back_up()

    async def _restore(self, _: SimulatedWorker) -> None:
        self.authority.restore()

    # --- clients

    async def client(self, worker: SimulatedWorker) -> None:
        """Use sessions, and wait a little in between."""
        actions = [
            self._get_one,
            self._sign_in,
            self._revoke,
            self._revoke_user,
            self._rotate,
            self._save,
            self._recheck,
        ]
        weights = [70, 8, 5, 1, 4, 6, 6]
        while True:
            await asyncio.sleep(self.random.expovariate(5))
            await worker.running.wait()
            action = self.random.choices(actions, weights)[0]
            began = self.world.time
            try:
                await action(worker)
            except Unavailable:
                if worker.last_loss < began:
                    self._fail("nothing was lost, and an answer failed")
            except LimitReached:
                self._note("limit reached")

    def _some(self) -> tuple[int, Token] | None:
        """Return a token, rather a new one."""
        if not self.tokens:
            return None
        number = max(self.random.randrange(len(self.tokens)) for _ in range(2))
        return number, self.tokens[number]

    async def _get_one(self, worker: SimulatedWorker) -> None:
        if (chosen := self._some()) is not None:
            await self._get(worker, *chosen)

    async def _get(self, worker: SimulatedWorker, number: int, token: Token) -> None:
        began = self.world.time
        answer = await worker.sessions.get(token)
        self._note(
            f"worker {self.workers.index(worker)} token {number}: {_word(answer)}, asked at {began / SECOND:.4f}"
        )
        facts = self.authority.history.get(_hash(token.reveal().encode()), [])
        self._check(facts, answer, began)
        if isinstance(answer, Session):
            self.sessions.append(answer)

    def _check(self, facts: list[Fact], answer: Session | NotSignedIn, began: int) -> None:
        if isinstance(answer, Session):
            told = states(answer)
            if not any(fact.states == told and (fact.until is None or fact.until + LEASE > began) for fact in facts):
                self._fail(f"served {told} of {facts}, asked at {began}")
        elif any(fact.since <= began and fact.until is None for fact in facts):
            self._fail(f"refused ({answer.value}), and valid: {facts}, asked at {began}")
        elif any(fact.since <= began and (fact.until or 0) >= self.world.time for fact in facts):
            self._fail(f"refused ({answer.value}) before it ended: {facts}, asked at {began}")

    async def _recheck(self, worker: SimulatedWorker) -> None:
        if not self.sessions:
            return
        session = self.sessions[-1 - self.random.randrange(min(8, len(self.sessions)))]
        began = self.world.time
        answer = await worker.sessions.recheck(session)
        self._note(f"worker {self.workers.index(worker)} rechecks: {_word(answer)}")
        facts = [fact for facts in self.authority.history.values() for fact in facts if fact.states[0] == session.id]
        if isinstance(answer, Session):
            self._check(facts, answer, began)
        elif any(fact.since <= began and fact.until is None for fact in facts):
            self._fail(f"an open stream was refused: {facts}")

    async def _sign_in(self, worker: SimulatedWorker) -> None:
        created = await worker.sessions.create(self.random.choice(USERS), data={"n": 0})
        self._note(f"sign in, token {len(self.tokens)}")
        self.tokens.append(created.token)

    async def _revoke(self, worker: SimulatedWorker) -> None:
        if (chosen := self._some()) is not None:
            self._note(f"revoke token {chosen[0]}: {await worker.sessions.revoke(chosen[1])}")

    async def _revoke_user(self, worker: SimulatedWorker) -> None:
        everyone = self.random.random() < 0.2
        user = self.random.choice(["ann", "bob"])
        count = await (worker.sessions.revoke_everyone() if everyone else worker.sessions.revoke_user(user))
        self._note(f"revoke {'everyone' if everyone else user}: {count}")

    async def _rotate(self, worker: SimulatedWorker) -> None:
        if (chosen := self._some()) is not None:
            rotated = await worker.sessions.rotate(chosen[1])
            self._note(f"rotate token {chosen[0]}: {bool(rotated)}")
            if not isinstance(rotated, NotSignedIn):
                self.tokens.append(rotated.token)

    async def _save(self, worker: SimulatedWorker) -> None:
        if self.sessions:
            session = self.sessions[-1 - self.random.randrange(min(8, len(self.sessions)))]
            saved = await worker.sessions.save(session, {"n": self.random.randrange(100)})
            self._note(f"save: {_word(saved)}")


def _word(answer: Session | NotSignedIn) -> str:
    return f"{answer.data.get('n')}" if isinstance(answer, Session) else answer.value
