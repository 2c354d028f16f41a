"""The steps of a request that wait for a server: a read, a poll, the shared cache, and how soon others are told."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from time import perf_counter_ns
from typing import TYPE_CHECKING

from benchmarks.measure import awaits, calls, insist, interleaved
from benchmarks.report import timed
from benchmarks.scene import CACHE, sign_in
from benchmarks.serving import KEYS
from coatcheck import AsyncSessions, TokenHash
from coatcheck.core.local_cache import key_of
from coatcheck.core.sealing import Seals
from coatcheck.core.session import SEALED, copy_in
from coatcheck.stores.postgresql import AsyncPostgreSQLStore

if TYPE_CHECKING:
    from benchmarks.measure import Batch
    from benchmarks.report import Report
    from coatcheck.core.sealing import Place

_ROUNDS = 200
_SESSIONS = 20
_REVOKED = 5
_LONG = 600_000
"""Milliseconds that the copy stays in the shared cache: longer than the benchmark takes."""


async def fleet(database: str, cache: str) -> Report:
    """Measure with PostgreSQL and Valkey.

    Args:
        database: The URL of an empty database.
        cache: The URL of the shared cache.
    """
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(AsyncSessions(database, cache=CACHE, shared_cache=cache, keys=KEYS))
        there = await stack.enter_async_context(AsyncSessions(database, cache=CACHE, keys=KEYS))
        store = AsyncPostgreSQLStore(database)
        stack.push_async_callback(store.aclose)
        page, hashes = await store.poll(None), [TokenHash()(b"%043d" % number) for number in range(_SESSIONS)]
        timings = await interleaved(
            {
                **await _shared(here),
                "PostgreSQL: the read": awaits(store.read, hashes),
                "PostgreSQL: a poll of the log": awaits(lambda _: store.poll(page.cursor), hashes),
                "PostgreSQL: a revocation, until it is committed": _revocations(here, there, told=False),
                "PostgreSQL: a revocation, until another worker refuses": _revocations(here, there, told=True),
            },
            rounds=_ROUNDS,
        )
    report = timed("The path of a request: what a server is asked", timings)
    report.notes.append(
        "Servers and workers are on one machine; a network adds its round trip to each. The read finds no row, which "
        "spares it making one. The other worker is another `AsyncSessions` in the same event loop, with connections "
        "of its own, that NOTIFY wakes."
    )
    return report


async def _shared(sessions: AsyncSessions) -> dict[str, Batch]:
    """Put a copy into the shared cache, and return what reading it is made of."""
    token, tier = await sign_in(sessions, "user-1"), sessions.tiers.shared
    session = await sessions.get(token)
    if not session or tier is None:
        raise RuntimeError("the benchmark has no session to share")
    copy = copy_in(session)
    places = Seals(SEALED, [b"k" * 32]).places("an epoch of this log", key_of(token))
    place = places[0]
    sealed = place.seal(copy)
    await tier.cache.put(place.name, sealed, _LONG)

    def opened(where: Place) -> bytes | None:
        return where.open(sealed)

    return {
        "the shared cache: a copy from Valkey": awaits(tier.get, [places] * _SESSIONS),
        "of that its seal": calls(opened, [place] * _SESSIONS),
    }


def _revocations(here: AsyncSessions, there: AsyncSessions, *, told: bool) -> Batch:
    """Return a case that ends sessions here which another worker has in memory.

    Args:
        here: Where they are ended.
        there: The other worker.
        told: Whether to take the time until the other worker refuses, instead of that until the commit.
    """

    async def batch() -> float:
        tokens = [await sign_in(here, f"user-{number}") for number in range(_REVOKED)]
        took = 0
        for token in tokens:
            insist(await there.get(token))
            begin = perf_counter_ns()
            insist(await here.revoke(token))
            committed = perf_counter_ns()
            while there.lookup(token) is not None:  # noqa: ASYNC110 - when it is noticed is what is measured
                await asyncio.sleep(0)
            took += (perf_counter_ns() if told else committed) - begin
        return took / len(tokens)

    return batch
