"""Requests at the same time: nothing resurrects a session, nothing is lost, no limit is passed (L8, L15, S7, S8)."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncSessions, Policy
from tests.web.application import site

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from coatcheck.core.policy import WhenFull
    from tests.web.application import Site
    from tests.web.browser import Answer, Browser

pytestmark = pytest.mark.anyio

INTERLEAVINGS = int(os.environ.get("COATCHECK_INTERLEAVINGS", "250"))
"""How many random orders are tried; the rule says 1,000, which is for a machine with nothing else to do."""


async def sign_out(it: Site, browser: Browser) -> None:
    await it.browser(cookies=dict(browser.cookies)).post("/sign-out")


async def revoke_user(it: Site, browser: Browser) -> None:
    await it.sessions.revoke_user("alice")


async def revoke_everyone(it: Site, browser: Browser) -> None:
    await it.sessions.revoke_everyone()


async def delete_by_hand(it: Site, browser: Browser) -> None:
    it.sql("DELETE FROM coatcheck_sessions")


async def expire(it: Site, browser: Browser) -> None:
    it.clock.advance(timedelta(days=31))
    await it.sessions.sweep()


ENDINGS = [sign_out, revoke_user, revoke_everyone, delete_by_hand, expire]


@pytest.mark.parametrize("end", ENDINGS)
async def test_L8_a_slow_save_brings_nothing_back(
    tmp_path: Path, end: Callable[[Site, Browser], Awaitable[None]]
) -> None:
    """A request that began before the session's end and saves after it leaves no row and no usable cookie."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        token = browser.token
        gate = it.store.hold("save")
        slow = asyncio.create_task(browser.post("/save", {"basket": [1]}))
        await gate.reached()
        await end(it, browser)
        gate.release()
        answer = await slow
        assert answer.json() == {"user": None, "reason": "unknown"}
        assert not answer.all("set-cookie")
        await it.sessions.flush()
        assert it.rows() == 0
        assert await it.user_of(browser, token) is None


@pytest.mark.parametrize("end", ENDINGS)
async def test_L8_a_slow_rotation_brings_nothing_back(
    tmp_path: Path, end: Callable[[Site, Browser], Awaitable[None]]
) -> None:
    """A rotation that comes too late issues no token."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        token = browser.token
        gate = it.store.hold("rotate")
        slow = asyncio.create_task(browser.post("/rotate"))
        await gate.reached()
        await end(it, browser)
        gate.release()
        answer = await slow
        assert answer.status == 401
        assert not answer.all("set-cookie")
        assert it.rows() == 0
        assert await it.user_of(browser, token) is None


@pytest.mark.parametrize("end", ENDINGS)
async def test_L8_a_pending_touch_brings_nothing_back(
    tmp_path: Path, end: Callable[[Site, Browser], Awaitable[None]]
) -> None:
    """A touch noted while the session lived is written after its end, and changes nothing."""
    async with site(tmp_path, policy=Policy(touch_every=timedelta(0))) as it:
        browser = await it.signed_in()
        for _ in range(3):
            assert await it.user_of(browser) == "alice"
            it.clock.advance(timedelta(seconds=1))
        gate = it.store.hold("touch")
        flushing = asyncio.create_task(it.sessions.flush())
        await gate.reached()
        await end(it, browser)
        gate.release()
        assert await flushing == 0
        assert it.rows() == 0
        assert await it.user_of(browser) is None


@pytest.mark.parametrize("end", ENDINGS)
async def test_L8_a_late_answer_of_the_store_fills_no_cache(
    tmp_path: Path, end: Callable[[Site, Browser], Awaitable[None]]
) -> None:
    """A read that was answered before the end, and heard of after it, serves its own request and no other."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        gate = it.store.hold_answers("read")
        slow = asyncio.create_task(browser.get("/me"))
        await gate.reached()
        await end(it, browser)
        gate.release()
        await slow
        assert await it.user_of(browser) is None


