"""The simulated fleet with cached values beside its sessions, on the same tiers: see `simulation.py`.

Every worker has an `AsyncCache` on its `AsyncSessions`. The values come from a source that now and then fails or hangs.
Checked is every single answer, against what the source said while the request was under way:
- I1, I3: no value is served that was loaded before an invalidation that had committed a lease before the request began
  (with SQLite: before it began), from whatever tier, whether its time was over or not; none after `wait=True`;
- I2: a request ends with a value unless its loader has failed; when all is quiet, the memory has one;
- I5: no worker has two loads of one value under way; and no two workers, while nothing fails.

Besides, whenever a value is invalidated, every worker's memory is looked into at the very moment of the bound.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from coatcheck import AsyncCache, Unavailable, ValueSettings
from coatcheck._async import leases, values
from coatcheck.core.coherence import EVERYONE
from coatcheck.core.namespaces import Space, subjects_of_key
from coatcheck.core.value_copies import BODY
from tests.coherence import simulation
from tests.coherence.authorities import Fact, PostgreSQLLike
from tests.coherence.network import CacheLink
from tests.coherence.simulation import SimulatedWorker, Simulation
from tests.coherence.virtual import SECOND

if TYPE_CHECKING:
    from coatcheck._async.namespace import AsyncNamespace

CLIENTS = 3
SPACES = (Space("flags", "acme"), Space("flags", "globex"), Space("flags"), Space("rates"))
KEYS = tuple((space, key) for space in SPACES for key in ("a", "b"))
FULL = tuple(space.prefix + key for space, key in KEYS)
SUBJECTS = tuple(frozenset((*subjects_of_key(full), EVERYONE)) for full in FULL)
LOAD_TIMEOUT = timedelta(seconds=3)
TTLS = tuple(map(timedelta, (0, 0, 0), (1, 5, 60)))
STALE_FOR = timedelta(seconds=5)
TRIES = 20

_FACTS = 10**6


class LoaderBroken(Exception):
    """The source does not answer."""


class LeasingLink(CacheLink):
    """The shared cache, in which leases end by themselves."""

    def __init__(self, cache: Any, worker: ValueWorker) -> None:
        super().__init__(cache, worker)
        self._world = worker.world

    async def add(self, key: bytes, value: bytes, ttl_ms: int) -> bool:
        await self._pass()
        ends: dict[bytes, int] = vars(self._cache).setdefault("ends", {})
        if self._world.time < ends.get(key, -1):
            return False
        ends[key] = self._world.time + ttl_ms * 10**6
        return True

    async def put(self, key: bytes, value: bytes, ttl_ms: int) -> None:
        if not key.endswith(b".lease"):
            await super().put(key, value, ttl_ms)
            return
        await self._pass()
        vars(self._cache).setdefault("ends", {})[key] = self._world.time + ttl_ms * 10**6

    async def remove(self, key: bytes) -> None:
        await self._pass()
        vars(self._cache).get("ends", {}).pop(key, None)


class ValueWorker(SimulatedWorker):
    """One process, with values beside its sessions."""

    simulation: ValueSimulation
    cache: AsyncCache
    spaces: dict[Space, AsyncNamespace]

    def start(self) -> None:
        super().start()
        self.failed_at: dict[int, int] = {}
        self.loading: set[int] = set()
        self.cache = AsyncCache(self.sessions, settings=ValueSettings(load_timeout=LOAD_TIMEOUT))
        self.spaces = {space: self.cache.namespace(space.name, tenant=space.tenant) for space in SPACES}
        self.tasks += [asyncio.ensure_future(self.simulation.value_client(self)) for _ in range(CLIENTS)]

    def crash(self) -> None:
        super().crash()
        kept = self.cache._values
        pending: list[Any] = [*kept._jobs._runners]
        if kept._leases is not None:
            pending += [kept._leases._timer._handle, kept._leases._timer._task]
        for each in filter(None, pending):
            each.cancel()

    def served(self, number: int) -> int | None:
        """Return what the memory has."""
        copy = self.cache._values.reads.lookup(FULL[number])
        return None if copy is None else int(copy[BODY:])


class ValueSimulation(Simulation):
    """One run."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.calm = self.cache is not None and self.random.random() < 0.2
        """Whether nothing fails, and so no value is loaded by two workers at once."""
        self.facts = [[Fact((), 0)] for _ in KEYS]
        self.numbers: dict[str, int] = {}
        self._over: list[list[tuple[int, int]]] = [[] for _ in KEYS]
        note = self.authority._note

        def noted(subject: str) -> None:
            note(subject)
            self._invalidated(subject)

        vars(self.authority)["_note"] = noted

    def run(self) -> list[str]:
        with (
            patch.multiple(simulation, SimulatedWorker=ValueWorker, CacheLink=LeasingLink),
            patch.object(leases, "random", self.random),
            patch.object(values, "random", self.random),
        ):
            return super().run()

    @property
    def fleet(self) -> list[ValueWorker]:
        """The workers."""
        return [worker for worker in self.workers if isinstance(worker, ValueWorker)]

    async def _chaos(self) -> None:
        if not self.calm:
            await super()._chaos()

    # --- what holds

    def _invalidated(self, subject: str) -> None:
        now = self.world.time
        for number, subjects in enumerate(SUBJECTS):
            if subject in subjects:
                self.facts[number][-1].until = now
                self.facts[number].append(Fact((), now))
                loop = asyncio.get_running_loop()
                loop.call_at((now + self.bound) / SECOND, self._probe_value, number)

    def _probe_value(self, number: int) -> None:
        for worker in self.fleet:
            if worker.running.is_set() and (told := worker.served(number)) is not None:
                self._check_value(number, told, self.world.time)

    def _check_value(self, number: int, told: int, began: int) -> None:
        whose, version = divmod(told, _FACTS)
        if whose != number:
            self.fail(f"value {number} is told what is {whose}'s")
        fact = self.facts[number][version]
        if fact.until is not None and fact.until + self.bound <= began and (self.bound or fact.until < began):
            self.fail(f"value {number} is told {version} of {self.facts[number]}, asked at {began}")
        if any(version < first and began >= since for first, since in self._over[number]):
            self.fail(f"value {number} is told {version}, after invalidate(wait=True) had returned")

    # --- the source

    async def _load(self, worker: ValueWorker, number: int) -> int:
        """Read what the value is now, and bring it later."""
        if number in worker.loading:
            self.fail(f"two loads of value {number} in one worker")
        if self.calm and any(number in other.loading for other in self.fleet):
            self.fail(f"two workers load value {number}, and nothing has failed")
        worker.loading.add(number)
        try:
            return await self._read_value(worker, number)
        except (LoaderBroken, asyncio.CancelledError):
            worker.failed_at[number] = self.world.time
            raise
        finally:
            worker.loading.discard(number)

    async def _read_value(self, worker: ValueWorker, number: int) -> int:
        await asyncio.sleep(self._think())
        told = number * _FACTS + len(self.facts[number]) - 1
        await asyncio.sleep(self._think())
        await worker.running.wait()
        if not self.calm and self.random.random() < 0.05:
            raise LoaderBroken
        return told

    def _think(self) -> float:
        if not self.calm and self.random.random() < 0.05:
            return self.random.uniform(0, 4)
        return min(0.2, self.random.expovariate(30))

    # --- clients

    async def value_client(self, worker: ValueWorker) -> None:
        """Use values, and wait a little in between."""
        actions: dict[Any, int] = {
            self._get_or_load: 70,
            self._get_value: 6,
            self._put: 5,
            self._invalidate: 8,
            self._invalidate_many: 2,
        }
        while True:
            await asyncio.sleep(self.random.expovariate(5))
            await worker.running.wait()
            action = self.random.choices(list(actions), list(actions.values()))[0]
            # Rather the first ones, so that several ask for one at the same time.
            await self._act(worker, action(worker, min(self.random.randrange(len(KEYS)) for _ in range(2))))

    async def _get_or_load(self, worker: ValueWorker, number: int) -> None:
        (space, key), began = KEYS[number], self.world.time
        ttl, stale_for = self.random.choice(TTLS), self.random.choice([None, STALE_FOR])
        try:
            told: int = await worker.spaces[space].get_or_load(
                key, lambda: self._load(worker, number), ttl=ttl, type=int, stale_for=stale_for
            )
        except (LoaderBroken, Unavailable) as error:
            self.note(f"worker {self.workers.index(worker)} value {number}: {type(error).__name__}")
            if worker.failed_at.get(number, -1) < began:
                self.fail(f"value {number} could not be had ({error!r}), and its loader has not failed")
            return
        self.note(f"worker {self.workers.index(worker)} value {number}: {told % _FACTS}, asked at {began / SECOND:.4f}")
        self._check_value(number, told, began)

    async def _get_value(self, worker: ValueWorker, number: int) -> None:
        (space, key), began = KEYS[number], self.world.time
        told = await worker.spaces[space].get(key, type=int)
        if told is not None:
            self._check_value(number, told, began)

    async def _put(self, worker: ValueWorker, number: int) -> None:
        space, key = KEYS[number]
        mark = await worker.spaces[space].mark()
        try:
            told = await self._read_value(worker, number)
        except LoaderBroken:
            return
        await worker.spaces[space].put(key, told, ttl=self.random.choice(TTLS), type=int, mark=mark)
        self.note(f"worker {self.workers.index(worker)} puts value {number}: {told % _FACTS}")

    async def _invalidate(self, worker: ValueWorker, number: int) -> None:
        space, key = KEYS[number]
        wait, version = self.random.random() < 0.3, len(self.facts[number])
        self.note(f"value {number} is to be invalidated")
        await worker.spaces[space].invalidate(key, wait=wait)
        if wait:
            self._over[number].append((version, self.world.time))
        self.note(f"value {number} is invalidated")

    async def _invalidate_many(self, worker: ValueWorker, number: int) -> None:
        space, _ = KEYS[number]
        if space.tenant is not None and self.random.random() < 0.5:
            await worker.cache.invalidate_tenant(space.tenant)
        else:
            await worker.cache.invalidate_namespace(space.name, tenant=self.random.choice([None, space.tenant]))
        self.note(f"all of {space} are invalidated")

    # --- in the end

    async def _settle(self, chaos: asyncio.Task[None]) -> None:
        """When the accidents are over, every worker has every value in memory before long."""
        await super()._settle(chaos)
        self.calm = True
        for worker in self.fleet:
            worker.loading.clear()
            for number in range(len(KEYS)):
                await self._end_with(worker, number)
            for name, count in worker.cache.numbers.items():
                self.numbers[name] = self.numbers.get(name, 0) + count

    async def _end_with(self, worker: ValueWorker, number: int) -> None:
        for _ in range(TRIES):
            await self._get_or_load(worker, number)
            # As long as somebody writes, what was invalidated since they began cannot be kept.
            open_still = isinstance(self.authority, PostgreSQLLike) and self.authority.snapshot.open
            if open_still or worker.served(number) is not None:
                return
        self.fail(f"value {number} is never in memory")
