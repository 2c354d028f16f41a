"""What every integration keeps, whatever framework it is for, as tests of a small site.

A framework's tests give the fixture `site` and inherit `IntegrationContract`. The site answers these paths:

    GET  /plain              without a look at the session
    GET  /look/WAY           after a look at the session in one of `site.ways`
    GET  /all                with the session's own keys as JSON
    POST /sign-in/USER       after USER has signed in
    POST /sign-out           after sign-out
    POST /clear              after the session was emptied, in the framework's own manner
    POST /set/KEY/VALUE      after KEY was set
    POST /hold/KEY/VALUE     the same; but between its look at the session and the change it waits for `site.release`
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from concurrent.futures import wait
from http.cookies import SimpleCookie
from secrets import token_urlsafe
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import threading
    from contextlib import AbstractContextManager

    from tests.integrations.drivers import Answer, Browser

PATIENCE = 30.0


class Site(ABC):
    """A site of one framework on one store.

    Attributes:
        cookie: The name of the session's cookie.
        ways: In which ways its code can look at a session: get, in, len, bool, iteration.
        held: Set whenever a request waits in /hold.
        release: What lets it go on.
    """

    cookie: str
    ways: tuple[str, ...]
    held: threading.Semaphore
    release: threading.Semaphore

    @abstractmethod
    def browser(self) -> Browser:
        """Return a visitor without cookies."""

    @abstractmethod
    def sessions(self) -> int:
        """Return how many sessions the store has, whoever's they are."""

    @abstractmethod
    def contents(self) -> str:
        """Return all that the store has, to be compared or searched."""


class FragileSite(Site):
    """A site on a store that can be away."""

    @abstractmethod
    def outage(self) -> AbstractContextManager[None]:
        """Have the store not answer."""


