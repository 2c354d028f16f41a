"""A plugin for pytest: Starlette's own `SessionMiddleware` is ours, with what its arguments say."""

from __future__ import annotations

import itertools
import json
import os
from datetime import timedelta
from typing import Any

import pytest
import starlette.middleware.sessions
import starlette.responses
import starlette.testclient
from blockbuster import BlockBuster

from coatcheck import AsyncSessions, CookieSettings, CrossOriginPolicy, Policy
from coatcheck.starlette import RequestSessionMiddleware, SessionMiddleware
from coatcheck.stores.sqlite import AsyncSQLiteStore

_folder = os.environ["FOLDER"]
_numbers = itertools.count()
_clients: list[Any] = []
_stores: list[AsyncSQLiteStore] = []


class Translated(SessionMiddleware):
    """Takes the arguments of theirs."""

    def __init__(
        self,
        app: Any,
        *,
        session_cookie: str = "session",
        max_age: int | None = 14 * 24 * 60 * 60,
        path: str = "/",
        same_site: Any = "lax",
        https_only: bool = False,
        domain: str | None = None,
        **_: Any,
    ) -> None:
        lives = timedelta(seconds=max(1, max_age or 1))
        times: Any = {"idle_timeout": lives, "lifetime": lives, "touch_every": timedelta(0)} if max_age else {}
        super().__init__(
            RequestSessionMiddleware(app),
            sessions=AsyncSessions(_stores.pop(), policy=Policy(**times)),
            cookie=CookieSettings(
                name=session_cookie,
                path=path,
                domain=None if domain is None else domain.removeprefix("."),
                secure=https_only,
                same_site=same_site,
                persistent=max_age is not None,
            ),
            # Their client says neither Sec-Fetch-Site nor Origin, which no browser does.
            cross_origin=CrossOriginPolicy(allow_missing=True),
        )


class JSONOfMappings(starlette.responses.JSONResponse):
    """Their views answer `request.session` itself, which is a dictionary there, and a mapping here."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, default=dict).encode()


class Running(starlette.testclient.TestClient):
    """Their client, with the application's lifespan around it: sessions open when the server starts."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.__enter__()
        _clients.append(self)


@pytest.fixture(autouse=True)
def _around() -> Any:
    # Made where an application makes them, and not in the event loop, where Starlette makes its middleware.
    _stores.append(AsyncSQLiteStore(f"{_folder}/{next(_numbers)}.db"))
    yield
    _stores.clear()
    while _clients:
        _clients.pop().__exit__(None, None, None)


# At once: their conftest is imported before any hook is called.
# Their detector of blocking calls is off: SQLite is read in the event loop on purpose (decision 0002).
for name in ("activate", "deactivate"):
    setattr(BlockBuster, name, lambda _: None)
starlette.middleware.sessions.SessionMiddleware = Translated  # type: ignore[assignment, misc]
starlette.responses.JSONResponse = JSONOfMappings  # type: ignore[misc]
starlette.testclient.TestClient = Running  # type: ignore[misc]
