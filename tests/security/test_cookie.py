"""The session cookie as it leaves and enters an application (C1 to C12)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from coatcheck import AsyncSessions, ConfigurationError, CookieSettings, Policy
from coatcheck.asgi import context_of
from coatcheck.core.cookies import CookieError
from coatcheck.core.tokens import new_token
from coatcheck.starlette import SessionMiddleware, current_session, rotate, sign_in, sign_out
from tests.web.application import KEY, application, me, site
from tests.web.browser import COOKIE, Browser, started

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from tests.web.application import Site

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


async def set_cookie_of(it: Site, **wish: Any) -> str:
    answer = await it.browser().post("/sign-in", {"user": "alice", **wish})
    line = answer.header("set-cookie")
    assert line is not None
    return line


# --- C1 to C5: what is set


async def test_C1_C2_the_default_cookie_is_host_bound_and_of_this_window(tmp_path: Path) -> None:
    """The exact header: prefix, no Domain, no Max-Age, invisible to scripts, and not sent by other sites."""
    async with site(tmp_path) as it:
        browser = it.browser()
        answer = await browser.post("/sign-in", {"user": "alice"})
        assert answer.header("set-cookie") == f"{COOKIE}={browser.token}; Path=/; Secure; HttpOnly; SameSite=Lax"
        assert len(browser.token) == 43


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"name": "__Host-Http-s"}, "__Host-Http-s={}; Path=/; Secure; HttpOnly; SameSite=Lax"),
        ({"same_site": "strict"}, COOKIE + "={}; Path=/; Secure; HttpOnly; SameSite=Strict"),
        ({"same_site": "none"}, COOKIE + "={}; Path=/; Secure; HttpOnly; SameSite=None"),
        (
            {"name": "sid", "path": "/app", "domain": "example.com", "secure": False},
            "sid={}; Domain=example.com; Path=/app; HttpOnly; SameSite=Lax",
        ),
    ],
    ids=["scripts-cannot-set-it", "strict", "other-sites", "bare"],
)
async def test_C1_C2_every_setting_reaches_the_browser(tmp_path: Path, settings: dict[str, Any], expected: str) -> None:
    cookie = CookieSettings(**settings)
    async with site(tmp_path, middleware={"cookie": cookie}) as it:
        line = await set_cookie_of(it)
        token = line.partition(";")[0].partition("=")[2]
        assert line == expected.format(token)
        assert await it.user_of(it.browser(cookies={cookie.name: token})) == "alice"


CONTRADICTIONS: list[dict[str, Any]] = [
    {"domain": "example.com"},
    {"path": "/app"},
    {"secure": False},
    {"name": "__Host-Http-s", "http_only": False},
    {"name": "__Http-s", "http_only": False},
    {"name": "__Secure-s", "secure": False},
    {"name": "s", "same_site": "none", "secure": False},
]


@pytest.mark.parametrize("settings", CONTRADICTIONS, ids=[str(each) for each in CONTRADICTIONS])
def test_C1_C2_C3_what_browsers_would_refuse_is_an_error_before_the_start(settings: dict[str, Any]) -> None:
    """A contradiction is no cookie that silently never arrives; the message says what to use."""
    with pytest.raises(ConfigurationError, match="is not possible: "):
        CookieSettings(**settings)


async def test_C3_a_cookie_that_scripts_cannot_set_is_not_readable_for_them(tmp_path: Path) -> None:
    async with site(tmp_path, middleware={"cookie": CookieSettings(name="__Host-Http-s")}) as it:
        assert "; HttpOnly" in await set_cookie_of(it)


async def test_C4_a_browser_never_keeps_the_cookie_longer_than_the_session_can_live(tmp_path: Path) -> None:
    """Max-Age is the rest of the absolute lifetime, and 400 days at most; without "remember me" there is none."""
    years = Policy(remember_idle_timeout=700 * DAY, remember_lifetime=800 * DAY)
    async with site(tmp_path) as it, site(tmp_path, name="years.db", policy=years) as long:
        assert "; Max-Age=7776000;" in await set_cookie_of(it, remember=True)
        assert "Max-Age" not in await set_cookie_of(it)
        assert "; Max-Age=34560000;" in await set_cookie_of(long, remember=True)


async def test_C4_max_age_shrinks_with_the_lifetime(tmp_path: Path) -> None:
    """A token that is rotated in the middle of its session's life does not outlive it in the browser."""
    async with site(tmp_path) as it:
        browser = it.browser()
        await browser.post("/sign-in", {"user": "alice", "remember": True})
        it.clock.advance(20 * DAY)
        assert f"; Max-Age={70 * 86_400};" in ((await browser.post("/rotate")).header("set-cookie") or "")


