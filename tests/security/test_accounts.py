"""Several accounts in one browser: what waits is good for nothing else, and nobody reaches another's (C12, L14)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coatcheck import Policy
from coatcheck.asgi import AsyncAccounts, context_of
from tests.web.application import KEY, site
from tests.web.browser import COOKIE

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from tests.web.application import Site
    from tests.web.browser import Answer, Browser

pytestmark = pytest.mark.anyio

WAITING = f"{COOKIE}-accounts"
DAY = timedelta(days=1)
SIGNATURES = pytest.mark.parametrize("keys", [None, [KEY]], ids=["unsigned", "signed"])


def accounts_of(request: Request) -> AsyncAccounts:
    return AsyncAccounts(context_of(request.scope))


async def listed(request: Request) -> Response:
    """List them, as a menu would."""
    return JSONResponse([account._asdict() for account in await accounts_of(request).list()])


async def add(request: Request) -> Response:
    """Sign in beside whoever is."""
    wish = await request.json()
    session = await accounts_of(request).add(wish["user"], remember=wish.get("remember", False), data=wish.get("data"))
    return JSONResponse({"user": session.user_id})


async def switch(request: Request) -> Response:
    session = await accounts_of(request).switch(request.path_params["id"])
    return JSONResponse({"user": session.user_id})


async def leave(request: Request) -> Response:
    await accounts_of(request).sign_out(request.path_params["id"])
    return JSONResponse({})


async def leave_all(request: Request) -> Response:
    return JSONResponse({"ended": await accounts_of(request).sign_out_all()})


ROUTES: list[BaseRoute] = [
    Route("/accounts", listed),
    Route("/accounts", add, methods=["POST"]),
    Route("/accounts/out", leave_all, methods=["POST"]),
    Route("/accounts/{id}", switch, methods=["POST"]),
    Route("/accounts/{id}", leave, methods=["DELETE"]),
]


async def signed_in(it: Site, *users: str, **options: Any) -> Browser:
    """Return a browser in which these are signed in, the last of them active."""
    browser = it.browser()
    for user in users:
        assert (await browser.post("/accounts", {"user": user, **options})).status == 200
    return browser


async def known(browser: Browser) -> list[str]:
    """Return the accounts of a browser, the active one with a star."""
    answer = await browser.get("/accounts")
    return [f"{each['user_id']}{'*' if each['active'] else ''}" for each in answer.json()]


async def id_of(browser: Browser, user: str) -> str:
    """Return by what a browser names one of its accounts."""
    accounts = (await browser.get("/accounts")).json()
    found: str = next(each["session_id"] for each in accounts if each["user_id"] == user)
    return found


async def switched(browser: Browser, user: str) -> Answer:
    return await browser.post(f"/accounts/{await id_of(browser, user)}")


@SIGNATURES
async def test_L1_a_browser_goes_from_account_to_account(tmp_path: Path, keys: list[str] | None) -> None:
    """Each time both change their tokens; what was seen of them in either cookie before is worthless."""
    async with site(tmp_path, routes=ROUTES, keys=keys) as it:
        browser = await signed_in(it, "alice", "bob", "carol")
        assert await known(browser) == ["carol*", "bob", "alice"]
        active = "carol"
        for user in ("alice", "bob", "carol", "alice"):
            before = dict(browser.cookies)
            answer = await switched(browser, user)
            assert answer.json() == {"user": user}
            assert answer.header("cache-control") == "no-store"
            assert "cookie" in answer.vary()
            assert (await browser.get("/private")).json()["user"] == user
            thief = it.browser(cookies=before)
            assert await it.user_of(thief) is None
            left = {"alice", "bob", "carol"} - {user, active}
            assert await known(thief) == list(left), "of what was active or is, nothing is left in the old cookies"
            active = user
        assert it.rows() == 3
        assert sorted(await known(browser)) == ["alice*", "bob", "carol"]


@SIGNATURES
async def test_C12_what_waits_is_a_session_in_no_other_place(tmp_path: Path, keys: list[str] | None) -> None:
    """Neither whole nor in parts, in the session's cookie or as a bearer token; and no session's token waits."""
    async with site(tmp_path, routes=ROUTES, keys=keys, middleware={"bearer": True}) as it:
        browser = await signed_in(it, "alice", "bob")
        waiting = browser.cookies[WAITING]
        assert waiting.startswith("~")
        for text in (waiting, waiting[1:]):
            assert await it.user_of(browser, text) is None
            client = it.browser(headers=[("authorization", f"Bearer {text}")])
            assert await it.user_of(client) is None
        for text in (browser.token, f"~{browser.token}"):
            assert await known(it.browser(cookies={WAITING: text})) == []
            assert await known(it.browser(cookies={f"{COOKIE}-actor": text})) == []
        assert await known(it.browser(cookies={f"{COOKIE}-actor": waiting})) == []
        assert await known(it.browser(cookies={WAITING: waiting})) == ["alice"]


async def test_L14_only_what_the_browser_has_the_token_of_can_be_reached(tmp_path: Path) -> None:
    """An id, which is no secret, switches to nothing and ends nothing; nor does one beside it in the cookie."""
    async with site(tmp_path, routes=ROUTES) as it:
        victim = await signed_in(it, "alice", "bob")
        ids = [await id_of(victim, user) for user in ("alice", "bob")]
        thief = await signed_in(it, "mallory", "eve")
        for session_id in ids:
            for forged in (None, f"~{session_id}", f"{thief.cookies[WAITING]}~{session_id}", "~" * 5000):
                attacker = it.browser(cookies=dict(thief.cookies))
                if forged is not None:
                    attacker.cookies[WAITING] = forged
                for method in ("POST", "DELETE"):
                    answer = await attacker.request(method, f"/accounts/{session_id}")
                    assert (answer.status, answer.json()["reason"]) == (404, "account_unknown")
                    assert not answer.all("set-cookie")
        assert await known(victim) == ["bob*", "alice"]
        assert await known(thief) == ["eve*", "mallory"]


async def test_C7_two_cookies_of_the_name_count_as_none(tmp_path: Path) -> None:
    """One of them was planted, and nobody can tell which."""
    async with site(tmp_path, routes=ROUTES) as it:
        browser, thief = await signed_in(it, "alice", "bob"), await signed_in(it, "mallory", "eve")
        for first, second in ((browser, thief), (thief, browser)):
            both = f"{COOKIE}={browser.token}; {WAITING}={first.cookies[WAITING]}; {WAITING}={second.cookies[WAITING]}"
            answer = await it.browser().get("/accounts", headers=[("cookie", both)])
            assert [each["user_id"] for each in answer.json()] == ["bob"]


async def test_C2_C6_the_cookie_is_as_well_protected_and_comes_once(tmp_path: Path) -> None:
    async with site(tmp_path, routes=ROUTES) as it:
        browser = await signed_in(it, "alice")
        answer = await browser.post("/accounts", {"user": "bob"})
        lines = {line.partition("=")[0]: line for line in answer.all("set-cookie")}
        assert set(lines) == {COOKIE, WAITING}
        assert len(answer.all("set-cookie")) == 2
        assert lines[WAITING].partition("; ")[2] == "Path=/; Secure; HttpOnly; SameSite=Lax"
        assert answer.header("cache-control") == "no-store"
        remembered = await signed_in(it, "alice", "bob", remember=True)
        answer = await switched(remembered, "alice")
        (line,) = (line for line in answer.all("set-cookie") if line.startswith(WAITING))
        assert "Max-Age=" in line


async def test_C4_there_are_no_more_accounts_than_the_cookie_has_room_for(tmp_path: Path) -> None:
    """Nothing has changed after the one too many; one of a user who is there already takes the other's place."""
    async with site(tmp_path, routes=ROUTES, keys=[KEY], middleware={"most_accounts": 10}) as it:
        users = [f"user{number}" for number in range(10)]
        browser = await signed_in(it, *users)
        assert len(WAITING) + len(browser.cookies[WAITING]) < 1000
        answer = await browser.post("/accounts", {"user": "one more"})
        assert (answer.status, answer.json()["limit"]) == (409, 10)
        assert not answer.all("set-cookie")
        assert (it.rows(), len(await known(browser))) == (10, 10)
        for user in ("user3", "user9"):
            assert (await browser.post("/accounts", {"user": user})).status == 200
            assert (it.rows(), len(await known(browser))) == (10, 10)
            assert (await known(browser))[0] == f"{user}*"
        await browser.request("DELETE", f"/accounts/{await id_of(browser, 'user0')}")
        assert (await browser.post("/accounts", {"user": "one more"})).status == 200


