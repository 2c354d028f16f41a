"""When the store cannot answer: nobody is signed in by it, nobody is signed out by it (S9)."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from starlette.responses import Response
from starlette.routing import Route

from coatcheck import Unavailable
from coatcheck.starlette import require_session
from tests.web.application import site

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from tests.web.application import Site
    from tests.web.browser import Answer, Browser

pytestmark = pytest.mark.anyio

LEASE_OVER = timedelta(seconds=3)
READS = ("read", "poll", "find")
WRITES = ("create", "save", "rotate", "revoke", "touch", "relocate")

REQUESTS = [
    ("GET", "/me"),
    ("GET", "/private"),
    ("GET", "/recent"),
    ("GET", "/devices"),
    ("POST", "/sign-in"),
    ("POST", "/sign-out"),
    ("POST", "/rotate"),
    ("POST", "/rotate?reauthenticated"),
    ("POST", "/save"),
    ("POST", "/visit"),
    ("POST", "/alone"),
]
NAMES = [" ".join(each) for each in REQUESTS]


def is_outage(answer: Answer) -> bool:
    """Tell whether this is the answer of an outage: 503, when to come again, and not a word about the cookie."""
    assert not answer.all("set-cookie")
    assert answer.header("clear-site-data") is None
    if answer.status != 503:
        return False
    assert int(answer.header("retry-after") or 0) >= 1
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("cache-control") == "no-store"
    return True


async def ask(browser: Browser, method: str, path: str) -> Answer:
    return await browser.request(method, path, json={"user": "alice"})


@pytest.mark.parametrize(("method", "path"), REQUESTS, ids=NAMES)
async def test_S9_an_outage_is_503_and_leaves_the_cookie_alone(tmp_path: Path, method: str, path: str) -> None:
    """On every verb, for a page as for a program; afterwards the same cookie works as before."""
    async with site(tmp_path, middleware={"clear_site_data": True}) as it:
        browser = await it.signed_in()
        it.clock.advance(LEASE_OVER)
        it.store.fail(*READS, *WRITES, "list_sessions")
        token = browser.token
        assert is_outage(await ask(browser, method, path))
        page = [("accept", "text/html"), ("sec-fetch-site", "same-origin")]
        assert is_outage(await browser.request(method, path, json={"user": "alice"}, headers=page))
        assert browser.token == token
        it.store.heal()
        assert await it.user_of(browser) == "alice"


@pytest.mark.parametrize(("method", "path"), REQUESTS, ids=NAMES)
async def test_S9_an_outage_signs_nobody_in(tmp_path: Path, method: str, path: str) -> None:
    """A stranger with a token that might be one gets the same 503, and never a page of somebody's."""
    async with site(tmp_path) as it:
        stranger = it.browser()
        stranger.token = "A" * 43
        it.store.fail(*READS, *WRITES, "list_sessions")
        assert is_outage(await ask(stranger, method, path))


async def test_S9_those_who_bring_no_token_are_told_the_truth(tmp_path: Path) -> None:
    """Without a token, or with one that cannot be ours, there is nothing to ask the store about."""
    async with site(tmp_path) as it:
        it.store.fail(*READS, *WRITES)
        assert (await it.browser().get("/me")).json()["reason"] == "no_token"
        assert (await it.browser().get("/private")).status == 401
        assert (await it.browser().get("/plain")).status == 200


def move(source: Path, name: str, target: Path, new_name: str) -> None:
    """Move a database with the files beside it."""
    for file in list(source.glob(f"{name}*")):
        file.rename(target / file.name.replace(name, new_name))


async def test_S9_a_file_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    """The database is moved away under a running application: cached or not, 503 until it is there again."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        assert await it.user_of(browser) == "alice"
        away = tmp_path / "away"
        away.mkdir()
        move(tmp_path, "app.db", away, "app.db")
        for method, path in REQUESTS:
            assert is_outage(await ask(browser, method, path)), path
        move(away, "app.db", tmp_path, "app.db")
        assert await it.user_of(browser) == "alice"
        assert (await browser.post("/rotate")).status == 200
        assert await it.user_of(browser) == "alice"


async def test_S9_a_file_that_is_no_database_any_more(tmp_path: Path) -> None:
    """Rubbish in the place of the database is an outage, not an empty list of sessions."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        move(tmp_path, "app.db", tmp_path, "away")
        it.path.write_bytes(b"no database at all " * 1000)
        for method, path in REQUESTS:
            assert is_outage(await ask(browser, method, path)), path
        it.path.unlink()
        move(tmp_path, "away", tmp_path, "app.db")
        assert await it.user_of(browser) == "alice"


