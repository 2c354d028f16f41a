"""How a user proved who they are, over HTTP (A2, A4): what one factor opens, and what it does not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coatcheck import AsyncSessions
from coatcheck.asgi import context_of
from coatcheck.testing import AsyncMemoryStore
from tests.web.application import RECENT, site

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.routing import BaseRoute

pytestmark = pytest.mark.anyio


async def begin(request: Request) -> Response:
    """Sign in by the methods that the query names."""
    query = request.query_params
    await context_of(request.scope).sign_in(
        "alice", methods=query["by"].split(), acr=query.get("acr"), actor_id=query.get("actor")
    )
    return JSONResponse({})


async def prove(request: Request) -> Response:
    """Take another proof; without one, only a new token."""
    await context_of(request.scope).rotate(methods=request.query_params.get("by", "").split())
    return JSONResponse({})


async def vault(request: Request) -> Response:
    """Be for those who have just used two factors."""
    session = await context_of(request.scope).require_recent_auth(RECENT, factors=2)
    return JSONResponse({"methods": sorted(session.methods), "acr": session.acr, "actor": session.actor_id})


ROUTES: list[BaseRoute] = [
    Route("/begin", begin, methods=["POST"]),
    Route("/prove", prove, methods=["POST"]),
    Route("/vault", vault),
]


async def test_A2_one_factor_opens_nothing_that_needs_two(tmp_path: Path) -> None:
    """Neither when it is used again, nor with another of its kind; the answer says how many are wanted."""
    async with site(tmp_path, routes=ROUTES) as it:
        browser = it.browser()
        await browser.post("/begin?by=pwd")
        assert (await browser.get("/recent")).status == 200
        for again in ("pwd", "pin", "user"):
            answer = await browser.get("/vault")
            assert (answer.status, answer.json()["factors"]) == (401, 2)
            await browser.post(f"/prove?by={again}")
        assert (await browser.get("/vault")).status == 401
        before = browser.token
        await browser.post("/prove?by=otp")
        assert browser.token != before
        assert (await browser.get("/vault")).json()["methods"] == ["otp", "pin", "pwd", "user"]


async def test_A2_both_factors_must_be_recent(tmp_path: Path) -> None:
    async with site(tmp_path, routes=ROUTES) as it:
        browser = it.browser()
        await browser.post("/begin?by=pwd+otp")
        it.clock.advance(RECENT)
        assert (await browser.get("/vault")).status == 200
        it.clock.advance(RECENT)
        await browser.post("/prove?by=pwd")
        assert (await browser.get("/recent")).status == 200
        assert (await browser.get("/vault")).status == 401
        await browser.post("/prove?by=otp")
        assert (await browser.get("/vault")).status == 200


async def test_A4_whoever_acts_as_a_user_has_proved_nothing_about_them() -> None:
    """Whatever they have proved themselves, and whoever asks for it without a guard."""
    async with AsyncSessions(AsyncMemoryStore()) as sessions:
        session = (await sessions.create("ann", methods=["pwd", "otp"], actor_id="sue")).session
        assert session.authenticated_at is None
        assert not session.authenticated_within(timedelta(days=1), sessions.now())


async def test_A4_methods_and_level_survive_rotation_and_end_with_the_session(tmp_path: Path) -> None:
    """Another sign-in starts from nothing."""
    async with site(tmp_path, routes=ROUTES) as it:
        browser = it.browser()
        await browser.post("/begin?by=pwd+otp&acr=aal2")
        begun = (await browser.get("/vault")).json()
        assert begun == {"methods": ["otp", "pwd"], "acr": "aal2", "actor": None}
        for _ in range(2):
            await browser.post("/prove")
            await browser.post("/save", {"a": 1})
            assert (await browser.get("/vault")).json() == begun
        await browser.post("/begin?by=pwd")
        assert (await browser.get("/vault")).status == 401
