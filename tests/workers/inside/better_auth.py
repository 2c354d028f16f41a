"""Better Auth's sessions in a Worker: from its tables in D1, and from itself by a service binding.

Better Auth itself runs on workerd's D1, in Node, and counts its queries there.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncProviderSessions, ConfigurationError, ProviderSettings
from coatcheck.bindings import object_of
from coatcheck.caches.kv import AsyncKVCache
from coatcheck.core.answers import NotSignedIn
from coatcheck.providers.better_auth import AsyncBetterAuth, AsyncBetterAuthD1, AsyncBetterAuthD1Triggers
from coatcheck.stores.d1 import AsyncD1Store
from coatcheck.testing.clock import ManualClock
from coatcheck.workers import D1, Fetch, Request, RequestContext, Response, SessionWorker, binding_of
from tests.workers.inside.databases import Counted, emptied, run
from tests.workers.inside.fetch import Browser, Env
from tests.workers.inside.kv_cache import KEYS, PATIENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.core.session import Session

AUTH = "https://auth.example"
COOKIE = "__Secure-better-auth.session_token"
SECRETS = ["nT2pX0u9aQe7Lr4sVb6yHc1kWd8mZf3g"]
BOTH = pytest.mark.parametrize("way", ["d1", "fetch"])


async def signed_up(env: Any, name: str = "ann") -> str:
    """Register somebody at Better Auth, and return the value of their cookie."""
    body = {"name": name, "email": f"{name}-{secrets.token_hex(4)}@example.org", "password": "a good password"}
    response = await at_better_auth(env, "sign-up/email", json.dumps(body))
    (line,) = response.headers.getSetCookie()
    return str(line).partition(";")[0].partition("=")[2]


async def at_better_auth(env: Any, path: str, body: str | None = None, cookie: str = "") -> Any:
    """Ask Better Auth as a page of its own would."""
    headers = {"content-type": "application/json", "origin": AUTH, "cookie": f"{COOKIE}={cookie}"}
    more = {} if body is None else {"method": "POST", "body": body}
    return await env.AUTH.fetch(f"{AUTH}/api/auth/{path}", object_of(headers=headers, **more))


@pytest.fixture
def clock() -> ManualClock:
    """Begin now: Better Auth's sessions end by a real clock."""
    return ManualClock(datetime.now(UTC))


@pytest.fixture
async def log(env: Any) -> Counted:
    """Where the log stands: a migrated database, whose calls are counted."""
    database = Counted(await emptied(env.DB))
    await AsyncD1Store(database).migrate()
    return database


class Isolate(AsyncProviderSessions):
    """An isolate of a Worker that tells what it has asked."""

    tables: Counted | None
    queries: Callable[[], str]

    @property
    def calls(self) -> list[str]:
        """What it has asked of KV since it was last looked at."""
        calls: list[str] = self.tiers.shared.cache.kv.calls  # type: ignore[union-attr]
        found = list(calls)
        calls.clear()
        return found

    def asked(self) -> int:
        """Return how many queries the authority's database has answered since then."""
        if self.tables is None:
            return len(json.loads(self.queries()))
        trips = list(self.tables.trips)
        self.tables.trips.clear()
        return sum(trips)


@pytest.fixture
def isolate(env: Any, log: Counted, clock: ManualClock, way: str) -> Callable[[], Isolate]:
    """Another isolate of one Worker: it remembers for ten seconds, and KV for five minutes."""
    prefix = f"{secrets.token_hex(8)}:"
    settings = ProviderSettings(
        memory_ttl=timedelta(seconds=10), revalidate_after=timedelta(minutes=5), lease=timedelta(seconds=30)
    )

    def start() -> Isolate:
        tables = Counted(env.AUTH_DB) if way == "d1" else None
        made = Isolate(
            AsyncBetterAuth(AUTH, client=Fetch(env.AUTH), secrets=SECRETS)
            if tables is None
            else AsyncBetterAuthD1(tables, secrets=SECRETS),
            AsyncD1Store(log, clock=clock),
            settings=settings,
            shared_cache=AsyncKVCache(env.SESSIONS, prefix=prefix, clock=clock),
            shared_cache_settings=PATIENT,
            keys=KEYS,
            clock=clock,
        )
        made.tables, made.queries = tables, env.authQueries
        return made

    return start


