"""The arrangements of servers on which values are cached, and the connections of an application to PostgreSQL."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from tests.callers import Caller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ARRANGEMENTS = ("PostgreSQL", "PostgreSQL and Valkey", "Valkey")


class Tiers(NamedTuple):
    """Where the log is, and the cache between the workers, if there is one."""

    url: str
    cache: str | None


@contextmanager
def driver(url: str) -> Iterator[Caller]:
    with psycopg.connect(url) as connection:
        yield Caller(connection, lambda sql: connection.execute(sql.encode()), connection.commit, connection.rollback)


@asynccontextmanager
async def async_driver(url: str) -> AsyncIterator[Caller]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        yield Caller(connection, lambda sql: connection.execute(sql.encode()), connection.commit, connection.rollback)
