"""A Worker's `fetch`, called as Cloudflare's runtime calls it: with JavaScript's Request, for a Response."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from coatcheck import AsyncCache, AsyncSessions, CacheSettings, Policy
from coatcheck.bindings import array_of, bytes_of, javascript, object_of
from coatcheck.stores.d1 import AsyncD1Store
from coatcheck.testing.clock import ManualClock
from coatcheck.workers import D1, Request, RequestContext, Response, SessionWorker, binding_of
from tests.workers.inside.databases import Counted, emptied

SITE = "https://shop.example"
PAGE: dict[str, Any] = {"accept": "text/html"}


class Context:
    """A request's context."""

    def __init__(self) -> None:
        self.promises: list[Any] = []

    def waitUntil(self, promise: Any) -> None:
        """Note what is to be done before the request is over."""
        self.promises.append(promise)

    async def over(self) -> None:
        """Wait for all of it."""
        for promise in self.promises:
            await promise


class Env:
    """The Worker's bindings."""

    def __init__(self, **bindings: Any) -> None:
        self.__dict__.update(bindings)


class Browser:
    """Sends requests to a Worker, and keeps its cookie."""

    def __init__(self, worker: Any, env: Any) -> None:
        self.worker = worker
        self.env = env
        self.cookie: str | None = None
        self.context = Context()

    async def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        """Send one request; returns JavaScript's Response."""
        sent = {name.replace("_", "-"): value for name, value in {"host": "shop.example", **headers}.items()}
        sent["cf-connecting-ip"] = "198.51.100.7"
        if method != "GET":
            sent.setdefault("origin", SITE)
        if self.cookie is not None:
            sent["cookie"] = self.cookie
        request = javascript().Request.new(SITE + path, object_of(method=method, headers=sent))
        if body is not None:
            request = javascript().Request.new(request, object_of(body=body.decode()))
        response = await self.worker.fetch(request, self.env, self.context)
        for line in response.headers.getSetCookie():
            self.cookie = line.partition(";")[0]
        return response


async def answer(request: Request, session: RequestContext) -> Response:
    """Answer everything that the tests want."""
    if request.path == "/login" and request.method == "POST":
        await session.sign_in((await request.form())["name"])
        return Response.redirect("/")
    if request.path == "/out":
        await session.sign_out()
        return Response(status=204)
    if request.path == "/broken":
        raise RuntimeError("a secret")
    if request.path == "/echo":
        return Response(await request.body(), 201, "application/octet-stream", {"X-Query": json.dumps(request.query)})
    user = await session.require()
    return Response.json({"user": user.user_id, "ip": user.ip})


@pytest.fixture
async def database(env: Any) -> Counted:
    database = Counted(await emptied(env.DB))
    await AsyncD1Store(database).migrate()
    return database


def made(env: Any) -> AsyncSessions:
    """Make the sessions of a Worker."""
    store = AsyncD1Store(binding_of(env, "DB", D1))
    return AsyncSessions(
        store, cache=CacheSettings(lease=timedelta(minutes=1)), policy=Policy(touch_every=timedelta(0))
    )


@pytest.fixture
def browser(database: Counted) -> Browser:
    return Browser(SessionWorker(made, answer), Env(DB=database))


async def test_signing_in_staying_and_signing_out(browser: Browser) -> None:
    """The cookie has the attributes of the middleware's, for it is the middleware's."""
    signed_in = await browser.send("POST", "/login", b"name=ann")
    assert signed_in.status == 303
    (cookie,) = signed_in.headers.getSetCookie()
    assert "HttpOnly" in cookie
    assert "Secure" in cookie
    assert signed_in.headers.get("cache-control") == "no-store"
    home = await browser.send("GET", "/")
    assert home.status == 200
    assert json.loads(await home.text()) == {"user": "ann", "ip": "198.51.100.7"}
    assert (await browser.send("POST", "/out")).status == 204
    assert (await browser.send("GET", "/")).status == 401


async def test_a_hit_in_memory_is_no_round_trip(browser: Browser, database: Counted) -> None:
    """A new isolate asks for the tables twice, and for log and session once."""
    await browser.send("POST", "/login", b"name=ann")
    await browser.context.over()
    other = Browser(SessionWorker(made, answer), browser.env)
    other.cookie = browser.cookie
    database.trips.clear()
    assert (await other.send("GET", "/")).status == 200
    await other.context.over()
    assert database.trips == [1, 1, 2, 1]  # the last one is the touch
    database.trips.clear()
    assert (await other.send("GET", "/")).status == 200
    assert database.trips == []


async def test_what_may_wait_is_done_after_the_response(browser: Browser, database: Counted) -> None:
    """The use of a session is noted when its answer is out."""
    await browser.send("POST", "/login", b"name=ann")
    await browser.send("GET", "/")
    await browser.context.over()
    gate, batch = asyncio.Event(), database.batch

    async def held(statements: Any) -> Any:
        await gate.wait()
        return await batch(statements)

    database.batch = held  # type: ignore[method-assign]
    browser.context = Context()
    assert (await browser.send("GET", "/")).status == 200
    database.trips.clear()
    gate.set()
    await browser.context.over()
    assert database.trips == [1]


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"origin": "null", "sec_fetch_site": "cross-site"}]
)
async def test_X1_a_request_of_another_site_is_refused(browser: Browser, headers: dict[str, Any]) -> None:
    """And ends nobody's session."""
    await browser.send("POST", "/login", b"name=ann")
    assert (await browser.send("POST", "/out", None, **headers)).status == 403
    assert (await browser.send("GET", "/")).status == 200


