"""FastAPI: dependencies, what OpenAPI says of them, and the framework's own test client."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, WebSocket
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from coatcheck import AsyncSessions, Session
from coatcheck.fastapi import (
    CurrentSession,
    OptionalSession,
    SessionMiddleware,
    recent_auth,
    revoke_others,
    rotate,
    sign_in,
    sign_out,
)
from tests.web.browser import COOKIE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RecentSession = Annotated[Session, recent_auth(timedelta(minutes=5))]
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}

router = APIRouter()


@router.get("/me")
async def me(session: CurrentSession) -> dict[str, Any]:
    return {"user": session.user_id}


@router.get("/threaded")
def threaded(session: CurrentSession) -> dict[str, Any]:
    return {"user": session.user_id}


@router.get("/home")
async def home(session: OptionalSession) -> dict[str, Any]:
    return {"user": session.user_id if session else None}


@router.get("/recent")
async def recent(session: RecentSession) -> dict[str, Any]:
    return {"user": session.user_id}


@router.get("/open")
async def open_to_all() -> dict[str, Any]:
    return {}


async def admin(session: CurrentSession) -> str:
    return f"admin {session.user_id}"


@router.get("/admin")
async def for_admins(name: Annotated[str, Depends(admin)]) -> str:
    return name


@router.post("/sign-in")
async def enter(request: Request, user: str) -> dict[str, Any]:
    return {"user": (await sign_in(request, user)).user_id}


@router.post("/sign-out")
async def leave(request: Request, session: CurrentSession) -> dict[str, Any]:
    await sign_out(request)
    return {}


@router.post("/rotate")
async def renew(request: Request) -> dict[str, Any]:
    return {"user": (await rotate(request, reauthenticated=True)).user_id}


@router.post("/alone")
async def alone(request: Request) -> dict[str, Any]:
    return {"ended": await revoke_others(request)}


@router.websocket("/socket")
async def socket(websocket: WebSocket, session: CurrentSession) -> None:
    await websocket.accept()
    await websocket.send_text(session.user_id or "")
    await websocket.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """A browser with FastAPI's test client, and an application that runs as under a server."""
    app = FastAPI()
    app.include_router(router)
    part = FastAPI()
    part.include_router(router)
    app.mount("/part", part)
    app.add_middleware(SessionMiddleware, sessions=AsyncSessions(f"sqlite:///{tmp_path / 'app.db'}"))
    with TestClient(app, base_url="https://testserver", headers=SAME_ORIGIN, follow_redirects=False) as client:
        yield client


def test_dependencies_bring_the_session_to_coroutines_and_threads(client: TestClient) -> None:
    """The cookie jar of an ordinary client keeps the cookie, sends it, and drops it when told to."""
    assert client.get("/home").json() == {"user": None}
    assert client.post("/sign-in?user=alice").json() == {"user": "alice"}
    assert [cookie.name for cookie in client.cookies.jar] == [COOKIE]
    for path in ("/me", "/threaded", "/home", "/recent"):
        assert client.get(path).json() == {"user": "alice"}
    before = client.cookies[COOKIE]
    assert client.post("/rotate").json() == {"user": "alice"}
    assert client.cookies[COOKIE] != before
    assert client.post("/alone").json() == {"ended": 0}
    assert client.get("/me").json() == {"user": "alice"}
    assert client.post("/sign-out").json() == {}
    assert not list(client.cookies.jar)
    assert client.get("/me").status_code == 401


def test_without_a_session_programs_get_401_and_browsers_the_sign_in_page(client: TestClient) -> None:
    for path in ("/me", "/threaded", "/recent"):
        assert client.get(path).status_code == 401
        page = client.get(path, headers={"accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (302, f"/login?next=%2F{path[1:]}")
    assert client.post("/sign-out").status_code == 401


def test_an_application_that_is_mounted_refuses_as_any_other(client: TestClient) -> None:
    """It makes a 500 of what no handler of its own answers, which would be told as a failure of the server."""
    for path in ("/part/me", "/part/threaded", "/part/recent"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["reason"]) == (401, "no_token")
        page = client.get(path, headers={"accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (302, f"/login?next={quote(path, safe='')}")
    client.post("/part/sign-in?user=ada")
    assert client.get("/part/recent").json() == {"user": "ada"}


def test_a_websocket_takes_the_same_dependencies(client: TestClient) -> None:
    """Its session comes from the cookie of the handshake; without one the handshake is refused."""
    origin = {"origin": "https://testserver"}
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/socket", headers=origin):
        pass
    assert getattr(refused.value, "status_code", None) == 401
    client.post("/sign-in?user=alice")
    with client.websocket_connect("wss://testserver/socket", headers=origin) as opened:
        assert opened.receive_text() == "alice"
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect("wss://testserver/socket", headers=foreign),
    ):
        pass
    assert getattr(refused.value, "status_code", None) == 403


def test_openapi_says_which_operations_need_a_session(client: TestClient) -> None:
    """One scheme, the cookie by its name, on the operations that ask for a session and on no others."""
    schema = client.get("/openapi.json").json()
    assert schema["components"]["securitySchemes"] == {"session": {"type": "apiKey", "in": "cookie", "name": COOKIE}}
    for path in ("/me", "/threaded", "/home", "/recent"):
        assert schema["paths"][path]["get"]["security"] == [{"session": []}]
        assert schema["paths"][path]["get"].get("parameters", []) == []
    assert "security" not in schema["paths"]["/open"]["get"]


def test_dependencies_can_be_built_upon(client: TestClient) -> None:
    """They are ordinary dependencies, which others build upon."""
    assert client.get("/admin").status_code == 401
    client.post("/sign-in?user=root")
    assert client.get("/admin").json() == "admin root"
