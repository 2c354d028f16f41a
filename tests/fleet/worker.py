"""A worker process on any store: as `tests.processes.worker`, and told what to do in the same way.

Run as `python -m tests.fleet.worker`.
"""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from coatcheck import AsyncSessions, CacheSettings, Session, Sessions, SharedCacheSettings, Unavailable
from coatcheck.clock import SystemClock
from coatcheck.stores.urls import async_store_from_url, store_from_url
from coatcheck.testing import AsyncFaultyStore, FaultyStore
from tests.fleet.watch import Watch
from tests.processes.worker import listened, say, work

KEYS = ["jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"]
_THREADS = 8
_CHECKS = 3
_READS = ("read", "read_nearby", "find")


class Shifted:
    """The system's clocks, of which somebody has moved the one on the wall."""

    def __init__(self) -> None:
        self.seconds = 0
        self.monotonic = SystemClock.monotonic

    def now(self) -> int:
        return SystemClock.now() + self.seconds * 10**9


class Worker:
    """What both kinds have in common."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.clock = Shifted()
        self.pause = settings["pause"]
        self.commands = listened()

    def options(self) -> dict[str, Any]:
        """Return how the sessions are wired."""
        lease, stale = timedelta(seconds=self.settings["lease"]), timedelta(seconds=self.settings["stale"])
        return {
            "cache": CacheSettings(lease=lease, serve_stale_for=stale),
            "shared_cache": self.settings["cache"],
            "shared_cache_settings": SharedCacheSettings(timeout=timedelta(seconds=self.settings["patience"])),
            "keys": KEYS,
            "clock": self.clock,
        }

    def during(self, watch: Watch) -> list[int] | None:
        """Do what was told in the middle of watching; returns the ends when it is over."""
        if self.commands.empty():
            return None
        command = json.loads(self.commands.get())
        if command["do"] == "stop":
            ends: list[int] = command["ends"]
            return ends
        if command["do"] == "move_clock":
            self.clock.seconds = command["seconds"]
        say(**watch.told())
        return None


class AsyncWorker(Worker):
    """Watches in an event loop."""

    async def run(self) -> None:
        store = async_store_from_url(self.settings["path"], **self.settings["options"])
        self.store = AsyncFaultyStore(store)
        async with AsyncSessions(self.store, **self.options()) as self.sessions:
            say(ready=True)
            while (command := json.loads(await asyncio.to_thread(self.commands.get)))["do"] != "end":
                say(**await getattr(self, command.pop("do"))(**command))

    async def watch(self, tokens: list[str]) -> dict[str, Any]:
        tasks: set[asyncio.Task[None]] = set()

        async def ask(index: int, begin: int) -> None:
            try:
                watch.note(index, begin, await self.sessions.get(tokens[index]))
            except Unavailable:
                await asyncio.sleep(self.pause)
                watch.unavailable(index, begin)
            except Exception as error:  # noqa: BLE001 - that there is none is what is tested
                watch.failed(index, error)

        def asked(index: int, begin: int) -> None:
            task = asyncio.create_task(ask(index, begin))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        watch = Watch(tokens, self.sessions.lookup, asked)
        for _ in range(_CHECKS):
            await self._complete(watch)
        say(watching=True)
        while (ends := self.during(watch)) is None:
            watch.step()
            await asyncio.sleep(self.pause)
        await self._settled(watch)
        watch.everything()
        await self._complete(watch)
        return watch.told(ends)

    async def _complete(self, watch: Watch) -> None:
        watch.step()
        await self._settled(watch)

    async def _settled(self, watch: Watch) -> None:
        while watch.pending:  # noqa: ASYNC110 - as the other kind does
            await asyncio.sleep(self.pause)

    async def get_all(self, tokens: list[str]) -> dict[str, Any]:
        """Validate many tokens once, a few at a time; say how often the store was read for it."""
        slots = asyncio.Semaphore(16)
        before = self.store.count(*_READS)

        async def get(token: str) -> bool:
            async with slots:
                return isinstance(await self.sessions.get(token), Session)

        accepted = sum(await asyncio.gather(*map(get, tokens)))
        return {"accepted": accepted, "reads": self.store.count(*_READS) - before}


class SyncWorker(Worker):
    """Watches in a thread; others ask."""

    def run(self) -> None:
        self.store = FaultyStore(store_from_url(self.settings["path"], **self.settings["options"]))
        with Sessions(self.store, **self.options()) as self.sessions, ThreadPoolExecutor(_THREADS) as self.threads:
            say(ready=True)
            while (command := json.loads(self.commands.get()))["do"] != "end":
                say(**getattr(self, command.pop("do"))(**command))

    def watch(self, tokens: list[str]) -> dict[str, Any]:
        def ask(index: int, begin: int) -> None:
            try:
                watch.note(index, begin, self.sessions.get(tokens[index]))
            except Unavailable:
                time.sleep(self.pause)
                watch.unavailable(index, begin)
            except Exception as error:  # noqa: BLE001 - that there is none is what is tested
                watch.failed(index, error)

        watch = Watch(tokens, self.sessions.lookup, lambda index, begin: self._submit(ask, index, begin))
        for _ in range(_CHECKS):
            self._complete(watch)
        say(watching=True)
        while (ends := self.during(watch)) is None:
            watch.step()
            time.sleep(self.pause)
        self._settled(watch)
        watch.everything()
        self._complete(watch)
        return watch.told(ends)

    def _complete(self, watch: Watch) -> None:
        watch.step()
        self._settled(watch)

    def _settled(self, watch: Watch) -> None:
        while watch.pending:
            time.sleep(self.pause)

    def get_all(self, tokens: list[str]) -> dict[str, Any]:
        """Validate many tokens once; say how often the store was read for it."""
        before = self.store.count(*_READS)
        accepted = sum(isinstance(self.sessions.get(token), Session) for token in tokens)
        return {"accepted": accepted, "reads": self.store.count(*_READS) - before}

    def _submit(self, ask: Any, index: int, begin: int) -> None:
        self.threads.submit(ask, index, begin)


if __name__ == "__main__":
    work(AsyncWorker, SyncWorker)
