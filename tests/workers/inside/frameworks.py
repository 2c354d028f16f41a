"""FastAPI in a Worker, with the JSON API: `make` brings the one part of it that is compiled."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from coatcheck import AsyncProviderSessions, AsyncSessions, CacheSettings
from coatcheck.asgi import context_of
from coatcheck.providers.better_auth import AsyncBetterAuthD1
from coatcheck.stores.d1 import AsyncD1Store
from coatcheck.workers import ASGIWorker
from tests.workers.inside.better_auth import COOKIE, SECRETS, signed_up
from tests.workers.inside.databases import emptied
from tests.workers.inside.fetch import Browser, Env


@pytest.fixture
async def browser(env: Any) -> Browser:
    """A browser at a Worker with FastAPI."""
    from fastapi import FastAPI
    from starlette.responses import JSONResponse

    from coatcheck.api import session_router

    app = FastAPI()
    app.include_router(session_router(), prefix="/api")

    async def login(request: Any) -> JSONResponse:
        form = json.loads(await request.body())
        session = await context_of(request.scope).sign_in(form["name"])
        return JSONResponse({"id": session.id, "bound": str(request.scope["env"] is not None)})

    app.add_route("/login", login, methods=["POST"])
    await AsyncD1Store(await emptied(env.DB)).migrate()

    def sessions(env: Any) -> AsyncSessions:
        return AsyncSessions(AsyncD1Store(env.DB), cache=CacheSettings(lease=timedelta(0)))

    return Browser(ASGIWorker(sessions, app), Env(DB=env.DB))


async def test_the_JSON_API_answers(browser: Browser) -> None:
    """Sign in, see who it is, list, end all others."""
    assert (await browser.send("GET", "/api/session")).status == 401
    signed_in = await browser.send("POST", "/login", b'{"name": "ann"}')
    assert signed_in.status == 200
    session = json.loads(await signed_in.text())
    assert session["bound"] == "True"
    other = Browser(browser.worker, browser.env)
    await other.send("POST", "/login", b'{"name": "ann"}')
    me = json.loads(await (await browser.send("GET", "/api/session")).text())
    assert me["user"]["id"] == "ann" if "user" in me else me["id"] == "ann"
    listed = json.loads(await (await browser.send("GET", "/api/sessions")).text())
    assert len(listed["sessions"]) == 2
    assert (await browser.send("DELETE", f"/api/sessions/{session['id']}")).status == 204
    assert (await browser.send("GET", "/api/session")).status == 401
    assert (await other.send("GET", "/api/session")).status == 200
    assert (await other.send("GET", "/api/sessions?limit=x")).status == 422


async def test_an_ASGI_application_takes_the_sessions_of_Better_Auth(env: Any) -> None:
    """With the part of the JSON API that they have."""
    from fastapi import FastAPI

    from coatcheck.api import identity_router

    app = FastAPI()
    app.include_router(identity_router(), prefix="/api")
    cookie = await signed_up(env)
    await AsyncD1Store(await emptied(env.DB)).migrate()

    def sessions(env: Any) -> AsyncProviderSessions:
        return AsyncProviderSessions(AsyncBetterAuthD1(env.AUTH_DB, secrets=SECRETS), AsyncD1Store(env.DB))

    browser = Browser(ASGIWorker(sessions, app), Env(DB=env.DB, AUTH_DB=env.AUTH_DB))
    assert (await browser.send("GET", "/api/me")).status == 401
    browser.cookie = f"{COOKIE}={cookie}"
    response = await browser.send("GET", "/api/me")
    assert response.status == 200
    assert "ann-" in await response.text()
