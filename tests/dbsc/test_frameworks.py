"""Every framework binds sessions, by the same settings, and has a guard for bound ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from fastapi import FastAPI
from flask import Flask
from litestar import Litestar, Request, get, post
from starlette.requests import Request as StarletteRequest  # noqa: TC002 - FastAPI reads it

from coatcheck import AsyncSessions, DeviceBinding, Sessions
from coatcheck import fastapi as for_fastapi
from coatcheck import flask as for_flask
from coatcheck import litestar as for_litestar
from coatcheck.describe import describe
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.web.settings import WebSettings
from tests.dbsc.device import Device, challenge_of
from tests.dbsc.site import KEY
from tests.web.browser import COOKIE, Browser, started

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from werkzeug.test import TestResponse

REGISTER, REFRESH = "/session/device/register", "/session/device/refresh"
BINDING = DeviceBinding()


class Answered(Protocol):
    """What an answer is asked for."""

    status: int

    def header(self, name: str) -> str | None: ...

    def json(self) -> Any: ...


async def exchange(ask: Callable[..., Awaitable[Answered]]) -> None:
    """Sign in, register, renew, and come to what only bound sessions may see."""
    device = Device()
    signed_in = await ask("POST", "/sign-in")
    offer = signed_in.header("secure-session-registration")
    assert offer is not None
    assert (await ask("GET", "/bound")).status == 403
    registered = await ask("POST", REGISTER, **{"secure-session-response": device.registration(offer)})
    assert registered.status == 200
    named = {"sec-secure-session-id": registered.json()["session_identifier"]}
    asked = await ask("POST", REFRESH, **named)
    assert asked.status == 403
    given = challenge_of(asked.header("secure-session-challenge") or "")
    assert (await ask("POST", REFRESH, **named, **{"secure-session-response": device.refresh(given)})).status == 200
    assert (await ask("GET", "/bound")).status == 200
    assert (await ask("GET", "/bound", cookies={COOKIE})).status == 401


def over_asgi(app: Any) -> Callable[..., Awaitable[Answered]]:
    browser = Browser(app)

    async def ask(method: str, path: str, cookies: set[str] | None = None, **headers: str) -> Answered:
        sent = {name: value for name, value in browser.cookies.items() if cookies is None or name in cookies}
        other = browser if cookies is None else Browser(app, cookies=sent)
        lines = [*(() if method == "GET" else (("sec-fetch-site", "same-origin"),)), *headers.items()]
        return await other.request(method, path, headers=lines)

    return ask


def stored(folder: Path) -> AsyncSessions:
    return AsyncSessions(AsyncSQLiteStore(str(folder / "app.db")), keys=[KEY])


@pytest.mark.anyio
async def test_fastapi(tmp_path: Path) -> None:
    app = FastAPI()
    app.add_middleware(for_fastapi.SessionMiddleware, sessions=stored(tmp_path), device_binding=BINDING)

    @app.post("/sign-in")
    async def sign_in(request: StarletteRequest) -> None:
        await for_fastapi.sign_in(request, "ada")

    @app.get("/bound")
    async def bound(session: for_fastapi.BoundSession) -> str:
        return str(session.device_bound)

    async with started(app):
        await exchange(over_asgi(app))


@pytest.mark.anyio
async def test_litestar(tmp_path: Path) -> None:
    @post("/sign-in")
    async def sign_in(request: Request[Any, Any, Any]) -> None:
        await for_litestar.sign_in(request, "ada")

    @get("/bound", guards=[for_litestar.requires_device_bound])
    async def bound() -> str:
        return "yes"

    plugin = for_litestar.CoatcheckPlugin(stored(tmp_path), device_binding=BINDING)
    app = Litestar([sign_in, bound], plugins=[plugin])
    async with started(app):  # type: ignore[arg-type]
        await exchange(over_asgi(app))


@pytest.mark.anyio
async def test_flask(tmp_path: Path) -> None:
    app = Flask("site")
    sessions = Sessions(SQLiteStore(str(tmp_path / "app.db")), keys=[KEY])
    for_flask.Coatcheck(app, sessions, device_binding=BINDING)

    @app.post("/sign-in")
    def sign_in() -> str:
        for_flask.sign_in("ada")
        return "done"

    @app.get("/bound")
    @for_flask.device_bound_required
    def bound() -> str:
        return "yes"

    client = app.test_client(use_cookies=False)
    kept: dict[str, str] = {}

    async def ask(method: str, path: str, cookies: set[str] | None = None, **headers: str) -> Answered:
        sent = "; ".join(f"{name}={value}" for name, value in kept.items() if cookies is None or name in cookies)
        lines = {"Sec-Fetch-Site": "same-origin", "Cookie": sent, **headers} if method == "POST" else {"Cookie": sent}
        answer = client.open(path, method=method, headers=lines, base_url="https://testserver")
        for line in answer.headers.getlist("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            kept[name] = value
        return FlaskAnswer(answer)

    await exchange(ask)
    sessions.close()


class FlaskAnswer:
    """Flask's answer, in the words of the others."""

    def __init__(self, answer: TestResponse) -> None:
        self.status = answer.status_code
        self._answer = answer

    def header(self, name: str) -> str | None:
        return self._answer.headers.get(name)

    def json(self) -> Any:
        return json.loads(self._answer.data)


def test_check_says_what_a_stolen_cookie_is_worth() -> None:
    sessions = AsyncSessions("sqlite:///app.db", keys=[KEY])
    off = {line.setting: line.value for line in describe(sessions, WebSettings())}
    assert off["device_binding"] == "off: a stolen cookie works anywhere until its session ends"
    binding = DeviceBinding(excluded_paths=("/static",))
    lines = describe(sessions, WebSettings(device_binding=binding))
    on = {line.setting: line.value for line in lines if line.setting.startswith("device_binding")}
    assert on == {
        "device_binding": "in browsers that can: a stolen cookie alone is worthless, both together for 10 minutes",
        "device_binding.cookie": "__Host-session-b",
        "device_binding.paths": f"{REGISTER}, {REFRESH}",
        "device_binding.excluded_paths": "/static",
    }
