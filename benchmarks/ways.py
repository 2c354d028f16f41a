"""Ways to know that a session in SQLite is still good, all with a bound of zero (docs/decisions/0002)."""

from __future__ import annotations

import mmap
import os
from contextlib import AsyncExitStack
from hashlib import sha256
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING

from benchmarks.measure import awaits, calls, insist, interleaved
from benchmarks.report import Report, timed
from benchmarks.scene import CACHE, scene
from coatcheck import Sessions
from coatcheck.core.session import Record, Session
from coatcheck.core.tokens import TokenHash
from coatcheck.stores.sqlite import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.measure import Batch
    from benchmarks.scene import Scene

_ROUNDS = 150
_BUSY_ROUNDS = 30
_stat = os.stat
_IDLE, _ABSOLUTE = Record._fields.index("idle_expires_at"), Record._fields.index("expires_at")
_HEADER = 48
"""Bytes of the first copy of the header in the WAL index, which every commit changes."""


async def run() -> list[Report]:
    """Compare them where nothing was committed between two requests, and where something was."""
    async with AsyncExitStack() as stack:
        sqlite = await stack.enter_async_context(scene())
        memory = await stack.enter_async_context(scene(lease_only=True))
        threads = stack.enter_context(Sessions(SQLiteStore(str(sqlite.path)), cache=CACHE))
        for token in sqlite.tokens:
            threads.get(token)
        get, row, tokens = sqlite.sessions.get, _selected(sqlite, stack), sqlite.tokens
        timings = await interleaved(
            {
                "cache, data_version: `get`": awaits(get, tokens),
                "the same, synchronous": calls(threads.get, tokens),
                "cache, WAL index mapped: `lookup`": calls(_compared(memory, sqlite, _mapped(sqlite)), memory.tokens),
                "cache, WAL index by pread: `lookup`": calls(_compared(memory, sqlite, _read(sqlite)), memory.tokens),
                "no cache: the least, a bare row": calls(row, tokens),
            },
            rounds=_ROUNDS,
        )
        busy = await interleaved(
            {
                "cache, data_version: `get`, after a commit": _after_commits(sqlite, stack, get),
                "no cache: a bare row, after a commit": _after_commits(sqlite, stack, _awaitable(row)),
            },
            rounds=_BUSY_ROUNDS,
        )
    report = timed("Ways to know that a session in SQLite is still good", {**timings, **busy})
    report.notes.append(
        "All look at the file's inode as well. A row still has to become a session, which is not counted."
    )
    return [report]


def _after_commits(sqlite: Scene, stack: AsyncExitStack, get: Callable[[bytes], Awaitable[object]]) -> Batch:
    """Return a case in which somebody else commits before each request; only the requests are timed."""
    connection = sqlite.connect()
    stack.callback(connection.close)
    connection.executescript("PRAGMA synchronous = OFF; CREATE TABLE IF NOT EXISTS other (value)")

    async def batch() -> float:
        took = 0
        for token in sqlite.tokens:
            connection.execute("INSERT INTO other VALUES (1)")
            begin = perf_counter_ns()
            insist(await get(token))
            took += perf_counter_ns() - begin
        return took / len(sqlite.tokens)

    return batch


def _awaitable(function: Callable[[bytes], object]) -> Callable[[bytes], Awaitable[object]]:
    async def call(token: bytes) -> object:
        return function(token)

    return call


def _compared(memory: Scene, sqlite: Scene, header: Callable[[], bytes]) -> Callable[[bytes], Session | None]:
    """Compare what SQLite's own processes tell each other about commits, instead of asking SQLite."""
    path = os.fsencode(sqlite.path)
    seen, inode, lookup = header(), _stat(path).st_ino, memory.sessions.lookup

    def session(token: bytes) -> Session | None:
        return lookup(token) if _stat(path).st_ino == inode and header() == seen else None

    return session


def _wal_index(sqlite: Scene) -> int:
    """Open the file. It is never closed: closing any descriptor drops every lock of the process on it."""
    return os.open(f"{sqlite.path}-shm", os.O_RDONLY)


def _mapped(sqlite: Scene) -> Callable[[], bytes]:
    index = mmap.mmap(_wal_index(sqlite), _HEADER, access=mmap.ACCESS_READ)
    _kept.append(index)
    return lambda: index[:_HEADER]


def _read(sqlite: Scene) -> Callable[[], bytes]:
    descriptor = _wal_index(sqlite)
    return lambda: os.pread(descriptor, _HEADER, 0)


_kept: list[mmap.mmap] = []


def _selected(sqlite: Scene, stack: AsyncExitStack) -> Callable[[bytes], object]:
    """Read the row on every request, as briefly as one can write it, and know nothing of a log."""
    connection = sqlite.connect()
    stack.callback(connection.close)
    path, cursor, prefix = os.fsencode(sqlite.path), connection.cursor(), TokenHash().prefix
    inode = _stat(path).st_ino
    sql = f"SELECT {', '.join(Record._fields[:-1])} FROM coatcheck_sessions WHERE token_hash = ?"  # noqa: S608 - ours

    def row(token: bytes) -> object:
        if _stat(path).st_ino != inode:
            return None
        found = cursor.execute(sql, (sha256(prefix + token).digest(),)).fetchall()[0]
        return found if found[_IDLE] > time_ns() // 1000 < found[_ABSOLUTE] else None

    return row
