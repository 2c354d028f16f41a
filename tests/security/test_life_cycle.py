"""The life of a session, from sign-in to its end, over HTTP (L1 to L7, L9 to L12, L14)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import CacheSettings, Policy
from coatcheck.core.tokens import new_token
from tests.web.application import KEY, RECENT, site
from tests.web.browser import COOKIE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.web.browser import Browser

pytestmark = pytest.mark.anyio

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=seconds) for seconds in (1, 60, 3600, 86_400))
SHORT = Policy(idle_timeout=HOUR, lifetime=8 * HOUR, touch_every=MINUTE)


async def about(browser: Browser) -> dict[str, Any]:
    """Return what the site says about the browser's session."""
    shown: dict[str, Any] = (await browser.get("/me")).json()
    return shown


# --- L1, L2: new tokens, and what moves along


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sign-in", {"user": "alice"}),
        ("/sign-in", {"user": "bob"}),
        ("/rotate", None),
        ("/rotate?reauthenticated", None),
        ("/alone", None),
    ],
    ids=["the-same-user", "another-user", "privilege-change", "second-factor", "credential-change"],
)
async def test_L1_the_token_changes_and_the_old_one_is_dead(tmp_path: Path, path: str, body: Any) -> None:
    """After whatever changes who or what a user is, the old token opens nothing, here or in another process."""
    async with site(tmp_path) as it, site(tmp_path, clock=it.clock) as elsewhere:
        browser = await it.signed_in()
        old = browser.token
        assert await elsewhere.user_of(elsewhere.browser(), old) == "alice"  # cached there
        assert (await browser.post(path, body)).status == 200
        assert browser.token != old
        assert await it.user_of(browser) == (body or {"user": "alice"})["user"]
        assert await it.user_of(browser, old) is None
        assert await elsewhere.user_of(elsewhere.browser(), old) is None


async def test_L1_an_anonymous_token_dies_at_sign_in(tmp_path: Path) -> None:
    """Who knew the visitor's token does not know the user's."""
    async with site(tmp_path) as it:
        browser = it.browser()
        await browser.post("/visit", {"seen": 1})
        old = browser.token
        await browser.post("/sign-in", {"user": "alice"})
        assert browser.token != old
        assert (await it.browser(cookies={COOKIE: old}).get("/me")).json()["user"] is None
        assert it.rows() == 1


async def test_L2_anonymous_data_moves_along_by_name_only(tmp_path: Path) -> None:
    """What a visitor has collected is dropped at sign-in unless the policy names its key."""
    async with site(tmp_path, policy=Policy(carry_over=("basket",))) as it:
        browser = it.browser()
        await browser.post("/visit", {"basket": [1], "is_admin": True})
        assert (await about(browser))["data"] == {"basket": [1], "is_admin": True}
        await browser.post("/sign-in", {"user": "alice", "data": {"theme": "dark"}})
        assert (await about(browser))["data"] == {"basket": [1], "theme": "dark"}


async def test_L2_nothing_moves_along_by_default(tmp_path: Path) -> None:
    async with site(tmp_path) as it:
        browser = it.browser()
        await browser.post("/visit", {"basket": [1]})
        await browser.post("/sign-in", {"user": "alice"})
        assert (await about(browser))["data"] == {}


async def test_L2_another_user_of_the_same_browser_sees_nothing_of_the_first(tmp_path: Path) -> None:
    """Even keys that may move along from a visitor stay behind when they were a user's."""
    async with site(tmp_path, policy=Policy(carry_over=("basket",))) as it:
        browser = await it.signed_in("alice")
        await browser.post("/save", {"basket": ["secret"], "notes": "mine"})
        await browser.post("/sign-in", {"user": "bob"})
        shown = await about(browser)
        assert (shown["user"], shown["data"]) == ("bob", {})


# --- L3 to L6: timeouts


async def test_L3_a_session_ends_when_it_is_not_used(tmp_path: Path) -> None:
    """At the idle timeout and not before; using it starts the time anew."""
    async with site(tmp_path, policy=SHORT) as it:
        idle, used = await it.signed_in("idle"), await it.signed_in("used")
        it.clock.advance(HOUR / 2)
        assert await it.user_of(used) == "used"
        await it.sessions.flush()
        it.clock.advance(HOUR / 2 - SECOND)
        assert await it.user_of(it.browser(cookies=dict(used.cookies))) == "used"
        it.clock.advance(SECOND)
        assert (await idle.get("/me")).json() == {"user": None, "reason": "expired"}
        it.clock.advance(HOUR / 2 - 2 * SECOND)
        assert await it.user_of(used) == "used"


