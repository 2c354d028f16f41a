"""A web application on uvicorn with two workers, as it stands on a real host."""

from __future__ import annotations

import http.client
import json
import os
import sys
from typing import TYPE_CHECKING, Any, ClassVar

from fastapi import FastAPI

from coatcheck import AsyncSessions
from coatcheck.fastapi import CurrentSession  # noqa: TC001 - FastAPI reads the annotation
from coatcheck.starlette import SessionMiddleware
from coatcheck.stores.urls import async_store_from_url
from tests.processes.fleet import ROOT
from tests.servers.server import Server

if TYPE_CHECKING:
    from collections.abc import Sequence

_SETTINGS = "SITE"
COOKIE = "__Host-session"
WORKERS = 2


def make() -> FastAPI:
    """Build the application; each worker of the server does."""
    settings = json.loads(os.environ[_SETTINGS])
    app = FastAPI()
    sessions = AsyncSessions(async_store_from_url(settings["url"], **settings["options"]))
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.get("/plain")
    async def plain() -> int:
        return os.getpid()

    @app.get("/private")
    async def private(session: CurrentSession) -> str | None:
        return session.user_id

    return app


class Site(Server):
    """The server, its two workers, and a port."""

    name: ClassVar[str] = "site"

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self._settings = json.dumps({"url": url, "options": options})
        self._workers: set[bytes] = set()
        super().__init__()

    def command(self) -> Sequence[str]:
        words = f"-m uvicorn tests.fleet.site:make --factory --workers {WORKERS} --log-level warning --port {self.port}"
        return [sys.executable, *words.split()]

    def account(self) -> dict[str, Any]:
        path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        return {"env": {**os.environ, "PYTHONPATH": path, _SETTINGS: self._settings}}

    def answers(self) -> bool:
        """Tell whether both workers do: uvicorn ends as a whole if one of them finds no database when it starts."""
        try:
            self._workers.add(self.get("/plain")[2])
        except OSError:
            return False
        return len(self._workers) == WORKERS

    def get(self, path: str, token: str = "") -> tuple[int, dict[str, str], bytes]:
        """Ask on a new connection, which either of the workers gets."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers={"Cookie": f"{COOKIE}={token}"} if token else {})
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()
