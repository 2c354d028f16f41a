"""Asking again who the user is, before what matters (A1)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.web.application import RECENT, site

if TYPE_CHECKING:
    from pathlib import Path

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


async def test_A1_visitors_and_strangers_have_not_authenticated(tmp_path: Path) -> None:
    """An anonymous session, however young, is no proof of anything."""
    async with site(tmp_path) as it:
        visitor, stranger = it.browser(), it.browser()
        await visitor.post("/visit", {"a": 1})
        for browser in (visitor, stranger):
            answer = await browser.get("/recent")
            assert (answer.status, answer.json()["title"]) == (401, "Sign-in required")