async def started(isolate: Isolate) -> None:
    """Have it look at its tables and the log, and count anew."""
    await isolate.tiers.log.prove()
    assert isolate.calls == ["get"]
    isolate.asked()


@BOTH
async def test_A3_a_miss_asks_the_authority_and_a_hit_in_either_tier_nobody(
    env: Any, isolate: Callable[[], Isolate], way: str, log: Counted
) -> None:
    """One query of ours, or Better Auth's own two; then memory answers, and in other isolates KV."""
    cookie = await signed_up(env)
    async with isolate() as one, isolate() as other:
        await started(one)
        await started(other)
        log.trips.clear()
        session = await one.get(cookie)
        assert session
        assert session.user
        assert (session.user.name, session.user.email_verified) == ("ann", False)
        assert one.asked() == {"d1": 1, "fetch": 2}[way]
        await one.finish()
        assert one.calls == ["get", "put"]
        assert await one.get(cookie)
        assert (one.asked(), one.calls) == (0, [])  # in memory
        assert await other.get(cookie)
        assert (other.asked(), other.calls) == (0, ["get"])  # in KV
        assert await other.get(cookie)
        assert (other.asked(), other.calls) == (0, [])
        assert await other.get(f"{cookie[:-4]}AA%3D") is NotSignedIn.MALFORMED  # signed by nobody
        assert (other.asked(), other.calls, log.trips) == (0, [], [])


@BOTH
async def test_each_tier_has_a_time_of_its_own(
    env: Any, isolate: Callable[[], Isolate], way: str, clock: ManualClock
) -> None:
    """After ten seconds KV is looked at again, after five minutes the authority, however much it was used."""
    cookie = await signed_up(env)
    async with isolate() as one:
        await started(one)
        assert await one.get(cookie)
        await one.finish()
        one.asked()
        assert one.calls == ["get", "put"]
        for _ in range(2):
            clock.advance(timedelta(seconds=11))
            assert await one.get(cookie)
            assert (one.asked(), one.calls) == (0, ["get"])
        clock.advance(timedelta(minutes=5))
        assert await one.get(cookie)
        assert one.asked() == {"d1": 1, "fetch": 2}[way]


@BOTH
async def test_L7_a_sign_out_is_seen_by_both_tiers(
    env: Any, isolate: Callable[[], Isolate], clock: ManualClock
) -> None:
    """By what others remember, and by what KV has: the old copy is still there, and the log has outdated it."""
    cookie = await signed_up(env)
    async with isolate() as one, isolate() as other, isolate() as new:
        for each in (one, other, new):
            await started(each)
        assert await one.get(cookie)
        await one.finish()
        assert await other.get(cookie)
        lines = await one.sign_out(cookie)
        assert any(line.startswith(f"{COOKIE}=;".encode()) for line in lines)
        assert await (await at_better_auth(env, "get-session", cookie=cookie)).text() == "null"
        assert not await one.get(cookie)
        clock.advance(timedelta(seconds=31))  # the lease
        for each in (other, new):
            each.asked()
            assert await each.get(cookie) is NotSignedIn.UNKNOWN
            assert each.asked() == 0  # the log says so


@pytest.mark.parametrize("way", ["d1"])  # the other is the same code
async def test_I5_requests_at_once_are_one_question(env: Any, isolate: Callable[[], Isolate], way: str) -> None:
    """However many wait for it."""
    cookie = await signed_up(env)
    async with isolate() as one:
        await started(one)
        assert all(await asyncio.gather(*(one.get(cookie) for _ in range(20))))
        assert one.asked() == {"d1": 1}[way]


