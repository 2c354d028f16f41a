"""A console in an application, which says itself who is an operator."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from coatcheck import AsyncImpersonation, AsyncSessions, ConfigurationError
from coatcheck.console import Console, ConsoleOptions, console_routes
from coatcheck.starlette import SessionMiddleware, rotate, sign_in
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.testing import ManualClock
from tests.console.desk import Sitting, heading, text_of, words_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from coatcheck import Session

pytestmark = pytest.mark.anyio

KEYS = ["mq3Xv0rZ8TtYwC1nB5kLd7GhJ2sPfQ9uEaRxVoNiMbc"]


def operator(session: Session) -> str | None:
    """Know one administrator."""
    return "Ada L." if session.user_id == "ada" else None


async def enter(request: Request) -> Response:
    await sign_in(request, request.path_params["user"])
    return PlainTextResponse("")


async def confirm(request: Request) -> Response:
    await rotate(request, reauthenticated=True)
    return PlainTextResponse("")


class Site:
    """An application with a console."""

    def __init__(self, folder: Path, at: str = "") -> None:
        self.clock = ManualClock()
        self.sessions = AsyncSessions(
            AsyncSQLiteStore(str(folder / "site.db"), clock=self.clock), keys=KEYS, clock=self.clock
        )
        routes = console_routes(Console(self.sessions, operator=operator, confirm_path="/prove"))
        own = [Route("/enter/{user}", enter, methods=["POST"]), Route("/prove", confirm, methods=["POST"])]
        self.app = Starlette(
            routes=[*own, *([Mount(at, routes=routes)] if at else routes)],
            middleware=[Middleware(SessionMiddleware, sessions=self.sessions)],
        )

    async def browser(self, user: str) -> Sitting:
        browser = Sitting(self.app)
        assert (await browser.post(f"/enter/{user}")).status == 200
        return browser


@pytest.fixture
async def site(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    async with made.sessions:
        yield made


async def test_whom_the_application_knows_has_the_console_and_nobody_else(site: Site) -> None:
    ada = await site.browser("ada")
    page = await ada.page()
    assert page.status == 200
    assert "Signed in as" in text_of(page)
    assert "Ada L." in text_of(page)
    assert "Sign out" not in text_of(page)
    refused = await (await site.browser("eve")).page()
    assert (refused.status, heading(refused)) == (403, "Not for you")
    stranger = Sitting(site.app, headers=[("accept", "text/html")])
    answer = await stranger.page("/numbers")
    assert (answer.status, answer.header("location")) == (302, "/login?next=%2Fconsole%2Fnumbers")
    assert (await ada.page("/sign-in")).status == 404


async def test_who_acts_as_an_operator_is_none(site: Site) -> None:
    """They would see and end what they may not, and the trail would name somebody else."""
    await site.browser("ada")
    actor = await site.browser("support")
    support = await site.sessions.get(actor.token)
    assert support
    acting = await AsyncImpersonation(site.sessions).begin(support, "ada", reason="case 17")
    assert acting
    actor.cookies = dict.fromkeys(actor.cookies, acting.token.reveal())
    for path in ("", "/trail", "/end?user=ada"):
        answer = await actor.page(path)
        assert (answer.status, heading(answer)) == (403, "Not for you")


async def test_A1_the_application_asks_for_the_password_again(site: Site) -> None:
    ada, eve = await site.browser("ada"), await site.browser("eve")
    site.clock.advance(timedelta(minutes=11))
    answer = await ada.page("/end", user="eve")
    assert (answer.status, answer.header("location")) == (303, "/prove?next=%2Fconsole%2Fend%3Fuser%3Deve")
    assert (await ada.post("/prove")).status == 200
    answer = await ada.submit(await ada.page("/end", user="eve"))
    assert "1 session has ended." in words_of(answer)
    assert not await site.sessions.get(eve.token)
    trail = await ada.page("/trail")
    assert "Ended sessions" in words_of(trail)


async def test_X1_X2_the_applications_middleware_and_the_form_protect_it(site: Site) -> None:
    ada = await site.browser("ada")
    answer = await ada.send("/console/end", [("user", "ada")], [("sec-fetch-site", "cross-site")])
    assert answer.status == 403
    answer = await ada.send("/console/end", [("user", "ada"), ("expected", "1")])
    assert (answer.status, heading(answer)) == (403, "This form is too old")
    assert await site.sessions.get(ada.token)


async def test_it_can_be_mounted_below_a_path(tmp_path: Path) -> None:
    site = Site(tmp_path, "/staff")
    async with site.sessions:
        ada = await site.browser("ada")
        ada.path = "/staff/console"
        page = await ada.page()
        assert 'href="/staff/console/numbers"' in text_of(page)
        assert 'action="/staff/console/end"' in text_of(page)
        answer = await ada.submit(await ada.page("/end", user="ada"))
        assert "1 session has ended." in words_of(answer)
        css = text_of(page).partition('rel="stylesheet" href="')[2].partition('"')[0]
        assert (await ada.get(css)).header("content-type") == "text/css; charset=utf-8"


@pytest.mark.parametrize(
    ("keys", "how", "message"),
    [
        (None, {}, "keys are missing: give the sessions keys"),
        (KEYS, {"confirm_path": "//evil.example"}, "confirm_path='//evil.example' is not possible"),
        (KEYS, {"options": ConsoleOptions(operators=()), "operator": None}, "operators are missing"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_wired(
    tmp_path: Path, keys: list[str] | None, how: dict[str, Any], message: str
) -> None:
    sessions = AsyncSessions(f"sqlite:///{tmp_path}/site.db", keys=keys)
    with pytest.raises(ConfigurationError, match=message):
        Console(sessions, **{"operator": operator, **how})
