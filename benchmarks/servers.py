"""Servers of our own, on free ports of this host, for as long as a benchmark lasts."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from redis.asyncio import Redis

from tests.servers.postgresql import PostgreSQL
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_POSTGRESQL = {
    "shared_buffers": "2GB",  # holds a million sessions and their indexes, as a server of that size would
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "wal_level": "replica",
}


@asynccontextmanager
async def postgresql() -> AsyncIterator[PostgreSQL]:
    """Run PostgreSQL 18 with enough memory for a million sessions, and nothing in the background."""
    server = await asyncio.to_thread(lambda: PostgreSQL(settings=_POSTGRESQL))
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.close)


@asynccontextmanager
async def valkey_server() -> AsyncIterator[Valkey]:
    """Run Valkey, which writes nothing to disk."""
    server = Valkey()
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.close)


@asynccontextmanager
async def valkey() -> AsyncIterator[Redis]:
    """Run Valkey, and connect to it."""
    async with valkey_server() as server, Redis(host="127.0.0.1", port=server.port) as client:
        yield client