async def test_L7_what_Better_Auth_itself_ends_is_refused_with_the_triggers(
    env: Any, log: Counted, clock: ManualClock
) -> None:
    """Its log is in the same database then. A session that is extended goes on; and all of it can be taken away."""
    store = AsyncD1Store(env.AUTH_DB, clock=clock)
    ann, bob = [await signed_up(env, name) for name in ("ann", "bob")]
    triggers = AsyncBetterAuthD1Triggers(env.AUTH_DB)
    with pytest.raises(ConfigurationError, match="coatcheck's tables are not in it"):
        await triggers.install()
    with pytest.raises(ConfigurationError, match="there is no such table"):
        await AsyncBetterAuthD1Triggers(log).problems()
    await store.migrate()
    assert len(await triggers.problems()) == 8
    assert await triggers.install()
    assert not await triggers.install()
    assert await triggers.problems() == []
    settings = ProviderSettings(revalidate_after=timedelta(hours=1))
    tables = Counted(env.AUTH_DB)
    provider = AsyncBetterAuthD1(tables, secrets=SECRETS)
    async with AsyncProviderSessions(provider, store, settings=settings, clock=clock) as sessions:
        assert await sessions.get(ann)
        assert await sessions.get(bob)
        tables.trips.clear()
        await run(env.AUTH_DB, "UPDATE session SET expiresAt = '2099-01-01T00:00:00.000Z'")
        clock.advance(timedelta(seconds=3))  # the lease
        assert await sessions.get(ann)
        assert tables.trips == []
        await at_better_auth(env, "sign-out", "{}", ann)
        clock.advance(timedelta(seconds=3))  # the lease
        assert not await sessions.get(ann)
        assert tables.trips == [1]
        assert await sessions.get(bob)
    assert await triggers.remove()
    assert not await triggers.remove()


# --- in a Worker


async def answer(request: Request, session: RequestContext) -> Response:
    """Answer everything that the tests want."""
    if request.path == "/out":
        await session.sign_out()
        return Response(status=204)
    user: Session = await session.require()
    return Response.json({"user": user.user.email if user.user else None})


def made(env: Any) -> AsyncProviderSessions:
    """Make the sessions of a Worker."""
    return AsyncProviderSessions(
        AsyncBetterAuthD1(binding_of(env, "AUTH_DB", D1), secrets=SECRETS),
        AsyncD1Store(binding_of(env, "DB", D1)),
        settings=ProviderSettings(lease=timedelta(minutes=1)),
        shared_cache=AsyncKVCache(env.SESSIONS, prefix=env.prefix),
        shared_cache_settings=PATIENT,
        keys=KEYS,
    )


async def test_a_Worker_takes_the_sessions_of_Better_Auth(env: Any, log: Counted) -> None:
    """The copy for KV is written when the answer is out; the next isolate finds it; a sign-out takes the cookies."""
    cookie = await signed_up(env)
    tables = Counted(env.AUTH_DB)
    prefix = f"{secrets.token_hex(8)}:"
    bound = Env(DB=log, AUTH_DB=tables, SESSIONS=env.SESSIONS, prefix=prefix)
    browser, other = (Browser(SessionWorker(made, answer), bound) for _ in range(2))
    browser.cookie = other.cookie = f"{COOKIE}={cookie}"
    log.trips.clear()
    response = await browser.send("GET", "/")
    assert response.status == 200
    assert json.loads(await response.text())["user"].startswith("ann-")
    await browser.context.over()
    assert (log.trips, tables.trips) == ([1, 1, 1], [1, 1])  # two looks at tables, the log; a look, and the session
    assert len(await AsyncKVCache(env.SESSIONS, prefix=prefix).kv.keys("")) == 1
    assert (await other.send("GET", "/")).status == 200
    await other.context.over()
    assert (log.trips[3:], tables.trips[2:]) == ([1, 1, 1], [1])  # none for the session: it was in KV
    for each in (browser, other):
        assert (await each.send("GET", "/")).status == 200
    assert (len(log.trips), len(tables.trips)) == (6, 3)  # in memory
    assert (await browser.send("POST", "/out")).status == 204
    assert browser.cookie is not None
    assert browser.cookie.endswith("=")
    browser.cookie = f"{COOKIE}={cookie}"
    assert (await browser.send("GET", "/")).status == 401
    assert await browser.worker.scheduled(bound) == 0