async def test_C4_a_cookie_too_large_for_browsers_is_an_error(tmp_path: Path) -> None:
    """4,096 octets of name and value are sent, one more is refused aloud."""
    for length, fits in ((4096 - 43, True), (4097 - 43, False)):
        cookie = CookieSettings(name="s" * length)
        async with site(tmp_path, middleware={"cookie": cookie}) as it:
            if fits:
                assert (await set_cookie_of(it)).startswith("s" * length)
                continue
            with pytest.raises(CookieError, match="browsers drop over 4096"):
                await set_cookie_of(it)


HOSTILE = ["a\r\nSet-Cookie: x=y", "a;Domain=evil.example", "a b", 'a"b', "a\\b", "a\x00", "a\x7f", "é", "a,b", "a\n"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("setting", ["name", "path", "domain", "same_site"])
def test_C5_nothing_can_be_injected_through_a_setting(setting: str, value: str) -> None:
    """Neither in the constructor nor in a copy of good settings."""
    hostile: dict[str, Any] = {setting: "/" + value if setting == "path" else value}
    with pytest.raises(ConfigurationError):
        CookieSettings(**{"name": "s", **hostile})
    with pytest.raises(ConfigurationError):
        replace(CookieSettings(name="s"), **hostile)


@pytest.mark.parametrize("value", HOSTILE)
async def test_C5_what_a_client_sends_is_never_echoed_into_a_header(tmp_path: Path, value: str) -> None:
    """Neither the cookie nor the path of a request becomes part of a response's headers unescaped."""
    raw = value.encode("latin-1", "replace")
    lines = [(b"host", b"testserver"), (b"cookie", COOKIE.encode() + b"=" + raw), (b"accept", b"text/html")]
    async with site(tmp_path, keys=[KEY]) as it:
        path = "/private%0d%0aSet-Cookie:x=y?next=" + value.encode("unicode_escape").decode().replace(" ", "%20")
        for target in ("/private", "/me", path):
            answer = await it.browser().request("GET", target, raw_headers=lines)
            assert not answer.all("set-cookie")
            for _, sent in answer.headers:
                assert raw not in sent
                assert b"\r" not in sent
                assert b"\n" not in sent


# --- C6: one header


async def much_at_once(request: Request) -> Response:
    """Sign in, rotate, look, save and rotate again."""
    await current_session(request)
    await sign_in(request, "alice")
    await rotate(request)
    session = await current_session(request)
    assert session
    await context_of(request.scope).sessions.save(session, {"a": 1})
    await rotate(request, reauthenticated=True)
    return JSONResponse({})


async def in_and_out(request: Request) -> Response:
    """Sign in and out again."""
    await sign_in(request, "alice")
    await sign_out(request)
    return JSONResponse({})


@pytest.mark.parametrize("begun", ["anonymous", "signed-in"])
async def test_C6_however_much_happens_one_cookie_is_set(tmp_path: Path, begun: str) -> None:
    """Login, rotation, touch and save in one request: one Set-Cookie, and it is the one that works."""
    routes = [Route("/much", much_at_once, methods=["POST"]), Route("/in-out", in_and_out, methods=["POST"])]
    policy = Policy(touch_every=timedelta(0))
    async with site(tmp_path, policy=policy, routes=[*routes]) as it:
        browser = await it.signed_in("bob") if begun == "signed-in" else it.browser()
        it.clock.advance(timedelta(minutes=1))
        answer = await browser.post("/much")
        assert len(answer.all("set-cookie")) == 1
        assert await it.user_of(browser) == "alice"
        assert it.rows() == 1
        answer = await browser.post("/in-out")
        assert len(answer.all("set-cookie")) == 1
        assert browser.cookies == {}
        assert it.rows() == 0


# --- C7 to C9: what is read


def cookie_lines(*lines: str) -> list[tuple[str, str]]:
    return [("cookie", line) for line in lines]


@pytest.mark.parametrize("keys", [None, [KEY]], ids=["unsigned", "signed"])
async def test_C7_the_order_of_duplicates_decides_nothing(tmp_path: Path, keys: Sequence[str] | None) -> None:
    """Two tokens that could both be ours make nobody signed in, in either order, in one header or in two."""
    async with site(tmp_path, keys=keys) as it:
        good, planted = (await it.signed_in("alice")).token, (await it.signed_in("mallory")).token
        junk = new_token().reveal()
        one, two, other = (f"{COOKIE}={value}" for value in (good, planted, junk))
        for lines in ([f"{one}; {two}"], [f"{two}; {one}"], [one, two], [two, one], [f"a=b; {two}", f"{one}; c=d"]):
            answer = await it.browser().request("GET", "/me", headers=cookie_lines(*lines))
            assert answer.json()["user"] is None, lines
        for lines in ([f"{one}; {other}"], [f"{other}; {one}"], [one, other], [other, one]):
            answer = await it.browser().request("GET", "/me", headers=cookie_lines(*lines))
            # With keys a value that nobody signed cannot be ours, so it is no rival.
            assert answer.json()["user"] == ("alice" if keys else None), lines


async def test_C7_a_malformed_duplicate_and_a_repeated_one_change_nothing(tmp_path: Path) -> None:
    """What cannot be a token is no rival, wherever it stands; the same value twice is one value."""
    async with site(tmp_path) as it:
        good = f"{COOKIE}={(await it.signed_in()).token}"
        for bad in (f"{COOKIE}=", f"{COOKIE}=evil", f'{COOKIE}="x"', good):
            for lines in ([f"{good}; {bad}"], [f"{bad}; {good}"], [good, bad], [bad, good]):
                answer = await it.browser().request("GET", "/me", headers=cookie_lines(*lines))
                assert answer.json()["user"] == "alice", lines


async def test_C7_cookies_split_over_many_lines_are_one_header(tmp_path: Path) -> None:
    """HTTP/2 sends a line for each cookie."""
    async with site(tmp_path) as it:
        token = (await it.signed_in()).token
        browser = it.browser(http_version="2")
        lines = cookie_lines("a=1", "theme=dark", f"{COOKIE}={token}", "z=26")
        assert (await browser.request("GET", "/me", headers=lines)).json()["user"] == "alice"


async def test_C7_signing_in_among_duplicates_fails_closed(tmp_path: Path) -> None:
    """A cookie that a neighbour has planted can keep a user out, and never let the neighbour in."""
    async with site(tmp_path, middleware={"cookie": CookieSettings(name="sid")}) as it:
        mallory = await it.browser().post("/sign-in", {"user": "mallory"})
        planted = (mallory.header("set-cookie") or "").partition(";")[0]
        browser = it.browser(headers=[])
        answer = await browser.request(
            "POST",
            "/sign-in",
            json={"user": "alice"},
            headers=[
                ("sec-fetch-site", "same-origin"),
                ("cookie", planted),
            ],
        )
        own = (answer.header("set-cookie") or "").partition(";")[0]
        shown = await it.browser().request("GET", "/me", headers=cookie_lines(f"{own}; {planted}"))
        # Signing in ended whatever session the request carried: the planted one is dead and no bait.
        assert shown.json()["user"] is None
        assert (await it.browser().request("GET", "/me", headers=cookie_lines(planted))).json()["user"] is None
        assert (await it.browser().request("GET", "/me", headers=cookie_lines(own))).json()["user"] == "alice"


NOT_OURS = {
    "nameless": b"=__Host-session=%s",
    "lower-case": b"__host-session=%s",
    "leading-letter": b"x__Host-session=%s",
    "quoted-name": b'"__Host-session"=%s',
    "no-break-space": b"\xa0__Host-session=%s",
    "next-line": b"\x85__Host-session=%s",
    "nul": b"\0__Host-session=%s",
    "space-before-equals": b"__Host-session =%s",
    "in-a-value": b"a=__Host-session=%s",
    "in-quotes": b'a="; __Host-session=%s"',
    "quoted-value": b'__Host-session="%s"',
    "escaped": b"__Host%%2Dsession=%s",
    "comma": b"a=b, __Host-session=%s",
    "attribute": b"$Path=/; $Version=1; a=b$__Host-session=%s",
}


@pytest.mark.parametrize("header", NOT_OURS.values(), ids=NOT_OURS)
async def test_C8_only_the_exact_name_is_ours(tmp_path: Path, header: bytes) -> None:
    """What merely resembles the cookie is another one, even around a valid token."""
    async with site(tmp_path) as it:
        token = (await it.signed_in()).token.encode()
        lines = [(b"host", b"testserver"), (b"cookie", header % token)]
        assert (await it.browser().request("GET", "/me", raw_headers=lines)).json()["user"] is None


HIDING = {
    "backslashes": b'a="' + b"\\" * 65_000 + b"; %s",
    "quotes": b'a="' + b'\\"' * 32_000 + b"; %s",
    "many-pairs": b"a=b; " * 10_000 + b"%s",
    "semicolons": b";" * 65_000 + b"%s",
    "brackets": b"a[b]=c; %s",
    "no-equals": b"a; b; c; %s",
    "near-misses": b"__Host-sessio=x; " * 3_000 + b"%s",
    "repeated-name": b"x__Host-session=" * 4_000 + b"; %s",
    "open-quote": b'a="b; %s',
    "binary": bytes(range(128, 256)) * 400 + b"; %s",
    "chunks": b"; ".join(b"__Host-session.%d=x" % n for n in range(3_000)) + b"; %s",
}


@pytest.mark.parametrize("header", HIDING.values(), ids=HIDING)
async def test_C9_no_other_cookie_hides_ours(tmp_path: Path, header: bytes) -> None:
    """However large and however broken the rest of the header is, the session is found."""
    async with site(tmp_path) as it:
        pair = f"{COOKIE}={(await it.signed_in()).token}".encode()
        before, _, after = header.partition(b"%s")
        lines = [(b"host", b"testserver"), (b"cookie", before + pair + after)]
        assert (await it.browser().request("GET", "/me", raw_headers=lines)).json()["user"] == "alice"


# --- C10: taking it back


@pytest.mark.parametrize(
    "settings",
    [{}, {"name": "sid", "path": "/app", "domain": "example.com"}, {"name": "__Host-Http-s"}],
    ids=["default", "with-domain-and-path", "http-prefix"],
)
async def test_C10_signing_out_deletes_the_cookie_it_has_set(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Same name, path, domain and flags, or browsers would keep it; the value is empty."""
    cookie = CookieSettings(**settings)
    async with site(tmp_path, middleware={"cookie": cookie}) as it:
        browser = await it.signed_in()
        was = (await browser.post("/rotate")).header("set-cookie")
        answer = await browser.post("/sign-out")
        deleted = answer.header("set-cookie")
        assert was is not None
        assert deleted is not None
        value = was.partition(";")[0].partition("=")[2]
        dead = "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0"
        assert deleted == was.replace(f"{value};", f"; {dead};")
        assert answer.header("clear-site-data") is None


async def test_C10_site_data_is_cleared_where_that_is_wanted(tmp_path: Path) -> None:
    """Only on signing out, and never on another answer."""
    async with site(tmp_path, middleware={"clear_site_data": True}) as it:
        browser = await it.signed_in()
        for answer in (await browser.get("/me"), await browser.post("/rotate")):
            assert answer.header("clear-site-data") is None
        assert (await browser.post("/sign-out")).header("clear-site-data") == '"cookies", "storage"'
        assert (await browser.post("/sign-out")).header("clear-site-data") is None


# --- C11, C12: several cookies


def two_namespaces(path: Path, keys: Sequence[str] | None) -> tuple[Starlette, AsyncSessions, AsyncSessions]:
    """Return an application for users with one for administrators in it, on one database."""
    user = AsyncSessions(f"sqlite:///{path}", purpose="user", keys=keys)
    admin = AsyncSessions(f"sqlite:///{path}", purpose="admin", keys=keys)
    inner = application(admin, cookie=CookieSettings(name="__Host-admin"))
    outer = Starlette(
        routes=[Mount("/admin", inner), Route("/me", me), Route("/sign-in", sign_in_route, methods=["POST"])],
        middleware=[Middleware(SessionMiddleware, sessions=user, cookie=CookieSettings(name="__Host-user"))],
    )
    return outer, user, admin


async def sign_in_route(request: Request) -> Response:
    await sign_in(request, (await request.json())["user"])
    return JSONResponse({})


@pytest.mark.parametrize("keys", [None, [KEY]], ids=["unsigned", "signed"])
async def test_C12_tokens_of_two_purposes_are_never_interchangeable(tmp_path: Path, keys: Sequence[str] | None) -> None:
    """The user's token under the administrator's cookie name is nobody's, and the other way round."""
    app, _, admin = two_namespaces(tmp_path / "app.db", keys)
    async with started(app), admin:
        browser = Browser(app)
        await browser.post("/sign-in", {"user": "alice"})
        await browser.post("/admin/sign-in", {"user": "root"})
        assert (await browser.get("/me")).json()["user"] == "alice"
        assert (await browser.get("/admin/me")).json()["user"] == "root"
        tokens = browser.cookies
        swapped = Browser(app, cookies={"__Host-user": tokens["__Host-admin"], "__Host-admin": tokens["__Host-user"]})
        for path in ("/me", "/admin/me"):
            assert (await swapped.get(path)).json()["user"] is None
        copied = Browser(app, cookies={"__Host-user": tokens["__Host-user"], "__Host-admin": tokens["__Host-user"]})
        assert (await copied.get("/admin/me")).json()["user"] is None
        assert (await copied.get("/admin/private")).status == 401


async def test_C11_a_missing_cookie_never_grants_more(tmp_path: Path) -> None:
    """Of the cookies of two namespaces each opens its own door; without one, only that door is shut."""
    app, _, admin = two_namespaces(tmp_path / "app.db", None)
    async with started(app), admin:
        browser = Browser(app)
        await browser.post("/sign-in", {"user": "alice"})
        await browser.post("/admin/sign-in", {"user": "root"})
        both = dict(browser.cookies)
        for kept, expected in (
            ([*both], ("alice", "root")),
            (["__Host-user"], ("alice", None)),
            (["__Host-admin"], (None, "root")),
            ([], (None, None)),
        ):
            part = Browser(app, cookies={name: both[name] for name in kept})
            assert ((await part.get("/me")).json()["user"], (await part.get("/admin/me")).json()["user"]) == expected
