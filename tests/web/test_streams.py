"""Open WebSockets and streaming responses end with their session, and only with it (X8)."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from coatcheck import ConfigurationError, Policy, Unavailable
from coatcheck.asgi import SessionMiddleware
from coatcheck.starlette import current_session, require_session, sign_in
from coatcheck.web.settings import WebSettings
from tests.web.application import site
from tests.web.browser import Browser, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from tests.web.application import Site

pytestmark = pytest.mark.anyio

SOON = {"stream_check_every": timedelta(milliseconds=10)}


async def sign_out(it: Site, browser: Browser) -> None:
    await it.browser(cookies=dict(browser.cookies)).post("/sign-out")


async def revoke_user(it: Site, browser: Browser) -> None:
    await it.sessions.revoke_user("alice")


async def revoke_everyone(it: Site, browser: Browser) -> None:
    await it.sessions.revoke_everyone()


async def delete_by_hand(it: Site, browser: Browser) -> None:
    it.sql("DELETE FROM coatcheck_sessions WHERE user_id = 'alice'")


async def idle(it: Site, browser: Browser) -> None:
    it.clock.advance(timedelta(days=7))


async def live_too_long(it: Site, browser: Browser) -> None:
    it.sql("UPDATE coatcheck_sessions SET idle_expires_at = 2 * idle_expires_at")
    it.clock.advance(timedelta(days=30))


ENDINGS = [sign_out, revoke_user, revoke_everyone, delete_by_hand, idle, live_too_long]


@pytest.mark.parametrize("end", ENDINGS)
async def test_X8_a_websocket_is_closed_when_its_session_ends(
    tmp_path: Path, end: Callable[[Site, Browser], Awaitable[None]]
) -> None:
    """With code 4001, however the session ended: by a call, by hand in the database, or by the clock alone."""
    async with site(tmp_path, middleware=SOON) as it:
        browser = await it.signed_in()
        async with browser.websocket("/echo") as socket:
            await socket.accepted()
            await socket.say("one")
            assert await socket.heard() == "one"
            await end(it, browser)
            assert await socket.close_code() == 4001


@pytest.mark.parametrize("end", ENDINGS)
async def test_X8_a_streaming_response_ends_with_its_session(
    tmp_path: Path, end: Callable[[Site, Browser], Awaitable[None]]
) -> None:
    """The response is complete, and the server's task goes on as after any other."""
    async with site(tmp_path, middleware=SOON) as it:
        browser = await it.signed_in()
        async with browser.stream("/ticks") as stream:
            assert (await stream.next())["status"] == 200
            assert (await stream.next())["body"] == b"data: begun\n\n"
            await end(it, browser)
            assert await stream.rest() == b""
            await until(stream.returned.is_set)
            assert stream.task is not None
            assert stream.task.cancelling() == 0


async def test_X8_a_revocation_on_another_worker_is_enough(tmp_path: Path) -> None:
    """Sockets and streams of all a user's devices end; those of others stay open."""
    async with site(tmp_path, middleware=SOON) as it, site(tmp_path, clock=it.clock) as other:
        alice, bob = await it.signed_in(), await it.signed_in("bob")
        async with alice.websocket("/echo") as hers, alice.stream("/ticks") as ticks, bob.websocket("/echo") as his:
            await hers.accepted()
            await his.accepted()
            await ticks.next()
            await ticks.next()
            await other.sessions.revoke_user("alice")
            assert await hers.close_code() == 4001
            assert await ticks.rest() == b""
            await his.say("still here")
            assert await his.heard() == "still here"


async def test_X8_rotation_saving_and_touching_close_nothing(tmp_path: Path) -> None:
    """The session is the same one under another token; each change is looked at and found harmless."""
    async with site(tmp_path, middleware=SOON, policy=Policy(touch_every=timedelta(0))) as it:
        browser = await it.signed_in()
        async with browser.websocket("/echo") as socket:
            await socket.accepted()
            for number, path in enumerate(("/rotate", "/rotate?reauthenticated", "/save", "/alone")):
                found = it.store.count("find")
                assert (await browser.post(path, {"a": number})).status == 200
                it.clock.advance(timedelta(seconds=1))
                await browser.get("/me")
                await it.sessions.flush()
                await until(lambda found=found: it.store.count("find") > found)  # type: ignore[misc]
                await socket.say(path)
                assert await socket.heard() == path


