"""What the frameworks are measured with: the same sessions on one Valkey, and the same cases for each of them."""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import redis
from redis.asyncio import Redis

from benchmarks.fleet import MISSES
from benchmarks.measure import awaits, calls, insist
from benchmarks.scale import scaled
from benchmarks.scene import CACHE, IP, USER_AGENT, cookie_header
from benchmarks.serving import KEYS
from benchmarks.shared import PATIENT
from coatcheck import AsyncSessions, Sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from benchmarks.measure import Batch
    from tests.servers.valkey import Valkey

_REQUESTS = 15
KEY, _VALUE = "a key", "x" * 250
"""A value about as long as a session is."""

BARE = "bare"
VERB, MAPPING = "coatcheck's verb, hit", "coatcheck as the framework's mapping, hit"
FROM_STORE = "coatcheck's verb, miss: the store, Valkey"
FROM_SHARED = "coatcheck's verb, miss: the shared cache, Valkey"
GET = "one bare GET of redis-py in the handler"
NOTHING = "the framework's own part, with nothing done in it"
LOOP = "bare GETs of redis-py in a loop"


class Cases(NamedTuple):
    """One framework's cases.

    Attributes:
        name: The framework.
        peer: Its usual session system; a case has that name.
        batches: The cases above, and the peer.
        note: What one has to know to read the table.
    """

    name: str
    peer: str
    batches: Mapping[str, Batch]
    note: str


class Site(NamedTuple):
    """Sessions that are in a Valkey, and copies of some in a cache that is another database of it.

    Attributes:
        server: Where they are.
        data: What each user's session holds.
        plain: The users' tokens.
        signed: Those of their other sessions, which are in the shared cache as well.
    """

    server: Valkey
    data: Sequence[Mapping[str, str]]
    plain: Sequence[bytes]
    signed: Sequence[bytes]

    def cookies(self, case: str = VERB) -> list[bytes]:
        """Return the `Cookie` header of each user, with the session that a case is about."""
        return [cookie_header(token) for token in (self.signed if case is FROM_SHARED else self.plain)]

    def settings(self, case: str) -> dict[str, Any]:
        """Return the arguments of the sessions of a case."""
        if case is VERB:
            return {"cache": CACHE}
        if case is FROM_STORE:
            return {"cache": MISSES}
        return {"cache": MISSES, **self.shared()}

    def shared(self) -> dict[str, Any]:
        """Return the arguments of sessions with a shared cache."""
        return {"keys": KEYS, "shared_cache": self.server.url(1), "shared_cache_settings": PATIENT}


@asynccontextmanager
async def site(server: Valkey) -> AsyncIterator[Site]:
    """Sign users in."""
    data = [_data_of(number) for number in range(scaled(_REQUESTS, least=4))]
    empty = Site(server, data, (), ())
    async with AsyncSessions(server.url()) as plain, AsyncSessions(server.url(), **empty.shared()) as shared:
        tokens = [[await _signed_in(sessions, held) for held in data] for sessions in (plain, shared)]
        for token in tokens[1]:
            insist(await shared.get(token))
        await shared.finish()
    yield Site(server, data, *tokens)


def _data_of(number: int) -> dict[str, str]:
    """Return what an application keeps, whoever keeps it; the first key is Django's."""
    return {"_auth_user_id": str(number), "user_id": f"user-{number}", "user_agent": USER_AGENT}


async def _signed_in(sessions: AsyncSessions, held: Mapping[str, str]) -> bytes:
    created = await sessions.create(held["user_id"], data=held, ip=IP, user_agent=USER_AGENT)
    return created.token.reveal().encode()


@asynccontextmanager
async def opened(at: Site) -> AsyncIterator[dict[str, AsyncSessions]]:
    """Open the sessions of each case, which know all users, or have no room to."""
    async with AsyncExitStack() as stack:
        found = dict[str, AsyncSessions]()
        for case in (VERB, FROM_STORE, FROM_SHARED):
            settings = at.settings(case)
            sessions = found[case] = await stack.enter_async_context(AsyncSessions(at.server.url(), **settings))
            for token in at.signed if case is FROM_SHARED else at.plain:
                insist(await sessions.get(token))
        yield found
        judged(found[FROM_SHARED])


@contextmanager
def opened_sync(at: Site) -> Iterator[dict[str, Sessions]]:
    """Open those for threads."""
    with ExitStack() as stack:
        found = dict[str, Sessions]()
        for case in (VERB, FROM_STORE, FROM_SHARED):
            sessions = found[case] = stack.enter_context(Sessions(at.server.url(), **at.settings(case)))
            for token in at.signed if case is FROM_SHARED else at.plain:
                insist(sessions.get(token))
        yield found
        judged(found[FROM_SHARED])


def judged(sessions: AsyncSessions | Sessions) -> None:
    """Refuse a measurement in which the shared cache had not what it was asked for."""
    tier = sessions.tiers.shared
    insist(tier is not None and tier.hits > 100 * tier.misses)


async def bare(at: Site, stack: AsyncExitStack) -> Redis:
    """Return a client with default settings, for handlers that read one key."""
    client = await stack.enter_async_context(Redis.from_url(at.server.url(3)))
    await client.set(KEY, _VALUE)
    return client


def bare_sync(at: Site, stack: AsyncExitStack) -> redis.Redis:
    """Return one for threads."""
    client = redis.Redis.from_url(at.server.url(3))
    stack.callback(client.close)
    client.set(KEY, _VALUE)
    return client


def in_loop(client: Redis, at: Site) -> Batch:
    """Return the case that reads one key and does nothing else."""
    return awaits(client.get, [KEY] * len(at.plain))


def in_loop_sync(client: redis.Redis, at: Site) -> Batch:
    """Return that for threads."""
    return calls(client.get, [KEY] * len(at.plain))