async def test_L3_one_second_before_and_at_the_idle_timeout(tmp_path: Path) -> None:
    async with site(tmp_path, policy=SHORT) as it:
        early, late = await it.signed_in(), await it.signed_in()
        it.clock.advance(HOUR - SECOND)
        assert await it.user_of(early) == "alice"
        it.clock.advance(SECOND)
        assert await it.user_of(late) is None


async def test_L3_the_cookies_own_dates_mean_nothing(tmp_path: Path) -> None:
    """A browser that keeps its cookie for longer, or sends dates with it, gains nothing."""
    async with site(tmp_path, policy=SHORT, middleware={"bearer": False}) as it:
        browser = await it.signed_in()
        it.clock.advance(HOUR + SECOND)
        cookie = f"{COOKIE}={browser.token}; Max-Age=999999; Expires=Fri, 31 Dec 2199 23:59:59 GMT"
        answer = await it.browser().request("GET", "/me", headers=[("cookie", cookie)])
        assert answer.json() == {"user": None, "reason": "expired"}


async def test_L4_activity_never_extends_the_lifetime(tmp_path: Path) -> None:
    """A session polled every minute dies on time, though its idle timeout never came near."""
    async with site(tmp_path, policy=SHORT) as it:
        browser = await it.signed_in()
        for _ in range(8 * 60 - 1):
            it.clock.advance(MINUTE)
            assert await it.user_of(browser) == "alice"
            await it.sessions.flush()
        it.clock.advance(MINUTE - SECOND)
        assert await it.user_of(browser) == "alice"
        it.clock.advance(SECOND)
        assert (await browser.get("/me")).json() == {"user": None, "reason": "expired"}


@pytest.mark.parametrize("moved_by_hand", [False, True])
async def test_L4_the_lifetime_ends_a_session_that_is_not_idle(tmp_path: Path, *, moved_by_hand: bool) -> None:
    """Also where the idle timeout is the longer one, by policy or because somebody has moved it in the database."""
    policy = Policy(idle_timeout=8 * HOUR, lifetime=HOUR)
    async with site(tmp_path, policy=policy) as it:
        cached, cold = await it.signed_in(), await it.signed_in()
        if moved_by_hand:
            it.sql("UPDATE coatcheck_sessions SET idle_expires_at = 2 * idle_expires_at")
        it.clock.advance(HOUR - SECOND)
        assert await it.user_of(cached) == "alice"
        it.clock.advance(SECOND)
        for browser in (cached, cold):
            assert (await browser.get("/me")).json() == {"user": None, "reason": "expired"}
            assert (await browser.post("/rotate")).status == 401


async def test_L4_a_long_request_cannot_write_an_expired_session_back(tmp_path: Path) -> None:
    """What began in the session's life and ends after it saves nothing, and touches nothing."""
    async with site(tmp_path, policy=SHORT) as it:
        browser = await it.signed_in()
        gate = it.store.hold("save")
        request = asyncio.create_task(browser.post("/save", {"late": True}))
        await gate.reached()
        it.clock.advance(8 * HOUR)
        gate.release()
        assert (await request).json() == {"user": None, "reason": "unknown"}
        await it.sessions.flush()
        assert await it.user_of(browser) is None
        assert it.sql("SELECT data FROM coatcheck_sessions") == [("{}",)]


async def test_L5_only_proving_it_again_moves_both_timers(tmp_path: Path) -> None:
    """Reauthentication at 90 % of the lifetime starts it anew; rotation alone, saving and reading do not."""
    async with site(tmp_path, policy=Policy(idle_timeout=HOUR, lifetime=10 * HOUR, touch_every=MINUTE)) as it:
        browser = await it.signed_in()
        begun = await about(browser)
        for _ in range(18):
            it.clock.advance(HOUR / 2)
            await browser.post("/rotate")
            await browser.post("/save", {"n": 1})
            await about(browser)
            await it.sessions.flush()
        now = await about(browser)
        assert now["expires_at"] == begun["expires_at"]
        assert now["authenticated_at"] == begun["authenticated_at"]
        it.clock.advance(HOUR / 4)
        await browser.post("/rotate?reauthenticated")
        anew = await about(browser)
        moved = datetime.fromisoformat(anew["expires_at"]) - datetime.fromisoformat(begun["expires_at"])
        assert moved == 9 * HOUR + HOUR / 4
        assert datetime.fromisoformat(anew["idle_expires_at"]) == it.sessions.now() + HOUR
        it.clock.advance(HOUR - SECOND)
        assert await it.user_of(browser) == "alice"