async def test_L2_S11_nothing_of_one_account_is_seen_in_another(tmp_path: Path) -> None:
    """Neither data nor what a visitor has stored, also not by way of carrying over; and only one user is ever asked."""
    async with site(tmp_path, routes=ROUTES, policy=Policy(carry_over=("basket",))) as it:
        browser = await signed_in(it, "alice", data={"basket": ["of alice"], "secret": 1})
        await browser.post("/accounts", {"user": "bob"})
        assert (await browser.get("/me")).json()["data"] == {}
        shown = (await browser.get("/accounts")).body.decode()
        assert "secret" not in shown
        assert "basket" not in shown
        assert not any(part in shown for part in (browser.token, browser.cookies[WAITING][1:]))
        await browser.request("DELETE", f"/accounts/{await id_of(browser, 'bob')}")
        await browser.post("/visit", {"basket": ["of a visitor"]})
        await switched(browser, "alice")
        assert (await browser.get("/me")).json()["data"] == {"basket": ["of alice"], "secret": 1}
        assert it.rows() == 1, "what the visitor had stored has ended"


async def test_L7_signing_out_of_one_leaves_the_others(tmp_path: Path) -> None:
    """Of the active one nobody is signed in then; a plain sign-out does the same, and none of it comes back."""
    async with site(tmp_path, routes=ROUTES, middleware={"clear_site_data": True}) as it:
        browser = await signed_in(it, "alice", "bob", "carol")
        before = dict(browser.cookies)
        await browser.request("DELETE", f"/accounts/{await id_of(browser, 'alice')}")
        assert await known(browser) == ["carol*", "bob"]
        answer = await browser.request("DELETE", f"/accounts/{await id_of(browser, 'carol')}")
        assert answer.header("clear-site-data") is None, "it would take bob along"
        assert await it.user_of(browser) is None
        assert await known(browser) == ["bob"]
        assert (await switched(browser, "bob")).json() == {"user": "bob"}
        assert await known(it.browser(cookies=before)) == []
        assert set(browser.cookies) == {COOKIE}