async def test_L8_a_slow_save_does_not_revive_a_rotated_token(tmp_path: Path) -> None:
    """What the slow request has saved is kept with the session; the token it came with stays dead."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        before = it.browser(cookies=dict(browser.cookies))
        gate = it.store.hold("save")
        slow = asyncio.create_task(before.post("/save", {"basket": [1]}))
        await gate.reached()
        await browser.post("/rotate")
        gate.release()
        assert not (await slow).all("set-cookie")
        assert (await browser.get("/me")).json()["data"] == {"basket": [1]}
        assert await it.user_of(before) is None


async def _patiently(steps: int, call: Awaitable[Any]) -> Any:
    for _ in range(steps):
        await asyncio.sleep(0)
    return await call


async def test_L8_no_random_interleaving_brings_a_session_back(tmp_path: Path) -> None:
    """Saves, rotations, reads and touches around a revocation, in random orders: afterwards there is no row."""
    lots = random.Random(20)  # noqa: S311 - which order is tried is no secret
    async with site(tmp_path, policy=Policy(touch_every=timedelta(0))) as it, site(tmp_path, clock=it.clock) as other:
        for _ in range(INTERLEAVINGS):
            browser = await it.signed_in()
            tabs = [worker.browser(cookies=dict(browser.cookies)) for worker in (it, other, it, other)]
            calls: list[Awaitable[Any]] = [
                tabs[0].post("/save", {"a": 1}),
                tabs[1].post("/save", {"b": 2}),
                tabs[2].post("/rotate"),
                tabs[3].get("/me"),
                it.sessions.flush(),
                lots.choice([it, other]).sessions.revoke_user("alice"),
            ]
            lots.shuffle(calls)
            await asyncio.gather(*(_patiently(lots.randrange(30), call) for call in calls))
            await it.sessions.flush()
            assert it.rows() == 0
            for token in {browser.token, *(tab.token for tab in tabs)} - {""}:
                assert await it.user_of(browser, token) is None
                assert await other.user_of(other.browser(), token) is None


async def test_S8_changes_of_different_keys_all_survive(tmp_path: Path) -> None:
    """Two workers, twenty requests at once, each with a key of its own: all twenty are there."""
    async with site(tmp_path) as it, site(tmp_path, clock=it.clock) as other:
        browser = await it.signed_in()
        tabs = [worker.browser(cookies=dict(browser.cookies)) for worker in (it, other) * 10]
        answers = await asyncio.gather(*(tab.post("/save", {f"k{n}": n}) for n, tab in enumerate(tabs)))
        assert {answer.status for answer in answers} == {200}
        expected = {f"k{n}": n for n in range(20)}
        assert (await browser.get("/me")).json()["data"] == expected
        assert (await other.browser(cookies=dict(browser.cookies)).get("/me")).json()["data"] == expected


async def test_S8_a_slow_request_overwrites_its_own_keys_only(tmp_path: Path) -> None:
    """What a request read long ago is not written back with what it changes."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        await browser.post("/save", {"theme": "light", "basket": [1]})
        gate = it.store.hold("save")
        slow = asyncio.create_task(it.browser(cookies=dict(browser.cookies)).post("/save", {"basket": [1, 2]}))
        await gate.reached()
        it.sql("""UPDATE coatcheck_sessions SET data = json_set(data, '$.theme', 'dark')""")
        gate.release()
        assert (await slow).json()["data"] == {"theme": "dark", "basket": [1, 2]}


async def sign_in_twenty_times(it: Site, other: Site) -> list[tuple[Browser, Answer]]:
    browsers = [worker.browser() for worker in (it, other) * 10]
    answers = await asyncio.gather(*(browser.post("/sign-in", {"user": "alice"}) for browser in browsers))
    return list(zip(browsers, answers, strict=True))


