"""Acting as another user in Django: who `request.user` is, what ends with what, and what only the user may (A1, L7)."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings

from coatcheck import AuditTrail, ConfigurationError, ImpersonationRefused
from coatcheck.django import (
    Acting,
    SignInRequired,
    arequire_own_session,
    own_session_required,
    recent_auth_required,
    require_own_session,
    revoke_others,
    session_event,
    session_required,
)
from coatcheck.django.running import running
from coatcheck.django.sessions import SessionStore
from tests.django import site as sites

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coatcheck.testing.browsers import Browser
    from tests.django.site import DjangoSite, SiteOnValkey

KEY, BEHIND = "sessionid", "sessionid-actor"


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("yes")


async def aview(request: HttpRequest) -> HttpResponse:
    return view(request)


def asked(key: str, method: str = "POST") -> Any:
    """Return a request with a session's cookie, as it is behind our middleware."""
    request: Any = RequestFactory().generic(method, "/")
    request.session = SessionStore(key)
    request.session.seen_in(request.META)
    return request


def acting(site: DjangoSite) -> Browser:
    """Return a browser in which ann acts as bob."""
    browser = site.browser()
    browser("POST", "/sign-in/ann")
    answer = browser("POST", "/act/bob")
    assert (answer.status, answer.json()["user"]) == (200, "bob")
    return browser


def who(browser: Browser, cookies: dict[str, str] | None = None) -> str:
    name: str = browser("GET", "/who", cookies).json()["user"]
    return name


def id_of(name: str) -> str:
    return str(User.objects.get(username=name).pk)


@contextmanager
def told() -> Iterator[list[Any]]:
    """Gather events."""
    seen: list[Any] = []

    def note(event: Any, **_: Any) -> None:
        seen.append(event)

    session_event.connect(note)
    try:
        yield seen
    finally:
        session_event.disconnect(note)


@contextmanager
def logins() -> Iterator[list[str]]:
    """Gather who has signed in by Django's signal."""
    seen: list[str] = []

    def note(user: Any, **_: Any) -> None:
        seen.append(user.username)

    user_logged_in.connect(note)
    try:
        yield seen
    finally:
        user_logged_in.disconnect(note)


# --- there and back


def test_L1_there_and_back_under_new_keys(sqlite_site: DjangoSite) -> None:
    """`request.user` is the user meanwhile, the actor is known, and whatever was seen on the way is worthless."""
    browser = sqlite_site.browser()
    browser("POST", "/sign-in/ann")
    seen = {browser.cookies[KEY]}
    with logins() as entered:
        answer = browser("POST", "/act/bob")
    assert entered == []
    assert (answer.json()["user"], answer.json()["actor"]) == ("bob", id_of("ann"))
    assert answer.all("cache-control") == ["no-store"]
    assert "Cookie" in answer.all("vary")[0]
    assert sorted(line.partition("=")[0].strip() for line in answer.all("set-cookie")) == [KEY, BEHIND]
    assert browser("GET", "/who").json() == {"user": "bob", "verified": "bob", "actor": id_of("ann")}
    seen |= {browser.cookies[KEY], browser.cookies[BEHIND], browser.cookies[BEHIND][1:]}
    for old in seen - {browser.cookies[KEY]}:
        assert who(sqlite_site.browser(), {KEY: old}) == ""
    assert browser("POST", "/back").json() == {"user": "ann"}
    assert set(browser.cookies) == {KEY}
    assert browser("GET", "/who").json() == {"user": "ann", "verified": "ann", "actor": None}
    for old in seen:
        assert who(sqlite_site.browser(), {KEY: old}) == ""
        assert sqlite_site.browser()("POST", "/back", {BEHIND: old}).status == 401
    assert sqlite_site.sessions() == 1


