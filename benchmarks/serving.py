"""A process that serves while something else goes on, and says how long its requests took.

Run as `python -m benchmarks.serving`; it hears commands on standard input and answers on standard output, in JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.measure import insist
from benchmarks.scene import token_of
from coatcheck import AsyncSessions, CacheSettings, Session
from coatcheck.stores.urls import async_store_from_url
from coatcheck.testing import AsyncFaultyStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

KEYS = ("jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM",)
_LEAST = 20
_PAUSE = 0.002
"""Seconds between two requests: measured is what they wait for, not how busy two processes can be."""

_LONGEST_LINE = 1 << 24
_AT_ONCE = 16


class Latencies(NamedTuple):
    """How long requests took, in nanoseconds."""

    p50: float
    p99: float
    longest: float
    reads: int


class Serving:
    """The process, as seen from outside."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Keep the process, which has just been started."""
        self._process = process

    async def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Tell it to do something, and return its answer."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process has no pipes")
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        await self._process.stdin.drain()
        return await self.heard()

    async def heard(self) -> dict[str, Any]:
        """Return what it says next."""
        line = await self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise RuntimeError(f"the process has ended with {await self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def stopped(self) -> Latencies:
        """End a measurement, and return what came out."""
        return Latencies(**await self.ask("stop"))


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Serving]:
    """Run a process for as long as the block lasts.

    Args:
        **settings: `url` of the store, `shared_cache` if there is one, and `among` how many sessions to draw.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.serving", json.dumps(settings)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    try:
        worker = Serving(process)
        insist(await worker.heard())
        yield worker
    finally:
        if process.stdin is not None:
            process.stdin.close()  # the end of what it hears is its own end
        await process.wait()


class _Worker:
    """The process, as seen from inside."""

    def __init__(self, settings: dict[str, Any], commands: asyncio.StreamReader) -> None:
        shared = settings.get("shared_cache")
        self._store = AsyncFaultyStore(async_store_from_url(settings["url"]))  # which counts
        cache = CacheSettings(lease=timedelta(minutes=1)) if shared else CacheSettings(max_entries=2)
        self.sessions = AsyncSessions(self._store, cache=cache, shared_cache=shared, keys=KEYS if shared else None)
        self._among = settings.get("among", 1)
        self._commands = commands

    async def run(self) -> None:
        async with self.sessions:
            _say(ready=True)
            while line := await self._commands.readline():
                command = json.loads(line)
                await getattr(self, command.pop("do"))(**command)

    async def measure(self) -> None:
        """Look at sessions drawn by lot until the next command comes."""
        draw, took = random.Random(3), list[int]()  # noqa: S311 - no secret
        _say(measuring=True)
        told = asyncio.create_task(self._commands.readline())
        while not told.done() or len(took) < _LEAST:
            token = token_of(draw.randrange(self._among))
            begin = perf_counter_ns()
            session = await self.sessions.get(token)
            took.append(perf_counter_ns() - begin)
            insist(session)
            await asyncio.sleep(_PAUSE)
        took.sort()
        _say(p50=took[len(took) // 2], p99=took[len(took) * 99 // 100], longest=took[-1], reads=len(took))

    async def get_all(self, tokens: Sequence[str]) -> None:
        """Validate many tokens once, some at a time; say how often the store was read for it, and how long it took."""
        before, waiting, accepted = self._store.count("read"), iter(tokens), 0

        async def some() -> None:
            nonlocal accepted
            for token in waiting:
                session = await self.sessions.get(token)  # apart: what is added to must not be read before
                accepted += isinstance(session, Session)

        begin = perf_counter_ns()
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(some())
        _say(accepted=accepted, reads=self._store.count("read") - before, took=perf_counter_ns() - begin)


def _say(**answer: Any) -> None:
    print(json.dumps(answer), flush=True)


async def _main() -> None:
    commands = asyncio.StreamReader(limit=_LONGEST_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    await _Worker(json.loads(sys.argv[1]), commands).run()


if __name__ == "__main__":
    asyncio.run(_main())
