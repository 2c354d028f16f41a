"""What responses say to caches between the site and its visitors (H1, H2)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from coatcheck import Policy
from coatcheck.asgi import context_of
from coatcheck.fastapi import CurrentSession, OptionalSession, SessionMiddleware, recent_auth
from coatcheck.starlette import current_session, require_session, rotate, sign_in, sign_out
from tests.web.application import KEY, OLD_KEY, site
from tests.web.browser import COOKIE, Browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from starlette.requests import Request

    from tests.web.browser import Answer

pytestmark = pytest.mark.anyio

PUBLIC = {"cache-control": "public, max-age=3600"}


async def truth(request: Request) -> Response:
    """Ask for no more than whether somebody is signed in."""
    return Response("yes" if await current_session(request) else "no", headers=PUBLIC)


async def token_only(request: Request) -> Response:
    """Look at what was presented without validating it."""
    return Response("yes" if context_of(request.scope).presented() else "no", headers=PUBLIC)


async def not_found(request: Request) -> Response:
    """Look, and answer with an error of the framework."""
    await current_session(request)
    raise HTTPException(404)


async def not_modified(request: Request) -> Response:
    """Look, and say that nothing is new."""
    await current_session(request)
    return Response(status_code=304, headers={"etag": '"1"'})


async def varied(request: Request) -> Response:
    """Look, and depend on something else as well."""
    await current_session(request)
    return Response("", headers={"vary": "Accept-Encoding"})


async def streamed(request: Request) -> Response:
    """Look before streaming."""
    await current_session(request)
    return StreamingResponse(_chunks(), headers=PUBLIC)


async def _chunks() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


LOOKING = [
    Route("/truth", truth),
    Route("/token-only", token_only),
    Route("/not-found", not_found),
    Route("/not-modified", not_modified),
    Route("/varied", varied),
    Route("/streamed", streamed),
]
LOOKS = [
    *[("GET", path) for path in ("/me", "/private", "/recent", "/devices")],
    *[("GET", route.path) for route in LOOKING],
    *[("POST", path) for path in ("/sign-in", "/sign-out", "/rotate", "/rotate?reauthenticated")],
    *[("POST", path) for path in ("/save", "/visit", "/alone")],
    ("HEAD", "/truth"),
]


@pytest.mark.parametrize("visitor", ["nobody", "alice", "stranger", "malformed"])
@pytest.mark.parametrize(("method", "path"), LOOKS, ids=[" ".join(look) for look in LOOKS])
async def test_H1_every_way_of_looking_makes_the_answer_vary(
    tmp_path: Path, method: str, path: str, visitor: str
) -> None:
    """Whoever asks and whatever comes of it, a cache is told that the answer depends on the cookie."""
    async with site(tmp_path, routes=[*LOOKING]) as it:
        browser = await it.signed_in() if visitor == "alice" else it.browser()
        if visitor in {"stranger", "malformed"}:
            browser.token = "A" * 43 if visitor == "stranger" else "x"
        body = {"user": "alice"} if path == "/sign-in" else {"a": 1}
        answer = await browser.request(method, path, json=body)
        assert answer.status < 500
        assert "cookie" in answer.vary()


async def test_H1_no_answer_varies_without_a_look(tmp_path: Path) -> None:
    """A page that has nothing to do with sessions stays cacheable for all, also for those who are signed in."""
    async with site(tmp_path, middleware={"bearer": True}) as it:
        for browser in (it.browser(), await it.signed_in()):
            for answer in (
                await browser.get("/plain"),
                await browser.get("/nowhere"),
                await browser.request("HEAD", "/plain"),
                await browser.request("OPTIONS", "/plain"),
            ):
                assert not answer.all("vary")
                assert not answer.all("cache-control")
                assert not answer.all("set-cookie")


async def test_H1_what_the_application_says_itself_is_kept(tmp_path: Path) -> None:
    """Its own Vary stays; where bearer tokens are read, the answer depends on them too."""
    async with site(tmp_path, routes=[*LOOKING]) as it, site(tmp_path, middleware={"bearer": True}) as bearer:
        assert (await it.browser().get("/varied")).vary() == {"accept-encoding", "cookie"}
        assert (await bearer.browser().get("/me")).vary() == {"cookie", "authorization"}


async def test_H1_errors_and_redirects_vary_too(tmp_path: Path) -> None:
    """The answers that the middleware makes: sign-in required, too old, too many, and unavailable."""
    async with site(tmp_path, policy=Policy(max_sessions=1, when_full="refuse")) as it:
        browser = await it.signed_in()
        page = [("accept", "text/html")]
        answers = [
            await it.browser().get("/private"),
            await it.browser().request("GET", "/private", headers=page),
            await it.browser().post("/sign-in", {"user": "alice"}),
        ]
        it.clock.advance(timedelta(minutes=6))
        answers.append(await browser.get("/recent"))
        it.clock.advance(timedelta(seconds=3))  # the lease is over, so the store has to be asked
        it.store.fail("poll")
        answers.append(await browser.get("/me"))
        assert [answer.status for answer in answers] == [401, 302, 409, 401, 503]
        for answer in answers:
            assert "cookie" in answer.vary()


async def test_H1_fastapi_dependencies_make_the_answer_vary(tmp_path: Path) -> None:
    async with site(tmp_path) as it:
        app = FastAPI()

        @app.get("/current")
        async def current(session: CurrentSession) -> dict[str, Any]:
            return {}

        @app.get("/optional")
        async def optional(session: OptionalSession) -> dict[str, Any]:
            return {}

        @app.get("/recent", dependencies=[recent_auth(timedelta(minutes=5))])
        async def just_now() -> dict[str, Any]:
            return {}

        @app.get("/plain")
        async def plain() -> dict[str, Any]:
            return {}

        app.add_middleware(SessionMiddleware, sessions=it.sessions)
        signed_in = await it.signed_in()
        for cookies in ({}, dict(signed_in.cookies)):
            browser = Browser(app, cookies=cookies)
            for path in ("/current", "/optional", "/recent"):
                assert (await browser.get(path)).vary() == {"cookie"}
            assert (await browser.get("/plain")).vary() == set()


class SharedCache:
    """A cache between a site and many visitors: stores what it may, and answers with it when the request fits."""

    def __init__(self) -> None:
        self._stored: dict[str, list[tuple[dict[str, str], Answer]]] = {}
        self.hits = 0

    async def get(self, browser: Browser, path: str) -> Answer:
        sent = {name.decode(): value.decode() for name, value in browser._lines("GET", None)}
        for wanted, answer in self._stored.get(path, []):
            if all(sent.get(name, "") == value for name, value in wanted.items()):
                self.hits += 1
                return answer
        answer = await browser.get(path)
        control = answer.header("cache-control") or ""
        if "public" in control and "no-store" not in control:
            wanted = {name: sent.get(name, "") for name in answer.vary()}
            self._stored.setdefault(path, []).append((wanted, answer))
        return answer


async def greeting(request: Request) -> Response:
    """Be public, and yet greet by name: a mistake that the library has to survive."""
    session = await current_session(request)
    name = session.user_id if session else "stranger"
    return Response(f"hello {name}", headers=PUBLIC)


async def test_H1_a_shared_cache_never_shows_one_visitor_what_is_anothers(tmp_path: Path) -> None:
    """Alice, Bob and strangers ask in turn for a page that says it is public; each gets their own."""
    async with site(tmp_path, routes=[Route("/greeting", greeting)]) as it:
        cache = SharedCache()
        visitors = {"alice": await it.signed_in("alice"), "bob": await it.signed_in("bob"), "stranger": it.browser()}
        for _ in range(3):
            for name, browser in visitors.items():
                assert (await cache.get(browser, "/greeting")).body == f"hello {name}".encode()
        assert cache.hits == 6  # a model that never answers from memory would prove nothing


# --- H2


async def signing_in(request: Request) -> Response:
    await sign_in(request, "alice")
    return Response("", headers={**PUBLIC, "expires": "Fri, 31 Dec 2199 23:59:59 GMT"})


async def rotating(request: Request) -> Response:
    await rotate(request)
    return Response("", headers=PUBLIC)


async def signing_out(request: Request) -> Response:
    await sign_out(request)
    return RedirectResponse("/", headers=PUBLIC)


async def rotating_then_missing(request: Request) -> Response:
    await rotate(request)
    raise HTTPException(404, headers=PUBLIC)


async def rotating_then_not_modified(request: Request) -> Response:
    await rotate(request)
    return Response(status_code=304, headers=PUBLIC)


async def rotating_then_streaming(request: Request) -> Response:
    await rotate(request)
    return StreamingResponse(_chunks(), headers=PUBLIC)


async def rotating_then_unavailable(request: Request) -> Response:
    session = await rotate(request)
    sessions = context_of(request.scope).sessions
    await sessions.revoke_others(session)
    return Response("", headers=PUBLIC)


async def rotating_then_denied(request: Request) -> Response:
    await rotate(request)
    await sign_out(request)
    return JSONResponse(str(await require_session(request)), headers=PUBLIC)


COOKIE_SETTERS: list[Callable[[Request], Awaitable[Response]]] = [
    signing_in,
    rotating,
    signing_out,
    rotating_then_missing,
    rotating_then_not_modified,
    rotating_then_streaming,
    rotating_then_unavailable,
    rotating_then_denied,
]


@pytest.mark.parametrize("setter", COOKIE_SETTERS)
async def test_H2_no_answer_with_a_session_cookie_is_stored(
    tmp_path: Path, setter: Callable[[Request], Awaitable[Response]]
) -> None:
    """Whatever the application says about caching, and whatever kind of answer it is: no-store, and nothing else."""
    async with site(tmp_path, routes=[Route("/set", setter, methods=["POST"])]) as it:
        browser = await it.signed_in()
        if setter is rotating_then_unavailable:
            it.store.fail("revoke")
        answer = await browser.post("/set")
        assert len(answer.all("set-cookie")) == 1
        assert answer.all("cache-control") == ["no-store"]
        assert "cookie" in answer.vary()


async def test_H2_a_renewed_cookie_is_not_stored_either(tmp_path: Path) -> None:
    """A page that is only looked at sets a cookie when its signature is of an old key; then it is not cacheable."""
    async with site(tmp_path, keys=[OLD_KEY]) as old:
        browser = await old.signed_in()
    async with site(tmp_path, keys=[KEY, OLD_KEY], routes=[Route("/greeting", greeting)]) as it:
        newer = it.browser(cookies=dict(browser.cookies))
        answer = await newer.get("/greeting")
        assert len(answer.all("set-cookie")) == 1
        assert answer.all("cache-control") == ["no-store"]
        assert newer.token != browser.token
        assert (await newer.get("/greeting")).all("cache-control") == [PUBLIC["cache-control"]]


async def test_H2_an_error_after_a_rotation_still_brings_the_new_cookie(tmp_path: Path) -> None:
    """The old token is dead, so an answer without the new one would sign the user out."""
    for setter in (rotating_then_missing, rotating_then_unavailable):
        async with site(tmp_path, routes=[Route("/set", setter, methods=["POST"])]) as it:
            browser = await it.signed_in()
            it.store.fail("revoke")
            assert (await browser.post("/set")).status in {404, 503}
            it.store.heal()
            assert await it.user_of(browser) == "alice"


async def test_H2_refusals_are_not_stored(tmp_path: Path) -> None:
    """401, 403, 409 and 503 are answers to one request."""
    async with site(tmp_path, policy=Policy(max_sessions=1, when_full="refuse")) as it:
        browser = await it.signed_in()
        answers = [
            await it.browser().get("/private"),
            await browser.request("POST", "/rotate", headers=[("sec-fetch-site", "cross-site")]),
            await it.browser().post("/sign-in", {"user": "alice"}),
        ]
        it.store.fail("rotate")
        answers.append(await browser.post("/rotate"))
        assert [answer.status for answer in answers] == [401, 403, 409, 503]
        for answer in answers:
            assert answer.header("content-type") == "application/problem+json"
            assert answer.header("cache-control") == "no-store"


async def test_H2_cookie_of_the_application_stays_beside_ours(tmp_path: Path) -> None:
    """Other cookies of the same answer are none of our business."""

    async def both(request: Request) -> Response:
        await sign_in(request, "alice")
        response = Response("")
        response.set_cookie("theme", "dark")
        return response

    async with site(tmp_path, routes=[Route("/both", both, methods=["POST"])]) as it:
        lines = (await it.browser().post("/both")).all("set-cookie")
        assert sorted(line.partition("=")[0] for line in lines) == [COOKIE, "theme"]
