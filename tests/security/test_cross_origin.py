"""Requests that other sites make with a visitor's cookie, over HTTP and WebSocket (X1, X3 to X7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import Response
from starlette.routing import Route

from coatcheck import CookieSettings, CrossOriginPolicy
from tests.web.application import site

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from coatcheck.asgi.types import Headers
    from tests.web.application import Site

pytestmark = pytest.mark.anyio

OWN = "https://testserver"
TRUSTED = "https://trusted.example"


async def changed(request: Request) -> Response:
    """Change something."""
    return Response("changed")


METHODS = ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS", "TRACE", "post", "get", "LINK"]
ROUTES = [Route("/change", changed, methods=METHODS), Route("/hook/", changed, methods=METHODS)]
ROUTES[0].methods = ROUTES[1].methods = None  # any method, also those that Starlette would write in capitals


async def status(
    it: Site,
    method: str = "POST",
    path: str = "/change",
    *,
    cookie: str = "__Host-session=" + "A" * 43,
    host: tuple[str, ...] = ("testserver",),
    **headers: Any,
) -> int:
    """Return the status of a request with these header lines; `sec_fetch_site="none"` is one line of that header."""
    lines: Headers = [(b"host", value.encode()) for value in host]
    if cookie:
        lines.append((b"cookie", cookie.encode()))
    for name, values in headers.items():
        for value in (values,) if isinstance(values, str) else values:
            lines.append((name.replace("_", "-").encode(), value.encode("latin-1")))
    answer = await it.browser().request(method, path, raw_headers=lines)
    if answer.status == 403:
        assert answer.header("content-type") == "application/problem+json"
        assert answer.json()["title"] == "Cross-origin request refused"
        assert answer.json()["reason"]
    return answer.status


def trusting(*origins: str) -> dict[str, object]:
    return {"cross_origin": CrossOriginPolicy(trusted_origins=origins)}


# --- X1: the truth table

TABLE: list[tuple[str, dict[str, Any], int]] = [
    ("POST", {"sec_fetch_site": "same-origin"}, 200),
    ("POST", {"sec_fetch_site": "same-origin", "origin": "https://evil.example"}, 200),
    ("POST", {"sec_fetch_site": "none"}, 200),
    *[
        ("POST", {"sec_fetch_site": value}, 403)
        for value in ("same-site", "cross-site", "junk", "Same-Origin", "same-origin;x", "?1")
    ],
    ("POST", {"sec_fetch_site": "cross-site", "origin": TRUSTED}, 200),
    ("POST", {"sec_fetch_site": "same-site", "origin": TRUSTED}, 200),
    ("POST", {"sec_fetch_site": "cross-site", "origin": OWN}, 403),
    ("POST", {"origin": OWN}, 200),
    ("POST", {"origin": OWN + ":443"}, 200),
    ("POST", {"origin": TRUSTED}, 200),
    *[
        ("POST", {"origin": value}, 403)
        for value in ("http://testserver", OWN + ":8443", "https://evil.example", "null", "https://testserver.evil")
    ],
    ("POST", {}, 403),
    ("POST", {"referer": OWN + "/page"}, 403),
    *[
        (method, {"sec_fetch_site": "cross-site", "origin": "https://evil.example"}, 200)
        for method in ("GET", "HEAD", "OPTIONS")
    ],
    *[
        (method, {"sec_fetch_site": "cross-site"}, 403)
        for method in ("PUT", "PATCH", "DELETE", "TRACE", "post", "get", "LINK")
    ],
    ("POST", {"sec_fetch_site": "same-origin, cross-site"}, 403),
    ("POST", {"sec_fetch_site": "same-origin,same-origin"}, 403),
    ("POST", {"sec_fetch_site": ("same-origin", "cross-site")}, 403),
    ("POST", {"sec_fetch_site": ("cross-site", "same-origin")}, 403),
    ("POST", {"sec_fetch_site": ("same-origin", "same-origin")}, 403),
    ("POST", {"origin": (OWN, "https://evil.example")}, 403),
    ("POST", {"origin": OWN + ", " + OWN}, 403),
    ("POST", {"origin": OWN + " " + OWN}, 403),
    ("POST", {"sec_fetch_site": "same-origin", "origin": (OWN, OWN)}, 403),
    ("POST", {"host": ("testserver", "evil.example"), "origin": OWN}, 403),
    ("POST", {"host": ("testserver, evil.example",), "origin": OWN}, 403),
]


@pytest.mark.parametrize(("method", "headers", "expected"), TABLE, ids=[f"{m} {h}" for m, h, _ in TABLE])
async def test_X1_truth_table(tmp_path: Path, method: str, headers: dict[str, Any], expected: int) -> None:
    """Each line of the table, with a cookie, on an application that trusts one other origin."""
    async with site(tmp_path, routes=[*ROUTES], middleware=trusting(TRUSTED)) as it:
        assert await status(it, method, **headers) == expected


async def test_X1_it_is_on_by_default_and_runs_before_the_application(tmp_path: Path) -> None:
    """Nothing has to be switched on, and the handler of a refused request does not run."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        answer = await browser.request("POST", "/sign-out", headers=[("sec-fetch-site", "cross-site")])
        assert answer.status == 403
        assert not answer.all("set-cookie")
        assert await it.user_of(browser) == "alice"


