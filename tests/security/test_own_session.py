"""Every framework goes there and back, from account to account, and has a guard for what is the user's alone."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from flask import Flask
from flask import request as flask_request
from litestar import Litestar, Request, get, post
from starlette.requests import Request as StarletteRequest  # noqa: TC002 - FastAPI reads it

from coatcheck import AsyncSessions, Sessions
from coatcheck import fastapi as for_fastapi
from coatcheck import flask as for_flask
from coatcheck import litestar as for_litestar
from coatcheck.api import session_router
from coatcheck.asgi import AsyncAccounts, AsyncActing
from coatcheck.asgi import context_of as asgi_context
from coatcheck.wsgi import Accounts, Acting
from coatcheck.wsgi import context_of as wsgi_context
from tests.web.browser import Browser, started

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Ask = Callable[[str, str], Awaitable[tuple[int, Any]]]

pytestmark = pytest.mark.anyio

RECENT = timedelta(minutes=5)


async def there_and_back(ask: Ask) -> None:
    """Sign two in, go from one to the other, act as a third, and come back; the guards know which is which."""
    for user in ("sue", "bob"):
        await ask("POST", f"/add/{user}")
    _, listed = await ask("GET", "/accounts")
    assert [(user, active) for _, user, active in listed] == [("bob", True), ("sue", False)]
    assert (await ask("POST", f"/switch/{listed[1][0]}"))[0] == 200
    assert (await ask("POST", "/switch/nobody"))[0] == 404
    assert await ask("GET", "/own") == (200, "sue")
    assert (await ask("GET", "/recent"))[0] == 200
    assert (await ask("POST", "/act/alice"))[0] == 200
    for guarded in ("/own", "/recent"):
        status, problem = await ask("GET", guarded)
        assert (status, problem["reason"]) == (403, "impersonation"), guarded
    assert (await ask("POST", f"/switch/{listed[0][0]}"))[0] == 403
    assert (await ask("POST", "/back"))[0] == 200
    assert await ask("GET", "/own") == (200, "sue")
    assert len((await ask("GET", "/accounts"))[1]) == 2


def over_asgi(app: Any, prefix: str = "") -> Ask:
    browser = Browser(app)

    async def ask(method: str, path: str) -> tuple[int, Any]:
        answer = await browser.request(method, prefix + path)
        return answer.status, answer.json() if answer.body else None

    return ask


async def do(context: Any, what: str, name: str) -> Any:
    """Do what a route is there for, for event loops."""
    if what == "accounts":
        return [(each.session_id, each.user_id, each.active) for each in await AsyncAccounts(context).list()]
    if what == "act":
        return (await AsyncActing(context).begin(name, reason="case 17")).user_id
    if what == "back":
        return (await AsyncActing(context).end()).user_id
    accounts = AsyncAccounts(context)
    return (await (accounts.add(name) if what == "add" else accounts.switch(name))).user_id


async def test_fastapi(tmp_path: Path) -> None:
    app = FastAPI()
    app.add_middleware(for_fastapi.SessionMiddleware, sessions=AsyncSessions(f"sqlite:///{tmp_path}/app.db"))

    @app.get("/own")
    async def own(session: for_fastapi.OwnSession) -> str:
        return str(session.user_id)

    @app.get("/recent", dependencies=[for_fastapi.recent_auth(RECENT)])
    async def recent() -> str:
        return "yes"

    @app.api_route("/{what}", methods=["GET", "POST"])
    @app.post("/{what}/{name}")
    async def step(request: StarletteRequest, what: str, name: str = "") -> Any:
        return await do(asgi_context(request.scope), what, name)

    async with started(app):
        await there_and_back(over_asgi(app))


async def test_the_json_api(tmp_path: Path) -> None:
    """Its routes are what a front end needs, and answer a browser in which nobody is signed in."""
    app = FastAPI()
    app.add_middleware(for_fastapi.SessionMiddleware, sessions=AsyncSessions(f"sqlite:///{tmp_path}/app.db"))
    app.include_router(session_router(), prefix="/api")

    @app.post("/{what}/{name}")
    async def step(request: StarletteRequest, what: str, name: str) -> Any:
        return await do(asgi_context(request.scope), what, name)

    async with started(app):
        ask = over_asgi(app)
        assert await ask("GET", "/api/session/accounts") == (200, {"accounts": []})
        for user in ("sue", "bob", "ann"):
            await ask("POST", f"/add/{user}")
        _, answer = await ask("GET", "/api/session/accounts")
        ann, bob, sue = answer["accounts"]
        assert ann == {"session_id": ann["session_id"], "user_id": "ann", "name": None, "email": None, "active": True}
        assert (bob["user_id"], sue["user_id"], sue["active"]) == ("bob", "sue", False)
        status, now = await ask("POST", f"/api/session/accounts/{sue['session_id']}/switch")
        assert (status, now["id"], now["session_id"]) == (200, "sue", sue["session_id"])
        assert (await ask("POST", "/api/session/accounts/none/switch"))[0] == 404
        assert (await ask("DELETE", f"/api/session/accounts/{bob['session_id']}"))[0] == 204
        assert (await ask("DELETE", f"/api/session/accounts/{bob['session_id']}"))[0] == 404
        await ask("POST", "/act/alice")
        status, problem = await ask("POST", f"/api/session/accounts/{ann['session_id']}/switch")
        assert (status, problem["reason"]) == (403, "impersonation")
        _, listed = await ask("GET", "/api/sessions")
        assert [(each["device"], each["ip"]) for each in listed["sessions"]] == [("support", None)]
        assert (await ask("POST", "/api/sessions/revoke-others"))[0] == 403
        assert await ask("POST", "/api/session/accounts/sign-out") == (200, {"ended": 2})
        assert await ask("GET", "/api/session/accounts") == (200, {"accounts": []})


async def test_litestar(tmp_path: Path) -> None:
    @get("/own", guards=[for_litestar.requires_own_session])
    async def own(request: Request[Any, Any, Any]) -> Any:
        session = await for_litestar.current_session(request)
        return json.dumps(session and session.user_id)

    @get("/recent", guards=[for_litestar.requires_recent_auth(RECENT)])
    async def recent() -> str:
        return '"yes"'

    @get("/accounts")
    async def accounts(request: Request[Any, Any, Any]) -> Any:
        return await do(asgi_context(dict(request.scope)), "accounts", "")

    @post("/back", status_code=200)
    async def back(request: Request[Any, Any, Any]) -> Any:
        return json.dumps(await do(asgi_context(dict(request.scope)), "back", ""))

    @post("/{what:str}/{name:str}", status_code=200)
    async def step(request: Request[Any, Any, Any]) -> Any:
        named = request.path_params
        return json.dumps(await do(asgi_context(dict(request.scope)), named["what"], named["name"]))

    plugin = for_litestar.CoatcheckPlugin(AsyncSessions(f"sqlite:///{tmp_path}/app.db"))
    app = Litestar([own, recent, accounts, back, step], plugins=[plugin])
    async with started(app):  # type: ignore[arg-type]
        await there_and_back(over_asgi(app))


async def test_flask(tmp_path: Path) -> None:
    app = Flask("site")
    sessions = Sessions(f"sqlite:///{tmp_path}/app.db")
    for_flask.Coatcheck(app, sessions)

    @app.get("/own")
    @for_flask.own_session_required
    def own() -> str:
        return json.dumps(for_flask.current_session.user_id)

    @app.get("/recent")
    @for_flask.fresh_required(RECENT)
    def recent() -> str:
        return '"yes"'

    @app.route("/<what>", methods=["GET", "POST"])
    @app.post("/<what>/<name>")
    def step(what: str, name: str = "") -> str:
        context = wsgi_context(flask_request.environ)
        if what == "accounts":
            return json.dumps([(each.session_id, each.user_id, each.active) for each in Accounts(context).list()])
        if what in {"act", "back"}:
            acting = Acting(context)
            return json.dumps((acting.begin(name, reason="case 17") if what == "act" else acting.end()).user_id)
        accounts = Accounts(context)
        return json.dumps((accounts.add(name) if what == "add" else accounts.switch(name)).user_id)

    client = app.test_client()

    async def ask(method: str, path: str) -> tuple[int, Any]:
        headers = {"Sec-Fetch-Site": "same-origin"}
        answer = client.open(path, method=method, headers=headers, base_url="https://testserver")
        found = json.loads(answer.data)
        return answer.status_code, found

    await there_and_back(ask)
    sessions.close()