async def test_S9_another_program_that_holds_the_write_lock(tmp_path: Path) -> None:
    """Writes fail after the busy timeout; whoever is signed in stays so, and nothing is half done."""
    async with site(tmp_path, busy_timeout=0.05) as it:
        browser, old = await it.signed_in(), await it.signed_in()
        with closing(sqlite3.connect(it.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await it.user_of(browser) == "alice"
            for method, path in REQUESTS:
                if method == "POST":
                    assert is_outage(await ask(browser, method, path)), path
            assert await it.user_of(browser) == "alice"
            other.execute("ROLLBACK")
        assert await it.user_of(old) == "alice"
        assert it.rows() == 2
        assert (await browser.post("/sign-out")).header("set-cookie")
        assert it.rows() == 1


async def test_S9_a_change_of_client_that_cannot_be_noted_costs_no_request(tmp_path: Path) -> None:
    """That a browser has a new name is a signal: the user is served though it cannot be written down."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        browser.user_agent = "Browser/2.0"
        it.store.fail("relocate")
        assert await it.user_of(browser) == "alice"
        it.store.heal()
        assert await it.user_of(browser) == "alice"
        assert [event.kind for event in it.events] == ["created", "client_changed"]


async def test_S9_touches_that_cannot_be_written_cost_no_request(tmp_path: Path) -> None:
    """They stay pending, and are written when the store is back."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        await it.user_of(browser)
        it.clock.advance(timedelta(minutes=10))
        it.store.fail("touch")
        assert await it.user_of(browser) == "alice"
        assert await it.sessions.flush() == 0
        assert await it.user_of(browser) == "alice"
        it.store.heal()
        assert await it.sessions.flush() == 1


async def test_S9_latency_makes_a_request_wait_and_nothing_else(tmp_path: Path) -> None:
    """While the store is silent a request waits; others, with what is cached, are served; then it is answered."""
    async with site(tmp_path) as it:
        cached, waiting = await it.signed_in("cached"), await it.signed_in("waiting")
        assert await it.user_of(cached) == "cached"
        gate = it.store.hold("read")
        slow = asyncio.create_task(waiting.get("/me"))
        await gate.reached()
        assert await it.user_of(cached) == "cached"
        assert not slow.done()
        gate.release()
        assert (await slow).json()["user"] == "waiting"


async def test_S9_a_client_that_gives_up_leaves_no_trace(tmp_path: Path) -> None:
    """A request cancelled while the store is silent neither signs out nor keeps the next one from its answer."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        for call, method, path in (
            ("read", "GET", "/me"),
            ("rotate", "POST", "/rotate"),
            ("revoke", "POST", "/sign-out"),
        ):
            gate = it.store.hold(call)
            request = asyncio.create_task(ask(it.browser(cookies=dict(browser.cookies)), method, path))
            await gate.reached()
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            gate.release()
            assert await it.user_of(browser) == "alice"


async def in_the_middle(request: Request) -> Response:
    """Look at the session, wait for the test, and write."""
    session = await require_session(request)
    site_: Site = request.app.state.site
    site_.store.fail("save", "poll", "read")
    await site_.sessions.save(session, {"late": True})
    return Response("saved")


async def test_S9_the_store_dies_in_the_middle_of_a_request(tmp_path: Path) -> None:
    """What was read is no reason to say that what could not be written was."""
    routes = [Route("/middle", in_the_middle, methods=["POST"])]
    async with site(tmp_path, routes=[*routes]) as it:
        it.app.state.site = it  # type: ignore[attr-defined]
        browser = await it.signed_in()
        assert is_outage(await browser.post("/middle"))
        it.store.heal()
        shown = (await browser.get("/me")).json()
        assert (shown["user"], shown["data"]) == ("alice", {})


@pytest.mark.parametrize(
    ("table", "path", "body"),
    [
        ("coatcheck_log", "/sign-out", None),
        ("coatcheck_log", "/rotate", None),
        ("coatcheck_log", "/sign-in", {"user": "bob"}),
        ("coatcheck_log", "/save", {"a": 1}),
        ("coatcheck_sessions", "/sign-in", {"user": "bob"}),
    ],
)
async def test_S9_a_write_that_breaks_off_has_not_happened(tmp_path: Path, table: str, path: str, body: object) -> None:
    """The second statement of a transaction fails: the first is undone, and the browser keeps what it has."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        before = it.sql("SELECT * FROM coatcheck_sessions")
        it.sql(f"CREATE TRIGGER disk_full BEFORE INSERT ON {table} BEGIN SELECT RAISE(FAIL, 'disk full'); END")
        token = browser.token
        sent = await asyncio.gather(browser.post(path, body), return_exceptions=True)
        if isinstance(sent[0], BaseException):
            assert "disk full" in str(sent[0])  # a server makes it a 500, which denies as well
        else:
            assert sent[0].status in {422, 503}
            assert not sent[0].all("set-cookie")
        assert browser.token == token
        it.sql("DROP TRIGGER disk_full")
        assert it.sql("SELECT * FROM coatcheck_sessions") == before
        assert await it.user_of(browser) == "alice"


async def test_S9_an_answer_that_gets_lost_is_an_outage_too(tmp_path: Path) -> None:
    """The store has signed out and nobody heard of it: 503, and trying again succeeds."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        it.store.lose_answers("revoke", times=1)
        assert is_outage(await browser.post("/sign-out"))
        answer = await browser.post("/sign-out")
        assert answer.status == 200
        assert browser.cookies == {}
        assert it.rows() == 0


async def test_S9_a_loader_of_users_that_fails_is_not_a_sign_out(tmp_path: Path) -> None:
    """An application's own loader may say that it cannot answer."""

    async def load(ids: object) -> dict[str, object]:
        raise Unavailable("the directory does not answer", retry_after=7)

    async with site(tmp_path) as it:
        browser = await it.signed_in()
    async with site(tmp_path, load_users=load) as it:
        browser.app = it.app
        answer = await browser.get("/me")
        assert is_outage(answer)
        assert answer.header("retry-after") == "7"


async def test_S9_a_websocket_is_not_told_that_nobody_is_signed_in(tmp_path: Path) -> None:
    """Its handshake is answered with 503 during an outage, and with 401 without a session."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        it.clock.advance(LEASE_OVER)
        it.store.fail(*READS)
        async with browser.websocket("/echo") as socket:
            assert is_outage(await socket.denied())
        it.store.heal()
        async with it.browser().websocket("/echo") as socket:
            assert (await socket.denied()).status == 401
