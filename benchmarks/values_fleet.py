"""Processes that keep values, and the servers between them."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.measure import insist
from benchmarks.servers import postgresql, valkey_server
from benchmarks.serving import Serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.servers.postgresql import PostgreSQL
    from tests.servers.valkey import Valkey


class Place(NamedTuple):
    """Where the ways of a comparison keep what they keep."""

    folder: Path
    database: PostgreSQL
    valkey: Valkey

    def fresh(self) -> dict[str, str]:
        """Return an empty database of each sort: no way finds what another one has left."""
        self.valkey.empty()
        name = self.database.create_database()
        return {
            "sqlite": f"sqlite:///{self.folder / name}.db",
            "postgresql": self.database.url(name),
            "valkey": self.valkey.url(),
            "truth": str(self.folder / f"{name}.truth"),
        }


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """Run the servers for as long as a comparison lasts."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="coatcheck-bench-")))
        database = await stack.enter_async_context(postgresql())
        yield Place(folder, database, await stack.enter_async_context(valkey_server()))


@asynccontextmanager
async def workers(count: int, way: str, servers: dict[str, str]) -> AsyncIterator[list[Serving]]:
    """Run processes that keep values in one way, for as long as the block lasts."""
    settings = json.dumps({"way": way, **servers})
    async with AsyncExitStack() as stack:
        started = [await stack.enter_async_context(_worker(settings)) for _ in range(count)]
        for worker in started:
            insist(await worker.heard())
        yield started


@asynccontextmanager
async def _worker(settings: str) -> AsyncIterator[Serving]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.values_worker", settings),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    try:
        yield Serving(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()  # the end of what it hears is its own end
        await process.wait()
