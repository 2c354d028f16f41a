"""A worker process with a cache: as `tests.processes.worker`, on any store, and told what to do in the same way.

Run as `python -m tests.processes.values_worker`.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections import Counter
from contextlib import AsyncExitStack, ExitStack
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from coatcheck import AsyncCache, AsyncSessions, Cache, CacheSettings, Sessions, SharedCacheSettings, ValueSettings
from coatcheck.stores.urls import async_store_from_url, store_from_url
from tests.processes.origin import Book, Gates, Origin
from tests.processes.values_watch import Counters, Thing, Watch
from tests.processes.worker import listened, now, say, work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

KEYS = ["jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"]

_PAUSE = 0.004
"""Seconds between two calls of one caller: it leaves the two cores to the servers."""

_LOOK = 0.002
"""Seconds between two looks at a gate, or for the next command."""

_AT_ONCE = 2
"""Callers that watch one key."""

_STUCK = 15.0
"""Seconds after which a loader gives up that waits until all callers were answered."""


class Worker:
    """What both kinds have in common."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.origin = Origin(settings["origin"])
        self.book = Book(settings["folder"])
        self.gates = Gates(settings["folder"])
        self.ttl = timedelta(seconds=settings["ttl"])
        self.values = ValueSettings(jitter=0, refresh=settings["refresh"], load_timeout=timedelta(seconds=30))
        self.counters: Counters | None = None
        self.loads = count()
        self.commands = listened()

    def wiring(self) -> dict[str, Any]:
        """Return how the tiers are wired."""
        shared: Any = {name: timedelta(seconds=seconds) for name, seconds in self.settings["shared"].items()}
        return {
            "shared_cache": self.settings["cache"],
            "shared_cache_settings": SharedCacheSettings(**shared),
            "keys": KEYS,
        }

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.settings["lease"])

    # --- loading

    def loading(self, key: str, version: int) -> Iterator[None]:
        """Load: until this ends, the loader has to wait."""
        self.book.note("begin", key, version)
        while self.gates.is_shut(key):
            yield
        answered = self._answered()
        while not (event := answered()):
            yield
        self.book.note(event, key, version)

    def _answered(self) -> Callable[[], str | None]:
        """Return what tells when all callers that had ever been answered were answered since, and how it ended."""
        counters = self.counters
        if counters is None:
            return lambda: "end"
        before, until = counters.answers(), time.monotonic() + _STUCK

        def ended() -> str | None:
            if all(after > was for was, after in zip(before, counters.answers(), strict=True) if was):
                return "end"
            if counters.stopped:
                return "stopped"
            return "stuck" if time.monotonic() > until else None

        return ended

    def thing(self, version: int) -> Thing:
        return Thing(version, f"{os.getpid()}-{next(self.loads)}")

    # --- watching

    def stopped(self, watch: Watch) -> bool:
        """Do what was told in the middle of watching; tell whether it is over."""
        if self.commands.empty():
            return False
        if json.loads(self.commands.get())["do"] == "stop":
            return True
        say(**watch.told())
        return False

    def seen(self, watch: Watch) -> dict[str, Any]:
        """Return all that was seen, judged by the times that come with one more command."""
        say(stopped=True)
        return watch.told(json.loads(self.commands.get())["ends"])


class AsyncWorker(Worker):
    """Calls from tasks."""

    async def run(self) -> None:
        async with AsyncExitStack() as stack:
            store = async_store_from_url(self.settings["path"], **self.settings["options"])
            if self.settings["beside"]:
                sessions = AsyncSessions(store, cache=CacheSettings(lease=self.lease), **self.wiring())
                self.sessions = await stack.enter_async_context(sessions)
                cache = AsyncCache(sessions, settings=self.values)
            else:
                cache = AsyncCache(store, settings=self.values, lease=self.lease, **self.wiring())
            self.cache = await stack.enter_async_context(cache)
            say(ready=True)
            while (command := json.loads(await asyncio.to_thread(self.commands.get)))["do"] != "end":
                say(**await getattr(self, command.pop("do"))(**command))

    async def get(self, key: str) -> Thing:
        return await self.cache.get_or_load(key, lambda: self.load(key), ttl=self.ttl, type=Thing)

    async def load(self, key: str) -> Thing:
        version = await asyncio.to_thread(self.origin.read, key)
        for _ in self.loading(key, version):
            await asyncio.sleep(_LOOK)
        return self.thing(version)

    async def call(self, key: str) -> dict[str, Any]:
        return {"version": (await self.get(key)).version}

    async def call_across(self, key: str, other: str) -> dict[str, Any]:
        """Call, and with the next command call for another key meanwhile, which asks the log."""
        call = asyncio.create_task(self.get(key))
        await asyncio.to_thread(self.commands.get)
        await self.get(other)
        say(asked=True)
        return {"version": (await call).version}

    async def get_session(self, token: str) -> dict[str, Any]:
        return {"signed_in": bool(await self.sessions.get(token))}

    async def stampede(self, key: str, callers: int) -> dict[str, Any]:
        """Call many times at once, and say when all have begun to wait."""
        tasks = [asyncio.create_task(self.get(key)) for _ in range(callers)]
        await asyncio.sleep(0)  # tasks run in the order of their making, so each of them has begun
        say(calling=sum(not task.done() for task in tasks))
        return _counted(await asyncio.gather(*tasks))

    async def watch(self, keys: Sequence[str]) -> dict[str, Any]:
        """Call over and over until told to stop, and then once more."""
        watch, over = Watch(), asyncio.Event()
        callers = [asyncio.create_task(self._watch(watch, key, over)) for key in keys for _ in range(_AT_ONCE)]
        say(watching=True)
        while not self.stopped(watch):  # noqa: ASYNC110 - as the other kind does
            await asyncio.sleep(_LOOK)
        over.set()
        await asyncio.gather(*callers)
        return self.seen(watch)

    async def _watch(self, watch: Watch, key: str, over: asyncio.Event) -> None:
        last = False
        while not last:
            last = over.is_set()
            begin = now()
            try:
                watch.note(key, begin, await self.get(key))
            except Exception as error:  # noqa: BLE001 - that there is none is what is tested
                watch.errors.add(repr(error))
            await asyncio.sleep(_PAUSE)

    async def hot(self, key: str, mine: Sequence[int], callers: int) -> dict[str, Any]:
        """Call over and over until the common flag is set; each caller counts its answers."""
        self.counters = counters = Counters(self.settings["folder"], callers)
        loads = set()

        async def call(caller: int) -> None:
            while not counters.stopped:
                loads.add((await self.get(key)).load)
                counters.count(caller)
                await asyncio.sleep(_PAUSE)

        await asyncio.gather(*map(call, mine))
        return {"loads": len(loads)}


