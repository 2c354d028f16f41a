"""The middleware as plain ASGI: any application, any scope, any order of messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route, WebSocketRoute

from coatcheck import ConfigurationError, LimitReached, NotSignedIn, Unavailable
from coatcheck.asgi import RecentAuthRequired, SessionMiddleware, SignInRequired, context_of
from coatcheck.starlette import require_session
from tests.web.application import RECENT, ROUTES, site
from tests.web.browser import Browser, exchange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from coatcheck.asgi.types import App, Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio

PATHS = [route.path for route in ROUTES if isinstance(route, Route) and "GET" in (route.methods or ())]


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/plain"])
async def test_without_the_middleware_the_error_says_how_to_add_it(path: str) -> None:
    """A request that no middleware has seen has no session, and that is a mistake of the set-up."""
    browser = Browser(Starlette(routes=ROUTES))
    with pytest.raises(ConfigurationError, match=r"app\.add_middleware\(SessionMiddleware, sessions="):
        await browser.get(path)


async def test_without_the_middleware_a_websocket_fails_as_clearly() -> None:
    browser = Browser(Starlette(routes=ROUTES))
    with pytest.raises(ConfigurationError, match="no SessionMiddleware has seen this request"):
        async with browser.websocket("/echo"):
            pass


async def test_other_scopes_pass_through_untouched(tmp_path: Path) -> None:
    """What is neither HTTP nor WebSocket nor lifespan is none of our business."""
    seen: list[tuple[Scope, Receive, Send]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope, receive, send))

    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None:
        pass

    async with site(tmp_path) as it:
        scope: Scope = {"type": "telepathy"}
        await SessionMiddleware(app, it.sessions)(scope, receive, send)
    assert seen == [({"type": "telepathy"}, receive, send)]


async def test_a_plain_application_needs_no_framework(tmp_path: Path) -> None:
    """The context is all there is: ask it, sign in with it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        if scope["path"] == "/in":
            await context.sign_in("alice")
        session = await context.session()
        await send({"type": "http.response.start", "status": 200})  # without headers, which are optional
        body = (session.user_id or "").encode() if session else b"nobody"
        await send({"type": "http.response.body", "body": body})

    async with site(tmp_path) as it:
        browser = Browser(SessionMiddleware(app, it.sessions))
        assert (await browser.get("/")).body == b"nobody"
        await browser.post("/in")
        answer = await browser.get("/")
        assert (answer.body, answer.all("vary")) == (b"alice", ["Cookie"])


async def test_the_applications_own_list_of_headers_is_not_changed(tmp_path: Path) -> None:
    """Frameworks reuse theirs for the next response."""
    headers = [(b"x-mine", b"1")]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await context_of(scope).session()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    async with site(tmp_path) as it:
        browser = Browser(SessionMiddleware(app, it.sessions))
        for _ in range(3):
            assert len((await browser.get("/")).headers) == 2
    assert headers == [(b"x-mine", b"1")]