async def test_C4_a_value_that_is_loaded_anew_in_the_background_is_waited_for(database: Counted) -> None:
    """The request has the old one at once; the isolate's time is not over before the new one is there."""
    clock, loads = ManualClock(), [0]
    caches: list[AsyncCache] = []

    async def load() -> int:
        await asyncio.sleep(0.01)
        loads[0] += 1
        return loads[0]

    async def value(_: Request, session: RequestContext) -> Response:
        if not caches:
            caches.append(AsyncCache(session.sessions))
        return Response.json(await caches[0].get_or_load("key", load, ttl=timedelta(minutes=5)))

    worker = SessionWorker(lambda env: AsyncSessions(AsyncD1Store(env.DB, clock=clock), clock=clock), value)
    browser = Browser(worker, Env(DB=database))
    assert await (await browser.send("GET", "/")).text() == "1"
    clock.advance(timedelta(minutes=4, seconds=25))
    for _ in range(2):  # the first one renews the lease
        assert await (await browser.send("GET", "/")).text() == "1"
    await browser.context.over()
    assert loads == [2]


async def test_C6_nobody_is_sent_to_the_sign_in_page_or_told_so(browser: Browser) -> None:
    """A page is redirected, a program gets 401."""
    page = await browser.send("GET", "/account?tab=1", **PAGE)
    assert page.status == 302
    assert page.headers.get("location") == "/login?next=%2Faccount%3Ftab%3D1"
    program = await browser.send("GET", "/account")
    assert program.status == 401
    assert program.headers.get("content-type") == "application/problem+json"


async def test_S9_an_outage_is_no_sign_out(browser: Browser, database: Counted) -> None:
    """503 with Retry-After, and the cookie stays."""
    await browser.send("POST", "/login", b"name=ann")
    await browser.context.over()
    other = Browser(SessionWorker(made, answer), browser.env)
    other.cookie = browser.cookie
    await other.send("GET", "/none")
    database.error = TimeoutError("a secret")
    stranger = Browser(other.worker, other.env)
    stranger.cookie = "__Host-session=" + "A" * 43
    response = await stranger.send("GET", "/")
    assert (response.status, response.headers.get("retry-after")) == (503, "1")
    assert not list(response.headers.getSetCookie())
    assert "secret" not in await response.text()
    database.error = None
    assert (await other.send("GET", "/")).status == 200


@pytest.mark.parametrize("wrong", ["missing", "kind", "tables", "setting"])
async def test_a_wrong_configuration_is_a_503_and_a_line_in_the_log(env: Any, wrong: str, caplog: list[str]) -> None:
    """The client learns nothing of it; and it works as soon as it is right."""
    database = await emptied(env.DB)
    environments = {
        "missing": Env(),
        "kind": Env(DB=env.SESSIONS),
        "tables": Env(DB=database),
        "setting": Env(DB=database),
    }

    def broken(env: Any) -> AsyncSessions:
        return AsyncSessions(AsyncD1Store(env.DB, timeout=0))

    worker = SessionWorker(broken if wrong == "setting" else made, answer)
    browser = Browser(worker, environments[wrong])
    response = await browser.send("GET", "/")
    assert response.status == 503
    text = await response.text()
    assert set(json.loads(text)) == {"type", "title", "status", "detail"}
    assert "Traceback" not in text
    said = {
        "missing": "[[d1_databases]]",
        "kind": "a KV namespace",
        "tables": "wrangler d1 migrations apply",
        "setting": "timeout=0",
    }
    assert said[wrong] in "".join(caplog)
    if wrong != "setting":
        await AsyncD1Store(database).migrate()
        browser.env = Env(DB=database)
        assert (await browser.send("GET", "/")).status == 401


async def test_an_error_of_the_application_is_a_500_and_nothing_more(browser: Browser, caplog: list[str]) -> None:
    """The log has it all."""
    response = await browser.send("GET", "/broken")
    assert response.status == 500
    assert json.loads(await response.text())["title"] == "Internal server error"
    assert "a secret" in "".join(caplog)


async def test_bodies_and_parameters(browser: Browser) -> None:
    """Bytes come back as they went."""
    body = bytes(range(256))
    request = javascript().Request.new(f"{SITE}/echo?a=1&b=%C3%BC", object_of(method="POST"))
    request = javascript().Reflect.construct(
        javascript().Request,
        array_of([request, javascript().Object.fromEntries(array_of([array_of(["body", bytes_of(body)])]))]),
    )
    response = await browser.worker.fetch(request, browser.env, None)
    assert response.status == 201
    assert (await response.arrayBuffer()).to_bytes() == body
    assert json.loads(response.headers.get("x-query")) == {"a": "1", "b": "ü"}


async def test_a_request_of_the_SDK_is_one(browser: Browser) -> None:
    """Cloudflare wraps JavaScript's."""

    class Wrapped:
        js_object = javascript().Request.new(SITE + "/", object_of(headers={"accept": "text/html"}))

    assert (await browser.worker.fetch(Wrapped(), browser.env, browser.context)).status == 302


async def test_S13_a_cron_trigger_sweeps(browser: Browser, database: Counted) -> None:
    await browser.send("POST", "/login", b"name=ann")
    await database.batch_of("UPDATE coatcheck_sessions SET idle_expires_at = 1")
    assert await browser.worker.scheduled(browser.env) == 1


@pytest.fixture
def caplog() -> Any:
    """What is logged."""
    import logging

    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(logging.Formatter().format(record))

    handler, log = Kept(), logging.getLogger("coatcheck")
    log.addHandler(handler)
    yield lines
    log.removeHandler(handler)