class SyncWorker(Worker):
    """Calls from threads."""

    def run(self) -> None:
        with ExitStack() as stack:
            store = store_from_url(self.settings["path"], **self.settings["options"])
            if self.settings["beside"]:
                sessions = Sessions(store, cache=CacheSettings(lease=self.lease), **self.wiring())
                self.sessions = stack.enter_context(sessions)
                cache = Cache(sessions, settings=self.values)
            else:
                cache = Cache(store, settings=self.values, lease=self.lease, **self.wiring())
            self.cache = stack.enter_context(cache)
            say(ready=True)
            while (command := json.loads(self.commands.get()))["do"] != "end":
                say(**getattr(self, command.pop("do"))(**command))

    def get(self, key: str) -> Thing:
        return self.cache.get_or_load(key, lambda: self.load(key), ttl=self.ttl, type=Thing)

    def load(self, key: str) -> Thing:
        version = self.origin.read(key)
        for _ in self.loading(key, version):
            time.sleep(_LOOK)
        return self.thing(version)

    def call(self, key: str) -> dict[str, Any]:
        return {"version": self.get(key).version}

    def call_across(self, key: str, other: str) -> dict[str, Any]:
        """Call, and with the next command call for another key meanwhile, which asks the log."""
        answers: list[Thing] = []
        threads = _started(lambda key: answers.append(self.get(key)), [key])
        self.commands.get()
        self.get(other)
        say(asked=True)
        _joined(threads)
        return {"version": answers[0].version}

    def get_session(self, token: str) -> dict[str, Any]:
        return {"signed_in": bool(self.sessions.get(token))}

    def stampede(self, key: str, callers: int) -> dict[str, Any]:
        """Call many times at once, and say when all have begun."""
        answers: list[Thing] = []
        begun = threading.Barrier(callers + 1)

        def call(_: int) -> None:
            begun.wait()
            answers.append(self.get(key))

        threads = _started(call, range(callers))
        begun.wait()
        say(calling=callers - len(answers))
        _joined(threads)
        return _counted(answers)

    def watch(self, keys: Sequence[str]) -> dict[str, Any]:
        """Call over and over until told to stop, and then once more."""
        watch, over = Watch(), threading.Event()
        threads = _started(lambda key: self._watch(watch, key, over), [*keys] * _AT_ONCE)
        say(watching=True)
        while not self.stopped(watch):
            time.sleep(_LOOK)
        over.set()
        _joined(threads)
        return self.seen(watch)

    def _watch(self, watch: Watch, key: str, over: threading.Event) -> None:
        last = False
        while not last:
            last = over.is_set()
            begin = now()
            try:
                watch.note(key, begin, self.get(key))
            except Exception as error:  # noqa: BLE001 - that there is none is what is tested
                watch.errors.add(repr(error))
            time.sleep(_PAUSE)

    def hot(self, key: str, mine: Sequence[int], callers: int) -> dict[str, Any]:
        """Call over and over until the common flag is set; each caller counts its answers."""
        self.counters = counters = Counters(self.settings["folder"], callers)
        loads = set()

        def call(caller: int) -> None:
            while not counters.stopped:
                loads.add(self.get(key).load)
                counters.count(caller)
                time.sleep(_PAUSE)

        _joined(_started(call, mine))
        return {"loads": len(loads)}


def _started(call: Callable[[Any], None], arguments: Sequence[Any]) -> list[threading.Thread]:
    threads = [threading.Thread(target=call, args=(argument,), daemon=True) for argument in arguments]
    for thread in threads:
        thread.start()
    return threads


def _joined(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.join()


def _counted(answers: Sequence[Thing]) -> dict[str, Any]:
    """Return how many callers got what which load has brought."""
    return {"answers": Counter(thing.load for thing in answers)}


if __name__ == "__main__":
    work(AsyncWorker, SyncWorker)