async def test_L7_signing_out_of_all_leaves_nothing(tmp_path: Path) -> None:
    async with site(tmp_path, routes=ROUTES) as it:
        browser = await signed_in(it, "alice", "bob", "carol")
        before = dict(browser.cookies)
        assert (await browser.post("/accounts/out")).json() == {"ended": 3}
        assert (browser.cookies, it.rows()) == ({}, 0)
        assert await known(it.browser(cookies=before)) == []
        assert (await browser.post("/accounts/out")).json() == {"ended": 0}


async def test_L7_what_is_revoked_elsewhere_disappears(tmp_path: Path) -> None:
    async with site(tmp_path, routes=ROUTES) as it:
        browser = await signed_in(it, "alice", "bob", "carol")
        gone = await id_of(browser, "bob")
        await it.sessions.revoke_user("bob")
        assert await known(browser) == ["carol*", "alice"]
        assert (await browser.post(f"/accounts/{gone}")).status == 404
        await switched(browser, "alice")
        assert browser.cookies[WAITING].count("~") == 1


async def test_L3_waiting_is_no_use(tmp_path: Path) -> None:
    """However often the list is looked at: an account that waits is idle, and over when it has been for too long."""
    async with site(tmp_path, routes=ROUTES, policy=Policy(idle_timeout=DAY)) as it:
        browser = await signed_in(it, "alice", "bob")
        for _ in range(4):
            it.clock.advance(DAY / 4)
            await browser.get("/me")
            shown = await known(browser)
            await it.sessions.flush()
        assert shown == ["bob*"]