ERRORS: list[tuple[Exception, int]] = [
    (SignInRequired(NotSignedIn.EXPIRED), 401),
    (RecentAuthRequired(RECENT), 401),
    (Unavailable("the store does not answer", retry_after=9), 503),
    (LimitReached(5), 409),
]


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=[type(error).__name__ for error, _ in ERRORS])
async def test_our_exceptions_become_answers_wherever_they_are_raised(
    tmp_path: Path, error: Exception, status: int
) -> None:
    """In a handler, in a dependency, in another middleware."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    async with site(tmp_path) as it:
        answer = await Browser(SessionMiddleware(app, it.sessions)).get("/")
        assert answer.status == status
        assert answer.header("content-type") == "application/problem+json"
        assert answer.json()["status"] == status
        assert answer.header("retry-after") == ("9" if status == 503 else None)


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=[type(error).__name__ for error, _ in ERRORS])
async def test_after_the_response_has_started_the_error_goes_to_the_server(
    tmp_path: Path, error: Exception, status: int
) -> None:
    """There cannot be a second answer; the server cuts the connection, and the client sees that it is incomplete."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise error

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async with site(tmp_path) as it:
        scope = it.browser()._scope("GET", "/", [(b"host", b"testserver")])
        with pytest.raises(type(error)):
            await SessionMiddleware(app, it.sessions)(scope, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert status


async def broken_stream(request: Request) -> Response:
    """Stream, and find out in the middle that the store is down."""

    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        await require_session(request)

    return StreamingResponse(body())


async def test_S9_an_outage_in_the_middle_of_a_stream_is_no_complete_answer(tmp_path: Path) -> None:
    async with site(tmp_path, routes=[Route("/stream", broken_stream)]) as it:
        browser = await it.signed_in()
        it.store.fail("read", "poll")
        with pytest.raises(Unavailable):
            await browser.get("/stream")


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyError("x"), ConfigurationError("wrong")])
async def test_other_exceptions_pass_through(tmp_path: Path, error: Exception) -> None:
    """They are the application's, and the server's to log."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await context_of(scope).session()
        raise error

    async with site(tmp_path) as it:
        with pytest.raises(type(error)):
            await Browser(SessionMiddleware(app, it.sessions)).get("/")


async def test_a_cancelled_request_is_cancelled(tmp_path: Path) -> None:
    """A server's cancellation goes all the way in and all the way out, and the session is as it was."""
    entered = asyncio.Event()
    left: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await context_of(scope).session()
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.append(scope["path"])

    async with site(tmp_path) as it:
        browser = await it.signed_in()
        cookies = dict(browser.cookies)
        request = asyncio.create_task(Browser(SessionMiddleware(app, it.sessions), cookies=cookies).get("/"))
        await entered.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert left == ["/"]
        assert await it.user_of(browser) == "alice"


async def test_a_cancelled_stream_is_cancelled(tmp_path: Path) -> None:
    """A client that hangs up on a stream of a living session ends the task, and nothing is sent any more."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        async with browser.stream("/ticks") as stream:
            await stream.next()
            await stream.next()
            assert stream.task is not None
            stream.task.cancel()
            await asyncio.wait([stream.task])
            assert stream.task.cancelled()
            assert stream.messages.empty()


async def test_the_session_is_asked_for_once_in_a_request(tmp_path: Path) -> None:
    """However often handlers, dependencies and middleware look, the store is read once."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        sessions = [await context.session() for _ in range(3)]
        sessions += await asyncio.gather(context.session(), context.require())
        assert all(session is sessions[0] for session in sessions)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with site(tmp_path) as it:
        browser = await it.signed_in()
        cookies = dict(browser.cookies)
        assert (await Browser(SessionMiddleware(app, it.sessions), cookies=cookies).get("/")).status == 204
        assert it.store.count("read") == 1


async def test_the_context_says_which_tier_answered(tmp_path: Path) -> None:
    """Memory or store, or neither when there was nothing to ask about."""
    tiers: list[str | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        await context.session()
        tiers.append(context.source)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with site(tmp_path) as it:
        wrapped = SessionMiddleware(app, it.sessions)
        browser = await it.signed_in()
        browser.app = wrapped
        await browser.get("/")
        await browser.get("/")
        for token in (None, "x", "A" * 43):
            await Browser(wrapped, cookies={} if token is None else {"__Host-session": token}).get("/")
    assert tiers == ["store", "memory", None, None, "store"]


async def test_scopes_without_the_optional_keys_are_served(tmp_path: Path) -> None:
    """Only what ASGI demands is needed."""
    async with site(tmp_path) as it:
        scope: Scope = {"type": "http", "method": "GET", "path": "/private", "headers": []}
        app: App = SessionMiddleware(_private, it.sessions)
        assert (await exchange(app, scope)).status == 401
        scope = {"type": "http", "method": "POST", "path": "/private", "headers": []}
        assert (await exchange(app, scope)).status == 401
        scope["headers"] = [(b"accept", b"text/html")]
        scope["method"] = "GET"
        assert (await exchange(app, scope)).status == 302


async def _private(scope: Scope, receive: Receive, send: Send) -> None:
    await context_of(scope).require()


async def test_a_websocket_application_that_has_taken_the_connect_message_is_refused_too(tmp_path: Path) -> None:
    """Nobody waits for a message that has been received already."""

    async def taking(websocket: Any) -> None:
        assert (await websocket.receive())["type"] == "websocket.connect"
        await require_session(websocket)

    routes = [WebSocketRoute("/taking", taking)]
    async with site(tmp_path, routes=[*routes]) as it, it.browser().websocket("/taking") as socket:
        assert (await socket.denied()).status == 401
