"""Litestar at home: the plugin, guards, dependencies, `request.session`, sockets, OpenAPI."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from litestar import Litestar, Request, WebSocket, get, post, route, websocket

from coatcheck import AsyncSessions, Policy, Session
from coatcheck.litestar import (
    CoatcheckPlugin,
    CurrentSession,
    OptionalSession,
    current_session,
    requires_recent_auth,
    requires_session,
    revoke_others,
    rotate,
    sign_in,
    sign_out,
)
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.testing import AsyncFaultyStore, ManualClock
from tests.web.browser import Browser, started

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from coatcheck.asgi.types import App

pytestmark = pytest.mark.anyio

AnyRequest = Request[Any, Any, Any]


class Site:
    """The application, and what a test does to it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = ManualClock()
        self.store = AsyncFaultyStore(AsyncSQLiteStore(str(folder / "app.db"), clock=self.clock))
        self.sessions = AsyncSessions(self.store, policy=Policy(carry_over=("basket",)), clock=self.clock)
        self.do: Callable[[Any], Any] = dict
        self.gate = asyncio.Event()
        self.arrived = asyncio.Event()
        plugin = CoatcheckPlugin(
            self.sessions, **{"user_key": "user_id", "stream_check_every": timedelta(milliseconds=10), **settings}
        )
        self.litestar = Litestar([*_routes(self)], plugins=[plugin])

    def browser(self) -> Browser:
        return Browser(cast("App", self.litestar))

    async def asks(self, browser: Browser, do: Callable[[Any], Any]) -> Any:
        self.do = do
        return (await browser.get("/")).json()


def _routes(site: Site) -> tuple[Any, ...]:
    return (*_mappings(site), *_readers(), *_changers(), _socket)


def _mappings(site: Site) -> tuple[Any, ...]:
    @get("/")
    async def does(request: AnyRequest) -> Any:
        answer = site.do(request.session)
        return {"answer": answer if isinstance(answer, (dict, bool, int, str, list)) else None}

    @get("/replaced")
    async def replaced(request: AnyRequest) -> dict[str, Any]:
        request.set_session({"only": 1})
        return {}

    @get("/cleared")
    async def cleared(request: AnyRequest) -> dict[str, Any]:
        request.clear_session()
        return {}

    @post("/slow")
    async def slow(request: AnyRequest) -> Any:
        change = await request.json()
        dict(request.session)
        site.arrived.set()
        await site.gate.wait()
        request.session.update(change)
        return {}

    return does, replaced, cleared, slow


def _readers() -> tuple[Any, ...]:
    @get("/public", exclude_from_auth=True)
    async def public() -> str:
        return "public"

    @get("/who")
    async def who(request: AnyRequest) -> Any:
        session = await current_session(request)
        return {"user": session.user_id if session else None}

    @get("/injected")
    async def injected(session: CurrentSession) -> Any:
        return {"user": session.user_id}

    @get("/perhaps")
    async def perhaps(optional_session: OptionalSession) -> Any:
        return {"user": optional_session and optional_session.user_id}

    @get("/guarded", guards=[requires_session])
    async def guarded() -> str:
        return "guarded"

    @route(
        "/fresh",
        http_method=["GET", "POST"],
        status_code=200,
        guards=[requires_recent_auth(timedelta(minutes=5), grace=timedelta(minutes=10))],
    )
    async def fresh() -> str:
        return "fresh"

    return public, who, injected, perhaps, guarded, fresh


def _changers() -> tuple[Any, ...]:
    @post("/in", exclude_from_auth=True)
    async def enter(request: AnyRequest) -> Any:
        await sign_in(request, "ada", data={"role": "new"})
        request.session["later"] = 1
        return {}

    @post("/out")
    async def leave(request: AnyRequest) -> Any:
        await sign_out(request)
        return {}

    @post("/rotate")
    async def turn(request: AnyRequest) -> Any:
        await rotate(request, reauthenticated=True)
        return {}

    @post("/others")
    async def others(request: AnyRequest) -> Any:
        return {"ended": await revoke_others(request)}

    return enter, leave, turn, others