async def test_X8_an_idle_timeout_that_was_moved_elsewhere_closes_nothing(tmp_path: Path) -> None:
    """The socket's copy says that the session has been idle for too long; the store knows better."""
    policy = Policy(idle_timeout=timedelta(hours=1), touch_every=timedelta(minutes=1))
    async with (
        site(tmp_path, middleware=SOON, policy=policy) as it,
        site(tmp_path, clock=it.clock, policy=policy) as other,
    ):
        browser = await it.signed_in()
        elsewhere = other.browser(cookies=dict(browser.cookies))
        async with browser.websocket("/echo") as socket:
            await socket.accepted()
            for _ in range(3):
                found = it.store.count("find")
                it.clock.advance(timedelta(minutes=40))
                assert await other.user_of(elsewhere) == "alice"
                await other.sessions.flush()
                await until(lambda found=found: it.store.count("find") > found)  # type: ignore[misc]
            polls = it.store.count("poll")
            it.clock.advance(timedelta(seconds=3))
            await until(lambda: it.store.count("poll") > polls)
            await socket.say("still here")
            assert await socket.heard() == "still here"


async def test_X8_an_outage_closes_nothing_and_a_revocation_during_it_is_made_up_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is signed out because nobody can tell; when the store is back, what was revoked is closed."""
    async with site(tmp_path, middleware=SOON) as it:
        browser, other = await it.signed_in(), await it.signed_in("bob")
        async with browser.websocket("/echo") as socket, other.websocket("/echo") as his:
            await socket.accepted()
            await his.accepted()
            it.store.fail("poll", "find", "read")
            await it.sessions.revoke_user("alice")
            it.clock.advance(timedelta(seconds=3))
            await until(lambda: sum(r.message == "coatcheck.stream_unchecked" for r in caplog.records) >= 3)
            await socket.say("still here")
            assert await socket.heard() == "still here"
            it.store.heal()
            assert await socket.close_code() == 4001
            await his.say("me too")
            assert await his.heard() == "me too"


async def test_X8_a_session_that_cannot_be_checked_keeps_no_other_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An application's loader fails for one user; the others' sockets are watched all the same."""

    async def load(ids: list[str]) -> dict[str, Any]:
        if "broken" in ids and load_fails:
            raise KeyError("broken")
        return {}

    load_fails = False
    async with site(tmp_path, middleware=SOON, load_users=load) as it:
        broken, alice = await it.signed_in("broken"), await it.signed_in("alice")
        async with broken.websocket("/echo") as first, alice.websocket("/echo") as second:
            await first.accepted()
            await second.accepted()
            load_fails = True
            await broken.post("/save", {}, headers=[("sec-fetch-site", "cross-site")])
            await it.sessions.invalidate_user("broken")
            await until(lambda: any(record.levelno == logging.ERROR for record in caplog.records))
            await it.sessions.revoke_user("alice")
            assert await second.close_code() == 4001
            load_fails = False
            await it.sessions.revoke_user("broken")
            assert await first.close_code() == 4001


async def test_X8_nothing_is_watched_when_nothing_is_open(tmp_path: Path) -> None:
    """The task that watches ends with the last connection, and starts with the next."""
    async with site(tmp_path, middleware=SOON) as it:
        before = len(asyncio.all_tasks())
        browser = await it.signed_in()
        for _ in range(2):
            async with browser.websocket("/echo") as socket:
                await socket.accepted()
                assert len(asyncio.all_tasks()) > before
            await until(lambda: len(asyncio.all_tasks()) == before)


async def anonymous_ticks(request: Request) -> Response:
    """Stream for everybody, having looked who is there."""
    await current_session(request)
    return StreamingResponse(_two())


async def untouched_ticks(request: Request) -> Response:
    """Stream without having looked."""
    return StreamingResponse(_two())


async def _two() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


async def test_X8_streams_of_nobody_are_not_watched(tmp_path: Path) -> None:
    """Without a session there is nothing to end, and nothing is asked of the store."""
    routes = [Route("/anonymous", anonymous_ticks), Route("/untouched", untouched_ticks)]
    async with site(tmp_path, middleware=SOON, routes=[*routes]) as it:
        before = len(asyncio.all_tasks())
        for browser in (it.browser(), await it.signed_in()):
            for path in ("/anonymous", "/untouched") if not browser.cookies else ("/untouched",):
                async with browser.stream(path) as stream:
                    assert await stream.rest() == b"onetwo"
                assert len(asyncio.all_tasks()) == before


