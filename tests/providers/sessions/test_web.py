"""A provider's sessions behind the middleware: cookies, outages, sign-out, open sockets and streams."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from coatcheck import AsyncProviderSessions, ConfigurationError
from coatcheck.asgi import SessionMiddleware, context_of
from coatcheck.core.identities import ProviderAnswer
from coatcheck.core.times import from_micros
from coatcheck.starlette import current_session, require_session, sign_in, sign_out
from coatcheck.testing import AsyncFaultyStore, AsyncMemoryStore, ManualClock
from tests.providers.sessions.bench import AWAY, REFUSED, AsyncScripted, a_record
from tests.web.browser import Browser, started, until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket

pytestmark = pytest.mark.anyio

SECURE, PLAIN = "__Secure-auth.session_token", "auth.session_token"
RENEWED = SECURE.encode() + b"=token; Max-Age=604800; Path=/; Secure; HttpOnly; SameSite=Lax"
DELETED = SECURE.encode() + b"=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"


async def me(request: Request) -> Response:
    session = await current_session(request)
    return JSONResponse({"user": session.user_id if session else None, "source": context_of(request.scope).source})


async def private(request: Request) -> Response:
    return JSONResponse({"user": (await require_session(request)).user_id})


async def log_in(request: Request) -> Response:
    await sign_in(request, "ada")
    return JSONResponse({})


async def log_out(request: Request) -> Response:
    await sign_out(request)
    return JSONResponse({})


async def rotate(request: Request) -> Response:
    await context_of(request.scope).rotate()
    return JSONResponse({})


async def others(request: Request) -> Response:
    await context_of(request.scope).revoke_others()
    return JSONResponse({})


async def ticks(request: Request) -> Response:
    await require_session(request)

    async def ticking() -> AsyncIterator[bytes]:
        yield b"begun"
        await asyncio.Event().wait()

    return StreamingResponse(ticking(), media_type="text/event-stream")


async def echo(socket: WebSocket) -> None:
    await require_session(socket)
    await socket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            await socket.send_text(await socket.receive_text())


ROUTES = [
    Route("/me", me),
    Route("/private", private),
    Route("/log-in", log_in, methods=["POST"]),
    Route("/sign-out", log_out, methods=["POST"]),
    Route("/rotate", rotate, methods=["POST"]),
    Route("/others", others, methods=["POST"]),
    Route("/ticks", ticks),
    WebSocketRoute("/echo", echo),
]


@dataclass
class Site:
    """An application in front of a scripted provider."""

    app: Starlette
    provider: AsyncScripted
    sessions: AsyncProviderSessions
    store: AsyncFaultyStore
    clock: ManualClock = field(default_factory=ManualClock)

    def signed_in(self, token: bytes = b"token", **more: Any) -> None:
        record = a_record("s1", "ada", from_micros(self.clock.now() // 1000), timedelta(days=7))
        self.provider.answers[token] = ProviderAnswer(record, **more)

    def browser(self, **cookies: str) -> Browser:
        return Browser(self.app, cookies=cookies or {SECURE: "token"})


@asynccontextmanager
async def site(**settings: Any) -> AsyncGenerator[Site]:
    clock = ManualClock()
    store = AsyncFaultyStore(AsyncMemoryStore(clock=clock))
    provider = AsyncScripted(cookies=(SECURE, PLAIN))
    provider.bearer = True
    sessions = AsyncProviderSessions(provider, store, clock=clock)
    often = {"stream_check_every": timedelta(milliseconds=10), **settings}
    app = Starlette(routes=ROUTES, middleware=[Middleware(SessionMiddleware, sessions=sessions, **often)])
    async with started(app):
        yield Site(app, provider, sessions, store, clock)


async def test_a_request_is_answered_by_the_provider_once_and_then_from_memory() -> None:
    async with site() as it:
        it.signed_in()
        browser = it.browser()
        answers = [(await browser.get("/me")).json() for _ in range(3)]
        assert [one["source"] for one in answers] == ["store", "memory", "memory"]
        assert {one["user"] for one in answers} == {"ada"}
        assert it.provider.asked == [b"token"]


@pytest.mark.parametrize("path", ["/me", "/private"])
async def test_I4_S9_an_outage_is_503_and_touches_no_cookie(path: str) -> None:
    """With the provider's own wish when to come again."""
    async with site() as it:
        it.provider.answers[b"token"] = AWAY
        browser = it.browser()
        answer = await browser.get(path)
        assert (answer.status, answer.header("retry-after")) == (503, "7")
        assert answer.all("set-cookie") == []
        assert "token" not in answer.body.decode()
        assert browser.cookies == {SECURE: "token"}


async def test_I4_an_outage_signs_nobody_out_who_wants_to() -> None:
    """The cookie stays: otherwise the browser would forget a token that the provider accepts."""
    async with site() as it:
        it.provider.answers[b"token"] = AWAY
        browser = it.browser()
        answer = await browser.post("/sign-out")
        assert (answer.status, answer.all("set-cookie")) == (503, [])