@websocket("/socket")
async def _socket(socket: WebSocket[Any, Any, Any], session: CurrentSession) -> None:
    await socket.accept()
    await socket.send_text(session.user_id or "")
    await socket.receive_text()


@asynccontextmanager
async def _site(folder: Path, **settings: Any) -> AsyncGenerator[Site]:
    site = Site(folder, **settings)
    async with started(cast("App", site.litestar)):
        yield site


def _sets(**values: Any) -> Callable[[Any], None]:
    return lambda session: session.update(values)


async def test_L1_L7_signing_in_and_out(tmp_path: Path) -> None:
    async with _site(tmp_path) as site:
        browser = site.browser()
        assert (await browser.get("/who")).json() == {"user": None}
        assert (await browser.get("/perhaps")).json() == {"user": None}
        await browser.post("/in")
        first = browser.token
        assert (await browser.get("/injected")).json() == {"user": "ada"}
        await browser.post("/in")
        assert browser.token != first
        assert not await site.sessions.get(first)
        token = browser.token
        await browser.post("/out")
        assert not browser.token
        assert not await site.sessions.get(token)


@pytest.mark.parametrize("path", ["/injected", "/guarded", "/fresh"])
async def test_C6_nobody_gets_in_without_a_session(tmp_path: Path, path: str) -> None:
    """A page goes to the sign-in page, a program gets 401, a user gets in."""
    async with _site(tmp_path) as site:
        browser = site.browser()
        answer = await browser.get(path)
        assert (answer.status, answer.json()["reason"]) == (401, "no_token")
        assert answer.header("content-type") == "application/problem+json"
        page = await browser.get(path, headers=[("accept", "text/html")])
        assert (page.status, page.header("location")) == (302, f"/login?next=%2F{path[1:]}")
        await browser.post("/in")
        assert (await browser.get(path)).status == 200


async def test_A1_a_guard_for_those_who_have_just_proved_who_they_are(tmp_path: Path) -> None:
    """Activity does not count; a form that was shown in time has some more; proving it again does."""
    async with _site(tmp_path) as site:
        browser = site.browser()
        await browser.post("/in")
        site.clock.advance(timedelta(minutes=6))
        assert (await browser.get("/fresh")).json()["reason"] == "authentication_too_old"
        assert (await browser.post("/fresh")).status == 200
        site.clock.advance(timedelta(minutes=10))
        assert (await browser.post("/fresh")).status == 401
        await browser.post("/rotate")
        assert (await browser.get("/fresh")).status == 200


async def test_L12_ending_the_others(tmp_path: Path) -> None:
    async with _site(tmp_path) as site:
        phone, laptop = site.browser(), site.browser()
        await phone.post("/in")
        await laptop.post("/in")
        assert (await laptop.post("/others")).json() == {"ended": 1}
        assert (await phone.get("/who")).json() == {"user": None}


async def test_S9_an_outage_is_503_and_no_sign_out(tmp_path: Path) -> None:
    async with _site(tmp_path) as site:
        browser = site.browser()
        await browser.post("/in")
        token = browser.token
        site.sessions.forked()
        site.store.fail("poll", "read")
        for path in ("/who", "/injected", "/guarded", "/"):
            answer = await browser.get(path)
            assert (answer.status, answer.all("set-cookie")) == (503, [])
        assert (await browser.get("/public")).status == 200
        site.store.heal()
        assert browser.token == token
        assert (await browser.get("/injected")).json() == {"user": "ada"}


async def test_X1_another_sites_page_cannot_change_anything(tmp_path: Path) -> None:
    async with _site(tmp_path) as site:
        browser = site.browser()
        await browser.post("/in")
        assert (await browser.post("/out", headers=[("sec-fetch-site", "cross-site")])).status == 403
        assert (await browser.get("/injected")).status == 200


