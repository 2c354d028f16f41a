"""Asking again who the user is, before what matters (A1)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, cast

import pytest
from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.routing import Route

from coatcheck import AsyncSessions, Session
from coatcheck.fastapi import SessionMiddleware, recent_auth
from coatcheck.starlette import require_recent_auth
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.testing import ManualClock
from tests.web.application import RECENT, site
from tests.web.browser import Browser, started

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from coatcheck.asgi.types import App

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)


async def test_A1_an_old_authentication_is_not_enough(tmp_path: Path) -> None:
    """At the limit it is, a second later it is not: 401 for programs, the sign-in page for browsers."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        it.clock.advance(RECENT)
        assert (await browser.get("/recent")).status == 200
        it.clock.advance(SECOND)
        answer = await browser.get("/recent")
        assert answer.status == 401
        assert answer.json() == {
            "type": "about:blank",
            "title": "Recent authentication required",
            "status": 401,
            "reason": "authentication_too_old",
            "max_age": 300,
        }
        assert not answer.all("set-cookie")
        page = await browser.request("GET", "/recent?a=1", headers=[("accept", "text/html")])
        assert (page.status, page.header("location")) == (302, "/login?next=%2Frecent%3Fa%3D1")
        assert await it.user_of(browser) == "alice"


async def test_A1_activity_does_not_count_as_authentication(tmp_path: Path) -> None:
    """Reading, saving, touching and plain rotation leave the moment of authentication where it was."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        begun = (await browser.get("/me")).json()["authenticated_at"]
        for _ in range(10):
            it.clock.advance(RECENT / 10)
            await browser.get("/me")
            await browser.post("/save", {"a": 1})
            await browser.post("/rotate")
            await it.sessions.flush()
        assert (await browser.get("/recent")).status == 200
        it.clock.advance(SECOND)
        assert (await browser.get("/recent")).status == 401
        assert (await browser.get("/me")).json()["authenticated_at"] == begun


@pytest.mark.parametrize("proof", ["/rotate?reauthenticated", "/sign-in"])
async def test_A1_proving_it_again_opens_the_door(tmp_path: Path, proof: str) -> None:
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        it.clock.advance(RECENT + SECOND)
        assert (await browser.get("/recent")).status == 401
        assert (await browser.post(proof, {"user": "alice"})).status == 200
        assert (await browser.get("/recent")).status == 200
        it.clock.advance(RECENT + SECOND)
        assert (await browser.get("/recent")).status == 401


GRACE = timedelta(minutes=10)
Fresh = Annotated[Session, recent_auth(RECENT, grace=GRACE)]


async def form(request: Request) -> Response:
    """Show a form, and take it."""
    session = await require_recent_auth(request, RECENT, grace=GRACE)
    return JSONResponse({"user": session.user_id})


async def test_A1_a_form_that_was_shown_in_time_may_be_sent_a_while_later(tmp_path: Path) -> None:
    """Its sending has a grace, its showing has none; the answer names the usual age."""
    async with site(tmp_path, routes=[Route("/form", form, methods=["GET", "POST"])]) as it:
        browser = await it.signed_in()
        await a_form_has_a_grace(browser, it.clock)


async def test_A1_the_same_as_a_dependency(tmp_path: Path) -> None:
    clock, app = ManualClock(), FastAPI()
    sessions = AsyncSessions(AsyncSQLiteStore(str(tmp_path / "app.db"), clock=clock), clock=clock)
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.api_route("/form", methods=["GET", "POST"])
    async def form(session: Fresh) -> dict[str, str | None]:
        return {"user": session.user_id}

    async with started(cast("App", app)):
        browser = Browser(cast("App", app))
        browser.token = (await sessions.create("alice")).token.reveal()
        await a_form_has_a_grace(browser, clock)


async def a_form_has_a_grace(browser: Browser, clock: ManualClock) -> None:
    """Show the form and send it, in time and later."""
    clock.advance(RECENT)
    assert (await browser.get("/form")).status == 200
    clock.advance(GRACE)
    late = await browser.get("/form")
    assert (late.status, late.json()["max_age"]) == (401, 300)
    assert (await browser.post("/form")).json() == {"user": "alice"}
    clock.advance(SECOND)
    late = await browser.post("/form")
    assert (late.status, late.json()["max_age"]) == (401, 300)


async def test_A1_visitors_and_strangers_have_not_authenticated(tmp_path: Path) -> None:
    """An anonymous session, however young, is no proof of anything."""
    async with site(tmp_path) as it:
        visitor, stranger = it.browser(), it.browser()
        await visitor.post("/visit", {"a": 1})
        for browser in (visitor, stranger):
            answer = await browser.get("/recent")
            assert (answer.status, answer.json()["title"]) == (401, "Sign-in required")
