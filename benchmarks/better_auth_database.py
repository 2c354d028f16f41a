"""What a session of Better Auth's costs from its tables, and how soon its own sign-outs are refused.

Run with `python -m benchmarks.better_auth_database`; needs Node and the packages of package.json.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from datetime import timedelta
from time import perf_counter, sleep
from typing import TYPE_CHECKING

import httpx2

from coatcheck import ProviderSessions, ProviderSettings
from coatcheck.providers.better_auth import BetterAuthDatabase, BetterAuthTriggers
from tests.servers.better_auth import SECRET, BetterAuth
from tests.servers.postgresql import PostgreSQL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.better_auth import Visitor

_HITS = 100_000
_READS = 2_000
_QUESTIONS = 300
_ENDS = 100


def main() -> None:
    """Measure on both databases, one after the other."""
    with ExitStack() as stack:
        postgresql = stack.enter_context(PostgreSQL())
        url = postgresql.url(postgresql.create_database())
        _database("PostgreSQL", url, stack.enter_context(BetterAuth(url)))
        server = stack.enter_context(BetterAuth())
        _database("SQLite", f"sqlite:///{server.database}", server)


def _database(name: str, url: str, server: BetterAuth) -> None:
    provider = BetterAuthDatabase(url, secrets=[SECRET])
    settings = ProviderSettings(revalidate_after=timedelta(hours=1), refused_for=timedelta(0))
    with ProviderSessions(provider, url, settings=settings) as sessions, server.visitor() as visitor:
        with BetterAuthTriggers(url) as triggers:
            triggers.install()
        visitor.sign_up("ann@example.com")
        token = visitor.presented.encode()
        sessions.get(token)
        hit = _each(lambda: sessions.lookup(token) or sessions.get(token), _HITS)
        read = _each(lambda: provider.identify(token), _READS)
        with httpx2.Client(trust_env=False, headers={"cookie": visitor.header}) as client:
            asked = _each(lambda: client.get(f"{server.url}/api/auth/get-session"), _QUESTIONS)
        print(f"{name}: hit {hit:.2f} µs, read from the tables {read:.0f} µs, get-session over HTTP {asked:.0f} µs")
        delays = sorted(_delay(sessions, visitor) for _ in range(_ENDS))
        middle, late, last = statistics.median(delays), delays[int(_ENDS * 0.99) - 1], delays[-1]
        print(f"{name}: refused after Better Auth's answer: p50 {middle:.2f} ms, p99 {late:.2f} ms, max {last:.2f} ms")


def _each(call: Callable[[], object], times: int) -> float:
    """Return the microseconds of one call, in the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        began = perf_counter()
        for _ in range(times // 5):
            call()
        best = min(best, (perf_counter() - began) / (times // 5))
    return best * 1e6


def _delay(sessions: ProviderSessions, visitor: Visitor) -> float:
    """Return the milliseconds from Better Auth's answer to a sign-out to the first refusal here."""
    visitor.sign_in("ann@example.com")
    token = visitor.presented.encode()
    while not sessions.get(token):
        pass
    visitor.sign_out()
    began = perf_counter()
    while sessions.get(token):
        sleep(0.0002)  # as between requests: who never waits keeps the thread that hears of it from running
    return (perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
