"""What the JSON API ends, and what it refuses to end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import ConfigurationError
from coatcheck.api import session_router
from tests.api.site import NAME, SAFARI, Site

if TYPE_CHECKING:
    from pathlib import Path

DELETION = f"{NAME}=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"
LATER = timedelta(minutes=15, seconds=1)
SENSITIVE = [
    ("DELETE", "/api/sessions/{id}"),
    ("POST", "/api/sessions/revoke-others"),
    ("POST", "/api/sessions/revoke-all"),
]


def problem(status: int, title: str, **members: Any) -> dict[str, Any]:
    return {"type": "about:blank", "title": title, "status": status, **members}


# --- one


def test_L14_a_user_ends_another_of_their_own_sessions(site: Site) -> None:
    """`DELETE /sessions/{id}` ends it with its next request, and leaves the one that asks alone."""
    desktop, phone = site.browser().signed_in(), site.browser(SAFARI).signed_in()
    assert phone.is_signed_in()
    answer = desktop.delete(f"/api/sessions/{phone.id()}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "set-cookie" not in answer.headers
    assert not phone.is_signed_in()
    assert desktop.is_signed_in()


def test_L14_another_users_session_is_not_found_and_lives_on(site: Site) -> None:
    """Whether an id is somebody else's cannot be told from whether it exists."""
    ada, bob = site.browser().signed_in("7"), site.browser().signed_in("8")
    theirs = bob.delete(f"/api/sessions/{ada.id()}")
    nobodys = bob.delete("/api/sessions/AAAAAAAAAAAAAAAAAAAAAA")
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.json() == nobodys.json()
    assert theirs.headers["content-type"] == "application/problem+json"
    assert theirs.json() == problem(
        404, "No such session", detail="id: you have no live session with this id; list them again"
    )
    assert ada.is_signed_in()


def test_L14_an_anonymous_session_is_nobodys_to_end(site: Site) -> None:
    """The session of a visitor without a user belongs to no user."""
    visitor = site.browser()
    visitor.post("/visit")
    [visit] = site.call(site.sessions.list_active)
    assert site.browser().signed_in().delete(f"/api/sessions/{visit.id}").status_code == 404
    assert site.call(site.sessions.find, visit.id) is not None


def test_L7_ending_the_current_session_takes_the_cookie_back(site: Site) -> None:
    """It is a sign-out: the cookie goes, and a copy of it is worth nothing."""
    browser, copy = site.browser().signed_in(), site.browser()
    copy.cookie = browser.cookie
    answer = browser.delete(f"/api/sessions/{browser.id()}")
    assert (answer.status_code, answer.headers["set-cookie"]) == (204, DELETION)
    assert not copy.is_signed_in()


def test_ending_a_session_twice_finds_it_once(site: Site) -> None:
    """The second of two clicks is told that there is nothing left."""
    desktop, phone = site.browser().signed_in(), site.browser(SAFARI).signed_in()
    gone = phone.id()
    statuses = [desktop.delete(f"/api/sessions/{gone}").status_code for _ in range(2)]
    assert statuses == [204, 404]


@pytest.mark.parametrize(
    "sent", ["%20", "a%00b", "%E2%84%AA", "a" * 129, "a;b", "'%20OR%201=1", "a%0Ab", "<x>"], ids=lambda sent: sent[:12]
)
def test_T7_a_malformed_id_is_named_and_no_store_is_asked(site: Site, sent: str) -> None:
    """What cannot be an id is refused before anybody looks for it, and is not repeated."""
    browser = site.browser().signed_in()
    before = site.store.count("revoke")
    answer = browser.delete(f"/api/sessions/{sent}")
    detail = "String should match pattern '^[A-Za-z0-9._~-]{1,128}$'"
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json() == problem(
        422, "Invalid request", detail=f"id: {detail}", errors=[{"in": "path", "name": "id", "detail": detail}]
    )
    assert site.store.count("revoke") == before


# --- the others, and all


def test_L12_revoke_others_leaves_one_session_under_a_new_token(site: Site) -> None:
    """Three devices: only the current one survives, and its old token is dead."""
    browsers = [site.browser().signed_in() for _ in range(3)]
    bob = site.browser().signed_in("8")
    current = browsers[1]
    session_id, copy = current.id(), site.browser()
    copy.cookie = current.cookie
    answer = current.post("/api/sessions/revoke-others")
    assert (answer.status_code, answer.json()) == (200, {"ended": 2})
    assert current.cookie != copy.cookie
    assert [browser.is_signed_in() for browser in (*browsers, copy, bob)] == [False, True, False, False, True]
    assert current.id() == session_id