def test_L2_nothing_moves_from_one_to_the_other(sqlite_site: DjangoSite) -> None:
    """What a view has changed before is kept for whoever acts, and what it changes afterwards is the user's."""
    browser = sqlite_site.browser()
    browser("POST", "/sign-in/ann")
    browser("POST", "/noted-and-act/bob")
    assert browser("GET", "/all").json() == {"case": 17, "user": "bob"}
    browser("POST", "/set/more/1")
    browser("POST", "/privileges")
    assert browser("GET", "/all").json() == {"case": 17, "more": "1", "user": "bob"}
    browser("POST", "/back")
    assert browser("GET", "/all").json() == {"note": "of who acts", "user": "ann"}


def test_L4_nothing_moves_its_end(sqlite_site: DjangoSite) -> None:
    """Neither saving, nor `set_expiry`; and saving is possible all the same."""
    browser = acting(sqlite_site)
    (session,) = running.sessions().list(id_of("bob"))
    assert session.expires_at == session.created_at + timedelta(minutes=30)
    for path in ("/expiry", "/set/a/1"):
        assert browser("POST", path).status == 200
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        assert browser("POST", "/plain").status == 200
    assert browser("GET", "/all").json() == {"a": "1", "user": "bob"}
    (after,) = running.sessions().list(id_of("bob"))
    assert (after.expires_at, after.idle_expires_at) == (session.expires_at, session.idle_expires_at)


@pytest.mark.parametrize("every", [False, True], ids=["when changed", "every request"])
def test_L5_going_back_is_no_use_of_what_has_waited(sqlite_site: DjangoSite, every: bool) -> None:
    """Its timer is where it was, unless every use counts as a change."""
    with override_settings(SESSION_SAVE_EVERY_REQUEST=every):
        browser = acting(sqlite_site)
        (before,) = running.sessions().list(id_of("ann"))
        browser("POST", "/back")
        (after,) = running.sessions().list(id_of("ann"))
        assert after.expires_at == before.expires_at
        assert after.idle_expires_at == before.idle_expires_at or every


# --- the end


@pytest.mark.parametrize("whose", ["ann", "bob"])
def test_L7_it_ends_with_the_session_of_who_acts_and_alone_when_the_user_ends_it(
    sqlite_site: DjangoSite, whose: str
) -> None:
    browser = acting(sqlite_site)
    assert who(browser) == "bob"
    sqlite_site.revoke(whose)
    assert who(browser) == ""
    browser.cookies.pop(KEY, None)
    assert browser("POST", "/back").status == (200 if whose == "bob" else 401)
    assert who(browser) == ("ann" if whose == "bob" else "")
    assert sqlite_site.sessions() == (whose == "bob")


@pytest.mark.parametrize("path", ["/sign-out", "/clear"])
def test_L7_signing_out_does_not_merely_go_back(sqlite_site: DjangoSite, path: str) -> None:
    """Nothing waits in the browser for whoever comes next; also when nobody has looked at the session before."""
    browser = acting(sqlite_site)
    before = dict(browser.cookies)
    assert browser("POST", path).status == 200
    assert (browser.cookies, sqlite_site.sessions()) == ({}, 0)
    assert sqlite_site.browser()("POST", "/back", before).status == 401


def test_L7_signing_in_as_another_user_leaves_nothing_behind(sqlite_site: DjangoSite) -> None:
    browser = acting(sqlite_site)
    browser("POST", "/sign-in/ann")
    assert set(browser.cookies) == {KEY}
    assert (who(browser), sqlite_site.sessions()) == ("ann", 1)


@pytest.mark.parametrize("whose", ["ann", "bob"])
def test_L11_another_password_ends_what_rests_on_the_old_one(sqlite_site: DjangoSite, whose: str) -> None:
    """By Django's hash in the session: that of who acts when they come back, and that of the user at once."""
    browser = acting(sqlite_site)
    user = User.objects.get(username=whose)
    user.set_password("another one")
    user.save()
    if whose == "ann":
        assert browser("POST", "/back").status == 401
    assert who(browser) == ""
    assert sqlite_site.sessions() == 0
    assert browser.cookies.get(BEHIND) is None


