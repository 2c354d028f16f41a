"""A crowd as an administrator sees it: sessions of users with names, used and begun at all times of a month."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psycopg

from benchmarks.population import DAY, Rows, fill_valkey
from benchmarks.scene import USER_AGENT
from benchmarks.servers import postgresql, valkey_server
from coatcheck import AsyncSessions, UsersTable
from coatcheck.stores.postgresql import AsyncPostgreSQLStore
from coatcheck.stores.sqlite import AsyncSQLiteStore

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

_MONTH = 30 * DAY
_WEEK = 7 * DAY
_STEP = 999_983
"""A prime: a row's time has nothing to do with its number."""

_FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0"
_PER_USER = 3
_SLICES = 100
"""Of a crowd in Valkey so many parts have a time each."""

# `n` is a row's number, and `count` how many there are.
_SECONDS = f"(CAST(n AS bigint) * {_STEP} % {_MONTH})"
_EARLIER = f"(CAST(n AS bigint) * {_STEP} % {_WEEK})"
_USER = f"CASE WHEN n % 10 = 0 THEN NULL ELSE 'user-' || (n / {_PER_USER}) END"
_AGENT = f"CASE WHEN n % 4 = 0 THEN '{_FIREFOX}' ELSE '{USER_AGENT}' END"

_COLUMNS = (
    "token_hash, id, user_id, created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at,"
    " idle_timeout, ip, user_agent"
)
_SQLITE = f"""
WITH RECURSIVE numbers(n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count),
    times AS (SELECT n, (unixepoch() - {_SECONDS.replace("bigint", "integer")}) * 1000000 AS seen,
              {_EARLIER.replace("bigint", "integer")} * 1000000 AS earlier FROM numbers)
INSERT INTO coatcheck_sessions ({_COLUMNS})
SELECT randomblob(32), lower(hex(randomblob(11))), {_USER}, seen - earlier, seen - earlier, seen,
    (unixepoch() + {_WEEK}) * 1000000, (unixepoch() + {_MONTH}) * 1000000, {_WEEK} * 1000000,
    '203.0.' || (n / 250 % 250) || '.' || (n % 250), {_AGENT}
FROM times
"""  # noqa: S608 - numbers and texts of ours
_POSTGRESQL = f"""
INSERT INTO coatcheck_sessions ({_COLUMNS})
SELECT sha256(n::text::bytea), md5(n::text), {_USER}, seen - earlier, seen - earlier, seen, now() + interval '7 days',
    now() + interval '30 days', interval '7 days', ('203.0.' || (n / 250 % 250) || '.' || (n % 250))::inet, {_AGENT}
FROM (SELECT n, now() - {_SECONDS} * interval '1 second' AS seen, {_EARLIER} * interval '1 second' AS earlier
      FROM generate_series(0, %(count)s::integer - 1) AS n) AS times
"""  # noqa: S608 - likewise

_USERS = "CREATE TABLE users (id text PRIMARY KEY, name text, email text, role text)"
_SQLITE_USERS = """
WITH RECURSIVE numbers(n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
INSERT INTO users SELECT 'user-' || n, 'Ada Lovelace ' || n, 'ada' || n || '@example.org', NULL FROM numbers
"""
_POSTGRESQL_USERS = """
INSERT INTO users SELECT 'user-' || n, 'Ada Lovelace ' || n, 'ada' || n || '@example.org', NULL
FROM generate_series(0, %(count)s::integer) AS n
"""


async def crowd_in_sqlite(stack: AsyncExitStack, count: int) -> AsyncSessions:
    """Return sessions of a file with so many of them."""
    path = str(Path(stack.enter_context(TemporaryDirectory(prefix="coatcheck-bench-"))) / "app.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(_USERS)
        with connection:
            connection.execute(_SQLITE_USERS, {"count": count // _PER_USER})
    sessions = await stack.enter_async_context(AsyncSessions(AsyncSQLiteStore(path, users=UsersTable())))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -500000")
        with connection:
            connection.execute(_SQLITE, {"count": count})
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return sessions


async def crowd_in_postgresql(stack: AsyncExitStack, count: int) -> AsyncSessions:
    """Return sessions of a server of its own with so many of them."""
    server = await stack.enter_async_context(postgresql())
    url = server.url(server.create_database())
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(_USERS)
        await connection.execute(_POSTGRESQL_USERS, {"count": count // _PER_USER})
        sessions = await stack.enter_async_context(AsyncSessions(AsyncPostgreSQLStore(url, users=UsersTable())))
        await connection.execute(_POSTGRESQL.replace("% ", "%% "), {"count": count})
        await connection.execute("VACUUM (ANALYZE) coatcheck_sessions, users")
    return sessions


async def crowd_in_valkey(stack: AsyncExitStack, count: int) -> AsyncSessions:
    """Return sessions of a server of its own with so many of them."""
    server = await stack.enter_async_context(valkey_server())
    size = max(1, count // _SLICES)
    for first in range(0, count, size):
        seen = first * _STEP % _MONTH
        await fill_valkey(server.url(), Rows(first, min(size, count - first), seen=seen))
    return await stack.enter_async_context(AsyncSessions(server.url()))
