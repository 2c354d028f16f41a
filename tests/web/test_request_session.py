"""`request.session` and `request.user`, for applications that know Starlette's own."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from coatcheck import AsyncSessions, Policy, User
from coatcheck.starlette import (
    RequestSessionMiddleware,
    SessionBackend,
    SessionMiddleware,
    current_session,
    sign_in,
    sign_out,
)
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.testing import AsyncFaultyStore
from tests.web.browser import COOKIE, Browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

pytestmark = pytest.mark.anyio


class Site:
    """An application that does to `request.session` what a test says, and its store."""

    def __init__(self, path: Path) -> None:
        self.store = AsyncFaultyStore(AsyncSQLiteStore(str(path / "app.db")))
        self.sessions = AsyncSessions(self.store, policy=Policy(carry_over=("basket",)))
        self.do: Callable[[Any], Any] = dict
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/", self._does),
                Route("/public", self._public),
                Route("/who", self._who),
                Route("/slow", self._slow, methods=["POST"]),
                Route("/in", self._in, methods=["POST"]),
                Route("/out", self._out, methods=["POST"]),
            ],
            middleware=[
                Middleware(SessionMiddleware, sessions=self.sessions),
                Middleware(RequestSessionMiddleware, user_key="user_id"),
            ],
        )

    async def _does(self, request: Request) -> Response:
        answer = self.do(request.session)
        return JSONResponse(answer if isinstance(answer, (dict, bool, int, str, list)) else None)

    async def _public(self, request: Request) -> Response:
        return PlainTextResponse(type(request.session).__name__)

    async def _who(self, request: Request) -> Response:
        return PlainTextResponse(str(await current_session(request)))

    async def _slow(self, request: Request) -> Response:
        change = await request.json()
        dict(request.session)
        self.arrived.set()
        await self.gate.wait()
        request.session.update(change)
        return JSONResponse({})

    async def _in(self, request: Request) -> Response:
        await sign_in(request, "ada", data={"role": "new"})
        request.session["later"] = 1
        return JSONResponse({})

    async def _out(self, request: Request) -> Response:
        await sign_out(request)
        return JSONResponse({})

    def browser(self) -> Browser:
        return Browser(self.app)

    async def asks(self, browser: Browser, do: Callable[[Any], Any]) -> Any:
        self.do = do
        return (await browser.get("/")).json()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    async with site.sessions:
        yield site


def _sets(**values: Any) -> Callable[[Any], None]:
    return lambda session: session.update(values)


async def test_what_is_put_there_is_there_with_the_next_request(site: Site) -> None:
    """A visitor with something to store gets a row and a cookie; values keep their JSON types."""
    browser = site.browser()
    await site.asks(browser, _sets(theme="dark", basket=[1, {"two": None}]))
    assert browser.token
    assert await site.asks(browser, dict) == {"theme": "dark", "basket": [1, {"two": None}]}


async def test_what_changes_inside_of_a_value_is_written(site: Site) -> None:
    browser = site.browser()
    await site.asks(browser, _sets(basket=[1]))
    await site.asks(browser, lambda session: session["basket"].append(2))
    assert await site.asks(browser, dict) == {"basket": [1, 2]}


@pytest.mark.parametrize(("before", "after"), [(1, True), (True, 1), (0, False), (1, 1.0), ("1", 1), (None, False)])
async def test_values_that_are_equal_and_not_the_same_are_written(before: Any, after: Any, site: Site) -> None:
    """JSON tells 1 from true, which Python takes for equal."""
    browser = site.browser()
    await site.asks(browser, _sets(value=before))
    await site.asks(browser, _sets(value=after))
    assert await site.asks(browser, lambda session: [json.dumps(session["value"])]) == [json.dumps(after)]


async def test_a_key_that_is_taken_out_is_gone(site: Site) -> None:
    browser = site.browser()
    await site.asks(browser, _sets(a=1, b=2))
    await site.asks(browser, lambda session: session.pop("a"))
    assert await site.asks(browser, dict) == {"b": 2}


async def test_L9_a_request_that_only_reads_writes_nothing_and_sets_no_cookie(site: Site) -> None:
    """Neither for a visitor without a session nor with one."""
    browser = site.browser()
    for _ in range(2):
        site.store.calls.clear()
        site.do = dict
        answer = await browser.get("/")
        assert answer.all("set-cookie") == []
        assert not {"create", "save", "touch"} & set(site.store.calls)
        await site.asks(browser, _sets(theme="dark"))


@pytest.mark.parametrize(
    "look",
    [
        lambda session: "theme" in session,
        len,
        bool,
        list,
        dict,
        lambda session: session.get("theme", ""),
        lambda session: list(session.items()),
        lambda session: session == {},
        lambda session: json.dumps(dict(session)),
    ],
    ids=["in", "len", "bool", "iteration", "dict", "get", "items", "equality", "json"],
)
async def test_H1_looking_at_it_in_any_form_varies_by_cookie(site: Site, look: Callable[[Any], Any]) -> None:
    site.do = look
    assert "cookie" in (await site.browser().get("/")).vary()


async def test_H1_asking_who_it_is_varies_by_cookie_though_the_data_was_read_before(site: Site) -> None:
    browser = site.browser()
    assert (await browser.get("/who")).vary() == {"cookie"}


async def test_H1_a_page_that_never_looks_does_not_vary_by_cookie(site: Site) -> None:
    browser = site.browser()
    await site.asks(browser, _sets(theme="dark"))
    assert (await browser.get("/public")).vary() == set()


async def test_C10_clearing_it_ends_the_session_and_takes_back_the_cookie(site: Site) -> None:
    """With the attributes it was set with, or the browser would keep it."""
    browser = site.browser()
    site.do = _sets(theme="dark")
    given = (await browser.get("/")).header("set-cookie") or ""
    token = browser.token
    site.do = lambda session: session.clear()
    taken = (await browser.get("/")).header("set-cookie") or ""
    assert "Max-Age=0" in taken
    assert set(given.split("; ")[1:]) <= set(taken.split("; "))
    assert not await site.sessions.get(token)


async def test_L1_the_key_of_the_user_signs_in_under_a_new_token(site: Site) -> None:
    """The old token is dead at once, and what an anonymous visitor had is dropped but for what is allowed (L2)."""
    browser = site.browser()
    await site.asks(browser, _sets(basket=[1], secret="x"))
    old = browser.token
    await site.asks(browser, _sets(user_id=7))
    assert browser.token != old
    assert not await site.sessions.get(old)
    assert await site.asks(browser, dict) == {"basket": [1], "user_id": 7}
    session = await site.sessions.get(browser.token)
    assert session
    assert session.user_id == "7"


async def test_L1_the_same_user_again_gets_a_new_token_too(site: Site) -> None:
    browser = site.browser()
    await site.asks(browser, _sets(user_id="ada"))
    old = browser.token
    await site.asks(browser, _sets(user_id="ada"))
    assert browser.token != old
    assert not await site.sessions.get(old)


async def test_L7_taking_the_key_of_the_user_out_signs_out(site: Site) -> None:
    browser = site.browser()
    await site.asks(browser, _sets(user_id="ada"))
    token = browser.token
    await site.asks(browser, lambda session: session.pop("user_id"))
    assert not browser.token
    assert not await site.sessions.get(token)


async def test_T6_a_token_that_was_made_up_is_not_adopted(site: Site) -> None:
    browser = site.browser()
    browser.token = made_up = "A" * 43
    await site.asks(browser, _sets(theme="dark"))
    assert browser.token != made_up


async def test_S8_two_requests_at_once_both_keep_their_changes(site: Site) -> None:
    browser = site.browser()
    await site.asks(browser, _sets(start=True))
    site.gate.clear()
    slow = asyncio.create_task(browser.post("/slow", json={"one": 1}))
    await site.arrived.wait()
    await site.asks(browser, _sets(two=2))
    site.gate.set()
    await slow
    assert await site.asks(browser, dict) == {"start": True, "one": 1, "two": 2}


async def test_L8_a_slow_request_brings_no_ended_session_back(site: Site) -> None:
    browser = site.browser()
    await site.asks(browser, _sets(user_id="ada"))
    token = browser.token
    late = Browser(site.app, cookies={COOKIE: token})
    site.gate.clear()
    slow = asyncio.create_task(late.post("/slow", json={"late": 1}))
    await site.arrived.wait()
    await browser.post("/out")
    site.gate.set()
    answer = await slow
    assert answer.status == 200
    assert not await site.sessions.get(token)
    assert answer.all("set-cookie") == []


async def test_S9_an_outage_is_503_where_it_is_looked_at_and_deletes_no_cookie(site: Site) -> None:
    """A page that never looks is served."""
    browser = site.browser()
    await site.asks(browser, _sets(theme="dark"))
    token = browser.token
    site.sessions.forked()  # nothing of it is in memory any more
    site.store.fail("poll", "read")
    site.do = dict
    answer = await browser.get("/")
    assert (answer.status, answer.all("set-cookie")) == (503, [])
    assert (await browser.get("/public")).status == 200
    site.store.heal()
    assert browser.token == token
    assert await site.asks(browser, dict) == {"theme": "dark"}


async def test_the_verbs_and_the_mapping_go_together(site: Site) -> None:
    """A key that is set after `sign_in` lands in the new session."""
    browser = site.browser()
    await site.asks(browser, _sets(anonymous=1))
    await browser.post("/in")
    assert await site.asks(browser, dict) == {"role": "new", "later": 1}


async def test_its_repr_shows_no_data(site: Site) -> None:
    assert await site.asks(site.browser(), lambda session: session.update(pin="1234") or repr(session)) == (
        "<RequestSession of 1 keys>"
    )


# --- request.user


@requires("authenticated", status_code=401)
async def _me(request: Request) -> Response:
    return JSONResponse({"id": request.user.identity, "name": request.user.display_name, "scopes": request.auth.scopes})


async def _users(ids: Any) -> dict[str, User]:
    return {each: User(id=each, name="Ada", role="admin") for each in ids}


async def test_A_user_and_scopes_come_from_the_session(tmp_path: Path) -> None:
    """`@requires` and `request.user` work as with any other backend, and an outage is no anonymous visitor."""
    store = AsyncFaultyStore(AsyncSQLiteStore(str(tmp_path / "app.db")))
    sessions = AsyncSessions(store, load_users=_users)
    app = Starlette(
        routes=[Route("/me", _me)],
        middleware=[
            Middleware(SessionMiddleware, sessions=sessions),
            Middleware(AuthenticationMiddleware, backend=SessionBackend(lambda _: ["shop"])),
        ],
    )
    async with sessions:
        browser = Browser(app)
        assert (await browser.get("/me")).status == 401
        browser.token = (await sessions.create("ada")).token.reveal()
        answer = await browser.get("/me")
        assert answer.json() == {"id": "ada", "name": "Ada", "scopes": ["authenticated", "shop", "role:admin"]}
        store.fail("poll", "read")
        browser.token = "A" * 43
        assert (await browser.get("/me")).status == 503
