"""Sessions in bulk: as many as a large site has, written as fast as the store takes them."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, NamedTuple

import psycopg
from redis.asyncio import Redis

from benchmarks.scene import IP, USER_AGENT, hash_of
from coatcheck.core.session import Record
from coatcheck.core.tokens import TokenHash
from coatcheck.stores.valkey import rows as wire
from coatcheck.stores.valkey import scripts

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = 86_400
_MONTH = 30 * DAY
_PIPELINE = 500


class Rows(NamedTuple):
    """Sessions that follow each other in number; `scene.token_of` says what their tokens are.

    Attributes:
        first: The number of the first.
        size: How many there are.
        user: Whose they all are; None for users of three sessions each.
        seen: So many seconds ago they were last seen.
        idle: In so many seconds they expire; below zero, they have.
    """

    first: int
    size: int
    user: str | None = None
    seen: int = 0
    idle: int = 7 * DAY

    def user_of(self, number: int) -> str:
        """Return whose session it is."""
        return self.user or f"user-{number // 3}"


_INSERT = """
INSERT INTO coatcheck_sessions (token_hash, id, user_id, created_at, authenticated_at, last_seen_at, idle_expires_at,
    expires_at, idle_timeout, ip, user_agent)
SELECT sha256(%(prefix)s || convert_to(lpad(n::text, 42, '0') || '0', 'UTF8')), 'session-' || n,
    coalesce(%(user)s::text, 'user-' || n / 3), back.at, back.at, back.at,
    now() + %(idle)s::integer * interval '1 second', now() + interval '30 days', interval '7 days',
    %(ip)s::inet, %(agent)s::text
FROM generate_series(%(first)s::integer, %(last)s::integer) AS n,
    (SELECT now() - %(seen)s::integer * interval '1 second' AS at) AS back
"""


async def fill_postgresql(url: str, rows: Rows) -> None:
    """Write rows into tables that are there already."""
    values = {
        **rows._asdict(),
        "last": rows.first + rows.size - 1,
        "prefix": TokenHash().prefix,
        "ip": IP,
        "agent": USER_AGENT,
    }
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(_INSERT, values)
        await connection.execute("VACUUM (ANALYZE) coatcheck_sessions")


async def fill_valkey(url: str, rows: Rows) -> None:
    """Have the store's own script write them, many to a packet: the form of its keys is the store's affair."""
    async with Redis.from_url(url) as client:
        await client.script_load(scripts.CREATE.text)
        for start in range(rows.first, rows.first + rows.size, _PIPELINE):
            pipeline = client.pipeline(transaction=False)
            for number in range(start, min(start + _PIPELINE, rows.first + rows.size)):
                pipeline.execute_command("EVALSHA", scripts.CREATE.sha, 1, META_KEY, *_order(rows, number))
            await pipeline.execute()


META_KEY = "{coatcheck}:meta"


def _order(rows: Rows, number: int) -> Iterator[str | bytes | int]:
    """Yield the script's arguments: the time, a random word, the hash, no limit, nothing to replace, the fields."""
    yield from ("", f"{number:032x}", hash_of(number).hex(), "", "evict_oldest", "", "0", b"")
    yield from wire.fields_of(record_of(rows, number))


def record_of(rows: Rows, number: int) -> Record:
    """Return one of them as a store would."""
    now = int(time())
    then = (now - rows.seen) * 1_000_000
    return Record(
        id=f"session-{number}",
        user_id=rows.user_of(number),
        created_at=then,
        authenticated_at=then,
        last_seen_at=then,
        idle_expires_at=(now + rows.idle) * 1_000_000,
        expires_at=(now + _MONTH) * 1_000_000,
        idle_timeout=7 * DAY * 1_000_000,
        remember=False,
        ip=IP,
        user_agent=USER_AGENT,
        data="{}",
    )
