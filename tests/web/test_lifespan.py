"""The middleware opens the sessions when the server starts, and closes them when it stops."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from coatcheck import AsyncSessions, ConfigurationError, Policy
from coatcheck.starlette import SessionMiddleware
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.testing import AsyncFaultyStore, ManualClock
from tests.web.application import application
from tests.web.browser import Browser, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from coatcheck.asgi.types import App, Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio


def writers() -> list[str]:
    """Return the names of our threads."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("coatcheck-")]


LIFESPAN: Scope = {"type": "lifespan", "asgi": {"version": "3.0"}}


async def test_the_tables_are_there_before_the_application_starts_and_open_until_it_has_stopped(tmp_path: Path) -> None:
    """The application's own lifespan can use the sessions, at its beginning and at its end."""
    sessions = AsyncSessions(f"sqlite:///{tmp_path / 'app.db'}")
    seen: list[str | None] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        created = await sessions.create("early")
        yield
        session = await sessions.get(created.token)
        seen.append(session.user_id if session else None)

    app = Starlette(lifespan=lifespan, middleware=[Middleware(SessionMiddleware, sessions=sessions)])
    async with started(app):
        assert not seen
    assert seen == ["early"]


async def test_closing_writes_pending_touches_and_leaves_no_thread(tmp_path: Path) -> None:
    """When the server hears that the application has stopped, nothing is left to do: it may end the loop at once."""
    clock = ManualClock()
    path = tmp_path / "app.db"
    store = AsyncFaultyStore(AsyncSQLiteStore(str(path), clock=clock))
    sessions = AsyncSessions(store, clock=clock, policy=Policy(touch_every=timedelta(minutes=1)))
    app = application(sessions)
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message] = asyncio.Queue()
    task = asyncio.create_task(app(LIFESPAN, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    assert await outbox.get() == {"type": "lifespan.startup.complete"}
    browser = Browser(app)
    await browser.post("/sign-in", {"user": "alice"})
    clock.advance(timedelta(minutes=2))
    await browser.get("/me")
    await inbox.put({"type": "lifespan.shutdown"})
    assert await outbox.get() == {"type": "lifespan.shutdown.complete"}
    # from here on a server owes the application nothing
    assert store.count("touch", "aclose") == 2
    with closing(sqlite3.connect(path)) as connection:
        seen = connection.execute("SELECT last_seen_at - created_at FROM coatcheck_sessions").fetchall()
    assert seen == [(120_000_000,)]
    await task
    assert not writers()


@pytest.mark.parametrize("kind", ["missing-folder", "folder", "not-a-database"])
async def test_a_wrong_database_makes_the_start_fail_with_the_reason(tmp_path: Path, kind: str) -> None:
    """The server is told what is wrong and how to fix it, and the application never starts."""
    path = tmp_path / "missing" / "app.db" if kind == "missing-folder" else tmp_path / "app.db"
    if kind == "folder":
        path.mkdir()
    elif kind == "not-a-database":
        path.write_bytes(b"hello " * 1000)
    began: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        began.append("application")
        yield

    sessions = AsyncSessions(f"sqlite:///{path}")
    app = Starlette(lifespan=lifespan, middleware=[Middleware(SessionMiddleware, sessions=sessions)])
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(Exception, match=str(path)):
        await app(LIFESPAN, receive, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert str(path) in sent[0]["message"]
    assert not began
    assert not writers()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"trusted_hops": -1}, "trusted_hops"),
        ({"stream_check_every": timedelta(seconds=5)}, "stream_check_every"),
        ({"sign_in_path": "https://evil.example"}, "sign_in_path"),
    ],
)
async def test_a_wrong_setting_makes_the_start_fail(tmp_path: Path, settings: dict[str, Any], named: str) -> None:
    """Starlette builds its middleware when it starts, so that is when a wrong setting is heard of."""
    app = application(AsyncSessions(f"sqlite:///{tmp_path / 'app.db'}"), **settings)
    with pytest.raises(ConfigurationError, match=f"{named}=.* is not possible: "), TestClient(app):
        pytest.fail("it has started")


async def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="colour"):
        SessionMiddleware(no_lifespan, AsyncSessions(f"sqlite:///{tmp_path / 'app.db'}"), colour="blue")


async def test_an_application_that_fails_to_start_leaves_nothing_open(tmp_path: Path) -> None:
    """Its error goes to the server, and the sessions are closed again."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await sessions.create("early")
        raise RuntimeError("no configuration")
        yield

    sessions = AsyncSessions(f"sqlite:///{tmp_path / 'app.db'}")
    app = Starlette(lifespan=lifespan, middleware=[Middleware(SessionMiddleware, sessions=sessions)])
    with pytest.raises(RuntimeError, match="no configuration"):
        async with started(app):
            pytest.fail("it has started")
    assert not writers()


async def no_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Know nothing but HTTP, as many a small application."""
    assert scope["type"] == "http"


async def test_the_sessions_open_though_the_application_knows_no_lifespan(tmp_path: Path) -> None:
    """It refuses the scope, which servers put up with; the tables are there all the same."""
    path = tmp_path / "app.db"
    sessions = AsyncSessions(f"sqlite:///{path}")
    app: App = SessionMiddleware(no_lifespan, sessions)

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        pytest.fail(f"{message} was sent")

    with pytest.raises(AssertionError):
        await app(LIFESPAN, receive, send)
    created = await sessions.create("alice")
    assert (await sessions.get(created.token)) == created.session
    await sessions.aclose()


async def test_two_middlewares_may_share_the_sessions(tmp_path: Path) -> None:
    """Opening and closing twice does no harm."""
    sessions = AsyncSessions(f"sqlite:///{tmp_path / 'app.db'}")
    app = application(sessions)
    async with started(SessionMiddleware(app, sessions)):
        browser = Browser(app)
        await browser.post("/sign-in", {"user": "alice"})
        assert (await browser.get("/me")).json()["user"] == "alice"
    async with started(app):
        assert (await browser.get("/me")).json()["user"] == "alice"
