"""Whose token counts, and for how long."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import TYPE_CHECKING

from coatcheck.testing._integration.common import Visited, user_of

if TYPE_CHECKING:
    from coatcheck.testing._integration.sites import Site
    from coatcheck.testing.browsers import Browser


class Tokens(Visited):
    """The server issues them, and nobody else."""

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
            _changes_token(site, browser, "/sign-in/ann")
        assert user_of(browser("GET", "/all")) == "ann"
        assert site.sessions() == 1

    def test_L1_the_token_changes_with_what_its_user_may_do(self, site: Site, browser: Browser) -> None:
        """When they prove again who they are, and when their privileges change; the session goes on."""
        browser("POST", "/sign-in/ann")
        browser("POST", "/set/a/1")
        for path in ("/step-up", "/privileges"):
            _changes_token(site, browser, path)
        assert browser("GET", "/all").json() == {"a": "1", "user": "ann"}
        assert site.sessions() == 1


def _changes_token(site: Site, browser: Browser, path: str) -> None:
    before = browser.cookies[site.cookie]
    assert browser("POST", path).status == 200
    assert browser.cookies[site.cookie] != before
    assert site.browser()("GET", "/all", {site.cookie: before}).json() == {}
