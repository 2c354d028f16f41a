"""The world in which cached values are searched for mistakes: where they come from, a log, a shared cache, workers.

There is one value, with all the subjects that a value can have. What it says changes with each invalidation that
commits, and a number tells which of them it is, and when it was read.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from coatcheck import AsyncCache, SharedCacheSettings, Unavailable, ValueSettings
from coatcheck._async import cached_reads, leases, log_reader, values
from coatcheck._async.values import Use
from coatcheck.core.coherence import EVERYONE, Entry, Knowledge, LogPage
from coatcheck.core.namespaces import Space, key_subject, tenant_subject
from coatcheck.core.value_copies import BODY
from coatcheck.testing import AsyncMemoryStore
from tests.coherence.stepwise import Errand, StepLoop, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from coatcheck.core.value_copies import Mark

TICK = 10**6
LEASE = TICK
"""A proof is good in the tick in which it was sent."""

KEYS = [b"a key of the searched fleet, 32 or more"]
SPACE = Space("flags", "acme")
KEY = "colour"
FULL = SPACE.prefix + KEY

_TICKS = 10**9

SUBJECTS = {
    "the key": key_subject(FULL),
    "the tenant's namespace": SPACE.subject(),
    "the namespace": Space(SPACE.name).subject(),
    "the tenant": tenant_subject(SPACE.tenant or ""),
    "everyone": EVERYONE,
    "another key": key_subject(SPACE.prefix + "another"),
}


class LoaderBroken(Exception):
    """The loader has failed."""


@dataclass(frozen=True)
class Scenario:
    """Who takes part.

    Attributes:
        requests: What is asked of each worker, in this order; each may begin while those before it are under way.
        changes: What is invalidated, in this order.
        notices: Whether everybody sees at once that there is news, as with SQLite.
        transactions: Whether what commits late may have an early position, as with PostgreSQL.
        shared: Whether there is a cache between the workers.
        truthful: Whether that returns what was put there last, and not anything that was ever put there, or nothing.
        slow_polls: Whether an answer to a poll may arrive later than it was given.
        polls: How often workers poll in the background.
        ticks: How much time may pass.
        ttl: For how many ticks a value may be served.
        stale: For how many more, if the loader fails.
        refresh: Whether values are loaded anew in the last half of their life.
        timeout: For how many ticks a loader may hang.
        trims: How often the log is trimmed.
        restores: How often the authority goes back to its beginning.
        failures: How often the loader fails.
        outages: How often a poll fails.
        deaths: How many workers die in the middle of everything.
        losses: How often a lease on a value in the shared cache is lost.
        unrelated: How often others write, about what nobody asks for.
        alone: Whether no two loads may ever be under way at once.
        highest: The log tells that what is read now has seen all transactions below the newest one. A mistake.
    """

    requests: tuple[tuple[str, ...], ...] = (("load",),)
    changes: tuple[str, ...] = ("the key",)
    notices: bool = False
    transactions: bool = False
    shared: bool = False
    truthful: bool = False
    slow_polls: bool = False
    polls: int = 0
    ticks: int = 1
    ttl: int = 1000
    stale: int = 0
    refresh: bool = False
    timeout: int = 1000
    trims: int = 0
    restores: int = 0
    failures: int = 0
    outages: int = 0
    deaths: int = 0
    losses: int = 0
    unrelated: int = 0
    alone: bool = False
    highest: bool = False


@dataclass
class Left:
    """What may happen still."""

    changes: tuple[str, ...]
    ticks: int
    polls: int
    trims: int
    restores: int
    failures: int
    outages: int
    deaths: int
    losses: int
    unrelated: int

    @classmethod
    def of(cls, scenario: Scenario) -> Left:
        """Return all that may happen."""
        return cls(**{field.name: getattr(scenario, field.name) for field in fields(cls)})

    def state(self) -> Hashable:
        return tuple(vars(self).values())


class Clock:
    """The time of the step."""

    def __init__(self, loop: StepLoop) -> None:
        self._loop = loop

    def now(self) -> int:
        return self.monotonic()

    def monotonic(self) -> int:
        return round(self._loop.moment * 10**9)


class Authority:
    """The log, and what the value says."""

    def __init__(self, *, highest: bool) -> None:
        self._highest = highest
        self.epoch = 1
        self.head = self.upper = self.floor = 1
        self.open: tuple[int, ...] = ()
        self.log: tuple[Entry, ...] = ()
        self.commits = 0
        self.ended: tuple[int, ...] = ()
        """When each thing that the value has said was invalidated."""

    def state(self) -> Hashable:
        return (self.epoch, self.head, self.upper, self.floor, self.open, self.log, self.commits, self.ended)

    def page(self, cursor: Any, now: int) -> LogPage:
        """Answer a poll."""
        epoch, upper, still_open, _ = cursor or (str(self.epoch), 0, (), 0)
        resumed = epoch == str(self.epoch)
        entries = tuple(one for one in self.log if resumed and (one.position >= upper or one.position in still_open))
        lower = self.upper if self._highest else min(self.open, default=self.upper)
        reached = (str(self.epoch), self.upper, self.open, self.commits)
        return LogPage(str(self.epoch), self.floor, entries, reached, now, resumed, lower)

    def begin(self) -> int:
        """Open a transaction that writes."""
        number, self.head = self.head, self.head + 1
        self.open = (*self.open, number)
        return number

    def commit(self, number: int, subject: str, now: int) -> None:
        """Let everybody see what a transaction has written."""
        self.open = tuple(other for other in self.open if other != number)
        self.upper = max(self.upper, number + 1)
        self.log = (*self.log, Entry(number, SUBJECTS[subject]))
        self.commits += 1
        if subject != "another key":
            self.ended = (*self.ended, now)

    def trim(self) -> None:
        """Forget all entries that nobody can miss."""
        lower = min(self.open, default=self.upper)
        gone = [one.position for one in self.log if one.position < lower]
        self.log = tuple(one for one in self.log if one.position >= lower)
        self.floor = max([self.floor, *(position + 1 for position in gone)])

    def restore(self) -> None:
        """Begin another life, with an empty log whose positions were used already."""
        self.epoch += 1
        self.commits += 1
        self.head = self.upper = self.floor = 1
        self.open, self.log = (), ()


class Places:
    """What lies in the shared cache, and who has a lease there."""

    def __init__(self) -> None:
        self.copies: dict[bytes, tuple[bytes, ...]] = {}
        self.leases: dict[bytes, tuple[int, int]] = {}

    def state(self) -> Hashable:
        taken = tuple((key, who) for key, (who, _) in sorted(self.leases.items()))
        return tuple(sorted(self.copies.items())), taken


class World:
    """Everything, at one moment."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.loop = StepLoop()
        self.clock = Clock(self.loop)
        self.authority = Authority(highest=scenario.highest)
        self.places = Places()
        self.left = Left.of(scenario)
        self.errands: list[Errand] = []
        self.calm = False
        """Whether nothing fails any more."""
        self.loads = self.loading = 0
        self.seen: set[str] = set()
        self.parts: dict[int, int] = {}
        """Which worker an object belongs to."""
        self.workers: list[Any] = [self.worker(number) for number in range(len(scenario.requests))]

    def worker(self, number: int) -> Any:
        """Return a new worker."""
        return Worker(self, number)

    def knows(self, value: object) -> Hashable:
        """Return what matters of a local variable."""
        if value is None or isinstance(value, (int, str, bytes)):
            return value
        if isinstance(value, tuple):
            return tuple(self.knows(each) for each in value)
        if isinstance(value, Knowledge):
            now = any(value is worker.log.knowledge for worker in self.workers)
            return ("knowledge", value.epoch, now)
        if isinstance(value, Asked):
            return (value.kind, value.oldest, value.began, value.mark)
        if isinstance(value, Use):
            return (value._copy, value._value)
        return type(value).__name__ if isinstance(value, BaseException) else None

    @property
    def now(self) -> int:
        """The time."""
        return self.clock.monotonic()

    def waiting(self) -> list[Errand]:
        """Return what is waited for, in the order in which it began."""
        self.errands = [one for one in self.errands if one.pending]
        return [one for one in self.errands if self.workers[one.who].alive]

    def pass_time(self, ticks: int = 1) -> None:
        """Let time go by."""
        self.loop.moment = (self.now + ticks * TICK) / 10**9

    def errand(self, who: int, name: str, ways: Callable[[Errand], list[Way]]) -> Errand:
        """Begin to wait for something."""
        errand = Errand(who, name, self.loop)
        errand.ways = lambda: ways(errand)
        self.errands.append(errand)
        return errand

    def oldest(self) -> int:
        """Return the number of the oldest thing that who asks now may be told."""
        if self.scenario.notices:
            return len(self.authority.ended)
        return sum(at + LEASE <= self.now for at in self.authority.ended)

    def spend(self, name: str) -> bool:
        """Tell whether a fault may happen, and count it."""
        left = 0 if self.calm else getattr(self.left, name)
        if left:
            setattr(self.left, name, left - 1)
        return bool(left)

    def may(self, name: str) -> bool:
        """Tell whether a fault may happen."""
        return not self.calm and bool(getattr(self.left, name))