# --- applications that are not as they should be


async def late(websocket: WebSocket) -> None:
    """Accept first, and ask who it is afterwards."""
    await websocket.accept()
    await websocket.send_text("who are you?")
    session = await current_session(websocket)
    await websocket.send_text(session.user_id or "" if session else "nobody")
    await asyncio.Event().wait()  # neither sends nor receives: a queue that stays empty


async def stubborn(websocket: WebSocket) -> None:
    """Go on talking after the cancellation."""
    await require_session(websocket)
    await websocket.accept()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await websocket.send_text("a secret")
        await websocket.close(1000)


gates: dict[str, asyncio.Event] = {}


async def slow_to_leave(websocket: WebSocket) -> None:
    """Tidy up for as long as it likes."""
    await require_session(websocket)
    await websocket.accept()
    try:
        await asyncio.Event().wait()
    finally:
        await gates["leave"].wait()


@pytest.mark.parametrize("handler", [late, stubborn, slow_to_leave])
async def test_X8_a_socket_is_closed_whatever_the_application_does(
    tmp_path: Path, handler: Callable[[WebSocket], Awaitable[None]]
) -> None:
    """It asked late, it swallows its cancellation, or it takes its time: the client hears 4001 at once, and no more."""
    gates["leave"] = asyncio.Event()
    async with site(tmp_path, middleware=SOON, routes=[WebSocketRoute("/odd", handler)]) as it:
        browser = await it.signed_in()
        async with browser.websocket("/odd") as socket:
            await socket.accepted()
            if handler is late:
                assert await socket.heard() == "who are you?"
                assert await socket.heard() == "alice"
            await it.sessions.revoke_user("alice")
            assert await socket.next() == {"type": "websocket.close", "code": 4001, "reason": ""}
            gates["leave"].set()
            assert (await socket.next())["type"] == "test.done"


THREAD_MAY_END = threading.Event()


async def late_stream(request: Request) -> Response:
    """Begin to stream, and ask in the middle of it who it is for."""

    async def body() -> AsyncIterator[bytes]:
        yield b"begun,"
        session = await current_session(request)
        yield (session.user_id or "").encode() if session else b"nobody"
        await asyncio.Event().wait()

    return StreamingResponse(body())


async def stubborn_stream(request: Request) -> Response:
    """Go on streaming after the cancellation."""
    await require_session(request)

    async def body() -> AsyncIterator[bytes]:
        yield b"begun,alice"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield b"a secret"
            yield b"another one"

    return StreamingResponse(body())


async def threaded_stream(request: Request) -> Response:
    """Stream from a generator that runs in threads."""
    await require_session(request)

    def body() -> Iterator[bytes]:
        yield b"begun,alice"
        THREAD_MAY_END.wait(30)
        yield b"a secret"

    return StreamingResponse(body())


@pytest.mark.parametrize("handler", [late_stream, stubborn_stream, threaded_stream])
@pytest.mark.parametrize("wrapped", ["bare", "inside", "outside"])
async def test_X8_nothing_is_streamed_after_the_end(
    tmp_path: Path, handler: Callable[[Request], Awaitable[Response]], wrapped: str
) -> None:
    """Whatever the generator does with its cancellation, and whatever other middleware stands around."""
    THREAD_MAY_END.clear()

    async def pass_on(request: Request, call_next: Any) -> Response:
        answer: Response = await call_next(request)
        return answer

    inner = [Middleware(BaseHTTPMiddleware, dispatch=pass_on)] if wrapped == "inside" else []
    async with site(tmp_path, middleware=SOON, routes=[Route("/odd", handler)], inner=inner) as it:
        browser = await it.signed_in()
        if wrapped == "outside":
            browser.app = BaseHTTPMiddleware(it.app, pass_on)
        async with browser.stream("/odd") as stream:
            await stream.next()
            body = b""
            while body != b"begun,alice":
                body += (await stream.next())["body"]
            found = it.store.count("find")
            await it.sessions.revoke_user("alice")
            await until(lambda: it.store.count("find") > found)
            THREAD_MAY_END.set()
            assert await stream.rest() == b""


