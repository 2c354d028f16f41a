"""A FastAPI application on Appwrite, end to end: signed in there, served here."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI, Request, WebSocket

from coatcheck import AsyncProviderSessions, ProviderSettings
from coatcheck.fastapi import CurrentSession, OptionalSession, SessionMiddleware, sign_out
from coatcheck.providers.appwrite import AsyncAppwrite
from coatcheck.providers.base import HTTPSettings
from coatcheck.stores.sqlite import AsyncSQLiteStore
from tests.providers.appwrite.worker import KEY
from tests.servers.appwrite import CUT, PROJECT, Appwrite, Asked, Said, error
from tests.servers.waiting import DEADLINE
from tests.web.browser import Browser, started, until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine
    from pathlib import Path

    from coatcheck.testing import ManualClock
    from tests.web.browser import Answer

pytestmark = pytest.mark.anyio

COOKIE = f"a_session_{PROJECT}"
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
HASTY = HTTPSettings(timeout=SECOND, retries=0)


def application(sessions: AsyncProviderSessions) -> FastAPI:
    """Return an application that does not know whose sessions it has."""
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.get("/me")
    async def me(session: CurrentSession) -> dict[str, Any]:
        assert session.user is not None
        return {"id": session.user_id, "email": session.user.email, "labels": list(session.user.labels)}

    @app.get("/home")
    async def home(session: OptionalSession) -> dict[str, Any]:
        return {"id": session.user_id if session else None}

    @app.post("/sign-out")
    async def leave(request: Request) -> None:
        await sign_out(request)

    @app.websocket("/echo")
    async def echo(websocket: WebSocket, session: CurrentSession) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(f"{session.user_id} {text}")

    return app


@dataclass
class Site:
    """Running workers of one application."""

    appwrite: Appwrite
    apps: list[FastAPI] = field(default_factory=list)
    sessions: list[AsyncProviderSessions] = field(default_factory=list)

    def browser(self, secret: str, worker: int = 0) -> Browser:
        """Return a browser in which somebody has signed in at Appwrite."""
        return Browser(self.apps[worker], cookies={COOKIE: quote(secret, safe="")})

    def client(self, token: str, worker: int = 0) -> Browser:
        """Return a client that sends a bearer token."""
        return Browser(self.apps[worker], headers=[("authorization", f"Bearer {token}")])


@pytest.fixture
def site(appwrite: Appwrite, clock: ManualClock, tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def running(workers: int = 1, *, store: Any = None, **options: Any) -> AsyncGenerator[Site]:
        it = Site(appwrite)
        options.setdefault("settings", ProviderSettings())
        own = options.pop("http", None)
        ticking = options.pop("clock", clock)
        async with AsyncExitStack() as stack:
            for _ in range(workers):
                sessions = AsyncProviderSessions(
                    AsyncAppwrite(appwrite.url, project=PROJECT, settings=own, clock=ticking),
                    store or AsyncSQLiteStore(str(tmp_path / "log.db"), clock=ticking),
                    clock=ticking,
                    **options,
                )
                app = application(sessions)
                await stack.enter_async_context(started(app))
                it.apps.append(app)
                it.sessions.append(sessions)
            yield it

    return running


async def every(*calls: Coroutine[Any, Any, Answer]) -> list[int]:
    return [answer.status for answer in await asyncio.gather(*calls)]


async def test_A3_a_hit_asks_nobody_and_500_misses_at_once_ask_once(site: Any, appwrite: Appwrite) -> None:
    """N4: one pair of requests to Appwrite, however many wait for it."""
    async with site() as it:
        browser = it.browser(appwrite.sign_in())
        assert await every(*(browser.get("/me") for _ in range(500))) == [200] * 500
        assert [asked.path for asked in appwrite.asked] == ["/v1/account", "/v1/account/sessions/current"]
        for _ in range(100):
            answer = await browser.get("/me")
        assert answer.json() == {"id": "ada", "email": "ada@example.com", "labels": ["vip"]}
        assert answer.vary() == {"cookie", "authorization"}
        assert len(appwrite.asked) == 2


async def test_without_a_token_nobody_is_asked(site: Any, appwrite: Appwrite) -> None:
    async with site() as it:
        assert (await Browser(it.apps[0]).get("/me")).status == 401
        assert (await Browser(it.apps[0], cookies={"another": "cookie"}).get("/home")).json() == {"id": None}
        assert not appwrite.asked


async def test_T8_the_cookie_the_older_cookie_and_bearer_tokens_are_read(site: Any, appwrite: Appwrite) -> None:
    secret = appwrite.sign_in()
    async with site() as it:
        for client in (
            it.browser(secret),
            Browser(it.apps[0], cookies={f"{COOKIE}_legacy": secret}),
            it.client(secret),
            it.client(appwrite.jwt(secret)),
        ):
            assert (await client.get("/me")).status == 200
        other = Browser(it.apps[0], cookies={"a_session_other": secret})
        assert (await other.get("/me")).status == 401


async def test_C7_two_different_cookies_of_the_name_are_no_token(site: Any, appwrite: Appwrite) -> None:
    async with site() as it:
        lines = "; ".join(f"{COOKIE}={appwrite.sign_in(user)}" for user in ("ada", "eve"))
        assert (await Browser(it.apps[0], headers=[("cookie", lines)]).get("/me")).status == 401
        assert not appwrite.asked


async def test_L7_signing_out_here_ends_it_there_and_in_every_worker(site: Any, appwrite: Appwrite) -> None:
    secret = appwrite.sign_in()
    async with site(workers=3) as it:
        browsers = [it.browser(secret, worker) for worker in range(3)]
        assert await every(*(browser.get("/me") for browser in browsers)) == [200] * 3
        answer = await browsers[1].post("/sign-out")
        assert answer.status == 200
        assert [line.partition("=")[0] for line in answer.all("set-cookie")] == [COOKIE, f"{COOKIE}_legacy"]
        assert answer.header("cache-control") == "no-store"
        assert not appwrite.sessions
        again = [it.browser(secret, worker) for worker in range(3)]
        assert await every(*(browser.get("/me") for browser in again)) == [401] * 3


async def test_X8_a_websocket_ends_with_its_session(site: Any, appwrite: Appwrite) -> None:
    secret = appwrite.sign_in()
    async with site(workers=2) as it, it.browser(secret).websocket("/echo") as socket:
        await socket.accepted()
        await socket.say("hello")
        assert await socket.heard() == "ada hello"
        assert (await it.browser(secret, 1).post("/sign-out")).status == 200
        assert await socket.close_code() == 4001


async def test_N1_signed_out_at_appwrite_is_refused_within_revalidate_after(
    site: Any, appwrite: Appwrite, clock: ManualClock
) -> None:
    secret = appwrite.sign_in()
    async with site(workers=2) as it:
        browsers = [it.browser(secret, worker) for worker in range(2)]
        assert await every(*(browser.get("/me") for browser in browsers)) == [200] * 2
        appwrite.end(secret)
        clock.advance(5 * MINUTE - SECOND)
        assert await every(*(browser.get("/me") for browser in browsers)) == [200] * 2
        clock.advance(SECOND)
        assert await every(*(browser.get("/me") for browser in browsers)) == [401] * 2


# --- Appwrite is away


AWAY: dict[str, Callable[[Asked], Said | None]] = {
    "cut": lambda _: CUT,
    "500": lambda _: error(500, "general_unknown"),
    "503": lambda _: Said(503, b"<h1>Under maintenance</h1>"),
    "429": lambda _: error(429, "general_rate_limit_exceeded", ("Retry-After", "9")),
    "nonsense": lambda _: Said(200, b"<h1>Welcome to nginx</h1>"),
    "half of it": lambda asked: error(500, "general_unknown") if "sessions" in asked.path else None,
    "no project": lambda _: error(404, "project_not_found"),
}


@pytest.mark.parametrize("fault", AWAY)
async def test_I4_appwrite_is_away_and_nobody_is_signed_out(
    site: Any, appwrite: Appwrite, clock: ManualClock, fault: str
) -> None:
    """Known sessions go on within the bound, then 503 with Retry-After; the cookie stays, and all is well after it."""
    known, unknown = appwrite.sign_in("ada"), appwrite.sign_in("eve")
    async with site() as it:
        browser, stranger = it.browser(known), it.browser(unknown)
        assert (await browser.get("/me")).status == 200
        appwrite.answer = AWAY[fault]
        for _ in range(10):
            answer = await stranger.get("/me")
            assert answer.status == 503
            assert answer.header("retry-after") in {"1", "9"}
            assert not answer.all("set-cookie")
        clock.advance(5 * MINUTE - SECOND)
        assert (await browser.get("/me")).status == 200
        clock.advance(SECOND)
        for _ in range(10):
            answer = await browser.get("/me")
            assert (answer.status, answer.all("set-cookie")) == (503, [])
        answer = await browser.post("/sign-out")
        assert (answer.status, answer.all("set-cookie")) == (503, [])
        assert (await browser.get("/home")).status == 503, "optional is not: as if nobody were signed in"
        appwrite.answer = lambda _: None
        clock.advance(MINUTE)  # past the pause in which it is left alone; then one request tries
        assert (await browser.get("/me")).status == 200
        assert (await stranger.get("/me")).status == 200


async def test_I4_a_slow_appwrite_costs_a_request_its_timeout_and_then_nothing(site: Any, appwrite: Appwrite) -> None:
    """It hangs: after some requests that waited nobody waits, for a pause; others are served meanwhile."""
    known, unknown = appwrite.sign_in("ada"), appwrite.sign_in("eve")
    hanging = threading.Event()
    async with site(http=HASTY) as it:
        browser, stranger = it.browser(known), it.browser(unknown)
        while (await browser.get("/me")).status != 200:
            """This machine may be slow, too."""
        asked = len(appwrite.asked)

        def hang(_: Asked) -> None:
            hanging.wait(DEADLINE)

        appwrite.during = hang
        try:
            for _ in range(20):
                assert (await stranger.get("/me")).status == 503
                assert (await browser.get("/me")).status == 200
        finally:
            hanging.set()
        await until(lambda: len(appwrite.asked) - asked == HASTY.failures)


async def test_N3_serve_stale_for_adds_to_the_bound_where_it_is_wanted(
    site: Any, appwrite: Appwrite, clock: ManualClock
) -> None:
    secret = appwrite.sign_in()
    settings = ProviderSettings(serve_stale_for=10 * MINUTE)
    async with site(settings=settings) as it:
        browser = it.browser(secret)
        assert (await browser.get("/me")).status == 200
        appwrite.answer = lambda _: CUT
        clock.advance(15 * MINUTE - SECOND)
        assert (await browser.get("/me")).status == 200
        clock.advance(SECOND)
        assert (await browser.get("/me")).status == 503


# --- logs


async def test_T9_no_token_is_in_any_log_at_debug(
    site: Any, appwrite: Appwrite, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Of nobody: not the HTTP client's, not ours, whatever goes wrong."""
    caplog.set_level(logging.DEBUG)
    secret = appwrite.sign_in()
    jwt = appwrite.jwt(secret)
    tokens = [secret, quote(secret, safe=""), jwt, jwt.rpartition(".")[2]]
    async with site() as it:
        clients = [it.browser(secret), it.client(secret), it.client(jwt)]
        for fault in (lambda _: None, *AWAY.values(), lambda _: error(401, "user_blocked"), lambda _: None):
            appwrite.answer = fault
            clock.advance(6 * MINUTE)
            await every(*(client.get("/me") for client in clients))
            for client in clients:
                await client.post("/sign-out")
        said = [repr(vars(record)) + record.getMessage() for record in caplog.records]
        said += [repr(sessions) + repr(vars(sessions)) + repr(sessions.provider) for sessions in it.sessions]
    assert any(record.name == "coatcheck" for record in caplog.records)
    for text in said:
        assert not any(token in text for token in tokens)


# --- Valkey


async def test_E4_the_log_may_stand_in_valkey(site: Any, appwrite: Appwrite, valkey_url: str) -> None:
    secret = appwrite.sign_in()
    async with site(workers=2, store=valkey_url, shared_cache=valkey_url, keys=[KEY], clock=None) as it:
        assert await every(*(it.browser(secret, worker).get("/me") for worker in (0, 1))) == [200, 200]
        assert (await it.browser(secret).post("/sign-out")).status == 200
        assert (await it.browser(secret).get("/me")).status == 401
