"""An application with every verb as a route, and the site it runs on: database, clock, browsers, faults."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from coatcheck import AsyncSessions, DataError, Session
from coatcheck.asgi import context_of
from coatcheck.starlette import (
    SessionMiddleware,
    current_session,
    require_recent_auth,
    require_session,
    revoke_others,
    rotate,
    sign_in,
    sign_out,
)
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.testing import AsyncFaultyStore, ManualClock
from tests.web.browser import Browser, started, until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.websockets import WebSocket

    from coatcheck import Event, NotSignedIn, UsersTable
    from coatcheck.asgi.types import App

RECENT = timedelta(minutes=5)
KEY = "jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"
OLD_KEY = "X0PFgLtCTnDsKl8r7WqYw2ZbIuEvHx3Aj5RmNp9Qk1o"


def described(session: Session | NotSignedIn) -> dict[str, Any]:
    """Return all that an application can show of a session."""
    if not isinstance(session, Session):
        return {"user": None, "reason": session.value}
    times = {
        name: None if (moment := getattr(session, name)) is None else moment.isoformat()
        for name in ("created_at", "authenticated_at", "last_seen_at", "idle_expires_at", "expires_at")
    }
    rest = {"ip": session.ip, "agent": session.user_agent, "data": dict(session.data), "remember": session.remember}
    return {"id": session.id, "user": session.user_id, **times, **rest}


async def me(request: Request) -> Response:
    """Show who is signed in, or why nobody is."""
    return JSONResponse(described(await current_session(request)))


async def plain(request: Request) -> Response:
    """Have nothing to do with sessions."""
    return JSONResponse({})


async def private(request: Request) -> Response:
    """Be for users only."""
    return JSONResponse(described(await require_session(request)))


async def recent(request: Request) -> Response:
    """Be for users who have just proved who they are."""
    return JSONResponse(described(await require_recent_auth(request, RECENT)))


async def log_in(request: Request) -> Response:
    """Sign in whoever asks."""
    wish = await request.json()
    try:
        session = await sign_in(request, wish["user"], data=wish.get("data"), remember=wish.get("remember", False))
    except DataError as error:
        raise HTTPException(422, str(error)) from error
    return JSONResponse(described(session))


async def log_out(request: Request) -> Response:
    """Sign out."""
    await sign_out(request)
    return JSONResponse({})


async def renew(request: Request) -> Response:
    """Rotate; with ?reauthenticated as after another proof."""
    session = await rotate(request, reauthenticated="reauthenticated" in request.query_params)
    return JSONResponse(described(session))


async def save(request: Request) -> Response:
    """Change the session's data."""
    session = await require_session(request)
    try:
        changed = await context_of(request.scope).sessions.save(session, await request.json())
    except DataError as error:
        raise HTTPException(422, str(error)) from error
    return JSONResponse(described(changed))


async def visit(request: Request) -> Response:
    """Store something for a visitor who has not signed in."""
    session = await context_of(request.scope).start_anonymous(await request.json())
    return JSONResponse(described(session))


async def alone(request: Request) -> Response:
    """End the user's other sessions."""
    return JSONResponse({"ended": await revoke_others(request)})


async def devices(request: Request) -> Response:
    """List the user's own sessions."""
    session = await require_session(request)
    sessions = await context_of(request.scope).sessions.list(session.user_id or "")
    return JSONResponse([described(each) for each in sessions])


async def end_device(request: Request) -> Response:
    """End one of the user's own sessions; needs recent authentication."""
    session = await require_recent_auth(request, RECENT)
    sessions = context_of(request.scope).sessions
    ended = await sessions.revoke_by_id(request.path_params["id"], user_id=session.user_id)
    return JSONResponse({}, status_code=200 if ended else 404)


async def broken(request: Request) -> Response:
    """Fail after having looked at the session."""
    await current_session(request)
    raise RuntimeError("the application is broken")


async def ticks(request: Request) -> Response:
    """Stream until somebody ends it."""
    await require_session(request)
    return StreamingResponse(_ticking(), media_type="text/event-stream")


