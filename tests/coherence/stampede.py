"""Thousands of workers over one database: how many polls it sees, how long its queue gets, how fast news travel.

    python -m tests.coherence.stampede 5000

The workers are real `AsyncLogReader` with their real followers, on a virtual clock. The database answers a few polls
at once, each of which takes a while, and lets the others wait; what a client has given up on it does all the same. Each
worker also has a client that asks for a session now and then.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from coatcheck import CacheSettings, Unavailable
from coatcheck._async import follower
from coatcheck._async.cached_reads import AsyncCachedReads
from coatcheck._async.log_reader import AsyncLogReader
from coatcheck.bells import AsyncBell
from coatcheck.core.coherence import Entry, LogPage
from coatcheck.core.session_copies import SessionCopies
from coatcheck.stores.base import Capabilities, Reading
from tests.coherence.virtual import SECOND, World, virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SERVICE = 0.0003
"""Seconds of one processor that a poll costs the database; more than was measured."""

PROCESSORS = 4
TIMEOUT = 5.0
WARM_UP = 3.0
PATIENCE = 0.5
"""Seconds between the uses of one worker."""

CAPABILITIES = Capabilities(
    transactions=True,
    exact_limits=True,
    listing=True,
    log=True,
    users_table=False,
    notices_changes=False,
    pushes_changes=True,
)


class Measured(NamedTuple):
    """What one run has shown, from the event on; times in seconds.

    Attributes:
        polls: Polls a second.
        busiest: Polls in the busiest tenth of a second, as a share of what the database can do.
        queue: The longest queue.
        usual: The mean length of the queue, as the polls find it that are answered.
        typical: The median time from a commit until the last worker has learned of it.
        slowest: The longest of them.
        recovered: How long it took until every worker was proven again; after a pause.
        failed: How many requests got no answer.
    """

    polls: float
    busiest: float
    queue: int
    usual: float
    typical: float
    slowest: float
    recovered: float
    failed: int

    def __str__(self) -> str:
        return (
            f"{self.polls:6.0f} polls/s, busiest 0.1 s {self.busiest:4.0%}"
            f", queue {self.usual:5.0f}, at most {self.queue:5d}"
            f", news {self.typical:.3f} s, at most {self.slowest:.3f} s,"
            f" recovered {self.recovered:.2f} s, {self.failed} failed"
        )


@dataclass
class Database:
    """The log, and a few processors to read it."""

    world: World

    def __post_init__(self) -> None:
        self.head = 1
        self.waiting = self.longest = 0
        self.polled: list[int] = []
        self.lengths: list[int] = []
        self.bells: list[AsyncBell] = []
        self.running = asyncio.Event()
        self.running.set()
        self._processors = asyncio.Semaphore(PROCESSORS)
        self._committed: dict[int, int] = {}
        self._unaware: dict[int, int] = {}
        self.propagation: list[float] = []

    def revoke(self, random: Random) -> None:
        """Write an entry, and tell everybody."""
        self._committed[self.head] = self.world.time
        self._unaware[self.head] = len(self.bells)
        self.head += 1
        loop = asyncio.get_running_loop()
        for bell in self.bells:
            loop.call_later(random.expovariate(1000), bell.ring)

    def learned(self, first: int, last: int) -> None:
        """Note that one more worker knows these entries."""
        for position in range(first, last):
            self._unaware[position] -= 1
            if not self._unaware[position]:
                self.propagation.append((self.world.time - self._committed[position]) / SECOND)

    async def page(self, cursor: int | None) -> LogPage:
        """Answer a poll when its turn has come."""
        self.waiting += 1
        self.longest = max(self.longest, self.waiting)
        async with self._processors:
            await self.running.wait()
            await asyncio.sleep(SERVICE)
        self.lengths.append(self.waiting)
        self.waiting -= 1
        self.polled.append(self.world.time)
        entries = tuple(Entry(at, f"s:{at}") for at in range(cursor or self.head, self.head))
        return LogPage("epoch", 1, entries, self.head, self.world.now(), resumed=True, as_of=self.head)


class Connection:
    """What one worker has of the database."""

    capabilities = CAPABILITIES

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bell = AsyncBell()
        database.bells.append(self._bell)

    def unchanged(self, _: Any) -> bool:
        return True

    async def news(self, seen: int, seconds: float) -> int:
        return await self._bell.wait(seen, seconds)

    async def poll(self, cursor: int | None) -> LogPage:
        asked = asyncio.ensure_future(self._database.page(cursor))
        done, _ = await asyncio.wait([asked], timeout=TIMEOUT)
        if not done:
            raise Unavailable("the poll timed out")
        page = asked.result()
        self._database.learned(cursor or 1, page.cursor)
        return page


class Fleet:
    """All workers, and what happens to them."""

    def __init__(self, workers: int, world: World, random: Random) -> None:
        self.world = world
        self.random = random
        self.database = Database(world)
        self.failed = 0
        connections: list[Any] = [Connection(self.database) for _ in range(workers)]
        none, lease = timedelta(0), CacheSettings().lease
        self.logs = [AsyncLogReader(store, world, lease=lease, serve_stale_for=none) for store in connections]

    def start(self) -> list[asyncio.Task[None]]:
        """Open all workers in the same moment."""
        copies = SessionCopies(CacheSettings(), touch_every=SECOND)
        return [asyncio.ensure_future(self._use(log, copies)) for log in self.logs]

    async def _use(self, log: AsyncLogReader, copies: SessionCopies) -> None:
        worker: AsyncCachedReads[bytes, Reading] = AsyncCachedReads(
            log, copies, unchanged=lambda _: True, clock=self.world, on_use=lambda *_: None
        )

        async def read(_: object) -> Reading:
            return Reading("epoch", self.database.head, self.world.now(), None)

        while True:
            try:
                await worker.get(b"somebody", read)
            except Unavailable:
                self.failed += 1
            await asyncio.sleep(self.random.expovariate(1 / PATIENCE))

    async def open(self) -> float:
        """Nothing more: all have opened at once."""
        await asyncio.sleep(WARM_UP)
        return 0.0

    async def wake(self) -> float:
        """End one session."""
        self.database.revoke(self.random)
        await asyncio.sleep(WARM_UP)
        return 0.0

    async def revoke(self) -> float:
        """End a hundred sessions a second."""
        for _ in range(100):
            self.database.revoke(self.random)
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        return 0.0

    async def pause(self) -> float:
        """Let the database stand still for ten seconds."""
        self.database.running.clear()
        await asyncio.sleep(10)
        self.database.running.set()
        resumed = self.world.time
        while not all(log.proven() for log in self.logs):  # noqa: ASYNC110 - the time is virtual
            await asyncio.sleep(0.01)
        recovered = (self.world.time - resumed) / SECOND
        await asyncio.sleep(WARM_UP)
        return recovered


EVENTS: dict[str, tuple[bool, Callable[[Fleet], Awaitable[float]]]] = {
    "all opened at once": (False, Fleet.open),
    "all woken by one revocation": (True, Fleet.wake),
    "100 revocations a second": (True, Fleet.revoke),
    "paused for 10 s and resumed": (True, Fleet.pause),
}
"""What happens, and whether the workers have settled down before."""


class _NoLots(Random):
    """A die with one side."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


