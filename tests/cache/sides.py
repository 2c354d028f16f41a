"""One body for both sides: a cache for threads behind the face of the one for asyncio.

A call that one side awaits is a thread's call on the other. Everything a test makes on its bench is closed with it.
"""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from coatcheck import AsyncCache, AsyncSessions, Cache, Sessions, SharedCacheSettings
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.testing import (
    AsyncFaultyStore,
    AsyncMemoryCache,
    AsyncMemoryStore,
    FaultyStore,
    ManualClock,
    MemoryCache,
    MemoryStore,
)
from coatcheck.testing._async_pair import AsyncGate
from coatcheck.testing._pair import Gate
from tests.servers.waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ASYNCIO, THREADS = "asyncio", "threads"
TTL = timedelta(minutes=5)
LEASE = timedelta(seconds=2)
SECOND = timedelta(seconds=1)
PATIENT = SharedCacheSettings(timeout=SECOND)
"""A busy machine must not look like a slow cache."""

KEYS = [sha256(b"the application's key").digest()]
MOST_THREADS = 80


async def answered(answer: Any) -> Any:
    """Return an answer, which one of the two kinds has to be waited for."""
    return await answer if inspect.isawaitable(answer) else answer


class Origin:
    """Where values come from: it counts who asks, and waits, fails or answers as it is told.

    What it says is read when it is asked, and told when its gate is open.
    """

    def __init__(self, kind: str, value: Any) -> None:
        self.value = value
        self.error: BaseException | None = None
        self._kind = kind
        self._gate: Any = None
        self._asked: list[None] = []  # appending is safe in any thread

    @property
    def loads(self) -> int:
        return len(self._asked)

    def hold(self) -> Held:
        """Let those who ask from now on wait."""
        self._gate = AsyncGate() if self._kind == ASYNCIO else Gate()
        return Held(self._gate)

    def pass_by(self) -> None:
        """Let those who ask from now on not wait; who waits already goes on waiting."""
        self._gate = None

    def __call__(self) -> Any:
        self._asked.append(None)
        gate, answer = self._gate, partial(self._answer, self.value, self.error)
        if self._kind == ASYNCIO:
            return self._later(gate, answer)
        if gate is not None:
            gate.wait()
        return answer()

    async def _later(self, gate: Any, answer: Callable[[], Any]) -> Any:
        if gate is not None:
            await gate.wait()
        return answer()

    @staticmethod
    def _answer(value: Any, error: BaseException | None) -> Any:
        if error is not None:
            raise error
        return value


class Held:
    """A gate of either kind."""

    def __init__(self, gate: Any) -> None:
        self.release = gate.release
        self._gate = gate

    async def reached(self, calls: int = 1) -> None:
        await answered(self._gate.reached(calls))


class Face:
    """A cache or namespace of either kind; what one kind has to be awaited for is awaited in both."""

    def __init__(self, bench: Bench, thing: Any) -> None:
        self.bench = bench
        self.thing = thing

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        method = getattr(self.thing, verb)

        async def call(*arguments: Any, **named: Any) -> Any:
            return await answered(method(*arguments, **named))

        return call

    def start(self, verb: str, *arguments: Any, **named: Any) -> asyncio.Future[Any]:
        """Call a verb in a task or thread of its own."""
        return self.bench.start(partial(getattr(self.thing, verb), *arguments, **named))

    def namespace(self, name: str, *, tenant: str | None = None) -> Face:
        return Face(self.bench, self.thing.namespace(name, tenant=tenant))


class Worker(Face):
    """A process, as far as a cache can tell: its cache, and what it stands on.

    Attributes:
        store: The store, which counts its calls and has faults.
    """

    def __init__(self, bench: Bench, store: Any, thing: Any) -> None:
        super().__init__(bench, thing)
        self.store = store

    @property
    def numbers(self) -> Any:
        return self.thing.numbers

    @property
    def reads(self) -> Any:
        return self.thing._values.reads

    @property
    def busy(self) -> bool:
        """Whether a refresh is under way."""
        jobs = self.thing._values._jobs
        return bool(jobs._runners if self.bench.kind == ASYNCIO else jobs._running)

    async def settle(self) -> None:
        """Wait for what is under way in the background: refreshes, and writes into the shared cache."""
        close = "aclose" if self.bench.kind == ASYNCIO else "close"
        await answered(getattr(self.thing._values._jobs, close)())
        if self.thing.tiers.shared is not None:
            await answered(getattr(self.thing.tiers.shared._errands, close)())

    async def waiting(self, key: str, callers: int) -> None:
        """Wait until so many callers wait for somebody else's load of a key."""

        def there() -> int:
            flight = self.reads._flights._flights.get(key)
            if flight is None:
                return 0
            return len(flight._callbacks or ()) if self.bench.kind == ASYNCIO else len(flight.waiting)

        async with asyncio.timeout(DEADLINE):
            while there() < callers:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0 if self.bench.kind == ASYNCIO else 0.001)


