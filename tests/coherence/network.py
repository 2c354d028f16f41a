"""What a simulated worker sees of the authority and of the shared cache: through a network that is none too good."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from coatcheck import Unavailable
from coatcheck.bells import AsyncBell
from coatcheck.stores.base import Vitals
from tests.coherence.authorities import CHANGES
from tests.coherence.virtual import Violated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from tests.coherence.authorities import Authority
    from tests.coherence.simulation import SimulatedWorker

TIMEOUT = 1.0
_SELDOM = 0.05


class Link:
    """The store of one worker: the authority, behind delays, losses and an authority that may stand still."""

    def __init__(self, authority: Authority, worker: SimulatedWorker) -> None:
        self._authority = authority
        self._worker = worker
        self._reading: set[bytes] = set()
        self._polled: tuple[Any, int] | None = None
        self._bell = AsyncBell()
        self.capabilities = authority.capabilities
        self.poll_failed_at = -(10**18)
        """When the last poll failed."""

    def unchanged(self, cursor: Any) -> bool:
        """As SQLite tells: nothing was committed since this worker's last poll, which led to this cursor."""
        return not self.capabilities.notices_changes or self._polled == (cursor, self._authority.commits)

    def vitals(self) -> Vitals:
        return Vitals()

    # --- news: late, lost, or told twice

    def notify(self) -> None:
        """Let some news travel to this worker."""
        random = self._worker.random
        if random.random() < max(self._worker.deafness, _SELDOM):
            return
        for _ in range(2 if random.random() < _SELDOM else 1):
            asyncio.get_running_loop().call_later(self._worker.delay(), self._bell.ring)

    async def news(self, seen: int, seconds: float) -> int:
        rung = await self._bell.wait(seen, seconds)
        await self._worker.running.wait()
        return rung

    # --- calls

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **options: Any) -> Any:
            if name == "read":
                return await self._read_once(arguments, options)
            if name == "poll":
                return await self._poll(arguments[0])
            return await self._call(name, arguments, options)

        return call

    async def _read_once(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        key = arguments[0]
        if key in self._reading:
            raise Violated("two reads for one token at once")
        self._reading.add(key)
        try:
            return await self._call("read", arguments, options)
        finally:
            self._reading.discard(key)

    async def _poll(self, cursor: Any) -> Any:
        try:
            page, commits = await self._call("poll", (cursor,), {})
        except Unavailable:
            self.poll_failed_at = self._worker.world.time
            raise
        self._polled = (page.cursor, commits)
        return page

    async def _call(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        worker, authority = self._worker, self._authority
        await worker.travel()
        lost = worker.loses()
        if lost == "request":
            await worker.give_up(name)
        await self._wait_for_authority(name, arguments, options)
        try:
            answer = await self._answer(name, arguments, options)
        except Unavailable:
            worker.last_loss = authority.world.time
            raise
        if lost == "answer":
            await worker.give_up(name)
        await worker.travel()
        return answer

    async def _answer(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        authority = self._authority
        if name in CHANGES:
            return await authority.change(name, arguments, options)
        if name == "poll":
            return await authority.poll(*arguments), authority.commits
        return await getattr(authority, name)(*arguments, **options)

    async def _wait_for_authority(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        """Wait for an authority that stands still; what was asked of it, it does when it goes on."""
        running = self._authority.running
        if running.is_set():
            return
        try:
            async with asyncio.timeout(TIMEOUT):
                await running.wait()
        except TimeoutError:
            if name in CHANGES:
                self._worker.simulation.later(self._change_late(name, arguments, options))
            await self._worker.give_up(name)

    async def _change_late(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        await self._authority.running.wait()
        try:
            await self._authority.change(name, arguments, options)
        except Exception as error:  # noqa: BLE001 - nobody is there any more to be told
            self._worker.simulation.note(f"{name} came too late: {type(error).__name__}")


class SharedCache:
    """What lies in the shared cache: every value that was ever put there."""

    def __init__(self) -> None:
        self.values: dict[bytes, list[bytes]] = {}
        self.running = asyncio.Event()
        self.running.set()
        self.faults = 0.0

    def put(self, name: bytes, value: bytes) -> None:
        self.values[name] = [*self.values.get(name, [])[-4:], value]

    def roll_back(self) -> None:
        """Forget the last values, as a failover does."""
        self.values = {name: values[:-1] for name, values in self.values.items() if values[:-1]}


class CacheLink:
    """The shared cache as one worker sees it: it loses, delays, repeats, and mixes up."""

    adds = True

    def __init__(self, cache: SharedCache, worker: SimulatedWorker) -> None:
        self._cache = cache
        self._worker = worker

    async def open(self) -> None:
        pass

    async def aclose(self) -> None:
        pass

    async def ping(self) -> None:
        pass

    async def get(self, key: bytes) -> bytes | None:
        await self._pass()
        random, values = self._worker.random, self._cache.values
        found = values.get(key, [])
        if random.random() < self._cache.faults:
            found = self._wrong(random, found)
        return found[-1] if found else None

    def _wrong(self, random: Random, found: list[bytes]) -> list[bytes]:
        """Return nothing, an old value, or somebody else's."""
        others = [values for values in self._cache.values.values() if values is not found]
        return random.choice([[], found[:1], random.choice(others) if others else []])

    async def put(self, key: bytes, value: bytes, ttl_ms: int) -> None:
        await self._pass()
        random = self._worker.random
        if random.random() < self._cache.faults:
            self._worker.simulation.later(self._put_late(key, value))
            if random.random() < 0.5:
                return  # else it comes twice
        self._cache.put(key, value)

    async def add(self, key: bytes, value: bytes, ttl_ms: int) -> bool:
        await self._pass()
        if self._cache.values.get(key):
            return False
        self._cache.put(key, value)
        return True

    async def remove(self, key: bytes) -> None:
        await self._pass()
        self._cache.values.pop(key, None)

    async def _put_late(self, key: bytes, value: bytes) -> None:
        random = self._worker.random
        if random.random() < 0.5:
            await asyncio.sleep(random.uniform(0, 5))
            self._cache.put(key, value)

    async def _pass(self) -> None:
        await asyncio.sleep(self._worker.random.expovariate(500))
        if not self._cache.running.is_set():
            if self._worker.random.random() < 0.5:
                raise Unavailable("the cache is away")
            await self._cache.running.wait()
        await self._worker.running.wait()
