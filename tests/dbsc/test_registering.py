"""Registering a device, over HTTP: what is offered to whom, and what counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.dbsc.device import Device, challenge_of, parameters_of
from tests.dbsc.running import BOUND, LATER, REFRESH, REGISTER, refresh, register, site

pytestmark = pytest.mark.anyio


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
