"""Between two factors nobody is signed in, on any path (A3), and codes cannot be guessed by the thousand (S7)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coatcheck.asgi import AsyncSecondFactor, context_of
from tests.web.application import KEY, site
from tests.web.browser import COOKIE

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from tests.web.application import Site
    from tests.web.browser import Browser

pytestmark = pytest.mark.anyio

PENDING = f"{COOKIE}-pending"
MINUTE = timedelta(minutes=1)


async def password(request: Request) -> Response:
    """Take the first factor."""
    await AsyncSecondFactor(context_of(request.scope)).ask("alice", methods=["pwd"], remember=True, data={"next": "/x"})
    return JSONResponse({})


async def page(request: Request) -> Response:
    """Ask for the second."""
    pending = await AsyncSecondFactor(context_of(request.scope)).shown()
    return JSONResponse({"attempts": pending.attempts})


async def code(request: Request) -> Response:
    """Take the second."""
    context = context_of(request.scope)
    second = AsyncSecondFactor(context)
    pending = await second.attempt()
    if request.query_params["code"] != "right":
        await second.again(pending)
        return JSONResponse({"wrong": True})
    methods = [*pending.methods, "otp"]
    session = await context.sign_in(pending.user_id, methods=methods, remember=pending.remember)
    return JSONResponse({"user": session.user_id, "methods": sorted(session.methods), **pending.data})


ROUTES: list[BaseRoute] = [
    Route("/password", password, methods=["POST"]),
    Route("/code", page),
    Route("/code", code, methods=["POST"]),
]


@pytest.mark.parametrize("keys", [None, [KEY]], ids=["unsigned", "signed"])
async def test_A3_after_the_first_factor_every_door_is_closed(tmp_path: Path, keys: list[str] | None) -> None:
    """With the pending cookie under its own name, under the session's, and as a bearer token; cached or not."""
    async with site(tmp_path, routes=ROUTES, middleware={"bearer": True}, keys=keys) as it:
        browser = it.browser()
        await browser.post("/password")
        assert set(browser.cookies) == {PENDING}
        pending = browser.cookies[PENDING]
        for _ in range(3):
            assert await anonymous(browser)
            thief = it.browser()
            thief.token = pending
            assert await anonymous(thief)
            thief = it.browser()
            thief.headers.append(("authorization", f"Bearer {pending}"))
            assert await anonymous(thief)
        assert not await it.sessions.list("alice")
        assert (await browser.post("/code?code=right")).json() == {
            "user": "alice",
            "methods": ["otp", "pwd"],
            "next": "/x",
        }
        assert set(browser.cookies) == {COOKIE}
        assert (await browser.get("/private")).status == 200


async def anonymous(browser: Browser) -> bool:
    """Tell whether every guarded route is closed."""
    answers = [await browser.get(path) for path in ("/private", "/recent")]
    me = await browser.get("/me")
    return [answer.status for answer in answers] == [401, 401] and me.json()["user"] is None


async def test_A3_the_pending_cookie_has_the_sessions_attributes_and_an_end(tmp_path: Path) -> None:
    async with site(tmp_path, routes=ROUTES) as it:
        answer = await it.browser().post("/password")
        (line,) = answer.all("set-cookie")
        name, _, rest = line.partition("=")
        assert name == PENDING
        assert rest.partition("; ")[2].split("; ") == ["Max-Age=600", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"]
        assert answer.header("cache-control") == "no-store"


async def test_A3_a_used_or_old_pending_token_is_worthless(tmp_path: Path) -> None:
    async with site(tmp_path, routes=ROUTES) as it:
        used, old = await pending(it), await pending(it)
        copied = used.cookies[PENDING]
        assert (await used.post("/code?code=right")).status == 200
        used.cookies = {PENDING: copied}
        it.clock.advance(10 * MINUTE)
        for browser in (used, old):
            assert (await browser.get("/code")).status == 401
            answer = await browser.post("/code?code=right")
            assert answer.status == 401
            assert await anonymous(browser)


async def pending(it: Site) -> Browser:
    """Return a browser whose user has proved one factor."""
    browser = it.browser()
    await browser.post("/password")
    return browser


async def test_A3_wrong_codes_can_be_tried_five_times(tmp_path: Path) -> None:
    """Then the first factor is asked for again; the time does not begin anew."""
    async with site(tmp_path, routes=ROUTES) as it:
        browser = await pending(it)
        for left in range(5, 1, -1):
            assert (await browser.get("/code")).json() == {"attempts": left}
            it.clock.advance(MINUTE)
            assert (await browser.post("/code?code=wrong")).json() == {"wrong": True}
        assert (await browser.post("/code?code=wrong")).status == 401
        assert not browser.cookies
        late = await pending(it)
        it.clock.advance(9 * MINUTE)
        await late.post("/code?code=wrong")
        it.clock.advance(MINUTE)
        assert (await late.post("/code?code=right")).status == 401


async def test_S7_one_pending_token_is_one_attempt_however_many_try_at_once(tmp_path: Path) -> None:
    async with site(tmp_path, routes=ROUTES) as it:
        first = await pending(it)
        browsers = [it.browser() for _ in range(20)]
        for browser in browsers:
            browser.cookies = dict(first.cookies)
        answers = await asyncio.gather(*(browser.post("/code?code=wrong") for browser in browsers))
        assert sorted(answer.status for answer in answers) == [200, *[401] * 19]


async def test_A3_the_session_that_was_there_goes_on_until_both_factors_are_given(tmp_path: Path) -> None:
    """Who signs in as somebody else stays who they are before; and the cookies do not get in each other's way."""
    async with site(tmp_path, routes=ROUTES) as it:
        browser = await it.signed_in("bob")
        await browser.post("/password")
        assert await it.user_of(browser) == "bob"
        await browser.post("/code?code=right")
        assert await it.user_of(browser) == "alice"