def test_L12_a_bearer_client_keeps_its_token(tmp_path: Path) -> None:
    """A new token could reach an API client only in a cookie, so it keeps the one it has."""
    site = Site(tmp_path, bearer=True)
    with site.client:
        other = site.browser().signed_in()
        token = site.call(site.sessions.create, "7").token.reveal()
        bearer = {"Authorization": f"Bearer {token}"}
        answer = site.client.post("/api/sessions/revoke-others", headers=bearer)
        assert answer.json() == {"ended": 1}
        assert "set-cookie" not in answer.headers
        assert site.client.get("/api/session", headers=bearer).status_code == 200
        assert not other.is_signed_in()


def test_L11_revoke_all_ends_every_session_of_the_user(site: Site) -> None:
    """All devices at once, this one too, and nobody else's."""
    ada = [site.browser().signed_in("7") for _ in range(3)]
    copies = [site.browser() for _ in ada]
    for copy, browser in zip(copies, ada, strict=True):
        copy.cookie = browser.cookie
    bob = site.browser().signed_in("8")
    answer = ada[0].post("/api/sessions/revoke-all")
    assert (answer.status_code, answer.json()) == (200, {"ended": 3})
    assert answer.headers["set-cookie"] == DELETION
    assert [browser.is_signed_in() for browser in (*copies, bob)] == [False, False, False, True]


# --- recent authentication


@pytest.mark.parametrize(("method", "path"), SENSITIVE)
def test_A1_L14_ending_sessions_needs_recent_authentication(site: Site, method: str, path: str) -> None:
    """Older than a quarter of an hour it is refused, whatever was done meanwhile, and nothing ends."""
    browser, other = site.browser().signed_in(), site.browser(SAFARI).signed_in()
    path = path.format(id=other.id())
    for _ in range(3):
        site.clock.advance(LATER / 3)
        assert browser.is_signed_in()
    answer = browser.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.json() == problem(401, "Recent authentication required", reason="authentication_too_old", max_age=900)
    assert "set-cookie" not in answer.headers
    assert browser.is_signed_in()
    assert other.is_signed_in()
    assert browser.post("/reauthenticate").status_code == 200
    assert browser.request(method, path).status_code in {200, 204}
    assert not other.is_signed_in()


@pytest.mark.parametrize(("method", "path"), SENSITIVE)
def test_A1_nobody_is_asked_to_sign_in_first(site: Site, method: str, path: str) -> None:
    """Without a session the reason is that, not the age of an authentication."""
    answer = site.browser().request(method, path.format(id="x"))
    assert (answer.status_code, answer.json()["reason"]) == (401, "no_token")


def test_A1_how_recent_is_a_setting(tmp_path: Path) -> None:
    """The application says how long ago is recent."""
    site = Site(tmp_path, router=session_router(recent_auth_within=timedelta(hours=2)))
    with site.client:
        browser = site.browser().signed_in()
        site.clock.advance(timedelta(hours=2))
        assert browser.post("/api/sessions/revoke-others").status_code == 200
        site.clock.advance(timedelta(seconds=1))
        answer = browser.post("/api/sessions/revoke-others")
        assert (answer.status_code, answer.json()["max_age"]) == (401, 7200)


def test_A1_reading_and_signing_out_need_none(site: Site) -> None:
    """The list can always be seen, and the door always stands open."""
    browser = site.browser().signed_in()
    site.clock.advance(timedelta(days=2))
    assert browser.get("/api/sessions").status_code == 200
    assert browser.post("/api/sign-out").status_code == 204


@pytest.mark.parametrize("within", [timedelta(0), timedelta(seconds=-1)])
def test_an_impossible_duration_fails_when_the_router_is_made(within: timedelta) -> None:
    """No request would ever be recent enough."""
    with pytest.raises(ConfigurationError) as refused:
        session_router(recent_auth_within=within)
    fix = "use more than zero, such as 15 minutes"
    assert str(refused.value) == f"recent_auth_within={within} is not possible: {fix}"


# --- signing out


def test_L7_C10_signing_out_ends_the_session_and_deletes_the_cookie(site: Site) -> None:
    """204, the same cookie with the same attributes deleted, and a copy of it is dead."""
    browser, copy = site.browser().signed_in(), site.browser()
    copy.cookie = browser.cookie
    answer = browser.post("/api/sign-out")
    assert (answer.status_code, answer.content, answer.headers["set-cookie"]) == (204, b"", DELETION)
    assert not copy.is_signed_in()


def test_L9_signing_out_nobody_is_fine_and_writes_nothing(site: Site) -> None:
    """204 without a cookie, and no look into the store."""
    calls = list(site.store.calls)
    answer = site.browser().post("/api/sign-out")
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers
    assert site.store.calls == calls


@pytest.mark.parametrize("cookie", ["../../x", "A" * 43])
def test_signing_out_with_a_dead_cookie_takes_it_back(site: Site, cookie: str) -> None:
    """204, and the browser is rid of it."""
    browser = site.browser()
    browser.cookie = cookie
    answer = browser.post("/api/sign-out")
    assert (answer.status_code, answer.headers["set-cookie"]) == (204, DELETION)