async def test_X1_clients_that_say_nothing_are_let_through_on_request(tmp_path: Path) -> None:
    """With the option, or without a cookie; an origin that does not match is refused all the same."""
    lenient = {"cross_origin": CrossOriginPolicy(allow_missing=True)}
    async with site(tmp_path, routes=[*ROUTES]) as it, site(tmp_path, routes=[*ROUTES], middleware=lenient) as other:
        assert await status(it) == 403
        assert await status(it, cookie="") == 200
        assert await status(other) == 200
        assert await status(other, origin="https://evil.example") == 403
        assert await status(other, sec_fetch_site="cross-site") == 403


async def test_X1_any_cookie_of_our_name_counts(tmp_path: Path) -> None:
    """Whether it is valid is not asked: a malformed one is refused as well, a cookie of another name is none."""
    async with site(tmp_path, routes=[*ROUTES]) as it:
        for cookie, expected in (("__Host-session=", 403), ("a=b; __Host-session=x", 403), ("session=x", 200)):
            assert await status(it, cookie=cookie) == expected


# --- X3


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_X3_json_in_a_simple_content_type_is_refused_across_sites(tmp_path: Path, content_type: str) -> None:
    """What a form of another site can send without asking never reaches the handler."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        headers = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("content-type", content_type)]
        answer = await browser.request("POST", "/save", json={"planted": True}, headers=headers)
        assert answer.status == 403
        assert (await browser.get("/me")).json()["data"] == {}


# --- X4: exemptions

PASSED, REFUSED = 200, 403
EXEMPTIONS = [
    ("POST", "/hook/", PASSED),
    ("POST", "/hook/?a=1", PASSED),
    ("POST", "/%68ook/", PASSED),  # the same routed path
    ("POST", "/hook", REFUSED),
    ("POST", "//hook/", REFUSED),
    ("POST", "/hook//", REFUSED),
    ("POST", "/hook/x", REFUSED),
    ("POST", "/hook/../change", REFUSED),
    ("POST", "/change/../hook/", REFUSED),
    ("POST", "/hook/%2e%2e/change", REFUSED),
    ("POST", "/hook/.", REFUSED),
    ("POST", "/HOOK/", REFUSED),
    ("POST", "/hook/%00", REFUSED),
    ("POST", "/hook%2f", PASSED),  # decoded by the server, and routed as /hook/
    ("POST", "/hook/;a=b", REFUSED),
    ("POST", "/change?/hook/", REFUSED),
    ("PUT", "/hook/", REFUSED),
    ("post", "/hook/", REFUSED),
    ("POSTS", "/hook/", REFUSED),
    ("DELETE", "/hook/", REFUSED),
]


@pytest.mark.parametrize(("method", "path", "expected"), EXEMPTIONS, ids=[f"{m} {p}" for m, p, _ in EXEMPTIONS])
async def test_X4_an_exemption_is_one_method_and_one_routed_path(
    tmp_path: Path, method: str, path: str, expected: int
) -> None:
    """Nothing that resembles "POST /hook/" is let through, and what is let through is routed there."""
    exempt = {"cross_origin": CrossOriginPolicy(exempt=["POST /hook/"])}
    async with site(tmp_path, routes=[*ROUTES], middleware=exempt) as it:
        assert await status(it, method, path, sec_fetch_site="cross-site") == expected


# --- X5: trusted origins


@pytest.mark.parametrize(
    "origin",
    [
        "http://trusted.example",
        "https://trusted.example:8443",
        "https://trusted.example.evil",
        "https://evil.trusted.example",
        "https://trusted.example@evil.example",
        "https://trusted.example/",
        "https://trusted.example.",
        "https://trusted\xadexample",
        "wss://trusted.example",
        "trusted.example",
        "//trusted.example",
        "null",
        "file://",
        "",
    ],
)
@pytest.mark.parametrize("site_header", ["cross-site", None])
async def test_X5_only_the_exact_origin_is_trusted(tmp_path: Path, origin: str, site_header: str | None) -> None:
    """Scheme, host and port: nothing that merely looks like it, with fetch metadata or without."""
    async with site(tmp_path, routes=[*ROUTES], middleware=trusting(TRUSTED)) as it:
        extra: dict[str, Any] = {} if site_header is None else {"sec_fetch_site": site_header}
        assert await status(it, origin=origin, **extra) == 403
        assert await status(it, origin=TRUSTED, **extra) == 200
        assert await status(it, origin="https://TRUSTED.example:443", **extra) == 200


# --- X6: login and logout


async def test_X6_another_site_can_sign_nobody_in_or_out(tmp_path: Path) -> None:
    """Login CSRF would give the victim the attacker's session; it is refused also where there is no cookie yet."""
    async with site(tmp_path) as it:
        for headers in (
            [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
            [("sec-fetch-site", "same-site"), ("origin", "https://sibling.testserver")],
            [("origin", "https://evil.example")],
            [("origin", "null")],
        ):
            stranger = it.browser()
            answer = await stranger.request("POST", "/sign-in", json={"user": "mallory"}, headers=headers)
            assert answer.status == 403
            assert stranger.cookies == {}
            user = await it.signed_in()
            for path in ("/sign-out", "/rotate", "/alone", "/save"):
                assert (await user.request("POST", path, json={}, headers=headers)).status == 403
            assert await it.user_of(user) == "alice"
        assert it.sql("SELECT count(*) FROM coatcheck_sessions WHERE user_id = 'mallory'") == [(0,)]


# --- X7: WebSocket handshakes

FOREIGN: list[list[tuple[str, str]]] = [
    [("origin", "https://evil.example")],
    [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
    [("origin", "http://testserver")],
    [("origin", "wss://testserver")],
    [("origin", "null")],
    [("origin", OWN), ("origin", "https://evil.example")],
    [("sec-fetch-site", "cross-site")],
    [("sec-fetch-site", "same-site"), ("origin", "https://sibling.testserver")],
    [],
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_X7_a_foreign_handshake_is_refused_though_its_cookie_is_valid(
    tmp_path: Path, headers: list[tuple[str, str]]
) -> None:
    """It is a GET, and not safe for that: a page of another site could read what the socket says."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        calls = len(it.store.calls)
        async with browser.websocket("/echo", headers) as socket:
            answer = await socket.denied()
        assert answer.status == 403
        assert answer.header("content-type") == "application/problem+json"
        assert len(it.store.calls) == calls


@pytest.mark.parametrize(
    "headers",
    [
        [("origin", OWN)],
        [("origin", OWN + ":443")],
        [("origin", OWN), ("sec-fetch-site", "same-origin")],
        [("origin", TRUSTED), ("sec-fetch-site", "cross-site")],
    ],
    ids=str,
)
async def test_X7_the_sites_own_handshake_is_accepted(tmp_path: Path, headers: list[tuple[str, str]]) -> None:
    """The site's own pages and those of a trusted origin may open sockets."""
    async with site(tmp_path, middleware=trusting(TRUSTED)) as it:
        browser = await it.signed_in()
        async with browser.websocket("/echo", headers) as socket:
            await socket.accepted()
            await socket.say("hello")
            assert await socket.heard() == "hello"


async def test_X7_servers_that_cannot_send_an_answer_close_the_handshake(tmp_path: Path) -> None:
    """Without the extension for denial responses the handshake is closed, which servers make a 403."""
    async with site(tmp_path, middleware={"cookie": CookieSettings(name="s")}) as it:
        sent: list[object] = []

        async def send(message: object) -> None:
            sent.append(message)

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        scope = {
            "type": "websocket",
            "path": "/echo",
            "scheme": "wss",
            "query_string": b"",
            "headers": [(b"host", b"testserver"), (b"origin", b"https://evil.example"), (b"cookie", b"s=x")],
        }
        await it.app(scope, receive, send)
        assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]
