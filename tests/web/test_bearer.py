"""Bearer tokens: the site's own sessions for API clients, where that is switched on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.web.application import KEY, site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.web.application import Site
    from tests.web.browser import Browser

pytestmark = pytest.mark.anyio

BEARER = {"bearer": True}


async def client_of(it: Site, user: str = "robot") -> Browser:
    """Return an API client: a token in a header, no cookie, and nothing about where it comes from."""
    created = await it.sessions.create(user)
    return it.browser(headers=[("authorization", f"Bearer {created.token.reveal()}")], user_agent=None)


@pytest.mark.parametrize("keys", [None, [KEY]], ids=["unsigned", "signed"])
async def test_T8_a_bearer_token_is_a_session_where_that_is_switched_on(tmp_path: Path, keys: list[str] | None) -> None:
    """The same sessions as a browser's; without the setting the header means nothing."""
    async with site(tmp_path, keys=keys, middleware=BEARER) as it, site(tmp_path, clock=it.clock, keys=keys) as off:
        client = await client_of(it)
        assert await it.user_of(client) == "robot"
        assert (await client.get("/private")).status == 200
        client.app = off.app
        assert (await client.get("/me")).json() == {"user": None, "reason": "no_token"}


@pytest.mark.parametrize(
    ("header", "user"),
    [
        ("Bearer {}", "robot"),
        ("bearer {}", "robot"),
        ("BEARER   {}", "robot"),
        ("Bearer {} ", "robot"),
        ("Bearer{}", None),
        ("Token {}", None),
        ("Basic {}", None),
        ("{}", None),
        ("Bearer {}, Bearer {}", None),
        ("Bearer", None),
        ("Bearer ", None),
    ],
)
async def test_T8_only_the_bearer_scheme_is_read(tmp_path: Path, header: str, user: str | None) -> None:
    async with site(tmp_path, middleware=BEARER) as it:
        token = (await it.sessions.create("robot")).token.reveal()
        client = it.browser(headers=[("authorization", header.replace("{}", token))])
        assert await it.user_of(client) == user


async def test_X1_only_bearer_requests_need_not_say_where_they_come_from(tmp_path: Path) -> None:
    """No browser adds the header by itself, so another site cannot use it; a cookie it can."""
    async with site(tmp_path, middleware=BEARER) as it:
        client = await client_of(it)
        assert (await client.request("POST", "/save", json={"a": 1}, headers=[])).status == 200
        browser = await it.signed_in()
        assert (await browser.request("POST", "/save", json={"a": 1}, headers=[])).status == 403
        both = it.browser(cookies=dict(browser.cookies), headers=client.headers)
        assert (await both.request("POST", "/save", json={"a": 2}, headers=[])).json()["user"] == "robot"
        # with another site's word for it the request is refused whatever it carries
        for headers in ([("sec-fetch-site", "cross-site")], [("origin", "https://evil.example")]):
            assert (await client.request("POST", "/save", json={"a": 1}, headers=headers)).status == 403


async def test_X1_the_header_exempts_nothing_where_it_is_not_read(tmp_path: Path) -> None:
    """A cookie request with a made-up Authorization header is a cookie request."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        browser.headers = [("authorization", "Bearer x")]
        assert (await browser.request("POST", "/save", json={"a": 1}, headers=[])).status == 403


@pytest.mark.parametrize("value", ["Bearer x", "Bearer ", "Bearer {unknown}", "bearer  x"])
async def test_X1_a_made_up_bearer_token_does_not_let_the_cookie_in(tmp_path: Path, value: str) -> None:
    """The request that is exempt because of the header is never judged by the cookie beside it."""
    async with site(tmp_path, middleware=BEARER) as it:
        browser = await it.signed_in()
        browser.headers = [("authorization", value.replace("{unknown}", "A" * 43))]
        assert (await browser.request("POST", "/save", json={"a": 1}, headers=[])).status in {401, 403}
        assert (await browser.get("/me")).json()["user"] is None
        browser.headers = []
        shown = (await browser.get("/me")).json()
        assert (shown["user"], shown["data"]) == ("alice", {})


async def test_the_bearer_token_counts_when_a_cookie_comes_with_it(tmp_path: Path) -> None:
    """Never both, and signing out ends the one that counts and leaves the other alone."""
    async with site(tmp_path, middleware=BEARER) as it:
        browser, client = await it.signed_in(), await client_of(it)
        cookies = dict(browser.cookies)
        browser.headers = client.headers
        assert await it.user_of(browser) == "robot"
        answer = await browser.post("/sign-out")
        assert answer.status == 200
        assert not answer.all("set-cookie")
        assert (await browser.get("/me")).json()["user"] is None
        assert await it.user_of(it.browser(cookies=cookies)) == "alice"


async def test_L12_an_api_client_keeps_its_token_when_it_ends_the_others(tmp_path: Path) -> None:
    """A new token could only reach it in a cookie, which it does not keep."""
    async with site(tmp_path, middleware=BEARER) as it:
        client, other = await client_of(it), await client_of(it)
        answer = await client.post("/alone")
        assert answer.json() == {"ended": 1}
        assert not answer.all("set-cookie")
        assert await it.user_of(client) == "robot"
        assert await it.user_of(other) is None


async def test_S3_no_cookie_is_issued_for_a_bearer_token(tmp_path: Path) -> None:
    """A token that an older key signed goes on in the header; the client has nowhere to put a cookie."""
    old = "X0PFgLtCTnDsKl8r7WqYw2ZbIuEvHx3Aj5RmNp9Qk1o"
    async with site(tmp_path, keys=[old], middleware=BEARER) as it:
        client = await client_of(it)
    async with site(tmp_path, keys=[KEY, old], middleware=BEARER) as it:
        client.app = it.app
        answer = await client.get("/me")
        assert answer.json()["user"] == "robot"
        assert not answer.all("set-cookie")


async def test_L7_a_revoked_bearer_token_is_dead_at_once(tmp_path: Path) -> None:
    async with site(tmp_path, middleware=BEARER) as it, site(tmp_path, clock=it.clock, middleware=BEARER) as other:
        client = await client_of(it)
        assert await it.user_of(client) == "robot"
        await other.sessions.revoke_user("robot")
        answer = await client.get("/private")
        assert (answer.status, answer.header("www-authenticate")) == (401, "Bearer")
