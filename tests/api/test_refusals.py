"""Requests that the JSON API does not serve: bodies, methods, other sites, and outages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter, Depends, HTTPException

from coatcheck.api import session_router
from coatcheck.api.models import SessionProblem
from tests.api.site import Site

if TYPE_CHECKING:
    from pathlib import Path

UNSAFE = [
    ("DELETE", "/api/sessions/{id}"),
    ("POST", "/api/sessions/revoke-others"),
    ("POST", "/api/sessions/revoke-all"),
    ("POST", "/api/sign-out"),
]
ROUTES = [("GET", "/api/session"), ("GET", "/api/sessions"), *UNSAFE]
SIMPLE = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "TEXT/PLAIN"]


def refusal(answer: Any) -> tuple[int, str]:
    """Return status and detail of problem details that are whole."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    found = SessionProblem.model_validate(answer.json(), extra="forbid")
    assert found.status == answer.status_code
    return found.status, found.detail or ""


# --- bodies


@pytest.mark.parametrize("content_type", [*SIMPLE, None, "application/xml", "application/json-seq", "json"])
@pytest.mark.parametrize(("method", "path"), UNSAFE)
def test_X3_a_body_that_is_not_json_is_refused(site: Site, method: str, path: str, content_type: str | None) -> None:
    """A form of another site can send only simple content types: 415, and nothing ends."""
    browser = site.browser().signed_in()
    path = path.format(id=browser.id())
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = browser.request(method, path, content=b"{}", headers=headers)
    assert refusal(answer) == (415, "send no body, or {} as application/json")
    assert "set-cookie" not in answer.headers
    assert browser.is_signed_in()


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON ; charset=utf-8"])
@pytest.mark.parametrize("body", [b"{}", b" {} ", b"null"])
def test_X3_empty_json_is_fine(site: Site, body: bytes, content_type: str) -> None:
    """A client that always sends JSON is served."""
    headers = {"Content-Type": content_type}
    answer = site.browser().signed_in().post("/api/sessions/revoke-others", content=body, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("content_type", SIMPLE)
def test_X3_no_body_is_fine_whatever_its_type(site: Site, content_type: str) -> None:
    """`fetch` with an empty body names a type too."""
    answer = site.browser().signed_in().post("/api/sign-out", headers={"Content-Type": content_type})
    assert answer.status_code == 204


@pytest.mark.parametrize(
    "body",
    [b"{", b"nonsense", b"\xff\xfe", b"[" * 1000, b"{}{}", b'{"a":'],
    ids=["open", "word", "bytes", "deep", "two", "half"],
)
@pytest.mark.parametrize(("method", "path"), UNSAFE)
def test_a_malformed_body_is_named(site: Site, method: str, path: str, body: bytes) -> None:
    """JSON that is none is 400, and nothing ends."""
    browser = site.browser().signed_in()
    headers = {"Content-Type": "application/json"}
    answer = browser.request(method, path.format(id=browser.id()), content=body, headers=headers)
    assert refusal(answer) == (400, "body: not JSON; send no body, or {}")
    assert browser.is_signed_in()


@pytest.mark.parametrize("value", [{"keep": "x"}, [], [1], "x", 0, 1, False, True], ids=repr)
def test_a_body_with_content_is_refused(site: Site, value: Any) -> None:
    """Who sends something expects something of it; nothing is ignored."""
    answer = site.browser().signed_in().post("/api/sessions/revoke-others", json=value)
    assert refusal(answer) == (422, "body: this request takes none; send no body, or {}")


def test_S12_a_large_body_is_not_read(site: Site) -> None:
    """After a kibibyte it is enough, whatever the request says of its length."""
    headers = {"Content-Type": "application/json"}
    browser = site.browser().signed_in()
    assert refusal(browser.post("/api/sign-out", content=b" " * 1025, headers=headers)) == (413, "send no body, or {}")
    assert refusal(browser.post("/api/sign-out", content=iter([b" " * 600] * 2), headers=headers)) == (
        413,
        "send no body, or {}",
    )
    assert browser.post("/api/sign-out", content=b"{}" + b" " * 1022, headers=headers).status_code == 204


# --- methods


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/session", "GET"),
        ("PUT", "/api/sessions", "GET"),
        ("GET", "/api/sign-out", "POST"),
        ("GET", "/api/sessions/x", "DELETE"),
    ],
)
def test_another_method_is_a_problem_too(site: Site, method: str, path: str, allowed: str) -> None:
    """405 says what is allowed."""
    answer = site.browser().signed_in().request(method, path)
    assert refusal(answer) == (405, f"use {allowed}")
    assert answer.headers["allow"] == allowed