def test_C7_another_actors_cookie_leads_nowhere(sqlite_site: DjangoSite) -> None:
    """Whoever could plant one would have the browser go on as somebody else."""
    User.objects.create_user("mallory", password="secret")
    browser, other = acting(sqlite_site), sqlite_site.browser()
    other("POST", "/sign-in/mallory")
    other("POST", "/act/bob")
    own = browser.cookies[BEHIND]
    browser.cookies[BEHIND] = other.cookies[BEHIND]
    assert browser("POST", "/back").status == 403
    browser.cookies[BEHIND] = own
    assert browser("POST", "/back").json() == {"user": "ann"}


# --- what only the user may


@pytest.mark.parametrize("served", ["wsgi"], indirect=True)
def test_A1_who_acts_as_a_user_is_no_proof_of_them(sqlite_site: DjangoSite) -> None:
    own = sqlite_site.browser()
    own("POST", "/sign-in/bob")
    guards: list[Callable[..., Any]] = [own_session_required, recent_auth_required(within=timedelta(hours=1))]
    for guard in guards:
        assert guard(view)(asked(own.cookies[KEY])).status_code == 200
    key = acting(sqlite_site).cookies[KEY]
    for guard in guards:
        answer = guard(view)(asked(key))
        assert (answer.status_code, b"impersonation" in answer.content) == (403, True)
    assert session_required(view)(asked(key)).status_code == 200
    for verb in (require_own_session, revoke_others):
        with pytest.raises(ImpersonationRefused):
            verb(asked(key))


@pytest.mark.anyio
@pytest.mark.parametrize("served", ["asgi"], indirect=True)
async def test_A1_nor_in_an_event_loop(sqlite_site: DjangoSite) -> None:
    key = acting(sqlite_site).cookies[KEY]
    assert (await own_session_required(aview)(asked(key))).status_code == 403
    with pytest.raises(ImpersonationRefused):
        await arequire_own_session(asked(key))


def test_A1_what_is_the_users_alone_is_refused(sqlite_site: DjangoSite) -> None:
    """With 403 and nothing done: another step on, proving to be them, ending their other sessions, other accounts."""
    own = sqlite_site.browser()
    own("POST", "/sign-in/bob")
    browser = acting(sqlite_site)
    for path in ("/act/ann", "/password", "/step-up", "/end-others", "/accounts/add/ann"):
        answer = browser("POST", path)
        assert (answer.status, answer.json()["reason"]) == (403, "impersonation"), path
        assert not answer.all("set-cookie")
    assert (who(browser), who(own), sqlite_site.sessions()) == ("bob", "bob", 3)
    assert own("POST", "/password").status == 200
    assert own("POST", "/back").status == 403
    assert own("POST", "/act/bob").json()["reason"] == "impersonation"
    assert sqlite_site.browser()("POST", "/act/bob").status == 401


# --- what is told


def test_S15_events_and_the_audit_trail_say_who_acted_and_why(sqlite_site: DjangoSite) -> None:
    with override_settings(COATCHECK={"policy": {"audit_keep_for": "1d"}}), told() as events:
        browser = acting(sqlite_site)
        browser("POST", "/privileges")
        browser("POST", "/back")
        ann, bob = id_of("ann"), id_of("bob")
        assert [(event.kind, event.user_id, event.actor_id, event.detail) for event in events] == [
            ("created", ann, None, ""),
            ("created", bob, ann, "case 17"),
            ("rotated", ann, None, "parked"),
            ("rotated", bob, ann, ""),
            ("rotated", ann, None, "resumed"),
            ("revoked", bob, ann, ""),
        ]
        entries = AuditTrail(running.sessions()).entries(user_id=bob).entries
        assert [(entry.action, entry.actor) for entry in entries] == [
            ("revoked", None),
            ("rotated", None),
            ("created", ann),
        ]


# --- transactions, failures, and other middleware


def test_a_transaction_that_is_undone_leaves_the_browser_as_it_was(sqlite_site: DjangoSite) -> None:
    """Its key is good, and no other comes."""
    browser = sqlite_site.browser()
    browser("POST", "/sign-in/ann")
    before = dict(browser.cookies)
    answer = browser("POST", "/act-and-undo/bob")
    assert (answer.status, answer.all("set-cookie"), browser.cookies) == (200, [], before)
    assert (who(browser), sqlite_site.sessions()) == ("ann", 1)


