"""A site with the JSON API on it: a database with users, a clock, faults to order, and browsers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from coatcheck import AsyncSessions, UsersTable
from coatcheck.api import session_router
from coatcheck.fastapi import SessionMiddleware, sign_in
from coatcheck.starlette import rotate
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.testing import AsyncFaultyStore, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "__Host-session"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
USERS = UsersTable(table="users", foreign_key=True)


class Browser:
    """One browser: a cookie of its own, and the headers that browsers send for their own site's requests."""

    def __init__(self, client: TestClient, agent: str) -> None:
        self.client = client
        self.agent = agent
        self.cookie: str | None = None

    def request(self, method: str, path: str, **options: Any) -> Any:
        headers = {"User-Agent": self.agent, "Sec-Fetch-Site": "same-origin", **options.pop("headers", {})}
        if self.cookie is not None:
            headers.setdefault("Cookie", f"{NAME}={self.cookie}")
        self.client.cookies.clear()
        response = self.client.request(method, path, headers=headers, **options)
        for line in response.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            assert name == NAME
            self.cookie = value or None
        return response

    def get(self, path: str, **options: Any) -> Any:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Any:
        return self.request("POST", path, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self.request("DELETE", path, **options)

    def signed_in(self, user_id: str = "7") -> Browser:
        """Sign in and return the same browser."""
        assert self.post(f"/sign-in/{user_id}").status_code == 200
        return self

    def id(self) -> str:
        """Return the public id of the browser's session."""
        return str(self.get("/api/session").json()["session_id"])

    def is_signed_in(self) -> bool:
        """Tell whether the cookie still works."""
        status: int = self.get("/api/session").status_code
        assert status in {200, 401}
        return status == 200


class Site:
    """The application, and all that a test may want to do behind its back."""

    def __init__(self, folder: Path, prefix: str = "/api", router: Any = None, **settings: Any) -> None:
        self.path = folder / "site.db"
        self.sql(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT UNIQUE, role TEXT);"
            "INSERT INTO users VALUES (7, 'Ada', 'ada@example.org', 'editor'), (8, 'Bob', NULL, NULL)"
        )
        self.clock = ManualClock()
        self.store = AsyncFaultyStore(AsyncSQLiteStore(str(self.path), users=USERS, clock=self.clock))
        self.sessions = AsyncSessions(self.store, clock=self.clock)
        self.app = FastAPI()
        self.app.include_router(router or session_router(), prefix=prefix)
        self.app.add_api_route("/sign-in/{user_id}", _sign_in, methods=["POST"])
        self.app.add_api_route("/reauthenticate", _reauthenticate, methods=["POST"])
        self.app.add_api_route("/visit", _visit, methods=["POST"])
        self.app.add_middleware(SessionMiddleware, sessions=self.sessions, **settings)
        self.client = TestClient(self.app, base_url="https://testserver")

    def sql(self, script: str) -> None:
        """Do something in the database that no call of ours knows of."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executescript(script)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Await something on the application's event loop."""
        assert self.client.portal is not None
        return self.client.portal.call(function, *arguments)

    def browser(self, agent: str = FIREFOX) -> Browser:
        """Return a new browser, signed in nowhere."""
        return Browser(self.client, agent)


async def _sign_in(request: Request, user_id: str) -> None:
    await sign_in(request, user_id)


async def _reauthenticate(request: Request) -> None:
    await rotate(request, reauthenticated=True)


async def _visit(request: Request) -> Response:
    """Begin a session for somebody who has not signed in."""
    await request.scope["coatcheck"].start_anonymous({"cart": ["hat"]})
    return Response()
