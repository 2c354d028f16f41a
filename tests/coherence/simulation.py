"""A fleet on a virtual clock: workers, an authority, a replica, a shared cache, and networks that are none too good.

The workers are real `AsyncSessions`, with the real follower and the real shared tier. See `virtual.py` for the time,
`authorities.py` for what is modelled of each database, and `network.py` for what happens in between.

Checked is every single answer, against what the authority knew while the request was under way:
- I1, I3: no session is served that ended a lease before the request began (with SQLite: that had ended), nor one that
  says what was outdated then; a stale one, served without a proof, not for longer than was wanted, and only after a
  poll that failed; none at all after `revoke(wait=True)` has returned;
- I2: no session is refused that was valid from the beginning of the request to its end;
- I4: who cannot ask says so: an answer fails only when something was lost;
- I5: no worker has two reads for one token under way;
- I6: no user ever has more sessions than allowed.

Besides, whenever a session has ended, every worker's memory is looked into at the very moment of the bound.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from coatcheck import (
    AsyncSessions,
    CacheSettings,
    LimitReached,
    NotSignedIn,
    Policy,
    Session,
    SharedCacheSettings,
    Token,
    Unavailable,
)
from coatcheck.core.answers import Validated
from tests.coherence.authorities import Authority, Fact, PostgreSQLLike, SQLiteLike, ValkeyLike, states
from tests.coherence.network import TIMEOUT, CacheLink, Link, SharedCache
from tests.coherence.virtual import SECOND, Violated, WorkersClock, World, virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from tests.coherence.virtual import VirtualLoop

LEASE = 2 * SECOND
STALE = 3 * SECOND
RETRY = SECOND
"""So long a poll that has failed keeps requests from trying another one."""

DURATION = 20.0
WORKERS = 3
CLIENTS = 4
LIMIT = 3
USERS = ("ann", "bob", None)
KEYS = [b"a key of the simulated fleet, 32+"]

AUTHORITIES: dict[str, type[Authority]] = {"sqlite": SQLiteLike, "postgresql": PostgreSQLLike, "valkey": ValkeyLike}


@dataclass(eq=False)
class SimulatedWorker:
    """One process: its sessions, its clock, its tasks, and its bad luck."""

    simulation: Simulation
    clock: WorkersClock
    loss: float = 0.0
    deafness: float = 0.0
    last_loss: int = -1
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    running: asyncio.Event = field(default_factory=asyncio.Event)
    sessions: AsyncSessions = field(init=False)
    link: Link = field(init=False)

    def __post_init__(self) -> None:
        self.random = self.simulation.random
        self.world = self.simulation.world

    def start(self) -> None:
        """Start, knowing nothing."""
        simulation = self.simulation
        policy = Policy(touch_every=timedelta(seconds=1), max_sessions=LIMIT, when_full=simulation.when_full)
        self.link = Link(simulation.authority, self)
        store: Any = self.link
        self.sessions = AsyncSessions(
            store,
            policy=policy,
            cache=CacheSettings(
                max_entries=simulation.max_entries, lease=_duration(LEASE), serve_stale_for=_duration(simulation.stale)
            ),
            shared_cache=None if simulation.cache is None else CacheLink(simulation.cache, self),
            shared_cache_settings=SharedCacheSettings(timeout=timedelta(milliseconds=50)),
            keys=KEYS,
            flush_every=timedelta(seconds=0.5),
            clock=self.clock,
        )
        self.running.set()
        self.tasks = [asyncio.ensure_future(simulation.client(self)) for _ in range(CLIENTS)]

    def crash(self) -> None:
        """End in the middle of everything."""
        timer, log, tier = self.sessions._touches._timer, self.sessions.tiers.log, self.sessions.tiers.shared
        errands = [] if tier is None else list(tier._errands._runners)
        for pending in (*self.tasks, *errands, timer._handle, timer._task, log._follower._repeater._task):
            if pending is not None:
                pending.cancel()

    def delay(self) -> float:
        """Return for how long a message travels."""
        if self.random.random() < 0.05:
            return self.random.uniform(0, 4)
        return self.random.expovariate(100)

    async def travel(self) -> None:
        """Let a message travel, and be looked at when the process runs."""
        await asyncio.sleep(self.delay())
        await self.running.wait()

    def loses(self) -> str:
        """Tell which part of an exchange gets lost."""
        return self.random.choice(["request", "answer"]) if self.random.random() < self.loss else ""

    async def give_up(self, name: str) -> None:
        """Wait for what does not come."""
        self.last_loss = self.world.time
        await asyncio.sleep(TIMEOUT)
        await self.running.wait()
        self.last_loss = self.world.time
        raise Unavailable(f"{name} timed out")


class Simulation:
    """One run."""

    def __init__(self, seed: int) -> None:
        """Choose what there is: by the seed alone."""
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - a seeded one is the point
        self.world = World()
        self.kind = list(AUTHORITIES)[seed % len(AUTHORITIES)]
        self.authority = AUTHORITIES[self.kind](self.world, self.random)
        self.when_full: Any = self.random.choice(["evict_oldest", "refuse"])
        self.max_entries = self.random.choice([1000, 1000, 0])
        self.stale = self.random.choice([0, STALE])
        self.cache = self.random.choice([None, SharedCache(), SharedCache()])
        self.bound = 0 if self.authority.notices_changes else LEASE
        self.tokens: list[Token] = []
        self.sessions: list[Session] = []
        self.trace: list[str] = []
        self.workers: list[SimulatedWorker] = []
        self._presented: dict[bytes, bytes] = {}
        self._settled: dict[bytes, int] = {}
        self._others: set[asyncio.Task[None]] = set()
        self.authority.on_news.append(self._notify)
        self.authority.on_end.append(self._ended)

    def run(self) -> list[str]:
        """Run to the end; returns what happened, which is the same for the same seed.

        Raises:
            Violated: An answer was wrong.
        """
        with virtual_time(self.world, self.random) as loop:
            loop.run_until_complete(self._run(loop))
        return self.trace

    async def _run(self, loop: VirtualLoop) -> None:
        loop.set_exception_handler(lambda _, context: self._crashed.append(context))
        self._crashed: list[dict[str, Any]] = []
        self.workers = [SimulatedWorker(self, WorkersClock(self.world, self.random)) for _ in range(WORKERS)]
        for worker in self.workers:
            worker.start()
        chaos = asyncio.ensure_future(self._chaos())
        try:
            while self.world.time < DURATION * SECOND:
                await asyncio.sleep(0.5)
                self._raise_failures([chaos])
            await self._settle(chaos)
            self._raise_failures([])
        finally:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def later(self, job: Coroutine[Any, Any, None]) -> None:
        """Do something that nobody waits for."""
        task = asyncio.ensure_future(job)
        self._others.add(task)
        task.add_done_callback(self._others.discard)

    def _raise_failures(self, others: list[asyncio.Task[None]]) -> None:
        for task in [*others, *(task for worker in self.workers for task in worker.tasks)]:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
        for context in self._crashed:
            raise context.get("exception") or Violated(context["message"])

    async def _settle(self, chaos: asyncio.Task[None]) -> None:
        """When the accidents are over and the bound has passed, every worker answers exactly what is true."""
        chaos.cancel()
        self.authority.running.set()
        for worker in self.workers:
            worker.loss = 0
            worker.running.set()
            for task in worker.tasks:
                task.cancel()
            await asyncio.gather(*worker.tasks, return_exceptions=True)
        await asyncio.sleep((LEASE + self.stale) / SECOND)
        for worker in self.workers:
            for number, token in enumerate(self.tokens):
                await self._get(worker, number, token)

    def fail(self, what: str) -> None:
        """End the run."""
        story = "\n  ".join(self.trace[-40:])
        command = f"make simulate FIRST={self.seed} SEEDS=1"
        raise Violated(f"seed {self.seed}: {what}; again with: {command}; before that:\n  {story}")

    def note(self, what: str) -> None:
        """Write down what has happened."""
        self.trace.append(f"{self.world.time / SECOND:9.4f} {what}")

    # --- the authority's doing

    def _notify(self) -> None:
        for worker in self.workers:
            worker.link.notify()

    def _ended(self, token_hash: bytes) -> None:
        """Look into every worker's memory when the bound is over, and as late as its last moment."""
        loop = asyncio.get_running_loop()
        for user in filter(None, USERS):
            if self.authority.live(user) > LIMIT:
                self.fail(f"{user} has {self.authority.live(user)} sessions")
        if token_hash in self._presented:
            loop.call_at((self.world.time + self.bound) / SECOND, self._probe, token_hash)

    def _probe(self, token_hash: bytes) -> None:
        for worker in self.workers:
            if worker.running.is_set():
                session = worker.sessions.lookup(self._presented[token_hash])
                if session is not None:
                    self._check(token_hash, session, self.world.time, self.bound)

    # --- accidents

    async def _chaos(self) -> None:
        accidents: dict[Any, int] = {
            self._pause: 4,
            self._crash: 2,
            self._partition: 4,
            self._deafen: 2,
            self._set_clock: 1,
            self._trim: 3,
            self._stall: 1,
            self._crash_authority: 1,
            self._promote: 2,
        }
        if self.cache is not None:
            accidents |= {self._spoil_cache: 2, self._stop_cache: 1, self._roll_cache_back: 1}
        if isinstance(self.authority, PostgreSQLLike):
            accidents |= {self._write_long: 2, self._lag: 3}
        while True:
            await asyncio.sleep(self.random.expovariate(1))
            accident = self.random.choices(list(accidents), list(accidents.values()))[0]
            worker = self.random.randrange(WORKERS)
            self.note(f"{accident.__name__} {worker}")
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
        worker.loss = self.random.choice([0.1, 0.5, 1, 1])
        await asyncio.sleep(self.random.uniform(0, 5 * LEASE / SECOND))
        worker.loss = 0

    async def _deafen(self, worker: SimulatedWorker) -> None:
        worker.deafness = self.random.choice([0, 0.5, 1])

    async def _set_clock(self, worker: SimulatedWorker) -> None:
        worker.clock.wrong = self.random.randrange(-3600, 3600) * SECOND

    async def _trim(self, _: SimulatedWorker) -> None:
        self.authority.trim()

    async def _stall(self, _: SimulatedWorker) -> None:
        self.authority.running.clear()
        await asyncio.sleep(self.random.uniform(0, 2 * LEASE / SECOND))
        self.authority.running.set()

    async def _crash_authority(self, _: SimulatedWorker) -> None:
        self._settled.clear()
        self.authority.crash()

    async def _promote(self, _: SimulatedWorker) -> None:
        self._settled.clear()
        self.authority.promote(self.random.randrange(4))

    async def _write_long(self, _: SimulatedWorker) -> None:
        assert isinstance(self.authority, PostgreSQLLike)
        self.later(self.authority.write_long(self.random.uniform(0, 10)))

    async def _lag(self, _: SimulatedWorker) -> None:
        assert isinstance(self.authority, PostgreSQLLike)
        self.authority.lag = self.random.choice([0, SECOND // 100, SECOND, 5 * SECOND])
        self.authority.replicas_clock = self.random.choice([0, -2, 2, 3600]) * SECOND

    async def _spoil_cache(self, _: SimulatedWorker) -> None:
        assert self.cache is not None
        self.cache.faults = self.random.choice([0, 0.1, 0.5])

    async def _stop_cache(self, _: SimulatedWorker) -> None:
        assert self.cache is not None
        self.cache.running.clear()
        await asyncio.sleep(self.random.uniform(0, 2))
        self.cache.running.set()

    async def _roll_cache_back(self, _: SimulatedWorker) -> None:
        assert self.cache is not None
        self.cache.roll_back()

    # --- clients

    async def client(self, worker: SimulatedWorker) -> None:
        """Use sessions, and wait a little in between."""
        actions: dict[Any, int] = {
            self._get_one: 70,
            self._sign_in: 8,
            self._revoke: 5,
            self._revoke_user: 1,
            self._rotate: 4,
            self._save: 6,
            self._recheck: 6,
        }
        while True:
            await asyncio.sleep(self.random.expovariate(5))
            await worker.running.wait()
            action = self.random.choices(list(actions), list(actions.values()))[0]
            await self._act(worker, action(worker))

    async def _act(self, worker: SimulatedWorker, action: Awaitable[None]) -> None:
        began = self.world.time
        try:
            await action
        except Unavailable:
            if worker.last_loss < began:
                self.fail("nothing was lost, and an answer failed")
        except LimitReached:
            self.note("limit reached")

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
        presented = token.reveal().encode()
        found = worker.sessions.lookup(presented)
        validated = Validated(found, "memory") if found else await worker.sessions.ask(presented)
        answer, source = validated.answer, validated.source or "none"
        name = f"worker {self.workers.index(worker)} token {number}"
        self.note(f"{name}: {_word(answer)} from {source}, asked at {began / SECOND:.4f}")
        if source == "stale" and worker.link.poll_failed_at < began - RETRY:
            self.fail("a stale session was served, and no poll had failed")
        self._check(self._hash_of(token), answer, began, self._bound_of(source))
        if isinstance(answer, Session):
            self.sessions.append(answer)

    def _bound_of(self, source: str) -> int:
        return LEASE + self.stale if source == "stale" else self.bound

    def _hash_of(self, token: Token) -> bytes:
        return next(key for key, presented in self._presented.items() if presented == token.reveal().encode())

    def _check(self, token_hash: bytes, answer: Session | NotSignedIn, began: int, bound: int) -> None:
        facts = self.authority.history.get(token_hash, [])
        if not isinstance(answer, Session):
            self._check_refusal(facts, answer, began)
            return
        told = states(answer)
        if not any(fact.states == told and _held(fact, began, bound) for fact in facts):
            self.fail(f"served {told} of {facts}, asked at {began}")
        if began >= self._settled.get(token_hash, began + 1):
            self.fail(f"served {told}, after revoke(wait=True) had returned, asked at {began}")

    def _check_refusal(self, facts: list[Fact], answer: NotSignedIn, began: int) -> None:
        if any(fact.since <= began and fact.until is None for fact in facts):
            self.fail(f"refused ({answer.value}), and valid: {facts}, asked at {began}")
        elif any(fact.since <= began and (fact.until or 0) > self.world.time for fact in facts):
            self.fail(f"refused ({answer.value}) before it ended: {facts}, asked at {began}")

    async def _recheck(self, worker: SimulatedWorker) -> None:
        if not self.sessions:
            return
        session = self.sessions[-1 - self.random.randrange(min(8, len(self.sessions)))]
        began = self.world.time
        answer = await worker.sessions.recheck(session)
        self.note(f"worker {self.workers.index(worker)} rechecks: {_word(answer)}")
        facts = [fact for facts in self.authority.history.values() for fact in facts if fact.states[0] == session.id]
        if not isinstance(answer, Session):
            if any(fact.since <= began and fact.until is None for fact in facts):
                self.fail(f"an open stream was refused: {facts}")
        elif not any(fact.states == states(answer) and _held(fact, began, self.bound) for fact in facts):
            self.fail(f"an open stream goes on with {states(answer)} of {facts}, asked at {began}")

    def _issue(self, worker: SimulatedWorker, token: Token) -> None:
        presented = token.reveal().encode()
        token_hash = worker.sessions._credentials.hash_of(presented)
        assert isinstance(token_hash, bytes)
        self._presented[token_hash] = presented
        self.tokens.append(token)

    async def _sign_in(self, worker: SimulatedWorker) -> None:
        created = await worker.sessions.create(self.random.choice(USERS), data={"n": 0})
        self.note(f"sign in, token {len(self.tokens)}")
        self._issue(worker, created.token)

    async def _revoke(self, worker: SimulatedWorker) -> None:
        if (chosen := self._some()) is None:
            return
        number, token = chosen
        wait = self.random.random() < 0.3
        lives = self.authority.lives
        self.note(f"revoke token {number}: {await worker.sessions.revoke(token, wait=wait)}")
        if wait and lives == self.authority.lives:
            self._settled[self._hash_of(token)] = self.world.time

    async def _revoke_user(self, worker: SimulatedWorker) -> None:
        everyone = self.random.random() < 0.2
        user = self.random.choice(["ann", "bob"])
        count = await (worker.sessions.revoke_everyone() if everyone else worker.sessions.revoke_user(user))
        self.note(f"revoke {'everyone' if everyone else user}: {count}")

    async def _rotate(self, worker: SimulatedWorker) -> None:
        if (chosen := self._some()) is not None:
            rotated = await worker.sessions.rotate(chosen[1])
            self.note(f"rotate token {chosen[0]}: {bool(rotated)}")
            if not isinstance(rotated, NotSignedIn):
                self._issue(worker, rotated.token)

    async def _save(self, worker: SimulatedWorker) -> None:
        if self.sessions:
            session = self.sessions[-1 - self.random.randrange(min(8, len(self.sessions)))]
            saved = await worker.sessions.save(session, {"n": self.random.randrange(100)})
            self.note(f"save: {_word(saved)}")


def _held(fact: Fact, began: int, bound: int) -> bool:
    """Tell whether a fact held when the request began, or less than the bound before; at the very end it did not."""
    return fact.until is None or fact.until + bound > began or (not bound and fact.until == began)


def _word(answer: Session | NotSignedIn) -> str:
    return f"{answer.data.get('n')}" if isinstance(answer, Session) else answer.value


def _duration(nanoseconds: int) -> timedelta:
    return timedelta(microseconds=nanoseconds // 1000)
