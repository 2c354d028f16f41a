"""A store with a million sessions, one with ten thousand, and the driver's bare statements beside them."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import redis
from redis.asyncio import Redis

from benchmarks.measure import timing
from benchmarks.population import META_KEY, Rows, fill_postgresql, fill_valkey
from benchmarks.scale import scaled
from benchmarks.scene import IP, USER_AGENT, hash_of
from benchmarks.servers import postgresql, valkey_server
from coatcheck.stores.postgresql.statements import Statements
from coatcheck.stores.postgresql.wire import on_wire
from coatcheck.stores.urls import async_store_from_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

FEW, MANY = 10_000, 1_000_000
CROWD = 1_000
"""Sessions of the user who signs out everywhere."""


class Bare(NamedTuple):
    """What one would write with the driver alone, with no log and no rule.

    Attributes:
        read: Reads a session's columns by the hash of its token, with asyncio.
        read_sync: The same for threads.
        others: Further ways to read with asyncio that tell where the time goes, by name.
        others_sync: The same for threads.
        create: Writes the row of a new session of a user.
        end: Deletes the sessions of a user, who has so many from a number on.
    """

    read: Callable[[bytes], Awaitable[object]]
    read_sync: Callable[[bytes], object]
    others: dict[str, Callable[[bytes], Awaitable[object]]]
    others_sync: dict[str, Callable[[bytes], object]]
    create: Callable[[int], Awaitable[object]]
    end: Callable[[Rows], Awaitable[object]]


class Site(NamedTuple):
    """One server.

    Attributes:
        name: What it is.
        url: The store with many sessions, whose numbers begin at 0.
        few_url: The one with few.
        filled: How many nanoseconds it took to write all of them in bulk.
        fill: Writes more of them.
        bare: The driver's own statements, on the store with many.
    """

    name: str
    url: str
    few_url: str
    filled: float
    fill: Callable[[str, Rows], Awaitable[None]]
    bare: Bare


def many() -> int:
    """Return how many sessions the larger store has."""
    return scaled(MANY, least=60)


def few() -> int:
    """Return how many sessions the smaller store has."""
    return scaled(FEW, least=30)


async def make_tables(url: str) -> None:
    """Bring a store to life."""
    store = async_store_from_url(url)
    await store.open()
    await store.aclose()


@asynccontextmanager
async def postgresql_site() -> AsyncIterator[Site]:
    """Fill two databases of one server."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(postgresql())
        url, few_url = (server.url(server.create_database()) for _ in range(2))
        took = await _filled(fill_postgresql, url, few_url)
        bare = await _bare_postgresql(stack, url)
        yield Site("PostgreSQL", url, few_url, took, fill_postgresql, bare)


@asynccontextmanager
async def valkey_site() -> AsyncIterator[Site]:
    """Fill two databases of one server."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(valkey_server())
        url, few_url = server.url(0), server.url(1)
        took = await _filled(fill_valkey, url, few_url)
        bare = await _bare_valkey(stack, url)
        yield Site("Valkey", url, few_url, took, fill_valkey, bare)


async def _filled(fill: Callable[[str, Rows], Awaitable[None]], url: str, few_url: str) -> float:
    for place in (url, few_url):
        await make_tables(place)
    await fill(few_url, Rows(0, few()))
    with timing(1) as took:
        await fill(url, Rows(0, many()))
    return took.each


_READ = "SELECT /*columns*/ FROM /*schema*/coatcheck_sessions AS s WHERE s.token_hash = :token_hash"
_PLAIN = (
    b"SELECT id, user_id, created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at, idle_timeout, "
    b"remember, ip, user_agent, data FROM coatcheck_sessions WHERE token_hash = %s"
)
_INSERT = (
    b"INSERT INTO coatcheck_sessions (token_hash, id, user_id, created_at, authenticated_at, last_seen_at, "
    b"idle_expires_at, expires_at, idle_timeout, ip, user_agent) VALUES (%s, %s, %s, now(), now(), now(), "
    b"now() + interval '7 days', now() + interval '30 days', interval '7 days', %s, %s)"
)
_DELETE = b"DELETE FROM coatcheck_sessions WHERE user_id = %s RETURNING id, user_id"


async def _bare_postgresql(stack: AsyncExitStack, url: str) -> Bare:
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=0)
    stack.push_async_callback(connection.close)
    threads = stack.enter_context(psycopg.connect(url, autocommit=True, prepare_threshold=0))
    statements = Statements("public", None)
    columns, whole = on_wire(statements.filled(_READ)), on_wire(statements["read"])
    retired = on_wire(statements["read_retired"])

    async def read(token_hash: bytes) -> object:
        return await (await connection.execute(columns, {"token_hash": token_hash})).fetchone()

    async def read_plain(token_hash: bytes) -> object:
        return await (await connection.execute(_PLAIN, (token_hash,))).fetchone()

    async def read_whole(token_hash: bytes) -> object:
        return await (await connection.execute(whole, {"token_hash": token_hash, "now": None})).fetchone()

    async def read_retired(token_hash: bytes) -> object:
        return await (await connection.execute(retired, {"token_hash": token_hash, "now": None})).fetchone()

    def read_sync(token_hash: bytes) -> object:
        return threads.execute(columns, {"token_hash": token_hash}).fetchone()

    def read_whole_sync(token_hash: bytes) -> object:
        return threads.execute(whole, {"token_hash": token_hash, "now": None}).fetchone()

    async def create(number: int) -> object:
        row = (hash_of(number), f"session-{number}", f"user-{number}", IP, USER_AGENT)
        return await connection.execute(_INSERT, row)

    async def end(rows: Rows) -> object:
        return await (await connection.execute(_DELETE, (rows.user,))).fetchall()

    others: dict[str, Callable[[bytes], Awaitable[object]]] = {
        "bare, with datetimes": read_plain,
        "the store's statement, bare": read_whole,
        "its statement for retired tokens, bare": read_retired,
    }
    return Bare(read, read_sync, others, {"the store's statement, bare": read_whole_sync}, create, end)


async def _bare_valkey(stack: AsyncExitStack, url: str) -> Bare:
    client: Any = await stack.enter_async_context(Redis.from_url(url))
    threads: Any = stack.enter_context(redis.Redis.from_url(url))
    generation: bytes = threads.execute_command("HGET", META_KEY, "generation")
    prefix = META_KEY.removesuffix("meta").encode() + generation + b":s:"
    fields: dict[bytes, bytes] = threads.execute_command("HGETALL", prefix + hash_of(0).hex().encode())

    def key(number: int) -> bytes:
        return prefix + hash_of(number).hex().encode()

    async def read(token_hash: bytes) -> object:
        return await client.execute_command("HGETALL", prefix + token_hash.hex().encode())

    def read_sync(token_hash: bytes) -> object:
        return threads.execute_command("HGETALL", prefix + token_hash.hex().encode())

    async def create(number: int) -> object:
        return await client.execute_command("HSET", b"bare:" + key(number), *_flat(fields))

    async def end(rows: Rows) -> object:
        return await client.execute_command("DEL", *map(key, range(rows.first, rows.first + rows.size)))

    return Bare(read, read_sync, {}, {}, create, end)


def _flat(fields: dict[bytes, bytes]) -> list[bytes]:
    return [word for pair in fields.items() for word in pair]
