"""The gate, over HTTP: what a request without the proof of its device is answered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from coatcheck import AsyncSessions, CacheSettings, DeviceBinding, NotSignedIn, Policy
from coatcheck.asgi import RequestContext
from coatcheck.core.transport import Transport
from coatcheck.testing import AsyncMemoryStore
from coatcheck.web.errors import DeviceProofAwaited
from coatcheck.web.pages import answer_to
from coatcheck.web.settings import WebSettings
from tests.dbsc.device import Device, challenge_of, parameters_of
from tests.dbsc.running import BOUND, LATER, LINK, OWN, challenge, refresh, register, site
from tests.dbsc.site import application
from tests.web.browser import COOKIE, Browser

pytestmark = pytest.mark.anyio


async def test_a_stolen_cookie_alone_is_worthless_in_every_process() -> None:
    """Also in one that had the session in memory before it was bound; and the theft ends nothing."""
    device = Device()
    async with site(processes=2) as it:
        browser, offer = await it.signed_in()
        elsewhere = Browser(it.apps[1], cookies={COOKIE: browser.token})
        assert (await elsewhere.get("/private")).json()["bound"] is False
        it.store.calls.clear()
        assert (await elsewhere.get("/private")).status == 200
        assert it.store.count("read") == 0, "from memory"

        await register(browser, device.registration(offer))
        it.clock.advance(LATER)
        thief = Browser(it.apps[1], cookies={COOKIE: browser.token})
        answer = await thief.get("/private")
        assert (answer.status, answer.json()["reason"]) == (401, "device_unproven")
        page = await thief.get("/private", headers=[("accept", "text/html")])
        assert (page.status, page.header("location")) == (302, "/login?next=%2Fprivate")
        for cookie in ("", "x", browser.cookies[BOUND][:-1], "9999999999." + "a" * 64):
            thief.cookies[BOUND] = cookie
            assert (await thief.get("/private")).status == 401
        assert it.told()[-1][0] == "unproven"
        assert (await browser.get("/private")).status == 200
        assert (await Browser(it.apps[1], cookies=dict(browser.cookies)).get("/private")).status == 200


async def test_L16_nobody_gets_the_next_token_without_the_proof_of_the_device() -> None:
    """Or a thief would retire the owner's, who would then be taken for the thief, and signed out."""
    device = Device()
    async with site(policy=Policy(rotate_after=timedelta(hours=1), rotation_grace=timedelta(seconds=30))) as it:
        browser, session_id = await it.bound(device)
        it.clock.advance(timedelta(hours=1))
        thief = Browser(it.apps[0], cookies={COOKIE: browser.token})
        asked = [
            await thief.get("/public"),
            await thief.get("/private", headers=LINK),
            await refresh(thief, session_id),
            await register(thief, "x"),
        ]
        given = [line.partition("=")[0] for answer in asked for line in answer.all("set-cookie")]
        assert COOKIE not in given
        assert ("rotated", "periodic") not in it.told()
        it.clock.advance(CacheSettings().ttl)
        challenged = challenge_of(asked[2].header("secure-session-challenge") or "")
        assert (await refresh(browser, session_id, device.refresh(challenged))).status == 200
        assert browser.token != thief.token, "the owner does, with the proof"
        assert it.told()[-1] == ("rotated", "periodic")
        assert (await browser.get("/private")).status == 200


async def test_a_bound_session_is_served_from_memory() -> None:
    async with site() as it:
        browser, _ = await it.bound(Device())
        assert (await browser.get("/private")).status == 200
        it.store.calls.clear()
        for _ in range(10):
            assert (await browser.get("/private")).status == 200
        assert it.store.count("read", "device", "find") == 0


async def test_the_second_cookie_of_another_session_proves_nothing() -> None:
    async with site() as it:
        browser, _ = await it.bound(Device())
        other, _ = await it.bound(Device())
        browser.cookies[BOUND], other.cookies[BOUND] = other.cookies[BOUND], browser.cookies[BOUND]
        assert (await browser.get("/private")).status == (await other.get("/private")).status == 401