async def test_L16_rotation_goes_on_and_nobody_is_taken_for_a_thief(tmp_path: Path) -> None:
    """An account that waits has no token that could retire; one that is in its grace can wait, too."""
    policy = Policy(rotate_after=DAY, rotation_grace=timedelta(minutes=1), on_reuse="end")
    async with site(tmp_path, routes=ROUTES, policy=policy) as it:
        browser = await signed_in(it, "alice", "bob")
        it.clock.advance(2 * DAY)
        late = dict(browser.cookies)
        await browser.get("/me")  # brings the next token
        assert browser.token != late[COOKIE]
        slow = it.browser(cookies=late)  # a request that was sent before
        assert (await switched(slow, "alice")).status == 200
        it.clock.advance(2 * DAY)
        await slow.get("/me")
        assert (await switched(slow, "bob")).status == 200
        assert await known(slow) == ["bob*", "alice"]
        assert "reused" not in [event.kind for event in it.events]


async def test_S7_of_two_switches_at_once_one_counts(tmp_path: Path) -> None:
    """The other finds nothing, changes nothing in the browser, and no session is lost."""
    async with site(tmp_path, routes=ROUTES) as it:
        browser = await signed_in(it, "alice", "bob")
        target, cookies = await id_of(browser, "alice"), dict(browser.cookies)
        twins = [it.browser(cookies=dict(cookies)) for _ in range(2)]
        answers = await asyncio.gather(*(twin.post(f"/accounts/{target}") for twin in twins))
        (won, winner), (lost, _) = sorted(zip(answers, twins, strict=True), key=lambda pair: pair[0].status)
        assert (won.status, lost.status) == (200, 404)
        assert not lost.all("set-cookie")
        assert await known(winner) == ["alice*", "bob"]


@pytest.mark.parametrize("failing", ["first", "second"])
async def test_I4_an_outage_in_a_switch_loses_no_account(tmp_path: Path, failing: str) -> None:
    """Whichever step fails, the browser can go on with each of them when the store is back."""
    async with site(tmp_path, routes=ROUTES) as it:
        browser = await signed_in(it, "alice", "bob")
        target = await id_of(browser, "alice")
        if failing == "first":
            it.store.fail("rotate", times=1)
            assert (await browser.post(f"/accounts/{target}")).status == 503
        else:
            gate = it.store.hold_answers("rotate")
            asked = asyncio.ensure_future(browser.post(f"/accounts/{target}"))
            await gate.reached()
            it.store.fail("rotate", times=1)
            gate.release()
            assert (await asked).status == 503
        assert (await browser.post(f"/accounts/{target}")).status == 200
        assert (await switched(browser, "bob")).status == 200
        assert await known(browser) == ["bob*", "alice"]


async def test_a_client_with_a_bearer_token_has_one_account(tmp_path: Path) -> None:
    async with site(tmp_path, routes=ROUTES, middleware={"bearer": True}) as it:
        created = await it.sessions.create("alice")
        client = it.browser(headers=[("authorization", f"Bearer {created.token.reveal()}")])
        client.cookies = dict((await signed_in(it, "mallory", "eve")).cookies)
        assert await known(client) == ["alice*"]
        answer = await client.post("/accounts", {"user": "bob"})
        assert (answer.status, answer.json()["limit"]) == (409, 1)
        assert (await client.post("/accounts/out")).json() == {"ended": 1}
        assert await it.sessions.list("mallory")
