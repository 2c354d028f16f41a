"""An API behind the middleware: what its clients get, and how often the server is asked."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI

from coatcheck import AsyncProviderSessions, NotSignedIn, ProviderSessions, ProviderSettings, Session
from coatcheck.fastapi import CurrentSession, SessionMiddleware
from coatcheck.providers.base import HTTPSettings
from tests.providers.asking import introspection
from tests.servers.oidc_provider import Browser, OIDCProvider
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

CACHED = ProviderSettings(revalidate_after=timedelta(minutes=1))
UNCACHED = ProviderSettings()


router = APIRouter()


@router.get("/orders")
async def orders(session: CurrentSession) -> dict[str, Any]:
    return {"user": session.user_id, "scope": session.data["scope"]}


class API:
    """The API, and an HTTP client for it."""

    def __init__(self, provider: OIDCProvider, folder: Path, kept: ProviderSettings, **how: Any) -> None:
        self.provider = provider
        self.sessions = AsyncProviderSessions(
            introspection("asyncio", provider, scopes=["orders:read"], **how),
            f"sqlite:///{folder / 'log.db'}",
            settings=kept,
        )
        self.app = FastAPI()
        self.app.include_router(router)
        self.app.add_middleware(SessionMiddleware, sessions=self.sessions)
        self._before = provider.asked()

    def asked(self) -> int:
        return self.provider.asked() - self._before

    async def get(self, token: str | None = None, **headers: str) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=self.app)
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        async with httpx2.AsyncClient(transport=transport, base_url="https://api.example.com") as client:
            return await client.get("/orders", headers=headers)


@asynccontextmanager
async def api(provider: OIDCProvider, folder: Path, kept: ProviderSettings, **how: Any) -> AsyncIterator[API]:
    it = API(provider, folder, kept, **how)
    async with it.sessions:
        yield it


async def test_a_client_with_a_token_gets_in_and_all_others_401(
    oidc: OIDCProvider, browser: Browser, tmp_path: Path
) -> None:
    token = browser.sign_in("ada").access
    async with api(oidc, tmp_path, CACHED) as it:
        answer = await it.get(token)
        assert (answer.status_code, answer.json()) == (200, {"user": "ada", "scope": "orders:read"})
        assert answer.headers["vary"] == "Cookie, Authorization"
        for other in (None, "made-up", "two words", oidc.robot()):
            answer = await it.get(other)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert (await it.get(cookie=f"__Host-session={token}")).status_code == 401
        page = await it.get(None, accept="text/html")
        assert page.status_code == 302  # as a browser, which cannot send one


async def test_J7_hits_ask_nobody_where_a_time_to_live_is_set(
    oidc: OIDCProvider, browser: Browser, tmp_path: Path
) -> None:
    token = browser.sign_in("ada").access
    async with api(oidc, tmp_path, CACHED) as it:
        for _ in range(20):
            assert (await it.get(token)).status_code == 200
        assert it.asked() == 1
        for _ in range(20):
            assert (await it.get("made-up")).status_code == 401
        assert it.asked() == 2


async def test_J7_without_a_time_to_live_each_request_asks_and_sees_what_is_revoked(
    oidc: OIDCProvider, browser: Browser, tmp_path: Path
) -> None:
    token = browser.sign_in("ada").access
    async with api(oidc, tmp_path, UNCACHED) as it:
        for _ in range(5):
            assert (await it.get(token)).status_code == 200
            assert (await it.get("made-up")).status_code == 401
        assert it.asked() == 10
        oidc.revoke(token)
        assert (await it.get(token)).status_code == 401


@pytest.mark.parametrize(("settings", "most"), [(CACHED, 1), (UNCACHED, 2)], ids=["kept", "not kept"])
async def test_I5_requests_at_the_same_moment_ask_once(
    oidc: OIDCProvider, browser: Browser, tmp_path: Path, settings: ProviderSettings, most: int
) -> None:
    """Who comes while somebody asks already waits for that answer, if it is not older than the request itself."""
    token = browser.sign_in("ada").access
    async with api(oidc, tmp_path, settings) as it:
        answers = await asyncio.gather(*(it.sessions.get(token) for _ in range(500)))
        assert {answer.user_id if answer else None for answer in answers} == {"ada"}
        assert 1 <= it.asked() <= most


async def test_J7_nothing_is_kept_past_its_end(tmp_path: Path) -> None:
    with OIDCProvider({"web": "http://127.0.0.1:9/"}, lifetime=3) as provider, Browser(provider) as somebody:
        async with api(provider, tmp_path, CACHED) as it:
            session: Session | NotSignedIn = NotSignedIn.NO_TOKEN
            while not session:  # a loaded machine is slower than the token's life
                token = somebody.sign_in("ada").access
                session = await it.sessions.get(token)
            await asyncio.to_thread(until, lambda: it.sessions.now() >= session.ends_at, "its end")
            assert (await it.get(token)).status_code == 401


async def test_S9_I4_while_the_server_is_away_known_tokens_get_in_and_others_503(tmp_path: Path) -> None:
    """Also with a wrong secret: nobody is ever told that they are not signed in."""
    hasty = HTTPSettings(timeout=timedelta(seconds=5), retries=0)
    with OIDCProvider({"web": "http://127.0.0.1:9/"}) as provider, Browser(provider) as somebody:
        token, other = somebody.sign_in("ada").access, somebody.sign_in("eve").access
        async with api(provider, tmp_path, CACHED, settings=hasty) as it:
            assert (await it.get(token)).status_code == 200
            provider.kill()
            assert (await it.get(token)).status_code == 200
            answer = await it.get(other)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "www-authenticate" not in answer.headers
        provider.start()
        async with api(provider, tmp_path, CACHED, client_secret="wrong") as it:
            assert (await it.get(token)).status_code == 503


async def test_L7_I3_a_token_that_was_signed_out_here_is_refused_everywhere_here(
    oidc: OIDCProvider, browser: Browser, tmp_path: Path
) -> None:
    """With an endpoint for it, it ends there too; without one, the server goes on accepting it."""
    for how in ({"revocation_url": oidc.revocation}, {}):
        token = browser.sign_in("ada").access
        async with api(oidc, tmp_path, CACHED, **how) as first, api(oidc, tmp_path, CACHED, **how) as second:
            for it in (first, second):
                assert (await it.get(token)).status_code == 200
            await first.sessions.sign_out(token)
            for it in (first, second):
                assert (await it.get(token)).status_code == 401
        said = oidc.form("/token/introspection", {"token": token}, client="api").json()
        assert said["active"] is not bool(how)


def test_the_side_for_threads_does_the_same(oidc: OIDCProvider, browser: Browser, tmp_path: Path) -> None:
    token = browser.sign_in("ada").access
    before = oidc.asked()
    with ProviderSessions(
        introspection("threads", oidc), f"sqlite:///{tmp_path / 'log.db'}", settings=CACHED
    ) as sessions:
        for _ in range(5):
            session = sessions.get(token)
            assert session
            assert session.user_id == "ada"
        assert oidc.asked() == before + 1
        sessions.sign_out(token)
        assert sessions.get(token) is NotSignedIn.UNKNOWN