async def test_request_session_keeps_what_is_put_there(tmp_path: Path) -> None:
    async with _site(tmp_path) as site:
        browser = site.browser()
        await site.asks(browser, _sets(theme="dark", basket=[1]))
        await site.asks(browser, lambda session: session["basket"].append(2))
        await site.asks(browser, lambda session: session.pop("theme"))
        assert await site.asks(browser, dict) == {"answer": {"basket": [1, 2]}}
        await browser.get("/replaced")
        assert await site.asks(browser, dict) == {"answer": {"only": 1}}
        token = browser.token
        cleared = await browser.get("/cleared")
        assert "Max-Age=0" in (cleared.header("set-cookie") or "")
        assert not await site.sessions.get(token)


async def test_L9_a_request_that_only_reads_writes_nothing_and_sets_no_cookie(tmp_path: Path) -> None:
    async with _site(tmp_path) as site:
        browser = site.browser()
        for _ in range(2):
            site.store.calls.clear()
            site.do = dict
            answer = await browser.get("/")
            assert answer.all("set-cookie") == []
            assert "cookie" in answer.vary()
            assert not {"create", "save", "touch"} & set(site.store.calls)
            assert (await browser.get("/public")).vary() == set()
            await site.asks(browser, _sets(theme="dark"))


async def test_L1_the_key_of_the_user_signs_in_under_a_new_token(tmp_path: Path) -> None:
    async with _site(tmp_path) as site:
        browser = site.browser()
        browser.token = made_up = "A" * 43
        await site.asks(browser, _sets(basket=[1], secret="x"))
        assert browser.token != made_up, "T6"
        old = browser.token
        await site.asks(browser, _sets(user_id=7))
        assert browser.token != old
        assert not await site.sessions.get(old)
        assert await site.asks(browser, dict) == {"answer": {"basket": [1], "user_id": 7}}


async def test_S8_L8_two_requests_at_once(tmp_path: Path) -> None:
    """Both keep their changes, and a late one brings no ended session back."""
    async with _site(tmp_path) as site:
        browser = site.browser()
        await site.asks(browser, _sets(user_id="ada"))
        slow = asyncio.create_task(browser.post("/slow", json={"one": 1}))
        await site.arrived.wait()
        await site.asks(browser, _sets(two=2))
        site.gate.set()
        await slow
        assert await site.asks(browser, dict) == {"answer": {"user_id": "ada", "one": 1, "two": 2}}
        site.gate.clear()
        site.arrived.clear()
        token = browser.token
        late = Browser(cast("App", site.litestar), cookies=dict(browser.cookies))
        slow = asyncio.create_task(late.post("/slow", json={"late": 1}))
        await site.arrived.wait()
        await browser.post("/out")
        site.gate.set()
        assert (await slow).all("set-cookie") == []
        assert not await site.sessions.get(token)


async def test_X8_a_socket_ends_with_its_session(tmp_path: Path) -> None:
    """And none is opened without one."""
    async with _site(tmp_path) as site:
        browser = site.browser()
        async with browser.websocket("/socket") as socket:
            assert await socket.close_code() in {1008, 4401}
        await browser.post("/in")
        async with browser.websocket("/socket") as socket:
            await socket.accepted()
            assert await socket.heard() == "ada"
            await site.sessions.revoke_user("ada")
            assert await socket.close_code() == 4001


async def test_routes_are_for_users_unless_they_say_otherwise(tmp_path: Path) -> None:
    """With `retrieve_user`, `request.user` is there on all others, and the document says so."""

    async def named(session: Session, _: Any) -> str:
        return f"user {session.user_id}"

    @get("/user")
    async def user(request: AnyRequest) -> Any:
        return {"user": request.user, "same": request.auth.user_id}

    async with _site(tmp_path, retrieve_user=named) as site:
        site.litestar.register(user)
        browser = site.browser()
        assert (await browser.get("/who")).status == 401
        assert (await browser.get("/public")).status == 200
        await browser.post("/in")
        assert (await browser.get("/user")).json() == {"user": "user ada", "same": "ada"}
        document = site.litestar.openapi_schema.to_schema()
        assert document["components"]["securitySchemes"]["session"]["name"] == "__Host-session"
        assert {"session": []} in document["security"]
