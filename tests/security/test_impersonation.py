"""Acting as another user: said, bounded, ended with who acts, and never a proof of who the user is (L1, L2, L4, L7)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coatcheck import AsyncAuditTrail, Impersonation, ImpersonationRefused, NotSignedIn, Policy, Sessions, User
from coatcheck.asgi import AsyncAccounts, AsyncActing, context_of
from coatcheck.errors import ConfigurationError, DataError
from coatcheck.starlette import require_own_session
from coatcheck.testing import MemoryStore
from tests.web.application import RECENT, site
from tests.web.browser import COOKIE

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from tests.web.application import Site
    from tests.web.browser import Browser

pytestmark = pytest.mark.anyio

BEHIND = f"{COOKIE}-actor"
HALF_AN_HOUR = timedelta(minutes=30)


async def begin(request: Request) -> Response:
    """Act as another user; whether they may is not asked here."""
    session = await AsyncActing(context_of(request.scope)).begin(
        request.path_params["user"], reason="case 17", data={"case": 17}
    )
    return JSONResponse({"id": session.id, "user": session.user_id, "actor": session.actor_id})


async def end(request: Request) -> Response:
    """Go back."""
    return JSONResponse({"user": (await AsyncActing(context_of(request.scope)).end()).user_id})


async def password(request: Request) -> Response:
    """Be for the user alone."""
    return JSONResponse({"user": (await require_own_session(request)).user_id})


async def another(request: Request) -> Response:
    """Sign in beside whoever is."""
    return JSONResponse({"user": (await AsyncAccounts(context_of(request.scope)).add("carol")).user_id})


async def end_all(request: Request) -> Response:
    """End all sessions of a user; whether they may is not asked here."""
    context = context_of(request.scope)
    await context.require()
    return JSONResponse({"ended": await context.sessions.revoke_user(request.path_params["user"])})


ROUTES: list[BaseRoute] = [
    Route("/act/{user}", begin, methods=["POST"]),
    Route("/back", end, methods=["POST"]),
    Route("/end/{user}", end_all, methods=["POST"]),
    Route("/password", password),
    Route("/accounts", another, methods=["POST"]),
]


async def acting(it: Site) -> Browser:
    """Return a browser in which sue acts as alice."""
    browser = await it.signed_in("sue")
    assert (await browser.post("/act/alice")).status == 200
    return browser


async def test_L1_there_and_back_under_new_tokens(tmp_path: Path) -> None:
    """What waits meanwhile is a token of nothing else, and whatever was seen on the way is worthless afterwards."""
    async with site(tmp_path, routes=ROUTES) as it:
        browser = await it.signed_in("sue")
        seen = {browser.token}
        answer = await browser.post("/act/alice")
        assert answer.json()["actor"] == "sue"
        assert answer.header("cache-control") == "no-store"
        assert "cookie" in answer.vary()
        assert set(browser.cookies) == {COOKIE, BEHIND}
        assert (await browser.get("/me")).json()["user"] == "alice"
        seen |= {browser.token, browser.cookies[BEHIND], browser.cookies[BEHIND][1:]}
        for old in seen - {browser.token}:
            assert await it.user_of(browser, old) is None
        assert (await browser.post("/back")).json() == {"user": "sue"}
        assert set(browser.cookies) == {COOKIE}
        assert (await browser.get("/me")).json()["user"] == "sue"
        for old in seen:
            assert await it.user_of(browser, old) is None
            assert (await it.browser(cookies={BEHIND: old}).post("/back")).status == 401
        assert it.rows() == 1


async def test_L2_nothing_moves_from_one_to_the_other(tmp_path: Path) -> None:
    """Neither there nor back, whatever the policy carries over."""
    async with site(tmp_path, routes=ROUTES, policy=Policy(carry_over=("basket",))) as it:
        browser = it.browser()
        await browser.post("/sign-in", {"user": "sue", "data": {"basket": ["of sue"]}})
        await browser.post("/act/alice")
        assert (await browser.get("/me")).json()["data"] == {"case": 17}
        await browser.post("/save", {"basket": ["of alice"]})
        await browser.post("/back")
        assert (await browser.get("/me")).json()["data"] == {"basket": ["of sue"]}


@pytest.mark.parametrize("way", ["sign-out elsewhere", "revoke_user", "everyone", "by hand", "sweep", "the user"])
async def test_L7_it_ends_with_the_session_of_who_acts(tmp_path: Path, way: str) -> None:
    """Whatever ends that, also for a browser that has been served from memory; and the user can end it alone."""
    async with site(tmp_path, routes=ROUTES, policy=Policy(idle_timeout=HALF_AN_HOUR)) as it:
        browser = await acting(it)
        assert await it.user_of(browser) == "alice"
        (session,), (actor,) = await it.sessions.list("alice"), await it.sessions.list("sue")
        if way == "sign-out elsewhere":
            await it.sessions.revoke_any(actor.id)
        elif way == "revoke_user":
            await it.sessions.revoke_user("sue")
        elif way == "everyone":
            await it.sessions.revoke_everyone()
        elif way == "by hand":
            it.sql("DELETE FROM coatcheck_sessions WHERE user_id = 'sue'")
        elif way == "sweep":
            it.sql("UPDATE coatcheck_sessions SET idle_expires_at = 0 WHERE user_id = 'sue'")
            await it.sessions.sweep()
        else:
            assert await it.sessions.revoke_by_id(session.id, user_id="alice")
        assert await it.user_of(browser) is None
        assert (await browser.post("/back")).status == (200 if way == "the user" else 401)
        assert await it.user_of(browser) == ("sue" if way == "the user" else None)
        assert it.rows() == (way == "the user")


async def test_L4_it_does_not_outlive_its_time_nor_the_actors(tmp_path: Path) -> None:
    """Nothing moves its end, and whoever acts can go back when it is over: their idle timer has not run out."""
    for idle, lifetime in ((timedelta(hours=1), HALF_AN_HOUR), (timedelta(minutes=20), timedelta(minutes=20))):
        async with site(tmp_path, routes=ROUTES, policy=Policy(idle_timeout=idle), name=f"{idle.seconds}.db") as it:
            browser = await acting(it)
            (session,) = await it.sessions.list("alice")
            assert session.expires_at == session.created_at + lifetime
            with pytest.raises(ImpersonationRefused, match="cannot be moved"):
                await it.sessions.save(session, {}, expires_at=session.created_at + 2 * lifetime)
            it.clock.advance(lifetime - timedelta(seconds=1))
            assert await it.user_of(browser) == "alice"
            await it.sessions.flush()
            it.clock.advance(timedelta(seconds=1))
            assert await it.user_of(browser) is None
            assert (await browser.post("/back")).status == (200 if lifetime < idle else 401)


async def test_A1_nobody_proves_to_be_somebody_else(tmp_path: Path) -> None:
    """What needs recent authentication, or belongs to the user, is refused; so is any proof, and another step on."""
    async with site(tmp_path, routes=ROUTES) as it:
        browser = await acting(it)
        own = await it.signed_in("alice")
        refused = {
            "GET /recent": None,
            "GET /password": None,
            "POST /rotate?reauthenticated": None,
            "POST /alone": None,
            "POST /act/bob": None,
            "POST /accounts": None,
        }
        for asked in refused:
            answer = await browser.request(*asked.split())
            assert (answer.status, answer.json()["reason"]) == (403, "impersonation"), asked
            assert not answer.all("set-cookie")
        page = await browser.get("/recent", headers=[("accept", "text/html")])
        assert page.status == 403, "and not the sign-in page, which would not help"
        assert (await browser.post("/rotate")).status == 200
        assert (await browser.get("/private")).status == 200
        for asked in ("GET /recent", "GET /password"):
            assert (await own.request(*asked.split())).status == 200
        assert (await own.post("/back")).status == 403


async def test_L7_signing_out_does_not_merely_go_back(tmp_path: Path) -> None:
    """Nothing waits in the browser for whoever comes next; also when the request has not looked at the session."""
    async with site(tmp_path, routes=ROUTES) as it:
        browser = await acting(it)
        before = dict(browser.cookies)
        assert (await browser.post("/sign-out")).status == 200
        assert (browser.cookies, it.rows()) == ({}, 0)
        assert (await it.browser(cookies=before).post("/back")).status == 401


@pytest.mark.parametrize("way", ["/sign-out", "/sign-in"])
@pytest.mark.parametrize("over", [False, True], ids=["while they act", "when that is over"])
async def test_L7_whoever_leaves_leaves_nothing_behind(tmp_path: Path, way: str, *, over: bool) -> None:
    """Who signs out, or signs somebody else in, has left: the session that waited ends, and not only the cookie."""
    async with site(tmp_path, routes=ROUTES) as it:
        browser = await acting(it)
        before = dict(browser.cookies)
        if over:
            it.clock.advance(HALF_AN_HOUR)
            assert await it.user_of(browser) is None
        assert (await browser.post(way, {"user": "bob"})).status == 200
        assert BEHIND not in browser.cookies
        assert await it.user_of(browser) == ("bob" if way == "/sign-in" else None)
        await browser.post("/sign-out")
        assert (await it.browser(cookies={BEHIND: before[BEHIND]}).post("/back")).status == 401
        assert await it.sessions.list("sue") == []


async def test_C7_another_actors_cookie_leads_nowhere(tmp_path: Path) -> None:
    """Whoever could plant one would have the browser go on as somebody else."""
    async with site(tmp_path, routes=ROUTES) as it:
        browser = await acting(it)
        mallory = await it.signed_in("mallory")
        await mallory.post("/act/bob")
        own = browser.cookies[BEHIND]
        browser.cookies[BEHIND] = mallory.cookies[BEHIND]
        assert (await browser.post("/back")).status == 403
        browser.cookies[BEHIND] = own
        assert (await browser.post("/back")).json() == {"user": "sue"}


@pytest.mark.parametrize("when_full", ["evict_oldest", "refuse"])
async def test_L15_it_counts_for_no_limit(tmp_path: Path, when_full: Any) -> None:
    async with site(tmp_path, routes=ROUTES, policy=Policy(max_sessions=1, when_full=when_full)) as it:
        alice = await it.signed_in("alice")
        browser = await acting(it)
        assert await it.user_of(alice) == "alice"
        await alice.post("/sign-out")
        await it.signed_in("alice")
        assert await it.user_of(browser) == "alice"


async def test_S15_events_say_who_acted_and_why(tmp_path: Path) -> None:
    async with site(tmp_path, routes=ROUTES) as it:
        browser = await acting(it)
        await browser.post("/rotate")
        await browser.post("/back")
        told = [(event.kind, event.user_id, event.actor_id, event.detail) for event in it.events]
        assert told == [
            ("created", "sue", None, ""),
            ("created", "alice", "sue", "case 17"),
            ("rotated", "sue", None, "parked"),
            ("rotated", "alice", "sue", ""),
            ("rotated", "sue", None, "resumed"),
            ("revoked", "alice", "sue", ""),
        ]


async def test_S15_the_audit_trail_says_who_acted_and_why(tmp_path: Path) -> None:
    """Also what they do in the user's session, and its end."""
    async with site(tmp_path, routes=ROUTES, policy=Policy(audit_keep_for=timedelta(days=30))) as it:
        await it.signed_in("alice")
        browser = await acting(it)
        await browser.post("/rotate")
        await browser.post("/end/alice")
        entries = (await AsyncAuditTrail(it.sessions).entries(actor="sue")).entries[::-1]
        assert [(entry.action, entry.user_id, entry.detail, entry.address) for entry in entries] == [
            ("created", "alice", "case 17", "192.0.2.1"),
            ("rotated", "alice", "", "192.0.2.1"),
            ("revoked", "alice", "", "192.0.2.1"),
            ("revoked", "alice", "", "192.0.2.1"),
        ]