class Store:
    """The log, as one worker sees it."""

    def __init__(self, world: World, who: int) -> None:
        self._world = world
        self._who = who
        self.capabilities = AsyncMemoryStore.capabilities._replace(notices_changes=world.scenario.notices)

    def unchanged(self, cursor: Any) -> bool:
        if not self.capabilities.notices_changes:
            return True
        return cursor is not None and bool(cursor[3] == self._world.authority.commits)

    async def poll(self, cursor: Any) -> LogPage:
        world, sent = self._world, self._world.now

        def ways(errand: Errand) -> list[Way]:
            found = [Way("answered", lambda: self._answer(errand, cursor, sent))]
            if errand.state is not None:
                found = [Way("arrives", lambda: errand.answer(errand.state))]
            if world.may("outages"):
                found.append(Way("fails", lambda: self._fail(errand), fault=True))
            return found

        page: LogPage = await world.errand(self._who, "poll", ways)
        return page

    def _answer(self, errand: Errand, cursor: Any, sent: int) -> None:
        # By the time at which it was sent, so that all clocks agree: expiry is looked at to the tick.
        page = self._world.authority.page(cursor, sent)
        if self._world.scenario.slow_polls and not self._world.calm:
            errand.state = page
        else:
            errand.answer(page)

    def _fail(self, errand: Errand) -> None:
        self._world.spend("outages")
        errand.fail(Unavailable("nobody answers"))

    async def invalidate(self, subjects: Any, *, connection: Any = None) -> None:
        """Let somebody else do it."""