async def test_L5_rotation_alone_does_not_reset_the_idle_timer(tmp_path: Path) -> None:
    async with site(tmp_path, policy=SHORT) as it:
        browser = await it.signed_in()
        it.clock.advance(HOUR / 2)
        answer = await browser.post("/rotate")
        assert datetime.fromisoformat(answer.json()["idle_expires_at"]) == it.sessions.now() + HOUR / 2


async def test_L6_expiry_is_in_the_record_and_checked_on_read(tmp_path: Path) -> None:
    """No sweep, no time to live of a store or of a cache decides: the row is there, and refused."""
    cache = CacheSettings(ttl=HOUR)  # the copy may be served for as long as the session lives
    async with site(tmp_path, policy=SHORT, cache=cache) as it, site(tmp_path, clock=it.clock, cache=cache) as cold:
        browser = await it.signed_in()
        assert await it.user_of(browser) == "alice"
        it.clock.advance(HOUR + SECOND)
        assert it.rows() == 1
        assert (await browser.get("/me")).json()["reason"] == "expired"
        assert (await cold.browser(cookies=dict(browser.cookies)).get("/me")).json()["reason"] == "expired"
        it.sql("UPDATE coatcheck_sessions SET idle_expires_at = 2 * idle_expires_at")
        assert await it.user_of(browser) == "alice"  # the record decides, nothing else
        it.clock.advance(8 * HOUR)
        assert await it.user_of(browser) is None


# --- L7, L9, L10: ending


@pytest.mark.parametrize("keys", [None, [KEY]], ids=["unsigned", "signed"])
async def test_L7_sign_out_kills_the_session_on_every_worker(tmp_path: Path, keys: list[str] | None) -> None:
    """A cookie saved before the sign-out is worthless on both workers, each of which has it in its cache."""
    async with site(tmp_path, keys=keys) as it, site(tmp_path, clock=it.clock, keys=keys) as other:
        browser = await it.signed_in()
        saved = dict(browser.cookies)
        for _ in range(3):
            assert await it.user_of(browser) == "alice"
            assert await other.user_of(other.browser(cookies=dict(saved))) == "alice"
        reads = other.store.count("read")
        assert await other.user_of(other.browser(cookies=dict(saved))) == "alice"
        assert other.store.count("read") == reads  # it was a hit
        assert (await browser.post("/sign-out")).status == 200
        assert (await other.browser(cookies=dict(saved)).get("/me")).json() == {"user": None, "reason": "unknown"}
        assert (await it.browser(cookies=dict(saved)).get("/me")).json() == {"user": None, "reason": "unknown"}
        assert it.rows() == 0


MANY = 10_000


async def test_L9_random_cookies_leave_no_trace(tmp_path: Path) -> None:
    """Ten thousand unknown tokens: no row, no cookie, nothing kept in memory."""
    async with site(tmp_path) as it:
        await it.signed_in()
        browser = it.browser()
        for _ in range(MANY):
            browser.token = new_token().reveal()
            answer = await browser.get("/me")
            assert answer.json() == {"user": None, "reason": "unknown"}
            assert not answer.all("set-cookie")
        assert it.rows() == 1
        assert len(it.sessions._reads.cache) <= 1


async def test_L9_anonymous_sign_outs_leave_no_trace(tmp_path: Path) -> None:
    """Ten thousand sign-outs of nobody: no row, no cookie, no call of the store."""
    async with site(tmp_path) as it:
        calls, browser = len(it.store.calls), it.browser()
        for _ in range(MANY):
            answer = await browser.post("/sign-out")
            assert answer.status == 200
            assert not answer.all("set-cookie")
        assert len(it.store.calls) == calls
        assert it.rows() == 0


async def test_L9_looking_and_changing_nothing_creates_no_row(tmp_path: Path) -> None:
    """A visitor has no row until there is something to keep."""
    async with site(tmp_path) as it:
        browser = it.browser()
        for path in ("/me", "/private", "/recent", "/plain"):
            assert not (await browser.get(path)).all("set-cookie")
        for path in ("/rotate", "/alone", "/save"):
            answer = await browser.post(path, {})
            assert answer.status == 401
            assert not answer.all("set-cookie")
        assert it.rows() == 0