def test_what_the_applications_own_dependency_refuses_is_a_problem_too(tmp_path: Path) -> None:
    """A rate limit around the router, say: its status, its words and its headers."""

    def limited() -> None:
        raise HTTPException(429, "Too many requests", headers={"Retry-After": "5"})

    router = APIRouter()
    router.include_router(session_router(), dependencies=[Depends(limited)])
    site = Site(tmp_path, router=router)
    with site.client:
        answer = site.browser().get("/api/session")
        assert refusal(answer) == (429, "")
        assert answer.json()["title"] == "Too many requests"
        assert answer.headers["retry-after"] == "5"


# --- other sites


@pytest.mark.parametrize(("method", "path"), UNSAFE)
def test_X6_another_site_cannot_end_anything(site: Site, method: str, path: str) -> None:
    """A request that another site made is 403 in problem details, and the session lives on."""
    browser = site.browser().signed_in()
    path = path.format(id=browser.id())
    answer = browser.request(method, path, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.json()["reason"] == "cross-site"
    assert refusal(answer) == (403, "")
    assert browser.is_signed_in()


# --- outages


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_S9_an_outage_is_503_and_the_cookie_stays(site: Site, method: str, path: str) -> None:
    """Nobody can tell who is signed in: 503 with Retry-After, no Set-Cookie, and afterwards all is as before."""
    browser = site.browser().signed_in()
    path = path.format(id=browser.id())
    site.store.fail("read", "poll", "find", "list_sessions", "revoke", "rotate")
    # Somebody else has committed, so what is in memory has to be proved again.
    site.sql("UPDATE users SET name = 'Ada L.'")
    answer = browser.request(method, path, headers={"Accept": "text/html"})
    assert refusal(answer) == (503, "Try again shortly.")
    assert answer.headers["retry-after"] == "1"
    assert "set-cookie" not in answer.headers
    site.store.heal()
    assert browser.is_signed_in()


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[1] != "/api/session"])
def test_S9_an_outage_in_the_middle_is_one_too(site: Site, method: str, path: str) -> None:
    """The session was read, and then the store went: still 503, and the cookie is not taken back."""
    browser = site.browser().signed_in()
    path = path.format(id=browser.id())
    site.store.fail("list_sessions", "revoke")
    answer = browser.request(method, path)
    assert refusal(answer) == (503, "Try again shortly.")
    assert browser.cookie is not None
    site.store.heal()
    assert browser.is_signed_in()


def test_S9_a_lost_answer_of_a_sign_out_can_be_repeated(site: Site) -> None:
    """The session has ended and nobody knows: the cookie stays until the next try."""
    browser = site.browser().signed_in()
    site.store.lose_answers("revoke", times=1)
    assert browser.post("/api/sign-out").status_code == 503
    assert browser.cookie is not None
    assert browser.post("/api/sign-out").status_code == 204
    assert browser.cookie is None


def test_T9_no_refusal_repeats_the_token(site: Site) -> None:
    """A token in the wrong place is not echoed."""
    browser = site.browser().signed_in()
    token = browser.cookie or ""
    headers = {"Content-Type": "application/json"}
    answers = [
        browser.get(f"/api/sessions?limit={token}"),
        browser.delete(f"/api/sessions/{token}"),
        browser.delete(f"/api/sessions/{token}%20"),
        browser.post("/api/sign-out", content=json.dumps({"token": token}), headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [422, 404, 422, 422]
    assert all(token not in answer.text for answer in answers)