@pytest.mark.parametrize("served", ["wsgi"], indirect=True)
def test_with_atomic_requests_all_of_it_is_committed_or_undone(sqlite_site: DjangoSite) -> None:
    from django.db import connections

    connections.settings["default"]["ATOMIC_REQUESTS"] = True
    try:
        browser = acting(sqlite_site)
        assert browser("POST", "/noted-and-act/ann").status == 403
        assert who(browser) == "bob"
        assert browser("POST", "/back").json() == {"user": "ann"}
        assert who(browser) == "ann"
    finally:
        connections.settings["default"]["ATOMIC_REQUESTS"] = False


def test_the_browser_can_go_back_when_the_page_has_failed(sqlite_site: DjangoSite) -> None:
    """Django's middleware sends no cookie then, and the session would be lost, whose key is new already."""
    browser = sqlite_site.browser()
    browser("POST", "/sign-in/ann")
    assert browser("POST", "/act-and-fail/bob").status == 500
    assert who(browser) == "bob"
    assert browser("POST", "/back").json() == {"user": "ann"}


def test_it_works_in_a_store_beside_the_database(valkey_site: SiteOnValkey) -> None:
    browser = acting(valkey_site)
    assert browser("POST", "/set/a/1").status == 200
    before = dict(browser.cookies)
    with valkey_site.outage():
        assert browser("POST", "/back").status == 503
    assert browser.cookies == before
    assert browser("POST", "/back").json() == {"user": "ann"}
    assert valkey_site.sessions() == 1


@pytest.mark.parametrize("served", ["wsgi"], indirect=True)
def test_what_is_not_possible_is_refused(sqlite_site: DjangoSite) -> None:
    """With a word about what is wrong, and nothing done."""
    browser = sqlite_site.browser()
    browser("POST", "/sign-in/ann")
    bob = User.objects.get(username="bob")
    without = RequestFactory().post("/")
    without.session = SessionStore(browser.cookies[KEY])
    with pytest.raises(ConfigurationError, match=r"coatcheck\.django\.middleware"):
        Acting(without).begin(bob, reason="case 17")
    with pytest.raises(SignInRequired):
        Acting(asked("x" * 43)).begin(bob, reason="case 17")
    with pytest.raises(ConfigurationError, match="one minute to 12 hours"):
        Acting(asked(browser.cookies[KEY]), lifetime=timedelta(hours=13)).begin(bob, reason="case 17")
    backends = ["django.contrib.auth.backends.ModelBackend", "django.contrib.auth.backends.RemoteUserBackend"]
    with override_settings(AUTHENTICATION_BACKENDS=backends):
        assert browser("POST", "/act/bob").status == 200, "by the backend of who acts"
        assert who(browser) == "bob"
    assert browser("POST", "/back").status == 200
    assert sqlite_site.sessions() == 1


def test_S2_the_cookie_beside_is_as_well_protected_as_the_sessions() -> None:
    """By the settings that Django has for that one."""
    sites.prepared()
    client = Client()
    settings = {
        "SESSION_COOKIE_NAME": "__Host-id",
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": False,
        "SESSION_COOKIE_SAMESITE": "Strict",
        "SESSION_EXPIRE_AT_BROWSER_CLOSE": True,
    }
    with override_settings(**settings):
        client.post("/sign-in/ann")
        cookies = client.post("/act/bob").cookies
        assert set(cookies) == {"__Host-id", "__Host-id-actor"}
        beside = cookies["__Host-id-actor"]
        assert (beside["secure"], beside["httponly"], beside["samesite"]) == (True, True, "Strict")
        assert (beside["path"], beside["domain"], beside["max-age"]) == ("/", "", "")
        cookies = client.post("/back").cookies
        assert cookies["__Host-id-actor"]["max-age"] == "0"
        assert cookies["__Host-id-actor"]["secure"] is True