@pytest.mark.parametrize("value", ["", '""', " ", "None", "null", "undefined", "0", "false"])
async def test_L10_empty_keys_are_never_valid(tmp_path: Path, value: str) -> None:
    """No spelling of nothing is a session, also while others are signed in, and after they have signed out."""
    async with site(tmp_path) as it:
        browser = await it.signed_in()
        await it.user_of(browser)
        for _ in range(2):
            answer = await it.browser().request("GET", "/me", headers=[("cookie", f"{COOKIE}={value}")])
            assert answer.json()["user"] is None
            await browser.post("/sign-out")


async def test_L10_signing_out_leaves_no_usable_key(tmp_path: Path) -> None:
    """Two browsers that have signed out share nothing, neither a record nor a key."""
    async with site(tmp_path) as it:
        first, second = await it.signed_in("alice"), await it.signed_in("bob")
        for browser in (first, second):
            answer = await browser.post("/sign-out")
            assert (answer.header("set-cookie") or "").startswith(f"{COOKIE}=; ")
            # as a client would that does not know what deleting is
            kept = await it.browser().request("GET", "/me", headers=[("cookie", f"{COOKIE}=")])
            assert kept.json() == {"user": None, "reason": "no_token"}
        assert it.rows() == 0


# --- L11, L12, L14: ending others


async def test_L11_disabling_a_user_ends_all_their_sessions(tmp_path: Path) -> None:
    """One call, and both devices are anonymous at their next request, on every worker; others stay."""
    async with site(tmp_path) as it, site(tmp_path, clock=it.clock) as other:
        phone, laptop, bystander = await it.signed_in(), await it.signed_in(), await it.signed_in("bob")
        elsewhere = other.browser(cookies=dict(phone.cookies))
        for browser in (phone, laptop):
            assert await it.user_of(browser) == "alice"
        assert await other.user_of(elsewhere) == "alice"
        assert await it.sessions.revoke_user("alice") == 2
        assert await it.user_of(phone) is await it.user_of(laptop) is await other.user_of(elsewhere) is None
        assert await it.user_of(bystander) == "bob"


async def test_L12_ending_all_others_keeps_this_one_with_a_new_token(tmp_path: Path) -> None:
    """Three devices: only the current one survives, and its old token is dead as well."""
    async with site(tmp_path) as it:
        current, second, third = [await it.signed_in() for _ in range(3)]
        bystander = await it.signed_in("bob")
        before = await about(current)
        old = current.token
        assert (await current.post("/alone")).json() == {"ended": 2}
        assert current.token != old
        assert (await about(current))["id"] == before["id"]
        assert await it.user_of(current, old) is None
        assert await it.user_of(second) is await it.user_of(third) is None
        assert await it.user_of(bystander) == "bob"


async def test_L14_ending_somebody_elses_session_is_not_found(tmp_path: Path) -> None:
    """Bob knows the public id of Alice's session, and it helps him to nothing; his own he can end."""
    async with site(tmp_path) as it:
        alice, bob, bobs_phone = await it.signed_in("alice"), await it.signed_in("bob"), await it.signed_in("bob")
        alices_id = (await about(alice))["id"]
        answer = await bob.request("DELETE", f"/devices/{alices_id}")
        unknown = await bob.request("DELETE", "/devices/never-issued")
        assert (answer.status, answer.body) == (unknown.status, unknown.body) == (404, b"{}")
        assert await it.user_of(alice) == "alice"
        assert [each["user"] for each in (await bob.get("/devices")).json()] == ["bob", "bob"]
        assert (await bob.request("DELETE", f"/devices/{(await about(bobs_phone))['id']}")).status == 200
        assert await it.user_of(bobs_phone) is None


async def test_L14_ending_needs_recent_authentication(tmp_path: Path) -> None:
    """A session left open cannot sign the other devices out before its user has proved who they are."""
    async with site(tmp_path) as it:
        current, phone = await it.signed_in(), await it.signed_in()
        phones_id = (await about(phone))["id"]
        it.clock.advance(RECENT + SECOND)
        answer = await current.request("DELETE", f"/devices/{phones_id}")
        assert (answer.status, answer.json()["reason"]) == (401, "authentication_too_old")
        assert await it.user_of(phone) == "alice"
        await current.post("/rotate?reauthenticated")
        assert (await current.request("DELETE", f"/devices/{phones_id}")).status == 200
        assert await it.user_of(phone) is None
