"""Device-bound sessions over HTTP, with a device in software: what each request is answered."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncSessions, ConfigurationError, DeviceBinding, Event, NotSignedIn
from coatcheck.asgi import RequestContext
from coatcheck.core.cookies import CookieSettings
from coatcheck.core.transport import Transport
from coatcheck.starlette import SessionMiddleware
from coatcheck.testing import AsyncFaultyStore, AsyncMemoryStore, ManualClock
from coatcheck.web.errors import DeviceProofAwaited
from coatcheck.web.pages import answer_to
from coatcheck.web.settings import WebSettings
from tests.dbsc.device import Device, challenge_of, parameters_of
from tests.dbsc.site import KEY, application
from tests.web.browser import COOKIE, Answer, Browser, started

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from coatcheck.asgi.types import App

pytestmark = pytest.mark.anyio

BOUND = f"{COOKIE}-b"
REGISTER, REFRESH = "/session/device/register", "/session/device/refresh"
OWN = [("sec-fetch-site", "same-origin")]
LINK = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
LATER = timedelta(seconds=11)
"""Longer than a browser takes to register."""


@dataclass
class Site:
    """A running site, or several processes of it."""

    store: AsyncFaultyStore
    clock: ManualClock
    apps: list[App] = field(default_factory=list)
    sessions: list[AsyncSessions] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def browser(self, **options: Any) -> Browser:
        return Browser(self.apps[0], **options)

    def told(self) -> list[tuple[str, str]]:
        return [(event.kind, event.detail) for event in self.events]

    async def signed_in(self) -> tuple[Browser, str]:
        """Return a browser, and what it was offered."""
        browser = self.browser()
        answer = await browser.post("/sign-in")
        offer = answer.header("secure-session-registration")
        assert offer is not None
        return browser, offer

    async def bound(self, device: Device) -> tuple[Browser, str]:
        """Return a browser whose session is bound for long enough, and the session's id."""
        browser, offer = await self.signed_in()
        answer = await register(browser, device.registration(offer))
        assert answer.status == 200, answer.body
        self.clock.advance(LATER)
        session_id: str = answer.json()["session_identifier"]
        return browser, session_id


@asynccontextmanager
async def site(processes: int = 1, **settings: Any) -> AsyncGenerator[Site]:
    clock = ManualClock()
    it = Site(AsyncFaultyStore(AsyncMemoryStore(clock=clock)), clock)
    for _ in range(processes):
        sessions = AsyncSessions(it.store, keys=[KEY], clock=clock, on_event=it.events.append)
        it.sessions.append(sessions)
        it.apps.append(application(sessions, **settings))
    async with started(it.apps[0]):
        yield it
    for sessions in it.sessions[1:]:
        await sessions.aclose()


async def register(browser: Browser, proof: str, *more: tuple[str, str]) -> Answer:
    return await browser.post(REGISTER, headers=[*OWN, ("secure-session-response", proof), *more])


async def refresh(browser: Browser, session_id: str | None, proof: str | None = None) -> Answer:
    lines = [*OWN]
    if session_id is not None:
        lines.append(("sec-secure-session-id", session_id))
    if proof is not None:
        lines.append(("secure-session-response", proof))
    return await browser.post(REFRESH, headers=lines)


async def challenge(browser: Browser, session_id: str) -> str:
    answer = await refresh(browser, session_id)
    assert answer.status == 403
    return challenge_of(answer.header("secure-session-challenge") or "")