class SharedCache:
    """The cache between the workers, as one of them sees it. It answers with anything that was ever put there."""

    adds = True

    def __init__(self, world: World, who: int) -> None:
        self._world = world
        self._who = who

    async def get(self, key: bytes) -> bytes | None:
        world = self._world

        def ways(errand: Errand) -> list[Way]:
            copies = world.places.copies.get(key, ())
            last = copies[-1] if copies else None
            found = [Way("finds the last" if copies else "finds nothing", lambda: errand.answer(last))]
            if not world.scenario.truthful and not world.calm:
                found += [
                    Way(f"finds {number}", lambda copy=copy: errand.answer(copy), fault=True)  # type: ignore[misc]
                    for number, copy in enumerate([None, *copies[:-1]] if copies else [])
                ]
            return found

        copy: bytes | None = await world.errand(self._who, "shared cache", ways)
        return copy

    async def put(self, key: bytes, value: bytes, ttl_ms: int) -> None:
        places = self._world.places
        if not self._world.workers[self._who].alive:
            return
        if key.endswith(b".lease"):
            places.leases[key] = self._who, self._world.now + ttl_ms * 10**6
        else:
            places.copies[key] = (*(old for old in places.copies.get(key, ()) if old != value), value)

    async def add(self, key: bytes, value: bytes, ttl_ms: int) -> bool:
        _, until = self._world.places.leases.get(key, (0, -1))
        if self._world.now < until:
            self._world.seen.add("waited for somebody else's load")
            return False
        await self.put(key, value, ttl_ms)
        return True

    async def remove(self, key: bytes) -> None:
        if self._world.workers[self._who].alive:
            self._world.places.leases.pop(key, None)


