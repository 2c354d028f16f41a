"""Each library's live sessions, as it writes them itself, and the same cookies against our middleware afterwards."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from coatcheck import AsyncSessions, ImportedTokens, Policy
from coatcheck.cli import main
from coatcheck.starlette import RequestSessionMiddleware, SessionMiddleware, sign_in, sign_out
from tests.importing import old
from tests.upstream import source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request

STORE = "sqlite:///app.db"
COOKIE = "__Host-session"

# --- the application before, and after


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def before(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> old.Old:
    """Give the application as it was."""
    kind: str = request.param
    library, _, place = kind.partition(" ")
    own = {"sqlite": f"sqlite:///{folder}/old.db", "files": str(folder / "sessions")}
    url: str = own.get(place) or request.getfixturevalue(f"{place}_url")
    if library == "fastapi-users":
        monkeypatch.syspath_prepend(str(source("fastapi-users-db-sqlalchemy", "7.0.0")))
        return old.OldFastAPIUsers(url)
    made: dict[str, Callable[[str], old.Old]] = {
        "starsessions": old.OldStarsessions,
        "litestar": old.OldLitestar,
        "flask-session": old.OldFlaskSession,
        "flask-session-json": lambda url: old.OldFlaskSession(url, SESSION_SERIALIZATION_FORMAT="json"),
    }
    return made[library](url)


def after(before: old.Old, **settings: Any) -> Starlette:
    """Return the application as it is now."""
    imported = ImportedTokens(library=before.library)
    sessions = AsyncSessions(STORE, imported=imported, **settings)

    async def who(request: Request) -> JSONResponse:
        return JSONResponse(dict(request.session))

    async def enter(request: Request) -> JSONResponse:
        await sign_in(request, "bob")
        return JSONResponse({})

    async def leave(request: Request) -> JSONResponse:
        await sign_out(request)
        return JSONResponse({})

    async def me(request: Request) -> JSONResponse:
        session = await request.scope["coatcheck"].session()
        return JSONResponse({"user": session.user_id if session else None})

    return Starlette(
        routes=[Route("/me", me), Route("/data", who)]
        + [Route(path, view, methods=["POST"]) for path, view in (("/sign-in", enter), ("/sign-out", leave))],
        middleware=[
            Middleware(SessionMiddleware, sessions=sessions),
            Middleware(RequestSessionMiddleware, user_key=before.user_key),
        ],
    )


@contextmanager
def visiting(before: old.Old, **settings: Any) -> Iterator[Callable[[str], TestClient]]:
    """Give a browser that has an old cookie, on the application as it is now."""
    app = after(before, **settings)
    own = {"Sec-Fetch-Site": "same-origin"}
    with TestClient(app, base_url="https://testserver", headers=own) as running:

        def visitor(value: str) -> TestClient:
            client = TestClient(app, base_url="https://testserver", headers=own)
            client.portal = running.portal
            client.cookies.set(before.cookie, value, domain="testserver.local", path="/")
            return client

        yield visitor


@pytest.fixture
def visitor(before: old.Old) -> Iterator[Callable[[str], TestClient]]:
    """Give such a browser, with settings as they are by default."""
    with visiting(before) as visitor:
        yield visitor


def imported(*arguments: str) -> int:
    return main(["import", *arguments, "--store", STORE])


def rows() -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect("app.db")) as database:
        return database.execute("SELECT * FROM coatcheck_sessions").fetchall()


KINDS = (
    "starsessions valkey",
    "litestar valkey",
    "litestar files",
    "flask-session valkey",
    "flask-session-json valkey",
    "flask-session sqlite",
    "flask-session postgresql",
    "fastapi-users sqlite",
    "fastapi-users postgresql",
)


@pytest.mark.parametrize("before", KINDS, indirect=True)
def test_nobody_is_signed_out_by_the_change(
    before: old.Old, visitor: Callable[[str], TestClient], capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run, an import, the old cookie; then the sign-out, after which nothing brings the session back (I3)."""
    ann, bea = str(uuid4()), str(uuid4())
    cookies = {user: before.sign_in(user, cart=old.CART) for user in (ann, bea)}
    guests = [before.sign_in(None, cart=old.CART)] if before.keeps_data else []
    many = len(cookies) + len(guests)
    assert imported(*before.arguments, "--dry-run") == 0
    assert f"would import {many} sessions, 2 of them signed in" in capsys.readouterr().out
    assert not rows()
    assert imported(*before.arguments) == 0
    assert f"imported {many} sessions, 2 of them signed in" in capsys.readouterr().out

    for user, value in cookies.items():
        client = visitor(value)
        answer = client.get("/me")
        assert answer.json() == {"user": user}
        assert client.cookies[COOKIE] == value  # the same token, protected as ours are
        assert "Secure" in answer.headers["set-cookie"]
        assert not client.get("/me").headers.get_list("set-cookie")
    for value in guests:
        assert visitor(value).get("/data").json() == {"cart": old.CART}
    if before.keeps_data:
        assert visitor(cookies[ann]).get("/data").json() == {"cart": old.CART, before.user_key: ann}

    client = visitor(cookies[ann])
    client.post("/sign-out")
    assert not client.cookies
    assert imported(*before.arguments) == 0
    printed = capsys.readouterr()
    assert "imported 0 sessions, 0 of them signed in" in printed.out
    assert f"left out: {many} sessions that were imported already" in printed.out
    assert visitor(cookies[ann]).get("/me").json() == {"user": None}

    client = visitor(cookies[bea])
    client.post("/sign-in")
    assert client.cookies[COOKIE] != cookies[bea]
    assert visitor(cookies[bea]).get("/me").json() == {"user": None}
    for value in cookies.values():
        assert value not in repr(rows())
        assert value not in printed.out + printed.err


@pytest.mark.parametrize("before", ["starsessions valkey"], indirect=True)
def test_C8_a_token_of_ours_does_not_count_in_the_old_cookie(
    before: old.Old, visitor: Callable[[str], TestClient]
) -> None:
    """A sibling subdomain could have planted it there, to have somebody work in its own session."""
    client = visitor("")
    client.post("/sign-in")
    token = client.cookies[COOKIE]
    assert client.get("/me").json() == {"user": "bob"}
    answer = visitor(token).get("/me")
    assert answer.json() == {"user": None}
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("before", ["starsessions valkey"], indirect=True)
def test_L16_where_tokens_rotate_the_old_one_is_exchanged_at_once(before: old.Old) -> None:
    """All requests that still carry it get the same successor, and none of them the old token in a new cookie."""
    value = before.sign_in("ann")
    with visiting(before, policy=Policy(rotate_after=timedelta(hours=1))) as visitor:
        assert imported(*before.arguments) == 0
        browsers = [visitor(value) for _ in range(3)]
        assert [browser.get("/me").json() for browser in browsers] == [{"user": "ann"}] * 3
        (token,) = {browser.cookies[COOKIE] for browser in browsers}
        assert token != value
        assert browsers[0].get("/me").json() == {"user": "ann"}
        assert browsers[0].cookies[COOKIE] == token