async def changing_hands(websocket: WebSocket) -> None:
    """Sign another user in on an open socket, which no cookie can tell the browser."""
    await require_session(websocket)
    await websocket.accept()
    async for text in websocket.iter_text():
        session = await sign_in(websocket, text)
        await websocket.send_text(session.user_id or "")


async def test_X8_a_socket_belongs_to_whom_it_was_last_signed_in_for(tmp_path: Path) -> None:
    """After the change the end of the first session is no reason to close it, and that of the second is."""
    async with site(tmp_path, middleware=SOON, routes=[WebSocketRoute("/hands", changing_hands)]) as it:
        browser = await it.signed_in()
        async with browser.websocket("/hands") as socket:
            await socket.accepted()
            await socket.say("bob")
            assert await socket.heard() == "bob"
            assert it.sql("SELECT user_id FROM coatcheck_sessions") == [("bob",)]
            await socket.say("carol")
            assert await socket.heard() == "carol"
            await it.sessions.revoke_user("carol")
            assert await socket.close_code() == 4001


async def test_X8_a_socket_is_not_closed_while_another_session_takes_the_place_of_its_own(tmp_path: Path) -> None:
    """The store has ended the first already, and the worker does not know the second yet."""
    async with site(tmp_path, middleware=SOON, routes=[WebSocketRoute("/hands", changing_hands)]) as it:
        browser = await it.signed_in()
        async with browser.websocket("/hands") as socket:
            await socket.accepted()
            gate = it.store.hold_answers("create")
            await socket.say("bob")
            found = it.store.count("find")
            await until(lambda: it.store.count("find") > found + 1)
            gate.release()
            assert await socket.heard() == "bob"


async def failing(websocket: WebSocket) -> None:
    """Fail while the session lives."""
    await require_session(websocket)
    await websocket.accept()
    raise RuntimeError("the application is broken")


async def late_requirement(websocket: WebSocket) -> None:
    """Accept anybody, and send those away who have no session."""
    await websocket.accept()
    await require_session(websocket)


async def late_outage(websocket: WebSocket) -> None:
    """Accept anybody, and fail to find out who it is."""
    await websocket.accept()
    raise Unavailable("the store does not answer")


async def test_X8_errors_of_the_application_reach_the_server(tmp_path: Path) -> None:
    """A socket's failure is the server's to log, as without the middleware."""
    async with site(tmp_path, middleware=SOON, routes=[WebSocketRoute("/failing", failing)]) as it:
        browser = await it.signed_in()
        with pytest.raises(RuntimeError, match="the application is broken"):
            async with browser.websocket("/failing") as socket:
                await socket.accepted()


async def test_X8_after_the_handshake_refusals_are_close_codes(tmp_path: Path) -> None:
    """4001 for who has no session, 1013 for an outage: come again later."""
    routes = [WebSocketRoute("/late", late_requirement), WebSocketRoute("/outage", late_outage)]
    async with site(tmp_path, routes=[*routes]) as it:
        for path, code in (("/late", 4001), ("/outage", 1013)):
            async with it.browser().websocket(path) as socket:
                await socket.accepted()
                assert await socket.close_code() == code


async def test_X8_a_server_that_stops_takes_its_sockets_with_it(tmp_path: Path) -> None:
    """Cancelled from outside, the application's task ends before the server's does."""
    left: list[str] = []

    async def tidy(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            left.append("tidied")

    async with site(tmp_path, routes=[WebSocketRoute("/tidy", tidy)]) as it:
        browser = await it.signed_in()
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        outbox: asyncio.Queue[Any] = asyncio.Queue()
        scope = browser._scope("GET", "/tidy", browser._lines("GET", [("origin", "https://testserver")]))
        scope.update({"type": "websocket", "scheme": "wss"})
        await inbox.put({"type": "websocket.connect"})
        task = asyncio.ensure_future(it.app(scope, inbox.get, outbox.put))
        assert (await outbox.get())["type"] == "websocket.accept"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left == ["tidied"]


@pytest.mark.parametrize("seconds", [0, -1, 1.001, 60])
def test_X8_the_bound_is_one_second_at_most(seconds: float) -> None:
    """No setting makes open connections outlive their session by more."""
    with pytest.raises(ConfigurationError, match="stream_check_every"):
        WebSettings(stream_check_every=timedelta(seconds=seconds))
    assert WebSettings().stream_check_every <= timedelta(seconds=1)
    assert SessionMiddleware.__name__  # the setting is one of its keyword arguments