# --- registering


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_a_session_is_offered_registered_and_renewed(algorithm: str) -> None:
    """The whole exchange, header by header."""
    device = Device(algorithm)
    async with site() as it:
        browser, offer = await it.signed_in()
        assert offer.startswith(f'(ES256 RS256);path="{REGISTER}";challenge="')
        assert (await browser.get("/private")).json() == {"user": "ada", "bound": False}

        answer = await register(browser, device.registration(offer))
        assert answer.status == 200
        session_id = answer.json()["session_identifier"]
        assert answer.json() == {
            "session_identifier": session_id,
            "refresh_url": REFRESH,
            "scope": {"include_site": False, "scope_specification": []},
            "credentials": [{"type": "cookie", "name": BOUND, "attributes": "Path=/; Secure; HttpOnly; SameSite=Lax"}],
        }
        (cookie,) = answer.all("set-cookie")
        assert cookie == f"{BOUND}={browser.cookies[BOUND]}; Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax"
        assert (await browser.get("/private")).json() == {"user": "ada", "bound": True}
        assert [kind for kind, _ in it.told()] == ["created", "bound"]

        it.clock.advance(timedelta(minutes=10))
        assert (await browser.get("/private")).status == 401
        asked = await refresh(browser, session_id)
        assert (asked.status, asked.body) == (403, b"")
        line = asked.header("secure-session-challenge") or ""
        assert parameters_of(line) == {"id": session_id}
        renewed = await refresh(browser, session_id, device.refresh(challenge_of(line)))
        assert (renewed.status, renewed.body) == (200, b"")
        assert (await browser.get("/private")).json()["bound"] is True
        # The next time takes one trip.
        following = challenge_of(renewed.header("secure-session-challenge") or "")
        assert (await refresh(browser, session_id, device.refresh(following))).status == 200
        for each in (answer, asked, renewed):
            assert each.header("cache-control") == "no-store"
            assert each.header("cross-origin-resource-policy") == "same-origin"
            assert each.header("x-frame-options") == "DENY"
            assert not [name for name, _ in each.headers if name.startswith(b"access-control")]


async def test_only_what_signs_a_user_in_offers_a_binding() -> None:
    """Signing in and proving it again; not a page, and not once the session is bound."""
    async with site() as it:
        browser, first = await it.signed_in()
        assert (await browser.get("/private")).header("secure-session-registration") is None
        it.clock.advance(LATER)
        second = (await browser.post("/step-up")).header("secure-session-registration")
        assert second is not None
        assert (await register(browser, Device().registration(first))).status == 400, "it was of an earlier sign-in"
        assert (await register(browser, Device().registration(second))).status == 200
        assert (await browser.post("/step-up")).header("secure-session-registration") is None


async def test_a_registration_counts_for_its_session_once_and_for_a_while() -> None:
    async with site() as it:
        browser, offer = await it.signed_in()
        other, theirs = await it.signed_in()
        device = Device()
        assert (await register(browser, device.registration(theirs))).status == 400
        wrong = device.registration(offer, claims={"authorization": parameters_of(theirs)["authorization"]})
        assert (await register(browser, wrong)).status == 400
        assert (await register(browser, device.registration(offer, claims={"authorization": None}))).status == 400
        assert (await register(browser, device.registration(offer, signature=b"x" * 64))).status == 400
        assert (await register(browser, device.refresh(parameters_of(offer)["challenge"]))).status == 400
        assert (await browser.post(REGISTER)).status == 400
        assert (await register(browser, device.registration(offer), ("secure-session-response", "x"))).status == 400
        assert (await register(it.browser(), device.registration(offer))).status == 401
        aud = device.registration(offer, claims={"aud": "https://elsewhere.example" + REGISTER})
        assert (await register(browser, aud)).status == 400
        assert (await browser.get("/private")).json()["bound"] is False

        quoted = device.registration(offer, claims={"aud": f"https://{browser.host}{REGISTER}"})
        assert (await register(browser, f'"{quoted}"')).status == 200
        assert (await register(browser, Device().registration(offer))).status == 400, "it is bound"
        it.clock.advance(timedelta(minutes=5))
        assert (await register(other, device.registration(theirs))).status == 400, "it is over"
        assert BOUND not in other.cookies


async def test_X1_no_other_site_can_use_the_endpoints() -> None:
    async with site() as it:
        browser, session_id = await it.bound(Device())
        for path in (REGISTER, REFRESH):
            for lines in ([("sec-fetch-site", "cross-site")], [("sec-fetch-site", "same-site")]):
                answer = await browser.post(path, headers=[*lines, ("sec-secure-session-id", session_id)])
                assert answer.status == 403
                assert answer.header("secure-session-challenge") is None
            assert (await browser.get(path)).status == 405


