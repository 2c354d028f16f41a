"""What the benchmarks have in common: a browser's cookies, and sessions like those of real people."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import TYPE_CHECKING, NamedTuple

from coatcheck import AsyncSessions, CacheSettings, TokenHash
from coatcheck.core.tokens import new_session_id
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.testing import AsyncMemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

COOKIE = b"__Host-session"
IP = "192.0.2.123"
USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.10 Safari/537.36 Edg/142"
)

CACHE = CacheSettings(lease=timedelta(minutes=1))
"""A lease that no batch outlives: measured are hits, not the polls between them."""


class Scene(NamedTuple):
    """Sessions of several users, all in memory."""

    sessions: AsyncSessions
    tokens: Sequence[bytes]
    path: Path

    def headers(self) -> list[bytes]:
        """The `Cookie` header of each user."""
        return [cookie_header(token) for token in self.tokens]

    def connect(self) -> sqlite3.Connection:
        """Open one more connection to the database, in autocommit."""
        return sqlite3.connect(self.path, isolation_level=None)


@asynccontextmanager
async def scene(*, lease_only: bool = False, users: int = 200) -> AsyncIterator[Scene]:
    """Sign users in, and let each session be looked at once, so that it is in memory.

    Args:
        lease_only: Take a store that cannot tell whether something was committed, so that the lease alone decides.
        users: How many.
    """
    with TemporaryDirectory(prefix="coatcheck-bench-") as folder:
        path = Path(folder) / "app.db"
        store = AsyncMemoryStore() if lease_only else AsyncSQLiteStore(str(path))
        async with AsyncSessions(store, cache=CACHE) as sessions:
            tokens = [await sign_in(sessions, f"user-{number}") for number in range(users)]
            for token in tokens:
                await sessions.get(token)
            yield Scene(sessions, tokens, path)


async def sign_in(sessions: AsyncSessions, user_id: str) -> bytes:
    """Begin a session and return its token."""
    created = await sessions.create(user_id, ip=IP, user_agent=USER_AGENT)
    return created.token.reveal().encode()


def cookie_header(token: bytes) -> bytes:
    """Return the header of a browser with three cookies."""
    analytics = secrets.randbelow(10**10)
    return b"theme=dark; %b=%b; _ga=GA1.1.%010d.1762000000" % (COOKIE, token, analytics)


def fill(path: str, count: int) -> None:
    """Write sessions into a database that has its tables already."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -500000")
        with connection:
            connection.executemany(_INSERT, _rows(count))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def token_of(number: int) -> bytes:
    """Return the token of one of the sessions that are written in bulk."""
    return b"%042d0" % number


def hash_of(number: int) -> bytes:
    """Return the hash of its token."""
    return _hash(token_of(number))


_hash = TokenHash()
_DAY = 86_400_000_000
_INSERT = """
INSERT INTO coatcheck_sessions (token_hash, id, user_id, created_at, authenticated_at, last_seen_at,
    idle_expires_at, expires_at, idle_timeout, ip, user_agent)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def _rows(count: int) -> Iterator[tuple[object, ...]]:
    """Yield rows in the order of their key, in which inserting them is fastest."""
    now = int(time()) * 1_000_000
    for token_hash, number in sorted((hash_of(number), number) for number in range(count)):
        times = (now, now, now, now + 7 * _DAY, now + 30 * _DAY, 7 * _DAY)
        yield (token_hash, new_session_id(), f"user-{number % (count // 3)}", *times, IP, USER_AGENT)