def measure(event: str, workers: int, *, seed: int = 0, jitter: bool = True, rest: bool = True) -> Measured:
    """Let something happen to so many workers; without jitter or rest, to those that have none."""
    world, random = World(), Random(seed)  # noqa: S311 - a seeded one is the point
    with virtual_time(world, random) as loop, patch.object(follower, "_REST", follower._REST if rest else 0.0):
        if not jitter:
            vars(follower)["random"] = _NoLots(seed)
        return loop.run_until_complete(_measured(Fleet(workers, world, random), *EVENTS[event]))


async def _measured(fleet: Fleet, settled: bool, event: Callable[[Fleet], Awaitable[float]]) -> Measured:
    database, world = fleet.database, fleet.world
    tasks = fleet.start()
    if settled:
        await asyncio.sleep(WARM_UP)
        database.polled.clear()
        database.lengths.clear()
        database.longest = fleet.failed = 0
    began = world.time
    recovered = await event(fleet)
    seconds = (world.time - began) / SECOND
    slots = [0] * (int(seconds * 10) + 1)
    for at in database.polled:
        slots[(at - began) * 10 // SECOND] += 1
    news = sorted(database.propagation) or [0.0]
    result = Measured(
        len(database.polled) / seconds,
        max(slots) / (0.1 / SERVICE * PROCESSORS),
        database.longest,
        sum(database.lengths) / max(1, len(database.lengths)),
        news[len(news) // 2],
        news[-1],
        recovered,
        fleet.failed,
    )
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in (*tasks, *others):
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    return result


def main() -> None:
    """Print what happens with the pacing as it is, and without its parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workers", type=int, nargs="*", default=[1000, 5000])
    logging.disable(logging.CRITICAL)
    for workers in parser.parse_args().workers:
        sys.stdout.write(f"{workers} workers; the database can answer {PROCESSORS / SERVICE:.0f} polls/s\n")
        for event in EVENTS:
            sys.stdout.write(f"  {event}\n")
            for name, jitter, rest in (("as it is", True, True), ("no jitter", False, True), ("no rest", True, False)):
                sys.stdout.write(f"    {name:10} {measure(event, workers, jitter=jitter, rest=rest)}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
