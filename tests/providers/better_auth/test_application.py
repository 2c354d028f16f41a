"""End to end: a browser signs in at Better Auth, and asks a FastAPI application behind the middleware."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import httpx2
import pytest
from fastapi import FastAPI, Request

from coatcheck import AsyncProviderSessions
from coatcheck.fastapi import CurrentSession, OptionalSession, SessionMiddleware, sign_out
from coatcheck.providers.base import HTTPSettings
from coatcheck.providers.better_auth import AsyncBetterAuth
from coatcheck.testing import ManualClock
from tests.servers.better_auth import BetterAuth, Visitor

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

REVALIDATE = timedelta(minutes=5)


def application(sessions: AsyncProviderSessions) -> FastAPI:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions, bearer=True)

    @app.get("/me")
    async def me(session: CurrentSession) -> dict[str, Any]:
        assert session.user is not None
        return {"email": session.user.email, "role": session.user.role}

    @app.get("/home")
    async def home(session: OptionalSession) -> dict[str, Any]:
        return {"user": session.user_id if session else None}

    @app.post("/sign-out")
    async def leave(request: Request) -> None:
        await sign_out(request)

    return app


class Worker:
    """One process of the application, as a browser reaches it."""

    def __init__(self, server: BetterAuth, log: Path) -> None:
        self.clock = ManualClock(datetime.now(UTC))
        settings = HTTPSettings(timeout=timedelta(seconds=2), retries=0)
        self._sessions = AsyncProviderSessions(
            AsyncBetterAuth(server.url, bearer=True, settings=settings), f"sqlite:///{log}", clock=self.clock
        )
        transport = httpx2.ASGITransport(application(self._sessions))
        self._client = httpx2.AsyncClient(transport=transport, base_url="https://shop.example.com")

    async def ask(self, visitor: Visitor, path: str = "/me", method: str = "GET", **headers: str) -> httpx2.Response:
        """Ask as a visitor's browser does, and let it keep what comes back."""
        own = {"sec-fetch-site": "same-origin", **({"cookie": visitor.header} if visitor.cookies else {}), **headers}
        response = await self._client.request(method, path, headers=own)
        for line in response.headers.get_list("set-cookie"):
            visitor.take(line)
        self._client.cookies.clear()
        return response

    async def __aenter__(self) -> Self:
        await self._sessions.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()
        await self._sessions.aclose()


async def test_signing_in_there_asking_here_and_signing_out(
    better_auth: BetterAuth, email: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(Worker(better_auth, tmp_path / "log.db")) for _ in range(2)]
        visitor = stack.enter_context(better_auth.visitor())
        assert (await one.ask(visitor)).status_code == 401
        visitor.sign_up(email)
        better_auth.reset()
        for worker in (one, other):
            for _ in range(10):
                assert (await worker.ask(visitor)).json() == {"email": email, "role": "member"}
        assert better_auth.questions == 2  # one for each worker
        before = dict(visitor.cookies)
        left = await one.ask(visitor, "/sign-out", "POST")
        assert left.status_code == 200
        assert left.headers["cache-control"] == "no-store"
        assert visitor.cookies == {}
        visitor.cookies = before
        for worker in (other, one):
            assert (await worker.ask(visitor)).status_code == 401


async def test_X1_another_site_signs_nobody_out(better_auth: BetterAuth, visitor: Visitor, tmp_path: Path) -> None:
    async with Worker(better_auth, tmp_path / "log.db") as worker:
        forged = await worker.ask(visitor, "/sign-out", "POST", **{"sec-fetch-site": "cross-site"})
        assert forged.status_code == 403
        assert (await worker.ask(visitor)).status_code == 200


async def test_a_bearer_token_gets_no_cookies(better_auth: BetterAuth, visitor: Visitor, tmp_path: Path) -> None:
    token = {"authorization": f"Bearer {visitor.presented}"}
    visitor.cookies = {}
    async with Worker(better_auth, tmp_path / "log.db") as worker:
        assert (await worker.ask(visitor, **token)).status_code == 200
        left = await worker.ask(visitor, "/sign-out", "POST", **token)
        assert (left.status_code, visitor.cookies) == (200, {})
        assert (await worker.ask(visitor, **token)).status_code == 401


async def test_what_better_auth_ends_is_refused_in_time(
    better_auth: BetterAuth, visitor: Visitor, tmp_path: Path
) -> None:
    async with Worker(better_auth, tmp_path / "log.db") as worker:
        assert (await worker.ask(visitor)).status_code == 200
        before = dict(visitor.cookies)
        visitor.sign_out()
        visitor.cookies = before
        worker.clock.advance(REVALIDATE)
        refused = await worker.ask(visitor)
        assert refused.status_code == 401
        assert visitor.cookies == {}  # Better Auth deletes its cookie, and that is handed on


async def test_S9_I4_an_outage_is_a_503_that_deletes_no_cookie(tmp_path: Path) -> None:
    with BetterAuth() as server, server.visitor() as visitor:
        visitor.sign_up("ada@example.com")
        before = dict(visitor.cookies)
        async with Worker(server, tmp_path / "log.db") as worker:
            assert (await worker.ask(visitor)).status_code == 200
            server.kill()
            assert (await worker.ask(visitor)).status_code == 200
            worker.clock.advance(REVALIDATE)
            for path, method in (("/me", "GET"), ("/home", "GET"), ("/sign-out", "POST")):
                refused = await worker.ask(visitor, path, method)
                assert refused.status_code == 503
                assert int(refused.headers["retry-after"]) >= 1
                assert visitor.cookies == before
            server.start()
            worker.clock.advance(timedelta(seconds=1))
            assert (await worker.ask(visitor)).status_code == 200


async def test_the_sliding_refresh_reaches_the_browser(tmp_path: Path) -> None:
    with BetterAuth(update_age=0, cookie_cache=True) as server, server.visitor() as visitor:
        visitor.sign_up("ada@example.com")
        token = visitor.presented
        visitor.cookies = {server.cookie: token}
        async with Worker(server, tmp_path / "log.db") as worker:
            response = await worker.ask(visitor)
            assert response.headers["cache-control"] == "no-store"
            assert visitor.presented == token
            assert "better-auth.session_data" in visitor.cookies
            assert "set-cookie" not in (await worker.ask(visitor)).headers
