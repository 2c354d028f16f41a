"""What a response says about the session."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import TYPE_CHECKING

from coatcheck.testing._integration.common import Visited, varies

if TYPE_CHECKING:
    from coatcheck.testing._integration.sites import Site
    from coatcheck.testing.browsers import Browser


class Responses(Visited):
    """No cache gives one user's response to another."""

    def test_H1_a_look_in_any_form_varies_the_response(self, site: Site, browser: Browser) -> None:
        """With a session, with a cookie that is none, and without a cookie."""
        for cookies in (None, {site.cookie: token_urlsafe(32)}, {}):
            for way in site.ways:
                assert varies(browser("GET", f"/look/{way}", cookies)), way
            if cookies is None:
                browser("POST", "/sign-in/ann")
        assert not varies(browser("GET", "/plain", {}))

    def test_H2_no_cache_stores_a_response_with_the_cookie(self, browser: Browser) -> None:
        """Nor one that takes it back."""
        for path in ("/set/a/1", "/sign-in/ann", "/step-up", "/sign-out"):
            answer = browser("POST", path)
            assert answer.all("set-cookie")
            assert "no-store" in answer.all("cache-control")[0]
            assert varies(answer)

    def test_C6_a_response_has_one_cookie_of_the_session(self, browser: Browser) -> None:
        """Whatever has happened in the request."""
        browser("POST", "/set/a/1")
        for path in ("/sign-in/ann", "/sign-in/ann", "/set/a/2", "/sign-out"):
            assert len(browser("POST", path).all("set-cookie")) <= 1
