"""aiohttp at home: what its handlers, responses, views and applications can be, over its own server."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing, suppress
from datetime import timedelta
from http.client import HTTPConnection
from socket import create_connection
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from coatcheck import AsyncSessions, ConfigurationError
from coatcheck.aiohttp import (
    context_of,
    current_session,
    fresh_required,
    get_session,
    health_routes,
    login_required,
    require_session,
    revoke_others,
    safe_next,
    setup,
    sign_in,
)
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.testing import AsyncFaultyStore, ManualClock
from coatcheck.testing.browsers import PATIENCE, Answer, SocketRefused
from tests.integrations.on_aiohttp import AiohttpSite

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from coatcheck.aiohttp.responses import Handler
    from coatcheck.testing.browsers import Browser


class Site(AiohttpSite):
    """The site with handlers that are not as usual."""

    def make_sessions(self) -> AsyncSessions:
        self.clock = ManualClock()
        self.store = AsyncFaultyStore(AsyncSQLiteStore(self.path, clock=self.clock))
        self.sessions_ = sessions = AsyncSessions(self.store, clock=self.clock)
        return sessions

    def route(self, app: web.Application) -> None:
        part = web.Application()
        part.add_routes([web.get("/who", _who)])
        app.add_subapp("/part", part)
        app.add_routes(health_routes(self.sessions_))
        app.add_routes([web.view("/view", _View), web.route("*", "/fresh", _fresh)])
        app.add_routes([web.post("/enter", _enter), web.post("/others", _others), web.get("/who", _who)])
        others = (*STREAMS, *SOCKETS, flooding, finite, broken)
        app.add_routes([web.get(f"/{handler.__name__}", handler) for handler in others])
        self.app = app
        self.cancelled: list[int] = []
        app.middlewares.insert(0, self._outside)
        super().route(app)

    @web.middleware
    async def _outside(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        task = asyncio.current_task()
        self.cancelled.append(task.cancelling() if task else 0)
        return response

    def watched(self) -> int:
        boundary: Any = self.app.middlewares[1]
        return len(boundary.__self__._streams)


async def _who(request: web.Request) -> web.Response:
    session = await current_session(request)
    return web.json_response({"user": session.user_id if session else None})


class _View(web.View):
    @login_required
    async def get(self) -> web.Response:
        return await _who(self.request)


@fresh_required(within=timedelta(minutes=5), grace=timedelta(minutes=10))
async def _fresh(request: web.Request) -> web.Response:
    return await _who(request)


async def _enter(request: web.Request) -> web.Response:
    """Sign in, store something, and redirect by raising, as handlers do."""
    await sign_in(request, request.query["user"])
    (await get_session(request))["theme"] = "dark"
    raise web.HTTPSeeOther(safe_next(request.query.get("next")))


async def _others(request: web.Request) -> web.Response:
    return web.json_response({"ended": await revoke_others(request)})


async def broken(request: web.Request) -> web.Response:
    """Store something, and fail."""
    (await get_session(request))["half"] = "done"
    raise ValueError


# --- streams that are not written by their handler, and those whose handler does not hear

left = threading.Semaphore(0)
"""Released whenever one of these handlers is left."""


async def _wait() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        left.release()


async def _endless() -> AsyncIterator[bytes]:
    yield b"begun"
    await _wait()


async def payload(request: web.Request) -> web.Response:
    """Leave a body to the server that it asks for part by part."""
    await require_session(request)
    return web.Response(body=_endless())


async def late(request: web.Request) -> web.StreamResponse:
    """Begin, and ask afterwards who it is."""
    response = web.StreamResponse()
    await response.prepare(request)
    await require_session(request)
    await response.write(b"begun")
    await _wait()
    return response


async def stubborn(request: web.Request) -> web.StreamResponse:
    """Go on after the cancellation."""
    await require_session(request)
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"begun")
    try:
        await _wait()
    except asyncio.CancelledError:
        await response.write(b"a secret")
    return response


async def flooding(request: web.Request) -> web.StreamResponse:
    """Go on after the cancellation, on a connection that takes nothing just now."""
    await require_session(request)
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(b"." * 100_000)
    except asyncio.CancelledError:
        with suppress(ConnectionError):
            await response.write(b"a secret")
    finally:
        left.release()
    return response


async def silent_socket(request: web.Request) -> web.WebSocketResponse:
    """Wait for something else than the client."""
    await require_session(request)
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str("begun")
    await _wait()
    return socket


async def stubborn_socket(request: web.Request) -> web.WebSocketResponse:
    """Go on after the cancellation."""
    await require_session(request)
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str("begun")
    try:
        await _wait()
    except asyncio.CancelledError:
        await socket.send_str("a secret")
    return socket


async def finite(request: web.Request) -> web.Response:
    """Leave a body to the server that has an end."""
    await require_session(request)

    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    return web.Response(body=parts())


STREAMS = (payload, late, stubborn)
SOCKETS = (silent_socket, stubborn_socket)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def ann(site: Site) -> Browser:
    browser = site.browser()
    assert browser("POST", "/sign-in/ann").status == 200
    return browser


def _sent(browser: Browser, method: str, path: str, **headers: str) -> Answer:
    """Send a request that says other things about itself."""
    named = {**browser._headers(browser.cookies), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return browser._server(method, path, named)


def _is_left() -> bool:
    return left.acquire(timeout=PATIENCE)


@pytest.mark.parametrize("path", STREAMS, ids=lambda handler: handler.__name__)
def test_X8_nothing_is_streamed_after_the_end(
    site: Site, ann: Browser, caplog: pytest.LogCaptureFixture, path: Any
) -> None:
    """Whoever writes it, and whatever the handler does with its cancellation; which it hears of."""
    with ann.stream(f"/{path.__name__}") as stream:
        assert stream.read() == b"begun"
        site.revoke("ann")
        assert stream.rest() == b""
        assert _is_left()
    site.close()
    assert not [record for record in caplog.records if record.name.startswith(("aiohttp", "asyncio"))]


def test_X8_nothing_is_streamed_after_the_end_to_one_who_reads_slowly(site: Site, ann: Browser) -> None:
    """What was on its way arrives, and what the handler sends afterwards does not."""
    server: Any = ann._server
    lines = [f"{name}: {value}" for name, value in ann._headers(ann.cookies).items()]
    with create_connection((server._host, server._port), PATIENCE) as connection:
        connection.sendall("\r\n".join(["GET /flooding HTTP/1.1", *lines, "connection: close", "", ""]).encode())
        assert connection.recv(4) == b"HTTP"
        site.revoke("ann")
        assert _is_left()
        # Not only what a client takes for the response.
        assert b"secret" not in b"".join(iter(lambda: connection.recv(65_536), b""))


def test_X8_a_stream_that_is_ended_is_complete(site: Site, ann: Browser) -> None:
    """To the client it is a response like any other, and to what stands around the boundary as well."""
    server: Any = ann._server
    with closing(HTTPConnection(server._host, server._port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/late", headers=ann._headers(ann.cookies))
        response = connection.getresponse()
        assert response.read1(5) == b"begun"
        site.revoke("ann")
        assert response.read() == b""
    assert _is_left()
    assert site.browser()("GET", "/plain").status == 200
    assert set(site.cancelled) == {0}


@pytest.mark.parametrize("path", SOCKETS, ids=lambda handler: handler.__name__)
def test_X8_a_socket_is_closed_whatever_its_handler_does(site: Site, ann: Browser, path: Any) -> None:
    with ann.socket(f"/{path.__name__}") as socket:
        assert socket.hear() == "begun"
        site.revoke("ann")
        assert socket.closed() == 4001
        assert _is_left()


def test_X8_nothing_is_watched_that_is_over(site: Site, ann: Browser) -> None:
    """Neither a body that the server has sent, nor what was complete from the start."""
    assert ann("GET", "/finite").body == b"onetwo"
    assert ann("GET", "/who").status == 200
    assert site.watched() == 0


def test_X7_another_sites_page_opens_no_socket(ann: Browser) -> None:
    """A handshake is a GET, and is looked at all the same."""
    server: Any = ann._server
    headers = {**ann._headers(ann.cookies), "origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    with pytest.raises(SocketRefused, match="403"), server.socket("/socket", headers):
        pass


def test_X1_another_sites_page_changes_nothing(site: Site, ann: Browser) -> None:
    assert _sent(ann, "POST", "/sign-out", sec_fetch_site="cross-site").status == 403
    assert site.sessions() == 1


def test_C6_nobody_gets_in_without_a_session(site: Site) -> None:
    """A program gets 401, and a page goes to the sign-in page with the way back."""
    nobody = site.browser()
    assert nobody("GET", "/view").json()["reason"] == "no_token"
    page = _sent(nobody, "GET", "/view?a=%20b", accept="text/html")
    assert (page.status, page.all("location")) == (302, ["/login?next=%2Fview%3Fa%3D%2520b"])


def test_handlers_are_functions_views_and_those_of_subapplications(ann: Browser) -> None:
    for path in ("/view", "/who", "/part/who"):
        assert ann("GET", path).json() == {"user": "ann"}


def test_L1_a_handler_that_raises_its_redirect_signs_in(site: Site) -> None:
    """The cookie goes with it, and so does what was stored."""
    browser = site.browser()
    answer = browser("POST", "/enter?user=ann&next=//evil.example")
    assert (answer.status, answer.all("location")) == (303, ["/"])
    assert browser("GET", "/all").json() == {"theme": "dark"}


def test_a_handler_that_fails_stores_nothing(site: Site, ann: Browser) -> None:
    assert ann("GET", "/broken").status == 500
    assert ann("GET", "/all").json() == {"user": "ann"}


def test_A1_a_handler_for_those_who_have_just_proved_who_they_are(site: Site, ann: Browser) -> None:
    """Activity does not count; a form that was shown in time has some more; proving it again does."""
    site.clock.advance(timedelta(minutes=6))
    assert ann("GET", "/fresh").json()["reason"] == "authentication_too_old"
    assert ann("POST", "/fresh").status == 200
    site.clock.advance(timedelta(minutes=10))
    assert ann("POST", "/fresh").status == 401
    ann("POST", "/step-up")
    assert ann("GET", "/fresh").status == 200


def test_L12_ending_the_others(site: Site, ann: Browser) -> None:
    phone = site.browser()
    phone("POST", "/sign-in/ann")
    assert ann("POST", "/others").json() == {"ended": 1}
    assert phone("GET", "/who").json() == {"user": None}
    assert ann("GET", "/who").json() == {"user": "ann"}


def test_S9_no_socket_is_opened_while_nobody_can_tell_whose(site: Site, ann: Browser) -> None:
    """And the process stays alive, though it is not ready."""
    with site.outage():
        with pytest.raises(SocketRefused, match="503"), ann.socket("/socket"):
            pass
        assert ann("GET", "/healthz").status == 200
        site.clock.advance(timedelta(seconds=3))
        assert ann("GET", "/readyz").status == 503
    assert ann("GET", "/readyz").status == 200


def test_without_setup_it_says_what_to_do() -> None:
    """Also where a decorated function is no handler."""
    with pytest.raises(ConfigurationError, match=r"coatcheck\.aiohttp\.setup\(app, sessions\)"):
        context_of(make_mocked_request("GET", "/"))
    with pytest.raises(ConfigurationError, match="is for handlers"):
        asyncio.run(login_required(_endless)())  # type: ignore[arg-type]


def test_a_wrong_configuration_fails_at_once(tmp_path: Path) -> None:
    """A wrong setting with `setup`, and a store that cannot be opened when the application starts."""
    app = web.Application()
    with pytest.raises(ConfigurationError, match="sign_in_path"):
        setup(app, AsyncSessions("sqlite:///app.db"), sign_in_path="//evil.example")
    setup(app, AsyncSessions(f"sqlite:///{tmp_path}/missing/app.db"))

    async def start() -> None:
        await web.AppRunner(app).setup()

    with pytest.raises(ConfigurationError, match="folder"):
        asyncio.run(start())