async def test_a_link_from_another_site_is_answered_without_data_and_not_for_ever() -> None:
    async with site() as it:
        browser, _ = await it.bound(Device())
        proof = browser.cookies.pop(BOUND)
        for _ in range(5):
            answer = await browser.get("/home", headers=LINK)
            assert (answer.status, answer.header("refresh")) == (200, "0")
            assert answer.header("cache-control") == "no-store"
            assert answer.header("x-frame-options") == "DENY"
            assert "cookie" in answer.vary()
            assert b"ada" not in answer.body
            assert b"home" not in answer.body
        assert (await browser.get("/home", headers=LINK)).status == 401
        assert (await browser.get("/home", headers=OWN)).status == 401, "a request of our own gets no such page"
        browser.cookies[BOUND] = proof
        assert (await browser.get("/home", headers=LINK)).status == 200


@pytest.mark.parametrize("dest", ["iframe", "image", "empty"])
async def test_only_a_page_in_a_window_is_answered_so(dest: str) -> None:
    async with site() as it:
        browser, _ = await it.bound(Device())
        del browser.cookies[BOUND]
        lines = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", dest)]
        assert (await browser.get("/private", headers=lines)).status == 401
        assert (await browser.get("/private", headers=[*LINK, ("sec-fetch-mode", "navigate")])).status == 401


@pytest.mark.parametrize("skipped", ['unreachable;session_identifier="{}"', "quota_exceeded", "?", "", "x" * 5000])
async def test_who_says_that_the_proof_was_skipped_is_not_let_in(skipped: str) -> None:
    """Anybody can say so; not even the page without data is given."""
    async with site() as it:
        browser, session_id = await it.bound(Device())
        line = ("secure-session-skipped", skipped.format(session_id))
        assert (await browser.get("/private", headers=[line])).status == 200, "with the proof it says nothing"
        del browser.cookies[BOUND]
        for lines in (LINK, OWN, []):
            assert (await browser.get("/private", headers=[*lines, line])).status == 401
        other = ("secure-session-skipped", 'unreachable;session_identifier="another"')
        assert (await browser.get("/private", headers=[*LINK, other])).status == 200
        assert (await browser.get("/private", headers=OWN)).status == 401


async def test_what_was_sent_before_the_browser_had_registered_is_sent_back() -> None:
    """To the same address, with nothing in the answer; and only from our own pages, and for some seconds."""
    device = Device()
    async with site() as it:
        browser, offer = await it.signed_in()
        before = Browser(it.apps[0], cookies=dict(browser.cookies))
        await register(browser, device.registration(offer))
        for method in ("GET", "POST"):
            answer = await before.request(method, "/private?a=%2F&b", headers=OWN)
            assert answer.status == (307 if method == "GET" else 405)
        answer = await before.get("/private?a=%2F&b", headers=OWN)
        assert (answer.header("location"), answer.body) == ("/private?a=%2F&b", b"")
        assert answer.header("cache-control") == "no-store"
        before.cookies = dict(browser.cookies)
        assert (await before.get("/private?a=%2F&b", headers=OWN)).status == 200
        del before.cookies[BOUND]
        assert (await before.get("/private")).status == 401
        assert (await before.get("/private", headers=[("sec-fetch-site", "cross-site")])).status == 401
        it.clock.advance(LATER)
        assert (await before.get("/private", headers=OWN)).status == 401


@pytest.mark.parametrize(
    ("path", "location"),
    [("//evil.example/x", None), ("/\\evil.example", b"/%5Cevil.example"), ("/a b", b"/a%20b")],
    ids=["host", "backslash", "space"],
)
def test_nobody_is_sent_back_to_another_site(path: str, location: bytes | None) -> None:
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    asked = RequestContext(scope, AsyncSessions(AsyncMemoryStore()), WebSettings(), Transport(cookies=(b"c",)))
    status, lines, _ = answer_to(DeviceProofAwaited("again", b""), scope, asked)
    assert (status, dict(lines).get(b"location")) == ((401, None) if location is None else (307, location))