class Bench:
    """What a test needs of one kind, in one shape.

    Args:
        kind: "asyncio" or "threads".
        shape: "memory" or "sqlite" for the store; "shared" is memory with a shared cache.
        folder: Where files go.

    Attributes:
        shared: The cache between the workers, if there is one.
    """

    def __init__(self, kind: str, shape: str, folder: Path) -> None:
        self.kind = kind
        self.clock = ManualClock()
        self.path = str(folder / "values.db")
        asynchronous = kind == ASYNCIO
        self._types: tuple[Any, ...] = (
            (AsyncCache, AsyncSessions, AsyncFaultyStore, AsyncSQLiteStore)
            if asynchronous
            else (Cache, Sessions, FaultyStore, SQLiteStore)
        )
        self._shape = shape
        self.memory: Any = AsyncMemoryStore(clock=self.clock) if asynchronous else MemoryStore(clock=self.clock)
        self.shared: Any = None
        if shape == "shared":
            self.shared = AsyncMemoryCache(clock=self.clock) if asynchronous else MemoryCache(clock=self.clock)
        self._pool = ThreadPoolExecutor(MOST_THREADS)
        self._opened: list[Any] = []

    def store(self) -> Any:
        """Return a store, on what all stores of this bench are on."""
        inner = self._types[3](self.path, clock=self.clock) if self._shape == "sqlite" else self.memory
        return self._types[2](inner)

    async def opened(self, thing: Any) -> Any:
        """Open something, and close it with the bench."""
        await answered(thing.open())
        self._opened.append(thing)
        return thing

    async def closed(self, thing: Any) -> None:
        """Close something at once."""
        await answered(thing.aclose() if self.kind == ASYNCIO else thing.close())
        self._opened = [other for other in self._opened if other is not thing]

    async def worker(self, **settings: Any) -> Worker:
        """Return a worker with a cache of its own."""
        store = self.store()
        if self.shared is not None:
            settings = {"shared_cache": self.shared, "keys": KEYS, "shared_cache_settings": PATIENT, **settings}
        cache = self._types[0](store, **{"clock": self.clock, "lease": LEASE, **settings})
        return Worker(self, store, await self.opened(cache))

    async def beside(self, sessions: Any, **settings: Any) -> Worker:
        """Return a cache beside sessions."""
        return Worker(self, sessions.store, await self.opened(self._types[0](sessions, **settings)))

    async def sessions(self, **settings: Any) -> Any:
        if self.shared is not None:
            settings = {"shared_cache": self.shared, "keys": KEYS, "shared_cache_settings": PATIENT, **settings}
        return await self.opened(self._types[1](self.store(), clock=self.clock, **settings))

    def origin(self, value: Any = "value") -> Origin:
        return Origin(self.kind, value)

    def start(self, call: Callable[[], Any]) -> asyncio.Future[Any]:
        """Call something in a task or thread of its own."""
        if self.kind == ASYNCIO:
            return asyncio.ensure_future(answered(call()))
        return asyncio.get_running_loop().run_in_executor(self._pool, call)

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(seconds=seconds))

    async def close(self) -> None:
        while self._opened:
            await self.closed(self._opened[-1])
        self._pool.shutdown()


async def together(calls: list[asyncio.Future[Any]]) -> list[Any]:
    """Return what all calls return or raise."""
    async with asyncio.timeout(DEADLINE):
        return await asyncio.gather(*calls, return_exceptions=True)


async def soon(call: asyncio.Future[Any]) -> Any:
    """Return what a call returns, which must not hang."""
    async with asyncio.timeout(DEADLINE):
        return await call


def broken(cache: Any) -> None:
    """Let every call of a shared cache fail, until it is healed."""
    cache.fail("get", "put", "add", "remove")
