"""Renewing the second cookie, over HTTP: challenges, signatures, outages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.dbsc.device import Device, challenge_of
from tests.dbsc.running import challenge, refresh, site
from tests.web.browser import COOKIE

pytestmark = pytest.mark.anyio


async def test_a_challenge_is_signed_once_and_another_one_is_no_crime() -> None:
    """A wrong challenge under a good signature is what a race leaves: it is answered with a new one."""
    device = Device()
    async with site() as it:
        browser, session_id = await it.bound(device)
        given = await challenge(browser, session_id)
        assert await challenge(browser, session_id) == given
        for made_up in ("made up", "", "\ud800", 7):
            assert (await refresh(browser, session_id, device.refresh(made_up))).status == 403  # type: ignore[arg-type]
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