class Worker:
    """One process."""

    def __init__(self, world: World, who: int) -> None:
        scenario = world.scenario
        self._world = world
        self.who = who
        self.alive = True
        self.loads = 0
        self.todo: Sequence[str] = scenario.requests[who]
        self.unfinished: list[Asked] = []
        store: Any = Store(world, who)
        shared: Any = SharedCache(world, who) if scenario.shared else None
        self.cache = AsyncCache(
            store,
            settings=ValueSettings(
                jitter=0, refresh=0.5 if scenario.refresh else 0, load_timeout=_duration(scenario.timeout)
            ),
            shared_cache=shared,
            shared_cache_settings=SharedCacheSettings(timeout=timedelta(seconds=1)) if shared else None,
            keys=KEYS if shared else None,
            lease=_duration(1),
            clock=world.clock,
        )
        self.values = self.cache._values
        self.reads = self.values.reads
        self.log = self.values.tiers.log
        self.space = self.cache.namespace(SPACE.name, tenant=SPACE.tenant)
        shared_tier = self.values.tiers.shared
        values = self.values
        parts = (values, self.reads, self.log, self.space, values._jobs, values._leases, shared_tier)
        world.parts |= {id(part): who for part in (self, *parts) if part is not None}

    def ask(self) -> None:
        """Let the next request begin."""
        kind, *self.todo = self.todo
        asked = Asked(kind, self._world.oldest(), self._world.now)
        asked.task = self._world.loop.create_task(self.answer(asked))
        self.unfinished.append(asked)

    async def answer(self, asked: Asked) -> None:
        """Answer a request, whatever comes of it."""
        try:
            asked.told = await self._asked(asked)
        except (LoaderBroken, Unavailable) as error:
            asked.failed = type(error).__name__

    async def _asked(self, asked: Asked) -> int | None:
        scenario = self._world.scenario
        ttl, stale_for = _duration(scenario.ttl), _duration(scenario.stale) if scenario.stale else None
        if asked.kind == "put":
            asked.mark = await self.space.mark()
            await self.space.put(KEY, await self.load(), type=int, ttl=ttl, mark=asked.mark)
        elif asked.kind == "poll":
            await self.log._ask_log()
        elif asked.kind == "get":
            return await self.space.get(KEY, type=int)
        else:
            return await self.space.get_or_load(KEY, self.load, type=int, ttl=ttl, stale_for=stale_for)
        return None

    async def load(self) -> int:
        """Read what the value says."""
        world = self._world

        def ways(errand: Errand) -> list[Way]:
            if errand.state is not None:
                return [Way("returns", lambda: errand.answer(errand.state))]
            found = [Way("reads", lambda: self._read(errand))]
            if world.may("failures"):
                found.append(Way("fails", lambda: self._break(errand), fault=True))
            return found

        world.loads += 1
        world.loading += 1
        self.loads += 1
        if world.loads > 1:
            world.seen.add("loaded again")
        if world.loading > 1:
            world.seen.add("two loads at once")
        try:
            value: int = await world.errand(self.who, "loader", ways)
        finally:
            world.loading -= 1
        return value

    def _read(self, errand: Errand) -> None:
        errand.state = number_of(len(self._world.authority.ended), self._world.now)

    def _break(self, errand: Errand) -> None:
        self._world.spend("failures")
        self._world.seen.add("loader fails")
        errand.fail(LoaderBroken())

    def die(self) -> None:
        """Stop in the middle of everything."""
        self.alive = False
        self.unfinished, self.todo = [], ()

    def served(self) -> int | None:
        """Return what the memory has for a request that begins now; to look leaves everything as it is."""
        young, due = self.reads.cache.young, set(self.values.due)
        kept = dict(young)
        copy = self.reads.lookup(FULL)
        young.update(kept)
        self.values.due.intersection_update(due)
        return None if copy is None else int(copy[BODY:])

    def state(self) -> Hashable:
        knowledge, cache = self.reads.view
        slots = tuple(getattr(knowledge, slot) for slot in _SLOTS)
        views = tuple((key, cache.young.get(key) is view[0], view[2]) for key, view in cache.views.items())
        entries = (tuple(sorted(knowledge._entries.items())), tuple(sorted(knowledge._moments.items())))
        known = (slots, entries, self.log.failed_at, self.log._poll_failure)
        kept = (tuple(cache.young.items()), tuple(cache._old.items()), views, tuple(self.values.due))
        flights = tuple(self.reads._flights._flights)
        held = self.values._leases and tuple(self.values._leases._held.values())
        return (self.alive, tuple(self.todo), known, kept, flights, held)


_SLOTS = tuple(slot for slot in Knowledge.__slots__ if slot not in {"_entries", "_moments"})


@dataclass(eq=False)
class Asked:
    """A request.

    Attributes:
        kind: What was asked.
        oldest: The oldest thing that it may be told.
        began: When it began.
        told: What it was told.
        failed: Or why it was not.
    """

    kind: str
    oldest: int
    began: int
    told: int | None = None
    failed: str = ""
    mark: Mark | None = None
    task: Any = None


def number_of(version: int, now: int) -> int:
    """Return what is read of the value: which one it is, and when."""
    return version * _TICKS + now // TICK


def told_by(number: int) -> tuple[int, int]:
    """Return which one it is, and when it was read."""
    version, tick = divmod(number, _TICKS)
    return version, tick * TICK


def _duration(ticks: int) -> timedelta:
    return timedelta(microseconds=ticks * TICK // 1000)


@contextmanager
def stepwise() -> Iterator[list[World]]:
    """Let the waits of a worker be steps; the list says in which world."""
    worlds: list[World] = []

    async def look_again(_: float) -> None:
        world, sleeper = worlds[-1], sys._getframe(1).f_locals["self"]
        who = next(worker.who for worker in world.workers if worker.values._leases is sleeper)
        await world.errand(who, "sleep", lambda errand: [Way("looks again", lambda: errand.answer(None))])

    with (
        patch.object(leases, "async_sleep", look_again),
        patch.object(values, "_RETRY", TICK),
        patch.object(log_reader, "_RETRY", TICK),
        patch.object(cached_reads, "_RETRY", TICK),
    ):
        yield worlds
