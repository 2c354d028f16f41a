"""What the JSON API tells of sessions."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.api import session_router
from coatcheck.testing.clock import START
from tests.api.site import NAME, SAFARI, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400


def strings(value: Any) -> Iterator[str]:
    """Return every text in a JSON value, keys too."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def test_session_is_the_user_with_the_end_in_seconds(site: Site) -> None:
    """`GET /session` answers id, email, name and role of the user, the session's public id, and exp."""
    browser = site.browser().signed_in()
    answer = browser.get("/api/session")
    listed = browser.get("/api/sessions").json()["sessions"]
    assert answer.status_code == 200
    assert answer.json() == {
        "id": "7",
        "email": "ada@example.org",
        "name": "Ada",
        "role": "editor",
        "session_id": listed[0]["id"],
        "exp": int(START.timestamp()) + 7 * DAY,
    }


def test_session_of_a_user_without_particulars_says_null(site: Site) -> None:
    """What the users table does not know is null, not missing."""
    answer = site.browser().signed_in("8").get("/api/session").json()
    assert (answer["email"], answer["name"], answer["role"]) == (None, "Bob", None)


def test_exp_is_the_earlier_of_both_expiries(site: Site) -> None:
    """A session that ends before it could be idle for long says when."""
    browser = site.browser()
    created = site.call(partial(site.sessions.create, "7", lifetime=timedelta(days=2)))
    browser.cookie = created.token.reveal()
    assert browser.get("/api/session").json()["exp"] == int(START.timestamp()) + 2 * DAY
    assert browser.get("/api/sessions").json()["sessions"][0]["expires_at"] == "2100-01-03T00:00:00Z"


def test_exp_moves_with_use(site: Site) -> None:
    """Using a session puts its idle expiry off."""
    browser = site.browser().signed_in()
    site.clock.advance(timedelta(days=5))
    assert browser.is_signed_in()
    site.call(site.sessions.flush)
    assert browser.get("/api/session").json()["exp"] == int(START.timestamp()) + 12 * DAY


def test_L18_a_role_changed_in_the_users_table_is_in_the_next_answer(site: Site) -> None:
    """The user is not frozen into the session."""
    browser = site.browser().signed_in()
    assert browser.get("/api/session").json()["role"] == "editor"
    site.sql("UPDATE users SET role = 'reader'")
    assert browser.get("/api/session").json()["role"] == "reader"


@pytest.mark.parametrize(
    ("cookie", "reason"),
    [(None, "no_token"), ("", "no_token"), ("../../x", "malformed"), ("A" * 43, "unknown")],
    ids=["none", "empty", "malformed", "unknown"],
)
@pytest.mark.parametrize("path", ["session", "sessions"])
def test_nobody_is_a_401_problem(site: Site, path: str, cookie: str | None, reason: str) -> None:
    """Without a session the answer is problem details with the reason; also for a browser that wants a page."""
    browser = site.browser()
    headers = {"Accept": "text/html"}
    if cookie is not None:
        headers["Cookie"] = f"{NAME}={cookie}"
    answer = browser.get(f"/api/{path}", headers=headers, follow_redirects=False)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {"type": "about:blank", "title": "Sign-in required", "status": 401, "reason": reason}
    assert "set-cookie" not in answer.headers


def test_an_anonymous_visitor_is_nobody(site: Site) -> None:
    """A session without a user is no sign-in."""
    browser = site.browser()
    assert browser.post("/visit").status_code == 200
    assert browser.cookie is not None
    assert browser.get("/api/session").status_code == 401
    assert browser.get("/api/sessions").status_code == 401


def test_an_expired_session_says_so(site: Site) -> None:
    """The reason tells an expired session from an unknown one."""
    browser = site.browser().signed_in()
    site.clock.advance(timedelta(days=8))
    answer = browser.get("/api/session")
    assert (answer.status_code, answer.json()["reason"]) == (401, "expired")


def test_sessions_are_devices_newest_first(site: Site) -> None:
    """The list has readable names, times in UTC, and says which one asks."""
    desktop = site.browser().signed_in()
    site.clock.advance(timedelta(hours=1))
    phone = site.browser(SAFARI).signed_in()
    assert phone.get("/api/sessions").json() == {
        "sessions": [
            {
                "id": phone.id(),
                "device": "Safari on iPhone",
                "ip": None,
                "created_at": "2100-01-01T01:00:00Z",
                "last_seen_at": "2100-01-01T01:00:00Z",
                "expires_at": "2100-01-08T01:00:00Z",
                "current": True,
            },
            {
                "id": desktop.id(),
                "device": "Firefox 143 on Windows",
                "ip": None,
                "created_at": "2100-01-01T00:00:00Z",
                "last_seen_at": "2100-01-01T00:00:00Z",
                "expires_at": "2100-01-08T00:00:00Z",
                "current": False,
            },
        ]
    }
    marked = [each["current"] for each in desktop.get("/api/sessions").json()["sessions"]]
    assert marked == [False, True]


def test_the_address_is_the_one_a_trusted_proxy_saw(tmp_path: Path) -> None:
    """Each device is listed with its address."""
    site = Site(tmp_path, trusted_hops=1)
    with site.client:
        browser = site.browser()
        browser.post("/sign-in/7", headers={"X-Forwarded-For": "198.51.100.9, 2001:DB8::1"})
        assert browser.get("/api/sessions").json()["sessions"][0]["ip"] == "2001:db8::1"