def test_the_user_sees_who_acts() -> None:
    """By the name that there is for them, or as the application says."""
    named = {"sue": User("sue", name="Sue")}
    with Sessions(MemoryStore(), load_users=lambda _: named) as sessions:
        shown: list[str | None] = []
        cases: list[tuple[str, dict[str, Any]]] = [
            ("sue", {}),
            ("tom", {}),
            ("tom", {"label": lambda session: f"{session.user_id} of the bank\n"}),
        ]
        for actor_id, settings in cases:
            actor = sessions.create(actor_id).session
            begun = Impersonation(sessions, **settings).begin(actor, "alice", reason="case 17")
            assert begun
            shown.append(begun.session.shown_as)
            assert actor.shown_as is None
        assert shown == ["support (Sue)", "support", "tom of the bank"]


def test_what_is_not_possible_is_refused() -> None:
    """With a word about what is wrong, and nothing done."""
    with Sessions(MemoryStore()) as sessions:
        impersonation = Impersonation(sessions, lifetime=HALF_AN_HOUR)
        visitor, sue = sessions.create(None), sessions.create("sue")
        begun = impersonation.begin(sue.session, "alice", reason="case 17")
        assert begun
        for actor, user, why in (
            (visitor.session, "alice", "nobody is signed in"),
            (begun.session, "bob", "already"),
            (sue.session, "sue", "same user"),
        ):
            with pytest.raises(ImpersonationRefused, match=why):
                impersonation.begin(actor, user, reason="case 17")
        for reason in (" ", "a" * 256, "a\nb"):
            with pytest.raises(DataError, match="reason"):
                impersonation.begin(sue.session, "alice", reason=reason)
        for lifetime in (timedelta(0), HALF_AN_HOUR + RECENT):
            with pytest.raises(DataError, match="lifetime"):
                impersonation.begin(sue.session, "alice", reason="case 17", lifetime=lifetime)
        with pytest.raises(ImpersonationRefused, match="own"):
            impersonation.end(sue.session)
        sessions.revoke(sue.token)
        assert not sessions.get(begun.token)
        assert impersonation.begin(sue.session, "alice", reason="case 17") is NotSignedIn.UNKNOWN
        assert not sessions.list("alice")


def test_settings_that_cannot_work_are_refused() -> None:
    class Untied(MemoryStore):
        capabilities = MemoryStore.capabilities._replace(impersonates=False)

    with Sessions(MemoryStore()) as sessions:
        for lifetime in (timedelta(seconds=59), timedelta(hours=13)):
            with pytest.raises(ConfigurationError, match=r"impersonation lifetime=.*one minute to 12 hours"):
                Impersonation(sessions, lifetime=lifetime)
    with Sessions(Untied()) as sessions, pytest.raises(ConfigurationError, match="ties no session"):
        Impersonation(sessions)
