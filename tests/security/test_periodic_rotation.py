"""Periodic rotation, over HTTP: parallel requests, lost responses, slow ones, and a stolen token (L1, L5, L16, L17)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncSessions, CacheSettings, Policy
from coatcheck.stores.postgresql import AsyncPostgreSQLStore
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.stores.valkey import AsyncValkeyStore
from coatcheck.testing import ManualClock
from tests.web.application import KEY, OLD_KEY, application, site
from tests.web.browser import COOKIE, Browser, started

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from coatcheck import Event
    from coatcheck.stores.async_protocol import AsyncStore
    from tests.web.application import Site
    from tests.web.browser import Answer

pytestmark = pytest.mark.anyio

SECOND, MINUTE, HOUR = (timedelta(seconds=seconds) for seconds in (1, 60, 3600))
GRACE = 30 * SECOND
LEASE = 2 * SECOND
POLICY = Policy(rotate_after=HOUR, rotation_grace=GRACE)
AT_ONCE = 50


def told(events: list[Event]) -> list[tuple[str, str]]:
    """Return what the events say."""
    return [(event.kind, event.detail) for event in events]


def given(answers: list[Answer]) -> set[str]:
    """Return the tokens that answers have brought."""
    cookies = [line for answer in answers for line in answer.all("set-cookie")]
    return {line.partition(";")[0].partition("=")[2] for line in cookies}


# --- on each store


@pytest.fixture(params=["sqlite", "postgresql", "valkey"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[ManualClock], AsyncStore]:
    """Return what makes a store for one worker; all lead to the same sessions."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
        return lambda clock: AsyncPostgreSQLStore(url, clock=clock)
    if request.param == "valkey":
        url = request.getfixturevalue("valkey_url")
        return lambda clock: AsyncValkeyStore(url, clock=clock)
    return lambda clock: AsyncSQLiteStore(str(tmp_path / "app.db"), clock=clock)


@asynccontextmanager
async def workers(
    make_store: Callable[[ManualClock], AsyncStore], clock: ManualClock, events: list[Event]
) -> AsyncGenerator[list[Any]]:
    """Run three workers on one store, the last without a memory: each of its requests asks the store."""
    caches = [CacheSettings(), CacheSettings(), CacheSettings(max_entries=0)]
    apps = [
        application(AsyncSessions(make_store(clock), policy=POLICY, cache=cache, on_event=events.append, clock=clock))
        for cache in caches
    ]
    async with started(apps[0]), started(apps[1]), started(apps[2]):
        yield apps


async def users_of(apps: list[Any], token: str) -> set[str | None]:
    """Return whom the workers take somebody for who presents a token."""
    browsers = [Browser(app, cookies={COOKIE: token}) for app in apps]
    return {(await browser.get("/me")).json()["user"] for browser in browsers}


