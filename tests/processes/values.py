"""Workers with caches, where their values come from, who changes those, and what must come out of it."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from coatcheck import Cache
from coatcheck.stores.urls import store_from_url
from tests.processes.fleet import Fleet, Process, now
from tests.processes.origin import Book, Gates, Origin
from tests.processes.values_watch import Counters
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.processes.origin import Load

KINDS = ("async", "sync", "async", "sync")
CALLERS = {"async": 1_000, "sync": 250}
"""Those of each process that ask for a cold key at once: tasks or threads."""

UNDISTURBED = 60.0
"""A lease that does not end while a test counts: nobody has to ask the log again."""

EXPIRIES = 6
"""So often the time of a hot key is over."""

WATCHED = ("a", "b", "c", "d")
"""The keys that are called for over and over."""

PATIENT = {"timeout": 1.0}
"""How long the cache between the processes is waited for: a machine with much to do must not look like a broken one."""

_MS = 1e6
_ENOUGH = 20
"""Answers of one worker after which it has seen all of its keys again."""


class Worker(Process):
    """One worker process."""

    module: ClassVar[str] = "tests.processes.values_worker"

    def __init__(self, url: str, kind: str, **settings: Any) -> None:
        super().__init__(url, kind, **settings)
        self.kind = kind

    @property
    def pid(self) -> int:
        return self.process.pid


class Late(NamedTuple):
    """How many calls began after the end of what they were given, and by how many milliseconds at the most."""

    calls: int
    most: float


class Site:
    """The workers of an application, and the one who changes what they show."""

    def __init__(self, workers: Sequence[Worker], cache: Cache, origin: Origin, folder: str) -> None:
        self.workers = Fleet(folder, workers)
        self.cache = cache
        self.origin = origin
        self.folder = folder
        self.book = Book(folder)
        self.gates = Gates(folder)
        self.versions = dict.fromkeys(WATCHED, 1)
        self.ends: dict[str, dict[str, int]] = {}
        self.tallies: list[dict[str, Any]] = []
        self.each = workers

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self.each]

    # --- changing

    def change(self, key: str, *, wait: bool = False) -> None:
        """Commit another version of a thing, invalidate its value, and note when that was done."""
        self.write(key)
        self.cache.invalidate(key, wait=wait)
        self.outdated(key)

    def write(self, key: str) -> None:
        """Commit another version of a thing."""
        self.versions[key] = self.versions.get(key, 1) + 1
        self.origin.write(key, self.versions[key])

    def outdated(self, key: str) -> None:
        """Note that from now on the value before the last one is too old."""
        self.ends.setdefault(key, {})[str(self.versions[key] - 1)] = now()

    # --- loading

    def until_loading(self, key: str, loads: int = 1) -> list[Load]:
        """Return so many loads of a key, when they have read the origin."""
        return until(lambda: found if len(found := self.book.lines("begin", key)) >= loads else [], f"loads of {key}")

    def until_uncached(self) -> None:
        """Return when every worker has loaded over and over what it has loaded already."""
        before = len(self.book.lines("begin"))
        often = len(WATCHED) * 3

        def uncached() -> bool:
            loads = Counter(load.pid for load in self.book.lines("begin")[before:])
            return all(loads[pid] >= often for pid in self.pids)

        until(uncached, "nothing is cached")

    def quiet(self) -> bool:
        """Tell whether all workers are answered from caches: nothing is loaded between some answers and the next."""
        before = len(self.book.lines("begin"))
        self.until_answered()
        return len(self.book.lines("begin")) == before

    def until_quiet(self) -> None:
        until(self.quiet, "everything is cached")

    # --- watching

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Have every worker call for the keys over and over, and gather what they were given."""
        assert all(answer == {"watching": True} for answer in self.workers.ask("watch", keys=WATCHED))
        self.until_served()
        yield
        self.until_served()
        assert all(answer == {"stopped": True} for answer in self.workers.ask("stop"))
        self.tallies = self.workers.ask("judge", ends=self.ends)

    def look(self, workers: Sequence[Process] | None = None) -> list[dict[str, Any]]:
        """Ask workers what they have seen so far."""
        asked = workers or self.workers.workers
        for worker in asked:
            worker.tell("look")
        return [worker.hear() for worker in asked]

    def until_served(self, workers: Sequence[Process] | None = None) -> None:
        """Return when all of these workers have been given what is in the origin now."""
        until(lambda: all(seen["newest"] == self._watched for seen in self.look(workers)), "the new values are served")

    @property
    def _watched(self) -> dict[str, int]:
        return {key: self.versions[key] for key in WATCHED}

    def until_answered(self, workers: Sequence[Process] | None = None) -> None:
        """Return when all of these workers have got some more answers."""
        before = [seen["answers"] for seen in self.look(workers)]
        until(
            lambda: all(seen["answers"] >= was + _ENOUGH for seen, was in zip(self.look(workers), before, strict=True)),
            "calls are answered",
        )

    def late(self) -> Late:
        """Return how late old values were served, all workers together; none of them may have met an error."""
        assert [tally["errors"] for tally in self.tallies] == [[]] * len(self.tallies)
        late = [each for tally in self.tallies for versions in tally["late"].values() for each in versions.values()]
        return Late(sum(calls for calls, _ in late), max((most for _, most in late), default=0) / _MS)

    @property
    def answers(self) -> int:
        return sum(tally["answers"] for tally in self.tallies)

    # --- what every fleet must do

    def stampede(self) -> list[dict[str, int]]:
        """Call for a cold key from everywhere at once; returns how many callers of each worker got which load."""
        self.workers.ask("call", key="a")  # now they are connected, and know the log
        self.gates.shut("cold")
        for worker in self.each:
            worker.tell("stampede", key="cold", callers=CALLERS[worker.kind])
        for worker in self.each:
            assert worker.hear() == {"calling": CALLERS[worker.kind]}, "nobody is answered before a load has ended"
        self.gates.open("cold")
        return [worker.hear()["answers"] for worker in self.each]

    def keep_hot(self, key: str, *, loads: int, callers: int = 4) -> list[dict[str, Any]]:
        """Have every worker call for a key without a pause, until it was loaded so often; returns what they say."""
        total = callers * len(self.each)
        counters = Counters(self.folder, total)
        for number, worker in enumerate(self.each):
            mine = list(range(number * callers, (number + 1) * callers))
            worker.tell("hot", key=key, mine=mine, callers=total)
        until(lambda: len(self.book.lines("end", key)) >= loads or self.book.lines("stuck"), "the loads")
        counters.stop()
        return self.workers.hear()


