"""Answers for browsers and for programs: the sign-in page and the way back, 401, 409."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount

from coatcheck import ConfigurationError, Policy
from coatcheck.asgi import SessionMiddleware, context_of, safe_next
from coatcheck.web.settings import WebSettings
from tests.web.application import site
from tests.web.browser import Browser

if TYPE_CHECKING:
    from pathlib import Path

    from coatcheck.asgi.types import Receive, Scope, Send

pytestmark = pytest.mark.anyio

PAGE = [("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")]


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("/private", "/login?next=%2Fprivate"),
        ("/private?page=2&sort=%C3%A9", "/login?next=%2Fprivate%3Fpage%3D2%26sort%3D%25C3%25A9"),
    ],
)
async def test_a_browser_is_sent_to_the_sign_in_page_and_knows_the_way_back(
    tmp_path: Path, asked: str, location: str
) -> None:
    """302, whose `next` brings the browser exactly where it was going."""
    async with site(tmp_path) as it:
        answer = await it.browser().request("GET", asked, headers=PAGE)
        assert (answer.status, answer.header("location"), answer.body) == (302, location, b"")
        wanted = parse_qs(urlsplit(location).query)["next"][0]
        assert wanted == asked
        assert safe_next(wanted) == asked


@pytest.mark.parametrize(
    ("method", "accept"),
    [
        ("GET", "application/json"),
        ("GET", "*/*"),
        ("GET", None),
        ("POST", "text/html"),
        ("PUT", "text/html"),
    ],
)
async def test_a_program_gets_401_as_problem_details(tmp_path: Path, method: str, accept: str | None) -> None:
    """Whoever does not ask for a page, and whatever changes something, is told and not redirected."""
    async with site(tmp_path) as it:
        headers = [("sec-fetch-site", "same-origin"), *([] if accept is None else [("accept", accept)])]
        path = "/private" if method == "GET" else "/save"
        answer = await it.browser().request(method, path, json={}, headers=headers)
        if method == "PUT":
            assert answer.status == 405
            return
        assert answer.status == 401
        assert answer.header("content-type") == "application/problem+json"
        assert answer.json() == {
            "type": "about:blank",
            "title": "Sign-in required",
            "status": 401,
            "reason": "no_token",
        }
        assert int(answer.header("content-length") or 0) == len(answer.body)


async def test_the_reason_is_told_and_the_dead_cookie_left_alone(tmp_path: Path) -> None:
    """A program learns whether its session is unknown or expired; that is no sign-out."""
    async with site(tmp_path, policy=Policy.aal3()) as it:
        browser = await it.signed_in()
        it.clock.advance(Policy.aal3().idle_timeout)
        answer = await browser.get("/private")
        assert (answer.json()["reason"], answer.all("set-cookie")) == ("expired", [])
        await it.sessions.sweep()
        assert (await browser.get("/private")).json()["reason"] == "unknown"


async def test_a_head_request_for_a_page_is_redirected_too(tmp_path: Path) -> None:
    async with site(tmp_path) as it:
        answer = await it.browser().request("HEAD", "/private", headers=PAGE)
        assert (answer.status, answer.body) == (302, b"")


async def test_the_way_back_includes_where_the_application_is_mounted(tmp_path: Path) -> None:
    """Under a prefix, of a mount or of a proxy, the browser comes back to the whole path."""
    async with site(tmp_path, middleware={"sign_in_path": "/app/enter"}) as it:
        outer = Browser(Starlette(routes=[Mount("/app", it.app)]))
        answer = await outer.request("GET", "/app/private?a=b", headers=PAGE)
        assert answer.header("location") == "/app/enter?next=%2Fapp%2Fprivate%3Fa%3Db"


EVIL = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "https://evil.example",
    "HTTPS:evil.example",
    "https:/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    "@evil.example",
    ".evil.example",
    "?next=/",
    "#x",
    "/\x00",
    "/\x7f",
    "/\r\nSet-Cookie: a=b",
    "/\u2028",
    "/é",
    "\uff0f\uff0fevil.example",
    "/\u200b/evil.example",
    "",
    None,
]


@pytest.mark.parametrize("target", EVIL, ids=repr)
def test_safe_next_never_leads_to_another_site(target: str | None) -> None:
    """What a browser could read as another site, or could not read at all, is replaced by the default."""
    assert safe_next(target) == "/"
    assert safe_next(target, "/home") == "/home"


@pytest.mark.parametrize(
    "target", ["/", "/a/b?c=d&e=%2F%2Fevil.example#f", "/%2F%2Fevil.example", "/a//b", "/.//x", "/a:b"]
)
def test_safe_next_keeps_paths_of_this_site(target: str) -> None:
    """An encoded slash is part of a path: browsers do not decode it before they look for a host."""
    assert safe_next(target) == target


@given(st.text(alphabet=st.one_of(st.sampled_from("/\\:@.?#%2F5C\t\n\r evilhttps"), st.characters()), max_size=30))
def test_safe_next_is_on_this_site_as_a_browser_resolves_it(target: str) -> None:
    """Whatever comes in, the result has the site's own scheme and host."""
    result = safe_next(target)
    # Browsers drop tabs and line ends, and read a backslash as a slash (WHATWG URL, "special" schemes).
    as_read = "".join(character for character in result if character not in "\t\n\r").replace("\\", "/")
    parts = urlsplit(urljoin("https://testserver/login", as_read))
    assert (parts.scheme, parts.netloc) == ("https", "testserver")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/a",
        "/%5Cevil.example",
        "/%09/evil.example",
        "/%0d%0aSet-Cookie:a=b",
        "/%C3%A9",
        "/%FF",
        "/a%2520b",
    ],
)
async def test_an_odd_path_does_not_lead_away_after_sign_in(tmp_path: Path, path: str) -> None:
    """What was asked for comes back as `next`, quoted; a target that could be another site is dropped."""

    async def private(scope: Scope, receive: Receive, send: Send) -> None:
        await context_of(scope).require()

    async with site(tmp_path) as it:
        answer = await Browser(SessionMiddleware(private, it.sessions)).request("GET", path, headers=PAGE)
        location = answer.header("location") or ""
        assert answer.status == 302
        assert location.isascii()
        assert location.isprintable()
        wanted = parse_qs(urlsplit(location).query)["next"][0]
        assert urlsplit(urljoin("https://testserver/login", safe_next(wanted))).netloc == "testserver"