async def _ticking() -> AsyncIterator[bytes]:
    yield b"data: begun\n\n"
    await asyncio.Event().wait()


async def echo(websocket: WebSocket) -> None:
    """Say again what the client says."""
    await require_session(websocket)
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


ROUTES: list[BaseRoute] = [
    Route("/me", me),
    Route("/plain", plain),
    Route("/private", private),
    Route("/recent", recent),
    Route("/sign-in", log_in, methods=["POST"]),
    Route("/sign-out", log_out, methods=["POST"]),
    Route("/rotate", renew, methods=["POST"]),
    Route("/save", save, methods=["POST"]),
    Route("/visit", visit, methods=["POST"]),
    Route("/alone", alone, methods=["POST"]),
    Route("/devices", devices),
    Route("/devices/{id}", end_device, methods=["DELETE"]),
    Route("/broken", broken),
    Route("/ticks", ticks),
    WebSocketRoute("/echo", echo),
]


def application(
    sessions: AsyncSessions,
    *,
    routes: list[BaseRoute] | None = None,
    inner: list[Middleware] | None = None,
    **settings: Any,
) -> Starlette:
    """Return the application, with a test's own routes in front and its own middleware inside ours."""
    middleware = [Middleware(SessionMiddleware, sessions=sessions, **settings), *(inner or [])]
    return Starlette(routes=[*(routes or []), *ROUTES], middleware=middleware)


@dataclass
class Site:
    """A running application and all that a test wants to see or do behind its back."""

    app: App
    sessions: AsyncSessions
    store: AsyncFaultyStore
    clock: ManualClock
    path: Path
    events: list[Event] = field(default_factory=list)

    def browser(self, **options: Any) -> Browser:
        """Return a new browser."""
        return Browser(self.app, **options)

    async def signed_in(self, user: str = "alice", **options: Any) -> Browser:
        """Return a new browser in which a user has signed in."""
        browser = self.browser(**options)
        answer = await browser.post("/sign-in", {"user": user})
        assert answer.status == 200, answer.body
        return browser

    async def user_of(self, browser: Browser, token: str | None = None) -> str | None:
        """Return whom the site takes a browser for, or a browser that presents this token."""
        if token is not None:
            browser = self.browser()
            browser.token = token
        answer = await browser.get("/me")
        assert answer.status == 200, answer.body
        user: str | None = answer.json()["user"]
        return user

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement as another program on the same file does, and commit."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def rows(self) -> int:
        """Count the stored sessions, expired ones too."""
        count: int = self.sql("SELECT count(*) FROM coatcheck_sessions")[0][0]
        return count


@asynccontextmanager
async def site(
    folder: Path,
    *,
    clock: ManualClock | None = None,
    users: UsersTable | None = None,
    busy_timeout: float = 5.0,
    name: str = "app.db",
    middleware: dict[str, Any] | None = None,
    routes: list[BaseRoute] | None = None,
    inner: list[Middleware] | None = None,
    **options: Any,
) -> AsyncGenerator[Site]:
    """Run the application on a database in a folder; afterwards nothing of it may be left.

    Args:
        folder: Where the database is.
        clock: A clock to share with another site.
        users: The application's users table.
        busy_timeout: How long a write waits for another one.
        name: The database file's name.
        middleware: The middleware's settings.
        routes: Routes of the test, in front of the others.
        inner: Middleware of the test, inside ours.
        **options: The settings of the sessions.
    """
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    clock = clock or ManualClock()
    path = folder / name
    store = AsyncFaultyStore(AsyncSQLiteStore(str(path), users=users, busy_timeout=busy_timeout, clock=clock))
    events: list[Event] = []
    options.setdefault("on_event", events.append)
    sessions = AsyncSessions(store, clock=clock, **options)
    app = application(sessions, routes=routes, inner=inner, **(middleware or {}))
    async with started(app):
        yield Site(app, sessions, store, clock, path, events)
    await until(lambda: asyncio.all_tasks() <= tasks)  # or a task was left behind
    left = {thread.name for thread in set(threading.enumerate()) - threads}
    assert not any(name.startswith("coatcheck") for name in left), "a thread was left behind"
