"""Coming back from a provider (J6): the same browser, the same flow, once."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coatcheck.asgi import AsyncLoginFlows, context_of
from tests.web.application import site

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from tests.web.browser import Browser

pytestmark = pytest.mark.anyio


async def leave(request: Request) -> Response:
    """Send the browser to the provider."""
    flow = await AsyncLoginFlows(context_of(request.scope)).begin({"next": request.query_params["next"]})
    return JSONResponse(
        {"state": flow.state, "nonce": flow.nonce, "challenge": flow.code_challenge, "repr": repr(flow)}
    )


async def callback(request: Request) -> Response:
    """Take the browser back."""
    flow = await AsyncLoginFlows(context_of(request.scope)).finish(request.query_params.get("state"))
    if flow is None:
        return JSONResponse({}, 400)
    return JSONResponse({"next": flow.data["next"], "nonce": flow.nonce, "verifier": flow.code_verifier})


ROUTES: list[BaseRoute] = [Route("/leave", leave), Route("/callback", callback)]


async def back(browser: Browser, state: str) -> int:
    """Return the status with which a browser is received."""
    return (await browser.get(f"/callback?state={state}")).status


async def test_J6_a_flow_ends_where_it_began_and_once(tmp_path: Path) -> None:
    """In another browser it ends for nobody, not even with another flow under way there, and stays good for its own."""
    async with site(tmp_path, routes=ROUTES) as it:
        mine, other = it.browser(), it.browser()
        begun = (await mine.get("/leave?next=/cart")).json()
        elsewhere = (await other.get("/leave?next=/x")).json()
        assert await back(other, begun["state"]) == 400
        (name,) = mine.cookies
        (value,) = other.cookies.values()
        planted = it.browser()
        planted.cookies = {name: value}  # somebody plants their own ticket under the name of this flow
        assert await back(planted, begun["state"]) == 400
        ended = (await mine.get(f"/callback?state={begun['state']}")).json()
        assert (ended["next"], ended["nonce"]) == ("/cart", begun["nonce"])
        digest = sha256(ended["verifier"].encode()).digest()
        assert urlsafe_b64decode(begun["challenge"] + "=") == digest
        assert not mine.cookies
        mine.cookies = {name: value}
        assert await back(mine, begun["state"]) == 400
        assert begun["state"] != elsewhere["state"]


async def test_J6_two_flows_of_one_browser_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    async with site(tmp_path, routes=ROUTES) as it:
        browser = it.browser()
        states = [(await browser.get(f"/leave?next=/{number}")).json()["state"] for number in range(3)]
        for number in (1, 0, 2):
            assert (await browser.get(f"/callback?state={states[number]}")).json()["next"] == f"/{number}"
        assert not browser.cookies


async def test_J6_flows_that_somebody_else_begins_do_not_fill_the_cookie_header(tmp_path: Path) -> None:
    """A page elsewhere sends the browser here again and again; what the user begins themselves still ends well."""
    async with site(tmp_path, routes=ROUTES) as it:
        browser = it.browser()
        states = [(await browser.get("/leave?next=/")).json()["state"] for _ in range(30)]
        assert len(browser.cookies) == 8
        assert [await back(browser, state) for state in states[-8:]] == [200] * 8
        browser.cookies = {f"__Host-session-{number:016d}": "x" for number in range(500)}
        answer = await browser.get("/leave?next=/")
        assert len(answer.all("set-cookie")) == 1 + 8, "not so many that the answer is too long"


async def test_J6_a_used_or_late_flow_is_over(tmp_path: Path) -> None:
    async with site(tmp_path, routes=ROUTES) as it:
        browser = it.browser()
        states = [(await browser.get("/leave?next=/")).json()["state"] for _ in range(2)]
        kept = dict(browser.cookies)
        assert await back(browser, states[0]) == 200
        browser.cookies = kept
        assert await back(browser, states[0]) == 400
        it.clock.advance(timedelta(minutes=10))
        assert await back(browser, states[1]) == 400


@pytest.mark.parametrize("state", ["", "x", "A" * 43, "../../x", "%00", "A" * 10_000])
async def test_J6_a_made_up_state_ends_nothing(tmp_path: Path, state: str) -> None:
    async with site(tmp_path, routes=ROUTES) as it:
        browser = it.browser()
        await browser.get("/leave?next=/")
        assert await back(browser, state) == 400
        assert len(browser.cookies) == 1


async def test_T9_a_flow_shows_nothing_of_itself(tmp_path: Path) -> None:
    """Neither the repr nor the cookie holds the verifier or the nonce."""
    async with site(tmp_path, routes=ROUTES) as it:
        browser = it.browser()
        begun = (await browser.get("/leave?next=/")).json()
        assert begun["repr"] == "<LoginFlow>"
        assert begun["nonce"] not in str(browser.cookies)
