"""A process with a cache of its own, ours or another's, that does what it hears.

Run as `python -m benchmarks.values_worker`; as `benchmarks.serving`, it hears commands on standard input and answers on
standard output, in JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from benchmarks.values_things import Item, item
from benchmarks.values_truth import Truth
from benchmarks.values_watch import Changes, Watch
from benchmarks.values_ways import TASKS, THREADS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.values_things import Shelf, SyncShelf

READERS = 4
"""How many read at once, all the time."""

_BREATH = 0.0001
"""Seconds between two reads of a thread: Python lets one thread run at a time, and others have to listen."""

_LOOK = 0.0005


class _Worker:
    """What both kinds have in common."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.truth = Truth(Path(settings["truth"]))
        self.takes = 0.0
        self.loads = 0
        self._drawn = random.Random(4)  # noqa: S311 - no secret

    def gaps(self, together: int) -> Sequence[float]:
        """Return how long to wait after each of several changes: the next one comes while a load is under way."""
        return [*(self._drawn.uniform(0, 2 * self.takes) for _ in range(together - 1)), 0.0]

    def served(self, loads: int, ends: Sequence[int], errors: int) -> None:
        say(loads=self.loads - loads, served=max(ends), callers=len(ends), errors=errors)


class _TaskWorker(_Worker):
    """Works in an event loop."""

    shelf: Shelf

    async def run(self, settings: dict[str, Any]) -> None:
        commands = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
        async with TASKS[settings["way"]](settings, self.load) as self.shelf:
            say(ready=True)
            self.commands = commands
            while line := await commands.readline():
                command = json.loads(line)
                await getattr(self, command.pop("do"))(**command)

    async def load(self, _: str) -> Item:
        self.loads += 1
        version = self.truth.version
        await asyncio.sleep(self.takes)
        return item(version)

    async def stampede(self, key: str, callers: int, at: int, takes: float) -> None:
        """Have many ask for one key at the same time."""
        self.takes, before = takes, self.loads

        async def call() -> None:
            await asyncio.sleep((at - monotonic_ns()) / 1e9)
            try:
                await self.shelf.load(key)
            finally:
                ends.append(monotonic_ns())

        ends = list[int]()
        answers = await asyncio.gather(*(call() for _ in range(callers)), return_exceptions=True)
        self.served(before, ends, sum(isinstance(answer, Exception) for answer in answers))

    async def watch(self, key: str, takes: float) -> None:
        """Read a key all the time, until the next command comes."""
        self.takes, watch = takes, Watch(self.truth)

        async def read() -> None:
            while not watch.over:
                before = watch.before()
                watch.note(before, await self.shelf.load(key))
                await asyncio.sleep(0)  # as a server does between two requests: what has arrived is heard

        async with asyncio.TaskGroup() as group:
            await self.shelf.load(key)
            for _ in range(READERS):
                group.create_task(read())
            say(watching=True)
            await self.commands.readline()
            watch.over = True
        say(**watch.told())

    async def change(self, key: str, rounds: int, together: int, patience: float, takes: float) -> None:
        """Change what is true and invalidate what is not, again and again; tell when each call began and returned."""
        self.takes, changes = takes, Changes(self.truth, patience)
        for _ in range(rounds):
            for gap in self.gaps(together):
                changes.begin()
                await self.shelf.invalidate(key)
                changes.end()
                await asyncio.sleep(gap)
            while changes.waiting:  # noqa: ASYNC110 - for another process, which cannot set an event
                await asyncio.sleep(_LOOK)
        say(changes=changes.made)


class _ThreadWorker(_Worker):
    """Works in threads."""

    shelf: SyncShelf

    def run(self, settings: dict[str, Any]) -> None:
        with THREADS[settings["way"]](settings, self.load) as self.shelf:
            say(ready=True)
            for line in sys.stdin:
                command = json.loads(line)
                getattr(self, command.pop("do"))(**command)

    def load(self, _: str) -> Item:
        self.loads += 1
        version = self.truth.version
        time.sleep(self.takes)
        return item(version)

    def stampede(self, key: str, callers: int, at: int, takes: float) -> None:
        """Have many ask for one key at the same time."""
        self.takes, before, ready = takes, self.loads, threading.Barrier(callers)

        def call() -> None:
            ready.wait()
            time.sleep(max(0, at - monotonic_ns()) / 1e9)
            try:
                self.shelf.load(key)
            finally:
                ends.append(monotonic_ns())

        ends = list[int]()
        with ThreadPoolExecutor(callers) as threads:
            calls = [threads.submit(call) for _ in range(callers)]
        self.served(before, ends, sum(call.exception() is not None for call in calls))

    def watch(self, key: str, takes: float) -> None:
        """Read a key all the time, until the next command comes."""
        self.takes, watch = takes, Watch(self.truth)

        def read() -> None:
            while not watch.over:
                before = watch.before()
                got = self.shelf.load(key)
                with noting:
                    watch.note(before, got)
                time.sleep(_BREATH)

        noting = threading.Lock()
        self.shelf.load(key)
        with ThreadPoolExecutor(READERS) as threads:
            readers = [threads.submit(read) for _ in range(READERS)]
            say(watching=True)
            sys.stdin.readline()
            watch.over = True
            for reader in readers:
                reader.result()
        say(**watch.told())

    def change(self, key: str, rounds: int, together: int, patience: float, takes: float) -> None:
        """Change what is true and invalidate what is not, again and again; tell when each call began and returned."""
        self.takes, changes = takes, Changes(self.truth, patience)
        for _ in range(rounds):
            for gap in self.gaps(together):
                changes.begin()
                self.shelf.invalidate(key)
                changes.end()
                time.sleep(gap)
            while changes.waiting:
                time.sleep(_LOOK)
        say(changes=changes.made)


def say(**answer: Any) -> None:
    """Answer."""
    print(json.dumps(answer), flush=True)


def main(settings: dict[str, Any]) -> None:
    """Work until standard input ends."""
    logging.disable()  # some libraries report at length what they survive
    if settings["way"] in TASKS:
        asyncio.run(_TaskWorker(settings).run(settings))
    else:
        _ThreadWorker(settings).run(settings)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