@pytest.mark.parametrize(
    "path",
    ["login", "//evil.example", "https://evil.example", "/\\evil", "/a b", "/a\r\nb", "/é", "/a?b=c", "/a#b", ""],
)
def test_a_sign_in_path_that_is_no_path_is_refused(path: str) -> None:
    """It goes into a header, with a query behind it."""
    with pytest.raises(ConfigurationError, match="sign_in_path"):
        WebSettings(sign_in_path=path)


@pytest.mark.parametrize("when_full", ["refuse", "ask"])
async def test_L15_too_many_sessions_are_a_409_with_the_choice(tmp_path: Path, when_full: str) -> None:
    """The policy "ask" lists the sessions; "refuse" tells no more than the limit."""
    async with site(tmp_path, policy=Policy(max_sessions=1, when_full=when_full)) as it:  # type: ignore[arg-type]
        browser = await it.signed_in()
        own = (await browser.get("/me")).json()
        answer = await it.browser().request(
            "POST",
            "/sign-in",
            json={"user": "alice"},
            headers=[
                ("sec-fetch-site", "same-origin"),
                *PAGE,
            ],
        )
        assert answer.status == 409
        listed = [{"id": own["id"], "created_at": own["created_at"]}] if when_full == "ask" else []
        assert answer.json() == {
            "type": "about:blank",
            "title": "Too many sessions",
            "status": 409,
            "limit": 1,
            "sessions": listed,
        }