class IntegrationContract:
    """The promises."""

    @pytest.fixture
    def browser(self, site: Site) -> Browser:
        """One visitor."""
        return site.browser()

    def test_T5_the_store_has_no_token(self, site: Site, browser: Browser) -> None:
        """A hash only, and that is no credential."""
        browser("POST", "/sign-in/ann")
        assert browser.cookies[site.cookie] not in site.contents()

    def test_T6_a_token_that_nobody_issued_is_never_adopted(self, site: Site, browser: Browser) -> None:
        """Neither when something is stored nor when somebody signs in."""
        for path in ("/set/a/1", "/sign-in/ann"):
            planted = token_urlsafe(32)
            answer = browser("POST", path, {site.cookie: planted})
            assert answer.status == 200
            assert browser.cookies.pop(site.cookie) != planted
            assert user_of(browser("GET", "/all", {site.cookie: planted})) is None

    def test_T7_what_cannot_be_a_token_is_nobodys(self, site: Site, browser: Browser) -> None:
        """Whatever it is, there is an answer, and nothing of it is stored."""
        for value in ("../x", "%00", "' OR 1=1", "x" * 5_000, "\xe9", ""):
            answer = browser("GET", "/all", {site.cookie: value.encode().decode("latin-1")})
            assert user_of(answer) is None
        assert site.sessions() == 0

    def test_L1_the_token_changes_on_sign_in_and_the_old_one_is_dead(self, site: Site, browser: Browser) -> None:
        """Of an anonymous visitor's session, and of a user who signs in once more."""
        browser("POST", "/set/a/1")
        for _ in range(2):
            before = browser.cookies[site.cookie]
            assert browser("POST", "/sign-in/ann").status == 200
            assert browser.cookies[site.cookie] != before
            assert site.browser()("GET", "/all", {site.cookie: before}).json() == {}
        assert user_of(browser("GET", "/all")) == "ann"
        assert site.sessions() == 1

    def test_L7_sign_out_ends_the_session_at_the_store(self, site: Site, browser: Browser) -> None:
        """A cookie that somebody has kept is of no use."""
        browser("POST", "/sign-in/ann")
        kept = dict(browser.cookies)
        browser("POST", "/sign-out")
        assert site.cookie not in browser.cookies
        assert site.sessions() == 0
        assert user_of(browser("GET", "/all", kept)) is None

    @pytest.mark.parametrize("ended_by", ["/sign-out", "/clear"])
    def test_L8_a_slow_request_never_brings_a_session_back(self, site: Site, browser: Browser, ended_by: str) -> None:
        """It has read the session, then the user signs out, then it writes."""
        browser("POST", "/sign-in/ann")
        kept = dict(browser.cookies)
        slow = browser.start("POST", "/hold/late/1")
        assert site.held.acquire(timeout=PATIENCE)
        browser("POST", ended_by, kept)
        site.release.release()
        late = slow.result(PATIENCE)
        assert not any(issued(late, site.cookie))
        assert site.sessions() == 0
        assert browser("GET", "/all", kept).json() == {}

    def test_L9_anonymous_traffic_creates_no_rows(self, site: Site, browser: Browser) -> None:
        """Looks, sign-outs without a session, and cookies that nobody issued."""
        for _ in range(20):
            planted = {site.cookie: token_urlsafe(32)}
            for method, path in (("GET", "/plain"), ("GET", "/all"), ("POST", "/sign-out")):
                for cookies in ({}, planted):
                    assert not any(issued(browser(method, path, cookies), site.cookie))
        assert site.sessions() == 0

    def test_S8_parallel_requests_lose_no_update(self, site: Site, browser: Browser) -> None:
        """All have read the session before the first of them writes."""
        browser("POST", "/sign-in/ann")
        answers = [browser.start("POST", f"/hold/key{number}/{number}") for number in range(4)]
        for _ in answers:
            assert site.held.acquire(timeout=PATIENCE)
        site.release.release(len(answers))
        wait(answers, PATIENCE)
        assert {answer.result().status for answer in answers} == {200}
        kept = browser("GET", "/all").json()
        assert {key: kept[key] for key in kept if key.startswith("key")} == {f"key{n}": str(n) for n in range(4)}

    def test_S8_a_slow_request_writes_back_no_old_value(self, site: Site, browser: Browser) -> None:
        """It changes one key, and another was changed since it has read the session."""
        browser("POST", "/sign-in/ann")
        browser("POST", "/set/kept/old")
        slow = browser.start("POST", "/hold/late/1")
        assert site.held.acquire(timeout=PATIENCE)
        browser("POST", "/set/kept/new")
        site.release.release()
        assert slow.result(PATIENCE).status == 200
        assert browser("GET", "/all").json() == {"kept": "new", "late": "1", "user": "ann"}

    def test_reading_writes_nothing_and_sets_no_cookie(self, site: Site, browser: Browser) -> None:
        """Of somebody who is signed in, however often."""
        browser("POST", "/sign-in/ann")
        before = site.contents()
        for _ in range(5):
            for path in ("/plain", "/all", *(f"/look/{way}" for way in site.ways)):
                assert not browser("GET", path).all("set-cookie")
        assert site.contents() == before

    def test_H1_a_look_in_any_form_varies_the_response(self, site: Site, browser: Browser) -> None:
        """With a session, with a cookie that is none, and without a cookie."""
        for cookies in (None, {site.cookie: token_urlsafe(32)}, {}):
            for way in site.ways:
                answer = browser("GET", f"/look/{way}", cookies)
                assert "cookie" in ",".join(answer.all("vary")).lower(), way
            if cookies is None:
                browser("POST", "/sign-in/ann")
        assert "cookie" not in ",".join(browser("GET", "/plain", {}).all("vary")).lower()

    def test_H2_no_cache_stores_a_response_with_the_cookie(self, site: Site, browser: Browser) -> None:
        """Nor one that takes it back."""
        for path in ("/set/a/1", "/sign-in/ann", "/sign-out"):
            answer = browser("POST", path)
            assert answer.all("set-cookie")
            assert "no-store" in answer.all("cache-control")[0]
            assert "cookie" in ",".join(answer.all("vary")).lower()

    def test_C6_a_response_has_one_cookie_of_the_session(self, site: Site, browser: Browser) -> None:
        """Whatever has happened in the request."""
        browser("POST", "/set/a/1")
        for path in ("/sign-in/ann", "/sign-in/ann", "/set/a/2", "/sign-out"):
            assert len(browser("POST", path).all("set-cookie")) <= 1

    def test_C10_the_cookie_is_taken_back_as_it_was_given(self, site: Site, browser: Browser) -> None:
        """With the same name, path and domain, or a browser keeps it."""
        (given,) = issued(browser("POST", "/sign-in/ann"), site.cookie)
        (taken,) = morsels(browser("POST", "/sign-out"), site.cookie)
        assert taken["max-age"] == "0"
        for attribute in ("path", "domain", "samesite"):
            assert taken[attribute] == given[attribute]


class OutageContract:
    """What holds besides on a store that can be away."""

    def test_S9_an_outage_is_never_a_sign_out(self, site: FragileSite) -> None:
        """It is a 503 that says when to try again, and the cookie stays; afterwards all is as before."""
        browser = site.browser()
        browser("POST", "/sign-in/ann")
        with site.outage():
            for method, path in (
                ("GET", "/all"),
                ("POST", "/set/a/1"),
                ("POST", "/sign-out"),
                ("POST", "/sign-in/bob"),
            ):
                answer = browser(method, path)
                assert answer.status == 503, path
                assert answer.all("retry-after")
                assert not answer.all("set-cookie")
            assert browser("GET", "/plain").status == 200
        assert user_of(browser("GET", "/all")) == "ann"


def user_of(answer: Answer) -> str | None:
    """Return who is signed in, by what /all says."""
    found = re.search(rb'"user": *"([^"]+)"', answer.body)
    return found[1].decode() if found else None


def morsels(answer: Answer, name: str) -> list[dict[str, str]]:
    """Return the attributes of the cookies of a name."""
    return [
        dict(morsel, value=morsel.value)
        for line in answer.all("set-cookie")
        for key, morsel in SimpleCookie(line).items()
        if key == name
    ]


def issued(answer: Answer, name: str) -> list[dict[str, str]]:
    """Return those that are set, and not taken back."""
    return [morsel for morsel in morsels(answer, name) if morsel["max-age"] != "0"]