@contextmanager
def site(
    url: str,
    folder: str,
    *,
    origin: str | None = None,
    kinds: Sequence[str] = KINDS,
    lease: float = 2,
    cache: str | None = None,
    shared: Mapping[str, float] = PATIENT,
    ttl: float = 3600,
    refresh: float = 0.2,
    beside: bool = False,
    create: bool = True,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Site]:
    """Start workers on a store, and end them whatever happens.

    Args:
        url: The store, which may have no tables yet.
        folder: Where processes leave notes for each other.
        origin: Where the values come from; by default a file in the folder.
        kinds: Of the workers.
        lease: Of all of them.
        cache: The cache between them.
        shared: How long they wait for it.
        ttl: Of the values.
        refresh: In which last part of it they are loaded anew.
        beside: Whether the workers have sessions too.
        create: Whether the things are made; others may have made them.
        options: The store's, for the workers.
    """
    source = Origin(origin or f"{folder}/origin.db")
    with Cache(store_from_url(url), lease=timedelta(seconds=lease)) as writer:
        if create:
            source.create([*WATCHED, "cold", "hot"])
        settings: dict[str, Any] = {
            "folder": folder,
            "origin": source.place,
            "cache": cache,
            "shared": dict(shared),
            "ttl": ttl,
            "refresh": refresh,
            "beside": beside,
            "options": dict(options or {}),
        }
        workers = [Worker(url, kind, lease=lease, **settings) for kind in kinds]
        try:
            for worker in workers:
                assert worker.hear() == {"ready": True}
            yield Site(workers, writer, source, folder)
            for worker in workers:
                if worker.process.poll() is None:
                    worker.end()
        finally:
            for worker in workers:
                if worker.process.poll() is None:
                    worker.kill()