# --- renewing


async def test_a_challenge_is_signed_once_and_another_one_is_no_crime() -> None:
    """A wrong challenge under a good signature is what a race leaves: it is answered with a new one."""
    device = Device()
    async with site() as it:
        browser, session_id = await it.bound(device)
        given = await challenge(browser, session_id)
        assert await challenge(browser, session_id) == given
        assert (await refresh(browser, session_id, device.refresh("made up"))).status == 403
        assert (await refresh(browser, session_id, device.refresh(given))).status == 200
        again = await refresh(browser, session_id, device.refresh(given))
        assert again.status == 403
        assert again.all("set-cookie") == []
        fresh = challenge_of(again.header("secure-session-challenge") or "")
        assert (await refresh(browser, session_id, device.refresh(fresh))).status == 200
        assert it.told()[-1][0] == "bound", "nothing was ended"


async def test_of_renewals_at_once_each_challenge_counts_once() -> None:
    """Between reading the device and spending its challenge somebody else may have spent it."""
    device = Device()
    async with site() as it:
        browser, session_id = await it.bound(device)
        proof = device.refresh(await challenge(browser, session_id))
        late = it.store.hold("swap_challenges")
        asked = [asyncio.ensure_future(refresh(browser, session_id, proof)) for _ in range(3)]
        await late.reached(3)
        late.release()
        assert sorted([(await each).status for each in asked]) == [200, 403, 403]


async def test_a_wrong_signature_ends_the_session_and_is_told() -> None:
    device = Device()
    async with site() as it:
        browser, session_id = await it.bound(device)
        given = await challenge(browser, session_id)
        assert (await refresh(browser, session_id, Device().refresh(given))).status == 401
        assert it.told()[-1] == ("revoked", "device signature")
        assert (await browser.get("/public")).body == b"unknown"
        assert (await refresh(browser, session_id, device.refresh(given))).status == 401


async def test_who_knows_only_the_id_can_end_nothing() -> None:
    """It is in lists and logs."""
    device = Device()
    async with site() as it:
        browser, session_id = await it.bound(device)
        given = await challenge(browser, session_id)
        stranger = it.browser()
        assert (await refresh(stranger, session_id)).status == 401
        stranger.token = it.sessions[0].new_token().reveal()
        assert (await refresh(stranger, session_id, Device().refresh(given))).status == 403
        other, _ = await it.signed_in()
        assert (await refresh(other, session_id, Device().refresh(given))).status == 401
        assert (await refresh(browser, session_id, device.refresh(given))).status == 200


@pytest.mark.parametrize("damage", [{"alg": "none"}, {"alg": "HS256"}, {"typ": "JWT"}, {"jwk": Device().jwk}])
async def test_J1_what_is_no_proof_renews_nothing(damage: dict[str, Any]) -> None:
    device = Device()
    async with site() as it:
        browser, session_id = await it.bound(device)
        given = await challenge(browser, session_id)
        answer = await refresh(browser, session_id, device.refresh(given, header=damage))
        assert (answer.status, answer.all("set-cookie")) == (403, [])
        assert (await refresh(browser, session_id, device.refresh(given))).status == 200


async def test_a_renewal_names_its_session() -> None:
    async with site() as it:
        browser, session_id = await it.bound(Device())
        assert (await refresh(browser, None)).status == 400
        assert (await refresh(browser, f'"{session_id}"')).status == 403
        assert (await refresh(browser, "nobody")).status == 401


async def test_L1_a_session_keeps_its_device_when_its_token_changes() -> None:
    """Also while the browser renews: its request may still carry the token from before."""
    device = Device()
    async with site() as it:
        browser, session_id = await it.bound(device)
        proof = device.refresh(await challenge(browser, session_id))
        old = browser.token
        assert (await browser.post("/step-up")).status == 200
        assert browser.token != old
        assert (await browser.get("/private")).json()["bound"] is True
        late = it.browser(cookies={COOKIE: old})
        assert (await refresh(late, session_id, proof)).status == 200


