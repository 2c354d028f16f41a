"""The servers that are attacked: one of each for all tests, with two processes, and a caching nginx before them."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
import pytest

from tests.bypasses.wire import Browser, Wire
from tests.servers.nginx import Nginx
from tests.servers.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.servers.postgresql import PostgreSQL
    from tests.servers.valkey import Valkey

ROOT = Path(__file__).parents[2]
KEY = "X0PFgLtCTnDsKl8r7WqYw2ZbIuEvHx3Aj5RmNp9Qk1o"

_CACHING = """
proxy_cache_path cache keys_zone=pages:1m;
server {
    listen 127.0.0.1:{port};
    proxy_cache pages;
    proxy_cache_key $request_uri;
    proxy_cache_valid 200 1m;
    proxy_ignore_headers Set-Cookie;
    add_header X-Cached $upstream_cache_status always;
    proxy_set_header Host shop.example;
    location /flask/ { proxy_pass http://127.0.0.1:{flask}/; }
    location /django/ { proxy_pass http://127.0.0.1:{django}/; }
    location /starlette/ { proxy_pass http://127.0.0.1:{starlette}/; }
}
"""


class Attacked(Server):
    """One site, served as its users serve it, by two processes."""

    name: ClassVar[str] = "attacked"

    def __init__(self, module: str, environ: Mapping[str, str], cookie: str) -> None:
        super().__init__()
        self.module, self.cookie = module, cookie
        self._environ = {"KEY": KEY, "GATES": str(self.folder), **environ}
        self.database = str(self.folder / "site.db")

    def command(self) -> Sequence[str]:
        app = f"tests.bypasses.sites.{self.module}:app"
        if self.module == "on_starlette":
            # At "debug" uvicorn itself writes all headers of a WebSocket's handshake, cookies among them.
            words = ["uvicorn", app, "--port", str(self.port), "--workers", "2", "--log-level", "info"]
            return [sys.executable, "-m", *words]
        how = ["--preload", "--workers", "2", "--threads", "4", "--no-control-socket", "--log-level", "debug"]
        return [sys.executable, "-m", "gunicorn", *how, "--bind", f"127.0.0.1:{self.port}", app]

    def account(self) -> dict[str, Any]:
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        return {"env": {**os.environ, "DATABASE": self.database, **self._environ, "PYTHONPATH": paths}}

    def answers(self) -> bool:
        try:
            return self.wire.ask("GET", "/plain").status == 200
        except OSError:
            return False

    @property
    def wire(self) -> Wire:
        return Wire(self.port)

    def browser(self) -> Browser:
        return Browser(self.wire, self.cookie)

    def signed_in(self, user: str = "ada") -> Browser:
        browser = self.browser()
        browser.post(f"/in/{user}")
        assert browser.who() == user
        return browser

    # --- what somebody sees who can read the database

    def sql(self, statement: str) -> list[Any]:
        """Do something in the database, past the library."""
        store = self._environ.get("STORE", "")
        if store.startswith("postgresql"):
            with psycopg.connect(store, autocommit=True) as server:
                cursor = server.execute(statement)
                return cursor.fetchall() if cursor.description else []
        with closing(sqlite3.connect(self.database)) as file, file:
            return file.execute(statement).fetchall()

    def rows(self) -> int:
        return int(self.sql("SELECT count(*) FROM coatcheck_sessions")[0][0])

    def dump(self) -> list[Any]:
        return self.sql("SELECT * FROM coatcheck_sessions")


@pytest.fixture(scope="session")
def flask_site(postgresql: PostgreSQL) -> Iterator[Attacked]:
    name = postgresql.create_database()
    store = postgresql.url(name)
    _migrate(store)
    with Attacked("on_flask", {"STORE": store}, "__Host-session") as site:
        yield site


@pytest.fixture(scope="session")
def starlette_site(postgresql: PostgreSQL, valkey: Valkey) -> Iterator[Attacked]:
    store = postgresql.url(postgresql.create_database())
    _migrate(store)
    with Attacked("on_starlette", {"STORE": store, "CACHE": valkey.url()}, "__Host-session") as site:
        yield site


@pytest.fixture(scope="session")
def django_site() -> Iterator[Attacked]:
    with Attacked("on_django", {}, "sessionid") as site:
        yield site


def _migrate(url: str) -> None:
    from coatcheck.stores.urls import store_from_url

    store = store_from_url(url)
    store.migrate()
    store.close()


@pytest.fixture(params=["flask", "starlette", "django"])
def site(request: pytest.FixtureRequest) -> Attacked:
    """Each of the sites."""
    found: Attacked = request.getfixturevalue(f"{request.param}_site")
    return found


@pytest.fixture(scope="session")
def caching(flask_site: Attacked, django_site: Attacked, starlette_site: Attacked) -> Iterator[Wire]:
    """A shared cache before the sites, which keeps what it may."""
    text = _CACHING
    for site, name in ((flask_site, "{flask}"), (django_site, "{django}"), (starlette_site, "{starlette}")):
        text = text.replace(name, str(site.port))
    with Nginx(text) as nginx:
        yield Wire(nginx.port)