def test_L14_sessions_lists_only_the_users_own(site: Site) -> None:
    """Nobody sees another user's devices."""
    ada, bob = site.browser().signed_in("7"), site.browser().signed_in("8")
    assert [each["id"] for each in ada.get("/api/sessions").json()["sessions"]] == [ada.id()]
    assert [each["id"] for each in bob.get("/api/sessions").json()["sessions"]] == [bob.id()]


def test_sessions_that_have_expired_are_not_listed(site: Site) -> None:
    """Only live sessions are devices."""
    site.browser().signed_in()
    site.clock.advance(timedelta(days=8))
    browser = site.browser().signed_in()
    assert len(browser.get("/api/sessions").json()["sessions"]) == 1


@pytest.mark.parametrize(("limit", "count"), [("", 50), ("?limit=1", 1), ("?limit=3", 3), ("?limit=200", 52)])
def test_limit_says_how_many_are_listed(site: Site, limit: str, count: int) -> None:
    """At most 50 unless told, newest first."""
    browsers = [site.browser().signed_in() for _ in range(52)]
    site.clock.advance(timedelta(minutes=1))
    listed = browsers[0].signed_in().get(f"/api/sessions{limit}").json()["sessions"]
    assert len(listed) == count
    assert listed[0]["current"]


NOT_A_NUMBER = "Input should be a valid integer, unable to parse string as an integer"


@pytest.mark.parametrize(
    ("limit", "detail"),
    [
        ("0", "Input should be greater than or equal to 1"),
        ("-1", "Input should be greater than or equal to 1"),
        ("201", "Input should be less than or equal to 200"),
        ("9" * 30, "Input should be less than or equal to 200"),
        ("", NOT_A_NUMBER),
        ("ten", NOT_A_NUMBER),
        ("1.5", NOT_A_NUMBER),
    ],
)
def test_a_bad_limit_is_named(site: Site, limit: str, detail: str) -> None:
    """A page size that is not possible is problem details that name it and say what is possible."""
    answer = site.browser().signed_in().get(f"/api/sessions?limit={limit}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Invalid request",
        "status": 422,
        "detail": f"limit: {detail}",
        "errors": [{"in": "query", "name": "limit", "detail": detail}],
    }


def test_a_stranger_learns_nothing_from_a_bad_limit(site: Site) -> None:
    """Who asks is judged before what they ask."""
    assert site.browser().get("/api/sessions?limit=0").status_code == 401


def test_T10_no_value_in_any_answer_works_as_a_cookie(site: Site) -> None:
    """Everything that the API shows is public: as a cookie each of it is nobody."""
    browser = site.browser().signed_in()
    site.browser(SAFARI).signed_in()
    answers = [
        browser.get("/api/session"),
        browser.get("/api/sessions"),
        browser.post("/api/sessions/revoke-others"),
        browser.delete("/api/sessions/nonsense"),
    ]
    values = {text for answer in answers for text in strings(answer.json())}
    assert browser.id() in values
    assert browser.cookie not in values
    for value in values:
        stranger = site.browser()
        stranger.cookie = value.encode("ascii", "replace").decode()
        assert not stranger.is_signed_in(), value


def test_H1_H2_every_answer_depends_on_the_cookie_and_is_not_kept(site: Site) -> None:
    """`Vary: Cookie` and `Cache-Control: no-store`, whether somebody is signed in or not."""
    for browser in (site.browser(), site.browser().signed_in()):
        for path in ("/api/session", "/api/sessions", "/api/sessions?limit=0"):
            answer = browser.get(path)
            assert answer.headers["vary"] == "Cookie"
            assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("prefix", ["", "/auth/v2"])
def test_the_prefix_is_free(tmp_path: Path, prefix: str) -> None:
    """The router answers wherever it is mounted."""
    site = Site(tmp_path, prefix)
    with site.client:
        assert site.browser().signed_in().get(f"{prefix}/session").json()["id"] == "7"


def test_bearer_clients_use_it_too(tmp_path: Path) -> None:
    """Where bearer tokens are switched on, the same routes serve API clients."""
    site = Site(tmp_path, bearer=True)
    with site.client:
        created = site.call(site.sessions.create, "7")
        bearer = {"Authorization": f"Bearer {created.token.reveal()}"}
        assert site.client.get("/api/session", headers=bearer).json()["session_id"] == created.session.id
        refused = site.client.get("/api/session")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


def test_a_router_without_its_middleware_says_what_is_missing(tmp_path: Path) -> None:
    """A wiring mistake is an error for the developer, never an open door."""
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from coatcheck import ConfigurationError

    app = FastAPI()
    app.include_router(session_router())
    with TestClient(app) as client, pytest.raises(ConfigurationError, match=r"no SessionMiddleware has seen"):
        client.get("/session")


def test_times_are_aware_and_utc(site: Site) -> None:
    """Each time can be read by any ISO 8601 parser, and says its zone."""
    listed = site.browser().signed_in().get("/api/sessions").json()["sessions"][0]
    for name in ("created_at", "last_seen_at", "expires_at"):
        assert datetime.fromisoformat(listed[name]).utcoffset() == timedelta(0)