async def test_L16_L17_fifty_requests_at_the_instant_of_rotation_get_one_token_and_a_replay_ends_all(
    make_store: Callable[[ManualClock], AsyncStore],
) -> None:
    """Over three workers, nobody is signed out; later a thief presents the old token, and the whole family ends.

    CVE-2026-56750: there the thief's session lived on.
    """
    clock, events = ManualClock(), list[Any]()
    async with workers(make_store, clock, events) as apps:
        victim = Browser(apps[0])
        await victim.post("/sign-in", {"user": "alice"})
        old = victim.token or ""
        assert await users_of(apps, old) == {"alice"}  # in the memory of two
        clock.advance(HOUR)
        tabs = [Browser(app, cookies={COOKIE: old}) for app in (apps[:2] + apps[2:] * 8) * (AT_ONCE // 10)]
        answers = await asyncio.gather(*(tab.get("/me") for tab in tabs))
        assert [(answer.status, answer.json()["user"]) for answer in answers] == [(200, "alice")] * AT_ONCE
        (new,) = given(answers)
        assert new != old
        assert told(events) == [("created", ""), ("rotated", "periodic")]

        clock.advance(GRACE - SECOND)
        assert await users_of(apps, old) == {"alice"}
        clock.advance(LEASE)
        assert await users_of(apps, new) == {"alice"}  # likewise
        assert await users_of([apps[1]], old) == {None}
        assert told(events)[2:] == [("reused", "ended")]
        assert await users_of(apps[1:], new) == {None}
        clock.advance(LEASE)
        assert await users_of(apps, old) == {None}
        assert await users_of(apps, new) == {None}
        assert len(events) == 3


# --- what a browser sees


def about(site: Site) -> list[tuple[str, str]]:
    """Return what the site's events say after the sign-in."""
    assert told(site.events)[0] == ("created", "")
    return told(site.events)[1:]


async def test_L16_a_response_brings_the_next_token_when_it_is_due(tmp_path: Path) -> None:
    """Not a moment earlier, and then once; it is stored by no cache and says that it depends on the cookie (C6, H2)."""
    async with site(tmp_path, policy=POLICY) as it:
        browser = await it.signed_in()
        old = browser.token
        it.clock.advance(HOUR - SECOND)
        assert not (await browser.get("/me")).all("set-cookie")
        it.clock.advance(SECOND)
        answer = await browser.get("/me")
        assert len(answer.all("set-cookie")) == 1
        assert answer.header("cache-control") == "no-store"
        assert "Cookie" in (answer.header("vary") or "")
        assert browser.token != old
        it.clock.advance(HOUR - SECOND)
        assert not (await browser.get("/me")).all("set-cookie")
        it.clock.advance(SECOND)
        assert (await browser.get("/me")).all("set-cookie")
        assert about(it) == [("rotated", "periodic")] * 2


async def test_L16_hits_cost_no_more_and_a_due_token_one_reading(tmp_path: Path) -> None:
    """Whose token is due is learned where the session is read anyway."""
    cache = CacheSettings(ttl=2 * MINUTE)
    async with site(tmp_path, policy=POLICY, cache=cache) as it:
        browser = await it.signed_in()
        await browser.get("/me")
        it.store.calls.clear()
        for _ in range(5):
            await browser.get("/me")
        assert it.store.count("read", "renew") == 0
        it.clock.advance(HOUR)
        await browser.get("/me")
        assert it.store.count("read", "renew") == 2
        for _ in range(5):
            await browser.get("/me")
        assert it.store.count("read", "renew") == 3  # the new one had to be read once


async def test_L5_A4_rotation_moves_nothing_but_the_token(tmp_path: Path) -> None:
    """Neither timer, nor when the user proved who they are, nor the data."""
    async with site(tmp_path, policy=POLICY) as it:
        browser = await it.signed_in()
        await browser.post("/save", {"basket": [1]})
        before = (await browser.get("/me")).json()
        it.clock.advance(HOUR)
        await it.sessions.flush()
        await browser.get("/me")
        after = (await browser.get("/me")).json()
        assert about(it) == [("rotated", "periodic")]
        for name in ("id", "created_at", "authenticated_at", "expires_at", "data", "idle_expires_at"):
            assert after[name] == before[name], name


async def test_L16_a_lost_response_is_made_good_in_the_grace(tmp_path: Path) -> None:
    """The browser asks again, and gets the same token from any worker; after the grace it is too late."""
    async with site(tmp_path, policy=POLICY) as it, site(tmp_path, policy=POLICY, clock=it.clock) as elsewhere:
        browser = await it.signed_in()
        held = dict(browser.cookies)
        it.clock.advance(HOUR)
        first = await browser.get("/me")
        it.clock.advance(GRACE - SECOND)
        again = [await worker.browser(cookies=dict(held)).get("/me") for worker in (it, elsewhere, it)]
        assert [len(given([first, answer])) for answer in again] == [1] * 3
        assert all(answer.all("set-cookie") for answer in again)
        assert [answer.json()["user"] for answer in again] == ["alice"] * 3
        assert about(it) == [("rotated", "periodic")]
        it.clock.advance(SECOND)
        assert await it.user_of(it.browser(), held[COOKIE]) is None
        assert about(it)[1:] == [("reused", "ended")]
        assert await elsewhere.user_of(browser) is None
        assert it.rows() == 0


async def test_L16_a_worker_that_does_not_rotate_honours_the_grace(tmp_path: Path) -> None:
    """As while a new setting is rolled out: nobody is signed out, and nobody is told anything that is not so."""
    async with site(tmp_path, policy=POLICY) as it, site(tmp_path, clock=it.clock) as elsewhere:
        browser = await it.signed_in()
        held = dict(browser.cookies)
        it.clock.advance(HOUR)
        await browser.get("/me")
        answer = await elsewhere.browser(cookies=dict(held)).get("/me")
        assert (answer.json()["user"], answer.all("set-cookie")) == ("alice", [])
        assert elsewhere.store.count("renew") == 0
        it.clock.advance(GRACE)
        assert await elsewhere.user_of(elsewhere.browser(), held[COOKIE]) is None
        assert elsewhere.events == []
        assert await elsewhere.user_of(browser) == "alice"


async def test_L17_by_policy_a_replay_is_only_told(tmp_path: Path) -> None:
    """Once for each retired token; whoever has it is not signed in, and the session lives on."""
    policy = Policy(rotate_after=HOUR, on_reuse="event")
    async with site(tmp_path, policy=policy) as it:
        browser = await it.signed_in()
        old = browser.token
        it.clock.advance(HOUR)
        await browser.get("/me")
        it.clock.advance(GRACE)
        for _ in range(3):
            assert await it.user_of(it.browser(), old) is None
        assert about(it) == [("rotated", "periodic"), ("reused", "")]
        assert await it.user_of(browser) == "alice"


async def test_L17_older_generations_are_noticed_too(tmp_path: Path) -> None:
    """A token that was retired long ago, and more than once over."""
    async with site(tmp_path, policy=POLICY) as it:
        browser = await it.signed_in()
        stolen = browser.token
        for _ in range(3):
            it.clock.advance(HOUR)
            await browser.get("/me")
        assert await it.user_of(it.browser(), stolen) is None
        assert about(it)[3:] == [("reused", "ended")]
        assert await it.user_of(browser) is None


@pytest.mark.parametrize("late", [GRACE / 2, 2 * GRACE], ids=["in the grace", "after it"])
async def test_L8_L16_a_slow_request_ends_nothing_and_brings_no_retired_token_back(
    tmp_path: Path, late: timedelta
) -> None:
    """It was made with the old token in time; what its response brings is the session's token then, or nothing."""
    async with site(tmp_path, policy=POLICY) as it, site(tmp_path, policy=POLICY, clock=it.clock) as elsewhere:
        browser = await it.signed_in()
        it.clock.advance(HOUR)
        gate = it.store.hold("renew")
        slow = asyncio.create_task(it.browser(cookies=dict(browser.cookies)).get("/me"))
        await gate.reached()
        answer = await elsewhere.browser(cookies=dict(browser.cookies)).get("/me")
        (browser.token,) = given([answer])
        it.clock.advance(late)
        gate.release()
        answer = await slow
        assert answer.json()["user"] == "alice"
        assert given([answer]) == ({browser.token} if late < GRACE else set())
        assert [*about(it), *told(elsewhere.events)] == [("rotated", "periodic")]
        assert await it.user_of(browser) == "alice"


@pytest.mark.parametrize("path", ["/sign-in", "/rotate", "/rotate?reauthenticated", "/alone"])
async def test_L1_C6_in_a_request_with_a_due_token_the_verbs_give_the_token(tmp_path: Path, path: str) -> None:
    """One cookie, and the old token is dead at once: a grace is for periodic rotation alone."""
    async with site(tmp_path, policy=POLICY) as it:
        browser = await it.signed_in()
        old = browser.token
        it.clock.advance(HOUR)
        answer = await browser.post(path, {"user": "alice"})
        assert len(answer.all("set-cookie")) == 1
        assert ("rotated", "periodic") not in about(it)
        assert await it.user_of(browser) == "alice"
        assert await it.user_of(it.browser(), old) is None


@pytest.mark.parametrize("path", ["/sign-in", "/rotate", "/rotate?reauthenticated", "/sign-out"])
async def test_L1_L7_in_the_grace_the_verbs_act_on_the_session(tmp_path: Path, path: str) -> None:
    """Whichever of both tokens a parallel request still brings; afterwards both are dead."""
    async with site(tmp_path, policy=POLICY) as it:
        browser = await it.signed_in()
        late = it.browser(cookies=dict(browser.cookies))
        tokens = [browser.token]
        it.clock.advance(HOUR)
        await browser.get("/me")
        tokens.append(browser.token)
        assert (await late.post(path, {"user": "alice"})).status == 200
        for token in tokens:
            assert await it.user_of(it.browser(), token) is None
        assert it.rows() == (path != "/sign-out")
        it.clock.advance(GRACE)
        assert await it.user_of(late) == (None if path == "/sign-out" else "alice")


async def test_L16_a_failing_store_signs_nobody_out(tmp_path: Path) -> None:
    """The response comes without a new token, and the old one is good still; a later reading makes up for it."""
    async with site(tmp_path, policy=POLICY, cache=CacheSettings(ttl=MINUTE)) as it:
        browser = await it.signed_in()
        old = browser.token
        it.clock.advance(HOUR)
        it.store.fail("renew")
        answer = await browser.get("/me")
        assert (answer.json()["user"], answer.all("set-cookie")) == ("alice", [])
        it.store.heal()
        it.store.lose_answers("renew", times=1)
        it.clock.advance(MINUTE)
        assert not (await browser.get("/me")).all("set-cookie")
        assert browser.token == old
        assert (await browser.get("/me")).all("set-cookie")
        assert browser.token != old
        assert await it.user_of(browser) == "alice"


async def test_L16_what_fails_in_the_application_does_not_rotate(tmp_path: Path) -> None:
    """A response that never comes could bring no token."""
    async with site(tmp_path, policy=POLICY) as it:
        browser = await it.signed_in()
        it.clock.advance(HOUR)
        with pytest.raises(RuntimeError):
            await browser.get("/broken")
        assert about(it) == []


async def test_L16_bearer_tokens_are_not_rotated(tmp_path: Path) -> None:
    """No response could bring a client another one; and its session is served from memory as ever."""
    async with site(tmp_path, policy=POLICY, middleware={"bearer": True}) as it:
        created = await it.sessions.create("alice")
        headers = [("authorization", f"Bearer {created.token.reveal()}")]
        await it.browser().request("GET", "/me", headers=headers)  # notes address and browser
        it.clock.advance(HOUR)
        it.store.calls.clear()
        for _ in range(5):
            answer = await it.browser().request("GET", "/me", headers=headers)
            assert (answer.json()["user"], answer.all("set-cookie")) == ("alice", [])
        assert it.store.count("read", "renew") == 1
        assert "rotated" not in dict(told(it.events))


async def test_S3_a_token_under_an_older_key_is_rotated_instead_of_signed_again(tmp_path: Path) -> None:
    """Signed again, it could come back after it was retired."""
    async with site(tmp_path, policy=POLICY, keys=[OLD_KEY]) as it:
        browser = await it.signed_in()
        clock = it.clock
    async with site(tmp_path, policy=POLICY, keys=[KEY, OLD_KEY], clock=clock) as it:
        moved = it.browser(cookies=dict(browser.cookies))
        assert (await moved.get("/me")).all("set-cookie")
        assert told(it.events) == [("rotated", "periodic")]
        assert await it.user_of(moved) == "alice"
        assert not (await moved.get("/me")).all("set-cookie")


async def test_X8_a_websocket_lives_on_and_its_handshake_brings_the_next_token(tmp_path: Path) -> None:
    """It belongs to the session, whatever its token is by now."""
    async with site(tmp_path, policy=POLICY) as it:
        browser = await it.signed_in()
        it.clock.advance(HOUR)
        async with browser.websocket("/echo") as socket:
            handshake = await socket.accepted()
            assert [name for name, _ in handshake["headers"]].count(b"set-cookie") == 1
            it.clock.advance(HOUR)
            await socket.say("still there")
            assert await socket.heard() == "still there"
        assert about(it) == [("rotated", "periodic")]


async def test_T5_T9_what_the_store_keeps_of_a_successor_is_of_no_use(tmp_path: Path) -> None:
    """A dump names no token, and what is in it opens nothing."""
    async with site(tmp_path, policy=POLICY) as it:
        browser = await it.signed_in()
        tokens = [browser.token or ""]
        it.clock.advance(HOUR)
        await browser.get("/me")
        tokens.append(browser.token or "")
        dump = "\n".join(repr(row) for row in it.sql("SELECT * FROM coatcheck_retired"))
        assert dump
        for token in tokens:
            assert token not in dump
        found = it.sql("SELECT token_hash, successor, seal FROM coatcheck_retired")[0]
        for secret in found:
            assert await it.user_of(it.browser(), secret.hex()) is None