async def test_who_is_not_signed_in_is_told_so() -> None:
    async with site() as it:
        answer = await it.browser().get("/private")
        assert (answer.status, answer.json()["reason"]) == (401, "unknown")


async def test_H1_H2_a_cookie_of_the_provider_is_handed_on_and_not_stored() -> None:
    """And only with the answer for which the provider was asked."""
    async with site() as it:
        it.signed_in(set_cookies=(RENEWED, b"other=1; Path=/"))
        browser = it.browser()
        first, second = await browser.get("/me"), await browser.get("/me")
        assert first.all("set-cookie") == [RENEWED.decode(), "other=1; Path=/"]
        assert first.header("cache-control") == "no-store"
        assert second.all("set-cookie") == []
        assert first.vary() == second.vary() == {"cookie", "authorization"}


async def test_C6_a_bearer_client_gets_no_cookie() -> None:
    async with site() as it:
        it.signed_in(set_cookies=(RENEWED,))
        answer = await Browser(it.app, headers=[("authorization", "Bearer token")]).get("/me")
        assert (answer.json()["user"], answer.all("set-cookie")) == ("ada", [])
        it.provider.set_cookies = (DELETED,)
        answer = await Browser(it.app, headers=[("authorization", "Bearer token")]).post("/sign-out")
        assert (answer.status, answer.all("set-cookie")) == (200, [])


async def test_C7_the_cookie_that_a_neighbour_cannot_plant_counts() -> None:
    async with site() as it:
        it.signed_in(b"token")
        it.signed_in(b"planted")
        await it.browser(**{PLAIN: "planted", SECURE: "token"}).get("/me")
        assert it.provider.asked == [b"token"]
        await it.browser(**{PLAIN: "planted"}).get("/me")
        assert it.provider.asked == [b"token", b"planted"]


async def test_C7_of_two_different_tokens_neither_counts_and_nobody_is_asked() -> None:
    async with site() as it:
        it.signed_in()
        twice = Browser(it.app, headers=[("cookie", f"{SECURE}=token"), ("cookie", f"{SECURE}=planted")])
        assert (await twice.get("/private")).json()["reason"] == "malformed"
        assert it.provider.asked == []


async def test_a_sign_out_ends_it_there_and_hands_the_deletion_on() -> None:
    async with site() as it:
        it.signed_in()
        it.provider.set_cookies = (DELETED,)
        browser, other = it.browser(), it.browser()
        assert (await other.get("/me")).json()["user"] == "ada"
        answer = await browser.post("/sign-out")
        assert answer.all("set-cookie") == [DELETED.decode()]
        assert it.provider.signed_out == [b"token"]
        assert (await other.get("/private")).status == 401


async def test_a_sign_out_deletes_no_cookie_that_is_not_the_providers() -> None:
    """Its name is the provider's, and so is its deletion."""
    async with site() as it:
        it.signed_in()
        assert (await it.browser().post("/sign-out")).all("set-cookie") == []


@pytest.mark.parametrize("path", ["/log-in", "/rotate", "/others"])
async def test_what_only_the_provider_can_do_is_refused_by_its_name(path: str) -> None:
    async with site() as it:
        it.signed_in()
        with pytest.raises(ConfigurationError, match="scripted"):
            await it.browser().post(path)


async def sign_out_elsewhere(it: Site) -> None:
    other = AsyncProviderSessions(it.provider, it.store, clock=it.clock)
    await other.sign_out(b"token")
    it.clock.advance(timedelta(seconds=2))


async def told(it: Site) -> None:
    """By somebody whose provider is away at this moment."""
    await it.sessions.session_ended("s1")
    it.provider.answers[b"token"] = AWAY


async def silently(it: Site) -> None:
    it.provider.answers[b"token"] = REFUSED
    it.clock.advance(timedelta(minutes=5))


ENDINGS = pytest.mark.parametrize("end", [sign_out_elsewhere, told, silently])


@ENDINGS
async def test_X8_N5_a_websocket_is_closed_when_its_session_ends(end: Any) -> None:
    async with site() as it:
        it.signed_in()
        async with it.browser().websocket("/echo") as socket:
            await socket.accepted()
            await socket.say("one")
            assert await socket.heard() == "one"
            await end(it)
            assert await socket.close_code() == 4001


@ENDINGS
async def test_X8_N5_a_stream_ends_with_its_session(end: Any) -> None:
    async with site() as it:
        it.signed_in()
        async with it.browser().stream("/ticks") as stream:
            assert (await stream.next())["status"] == 200
            assert (await stream.next())["body"] == b"begun"
            await end(it)
            assert await stream.next() == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_I4_a_websocket_stays_open_while_the_provider_is_away() -> None:
    async with site() as it:
        it.signed_in()
        async with it.browser().websocket("/echo") as socket:
            await socket.accepted()
            it.provider.answers[b"token"] = AWAY
            it.clock.advance(timedelta(minutes=6))
            asked = len(it.provider.asked)
            await until(lambda: len(it.provider.asked) > asked + 1)
            await socket.say("still")
            assert await socket.heard() == "still"