async def test_a_guard_lets_in_bound_sessions_only() -> None:
    """So that the application can step up where it matters."""
    async with site() as it:
        browser, offer = await it.signed_in()
        answer = await browser.get("/bound-only")
        assert (answer.status, answer.json()["reason"]) == (403, "device_not_bound")
        await register(browser, Device().registration(offer))
        assert (await browser.get("/bound-only")).json() == {"user": "ada"}
        assert (await it.browser().get("/bound-only")).status == 401


async def test_an_unproven_request_changes_nothing_of_the_session() -> None:
    """Neither a new token, nor an anonymous session in its place."""
    async with site() as it:
        browser, session_id = await it.bound(Device())
        thief = it.browser(cookies={COOKIE: browser.token})
        assert (await thief.post("/step-up")).status == 401
        assert (await thief.post("/visit", headers=OWN)).status == 200
        assert thief.token != browser.token
        assert (await browser.get("/private")).status == 200
        assert (await it.sessions[0].find(session_id)) is not None


async def test_L7_signing_out_takes_back_both_cookies_and_the_key() -> None:
    device = Device()
    async with site() as it:
        browser, session_id = await it.bound(device)
        token = browser.token
        proof = device.refresh(await challenge(browser, session_id))
        answer = await browser.post("/sign-out")
        assert answer.header("clear-site-data") == '"storage"'
        assert browser.cookies == {}
        assert [line.partition("=")[0] for line in answer.all("set-cookie")] == [COOKIE, BOUND]
        kept = it.browser(cookies={COOKIE: token})
        assert (await refresh(kept, session_id, proof)).status == 401

        unbound, _ = await it.signed_in()
        assert (await unbound.post("/sign-out")).header("clear-site-data") is None


async def test_signing_out_leaves_the_storage_where_that_is_wanted() -> None:
    async with site(device_binding=DeviceBinding(clear_storage=False)) as it:
        browser, _ = await it.bound(Device())
        answer = await browser.post("/sign-out")
        assert answer.header("clear-site-data") is None
        assert browser.cookies == {}
    async with site(clear_site_data=True) as it:
        browser, _ = await it.bound(Device())
        assert (await browser.post("/sign-out")).header("clear-site-data") == '"cookies", "storage"'


async def test_where_nobody_can_tell_a_bound_session_counts_for_nothing() -> None:
    """With the binding switched off, and with a bearer token: a thief must not get around it."""
    device = Device()
    async with site(bearer=True) as it:
        browser, _ = await it.bound(device)
        bearer = [("authorization", f"Bearer {browser.token}")]
        assert (await it.browser().get("/private", headers=bearer)).status == 401
        off = application(it.sessions[0], device_binding=None)
        answer = await Browser(off, cookies=dict(browser.cookies)).get("/private")
        assert (answer.status, answer.json()["reason"]) == (401, "device_unproven")
        assert (await Browser(off, cookies=dict(browser.cookies)).get("/public")).body == b"device_unproven"
        assert NotSignedIn.DEVICE.value == "device_unproven"


async def test_a_site_below_a_path_names_its_addresses_so() -> None:
    binding = DeviceBinding(register_path="/bind", refresh_path="/renew", excluded_paths=("/static",))
    async with site(device_binding=binding) as it:

        async def below(scope: Any, receive: Any, send: Any) -> None:
            await it.apps[0]({**scope, "root_path": '/my "shop"'}, receive, send)

        browser = Browser(below)
        offer = (await browser.post("/my%20%22shop%22/sign-in")).header("secure-session-registration") or ""
        assert parameters_of(offer)["path"] == "/my%20%22shop%22/bind"
        aud = {"aud": f"https://{browser.host}/my%20%22shop%22/bind"}
        lines = [*OWN, ("secure-session-response", Device().registration(offer, claims=aud))]
        told = (await browser.post("/my%20%22shop%22/bind", headers=lines)).json()
        assert told["refresh_url"] == "/my%20%22shop%22/renew"
        excluded = [{"type": "exclude", "domain": "*", "path": "/my%20%22shop%22/static"}]
        assert told["scope"]["scope_specification"] == excluded
        named = [*OWN, ("sec-secure-session-id", "x")]
        assert (await browser.post("/my%20%22shop%22/renew", headers=named)).status == 401