@pytest.mark.parametrize("when_full", ["evict_oldest", "refuse", "ask"])
async def test_L15_twenty_parallel_logins_never_leave_more_than_three(tmp_path: Path, when_full: WhenFull) -> None:
    """The limit is exact over two workers, and each policy says what it did."""
    policy = Policy(max_sessions=3, when_full=when_full)
    async with site(tmp_path, policy=policy) as it, site(tmp_path, clock=it.clock, policy=policy) as other:
        await it.signed_in("bob")
        results = await sign_in_twenty_times(it, other)
        alive = [browser for browser, _ in results if await it.user_of(browser) == "alice"]
        assert len(alive) == 3
        assert it.sql("SELECT count(*) FROM coatcheck_sessions WHERE user_id = 'alice'") == [(3,)]
        assert it.sql("SELECT count(*) FROM coatcheck_sessions WHERE user_id = 'bob'") == [(1,)]
        refused = [answer for _, answer in results if answer.status == 409]
        evicted = [event for event in it.events + other.events if event.kind == "evicted"]
        if when_full == "evict_oldest":
            assert (len(refused), len(evicted)) == (0, 17)
            return
        assert (len(refused), len(evicted)) == (17, 0)
        for answer in refused:
            assert not answer.all("set-cookie")
            problem = answer.json()
            assert (problem["status"], problem["limit"]) == (409, 3)
            asked = {session["id"] for session in problem["sessions"]}
            assert asked == (
                {session.id for session in await it.sessions.list("alice")} if when_full == "ask" else set()
            )


async def test_L15_the_new_session_survives_and_expired_ones_do_not_count(tmp_path: Path) -> None:
    """Whoever has just signed in is signed in; a row that has expired takes nobody's place."""
    async with site(tmp_path, policy=Policy(max_sessions=2)) as it:
        first = await it.signed_in()
        it.clock.advance(timedelta(seconds=1))
        second = await it.signed_in()
        it.clock.advance(timedelta(seconds=1))
        third = await it.signed_in()
        assert [await it.user_of(each) for each in (first, second, third)] == [None, "alice", "alice"]
        it.clock.advance(timedelta(days=31))
        fourth, fifth = await it.signed_in(), await it.signed_in()
        assert [await it.user_of(each) for each in (fourth, fifth)] == ["alice", "alice"]
        assert [event.kind for event in it.events].count("evicted") == 1


async def test_L15_signing_in_again_in_the_same_browser_takes_no_second_place(tmp_path: Path) -> None:
    """The session that the sign-in replaces makes room for the new one, whatever the policy."""
    async with site(tmp_path, policy=Policy(max_sessions=1, when_full="refuse")) as it:
        browser = await it.signed_in()
        assert (await browser.post("/sign-in", {"user": "alice"})).status == 200
        assert (await it.browser().post("/sign-in", {"user": "alice"})).status == 409
        assert await it.user_of(browser) == "alice"


async def test_S7_one_of_fifty_parallel_redemptions_over_http_succeeds(tmp_path: Path) -> None:
    """A token is exchanged for its successor once; the others are told to sign in."""
    async with site(tmp_path) as it, site(tmp_path, clock=it.clock) as other:
        browser = await it.signed_in()
        tabs = [worker.browser(cookies=dict(browser.cookies)) for worker in (it, other) * 25]
        answers = await asyncio.gather(*(tab.post("/rotate") for tab in tabs))
        assert sorted(answer.status for answer in answers) == [200] + [401] * 49
        assert it.rows() == 1
        assert sum([await it.user_of(tab) == "alice" for tab in tabs]) == 1


REDEEMING = """
import asyncio, sys
from coatcheck import AsyncSessions, Rotated

async def main() -> None:
    async with AsyncSessions(sys.argv[1]) as sessions:
        print("ready", flush=True)
        token = sys.stdin.readline().strip()
        results = await asyncio.gather(*(sessions.rotate(token) for _ in range(50)))
        print(sum(isinstance(result, Rotated) for result in results), flush=True)

asyncio.run(main())
"""


@pytest.mark.processes
async def test_S7_one_of_two_hundred_redemptions_over_four_processes_succeeds(tmp_path: Path) -> None:
    """Processes that start at the same moment cannot both exchange one token, as in CVE-2026-45720."""
    url = f"sqlite:///{tmp_path / 'app.db'}"
    async with AsyncSessions(url) as sessions:
        token = (await sessions.create("alice")).token.reveal()
    command = [sys.executable, "-c", REDEEMING, url]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
        for _ in range(4)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write(token + "\n")
            worker.stdin.flush()
        outputs = [worker.communicate(timeout=60)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert sum(int(output) for output in outputs) == 1
