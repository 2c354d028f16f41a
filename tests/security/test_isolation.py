"""One process, many users, thousands of requests at once: nobody sees what is another's (S11)."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, Request, WebSocket

from coatcheck.asgi import context_of
from coatcheck.fastapi import CurrentSession, OptionalSession, SessionMiddleware, sign_in, sign_out
from tests.web.application import site
from tests.web.browser import Browser, started

if TYPE_CHECKING:
    from pathlib import Path

    from coatcheck import AsyncSessions, Session

pytestmark = pytest.mark.anyio

USERS = 20
REQUESTS = 10_000


class Broken(Exception):
    """What the application raises when it is broken."""


def shown(session: Session | None) -> dict[str, Any]:
    return {"user": None} if session is None else {"user": session.user_id, "data": dict(session.data)}


def application(sessions: AsyncSessions) -> FastAPI:
    """Return an application with handlers in the event loop and in threads, slow ones and broken ones."""
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.get("/loop")
    async def in_the_loop(session: OptionalSession) -> dict[str, Any]:
        return shown(session)

    @app.get("/thread")
    def in_a_thread(session: CurrentSession) -> dict[str, Any]:
        time.sleep(0)
        return shown(session)

    @app.get("/slow")
    async def slow(request: Request, session: CurrentSession) -> dict[str, Any]:
        await asyncio.sleep(0.001)
        again = await context_of(request.scope).session()
        assert again == session
        return shown(session)

    @app.get("/broken")
    async def broken(session: CurrentSession) -> None:
        await asyncio.sleep(0)
        raise Broken(session.user_id)

    @app.post("/save")
    async def save(session: CurrentSession) -> dict[str, Any]:
        await sessions.save(session, {"mine": session.user_id})
        return shown(session)

    @app.post("/sign-in")
    async def enter(request: Request, user: str) -> dict[str, Any]:
        return shown(await sign_in(request, user, data={"mine": user}))

    @app.post("/sign-out")
    async def leave(request: Request) -> dict[str, Any]:
        await sign_out(request)
        return {"user": None}

    @app.websocket("/socket")
    async def socket(websocket: WebSocket, session: CurrentSession) -> None:
        await websocket.accept()
        await websocket.send_json(shown(session))
        await websocket.close()

    return app


KINDS = ["/loop"] * 10 + ["/slow"] * 3 + ["/thread", "/broken", "cancelled", "stranger", "crossed"] + ["socket", "save"]


class Visit:
    """What one user does, one request after the other, checking each answer."""

    def __init__(self, app: FastAPI, user: str, lots: random.Random) -> None:
        self.app, self.user, self.lots = app, user, lots
        self.browser = Browser(app)
        self.served = 0

    async def enter(self) -> None:
        await self.browser.post(f"/sign-in?user={self.user}")

    def check(self, answer: dict[str, Any]) -> None:
        assert answer == {"user": self.user, "data": {"mine": self.user}}
        self.served += 1

    async def step(self) -> None:
        kind = self.lots.choice(KINDS)
        if kind == "/broken":
            with pytest.raises(Broken, match=f"^{self.user}$"):
                await self.browser.get(kind)
        elif kind == "cancelled":
            await self.cancelled()
        elif kind == "stranger":
            assert (await Browser(self.app).get("/loop")).json() == {"user": None}
        elif kind == "crossed":
            both = await asyncio.gather(self.browser.get("/slow"), self.browser.get("/loop"))
            for answer in both:
                self.check(answer.json())
        elif kind == "socket":
            async with self.browser.websocket("/socket") as socket:
                await socket.accepted()
                assert f'"{self.user}"' in await socket.heard()
        elif kind == "save":
            self.check((await self.browser.post("/save")).json())
            if self.lots.random() < 0.2:
                await self.browser.post("/sign-out")
                await self.enter()
        else:
            self.check((await self.browser.get(kind)).json())

    async def cancelled(self) -> None:
        request = asyncio.create_task(self.browser.get("/slow"))
        for _ in range(self.lots.randrange(6)):
            await asyncio.sleep(0)
        request.cancel()
        with suppress(asyncio.CancelledError):  # it may have been answered already
            self.check((await request).json())

    async def stay(self, requests: int) -> None:
        await self.enter()
        for _ in range(requests):
            await self.step()


async def test_S11_no_request_ever_sees_anothers_session(tmp_path: Path) -> None:
    """Ten thousand requests of twenty users over one application, failures and cancellations among them."""
    async with site(tmp_path, on_event=None) as it:
        app = application(it.sessions)
        visits = [Visit(app, f"user{number}", random.Random(number)) for number in range(USERS)]  # noqa: S311
        async with started(app):
            await asyncio.gather(*(visit.stay(REQUESTS // USERS) for visit in visits))
        assert sum(visit.served for visit in visits) > REQUESTS // 2
        assert it.rows() == USERS


async def test_S11_a_failed_or_cancelled_request_leaves_nothing_for_the_next(tmp_path: Path) -> None:
    """On one connection, handled by one task, a stranger follows a user whose request has failed."""
    async with site(tmp_path) as it:
        app = application(it.sessions)
        visit = Visit(app, "alice", random.Random(0))  # noqa: S311
        await visit.enter()
        for spoil in (visit.cancelled, visit.step):
            await spoil()
            answer = await Browser(app).get("/loop")
            assert answer.json() == {"user": None}
            assert not answer.all("set-cookie")
            assert (await Browser(app).get("/thread")).status == 401