async def test_S9_an_outage_ends_no_binding() -> None:
    """503 is what a browser keeps its key for."""
    async with site() as it:
        browser, session_id = await it.bound(Device())
        it.store.fail("device")
        assert (await refresh(browser, session_id)).status == 503
        it.store.heal()
        assert (await refresh(browser, session_id)).status == 403


# --- the gate


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
            await it.apps[0]({**scope, "root_path": "/shop"}, receive, send)

        browser = Browser(below)
        offer = (await browser.post("/shop/sign-in")).header("secure-session-registration") or ""
        assert parameters_of(offer)["path"] == "/shop/bind"
        lines = [*OWN, ("secure-session-response", Device().registration(offer))]
        told = (await browser.post("/shop/bind", headers=lines)).json()
        assert told["refresh_url"] == "/shop/renew"
        excluded = [{"type": "exclude", "domain": "*", "path": "/shop/static"}]
        assert told["scope"]["scope_specification"] == excluded
        assert (await browser.post("/shop/renew", headers=[*OWN, ("sec-secure-session-id", "x")])).status == 401


# --- settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ttl": timedelta(minutes=4)}, "device_binding ttl=0:04:00 is not possible"),
        ({"ttl": timedelta(hours=2)}, "device_binding ttl=2:00:00 is not possible"),
        ({"register_path": "here"}, "device_binding register_path='here' is not possible"),
        ({"refresh_path": '/a"b'}, "refresh_path="),
        ({"refresh_path": "/session/device/register"}, "it is the register_path too"),
        ({"excluded_paths": "/static"}, "use a tuple"),
        ({"excluded_paths": ("static",)}, "excluded_paths='static'"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        DeviceBinding(**settings)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("cookie", "message"),
    [
        (CookieSettings(name="session", secure=False), "cookie secure=False is not possible"),
        (CookieSettings(name="session", domain="shop.example"), "cookie domain='shop.example' is not possible"),
    ],
    ids=["insecure", "of a domain"],
)
def test_a_cookie_that_browsers_do_not_bind_is_refused(cookie: CookieSettings, message: str) -> None:
    sessions = AsyncSessions(AsyncMemoryStore(), keys=[KEY])
    with pytest.raises(ConfigurationError) as refused:
        SessionMiddleware(application(sessions), sessions, cookie=cookie, device_binding=DeviceBinding())
    assert message in str(refused.value)
    same = DeviceBinding(cookie_name=COOKIE)
    with pytest.raises(ConfigurationError, match="it is the session cookie's"):
        SessionMiddleware(application(sessions), sessions, device_binding=same)


def test_what_binding_needs_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, a store that can, and the package that verifies signatures."""

    class Unable(AsyncMemoryStore):
        capabilities = AsyncMemoryStore.capabilities._replace(devices=False)

    def wired(sessions: AsyncSessions) -> None:
        SessionMiddleware(application(sessions, device_binding=None), sessions, device_binding=DeviceBinding())

    with pytest.raises(ConfigurationError, match=r"keys are missing: device_binding signs"):
        wired(AsyncSessions(AsyncMemoryStore()))
    with pytest.raises(ConfigurationError, match=r"device_binding='Unable' is not possible: .* use SQLite"):
        wired(AsyncSessions(Unable(), keys=[KEY]))
    monkeypatch.setitem(sys.modules, "coatcheck.device_signatures", None)
    with pytest.raises(ConfigurationError, match=r"install coatcheck\[dbsc\]"):
        wired(AsyncSessions(AsyncMemoryStore(), keys=[KEY]))


async def test_T9_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with site() as it:
        browser, session_id = await it.bound(Device())
        given = await challenge(browser, session_id)
        proof = Device().refresh(given)
        await refresh(browser, session_id, proof)
        text = json.dumps([str(vars(record)) for record in caplog.records]) + repr(it.events)
        for secret in (browser.token, browser.cookies[BOUND].partition(".")[2], proof, given):
            assert secret not in text
