"""What has ended stays ended."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import TYPE_CHECKING

import pytest

from coatcheck.testing._integration.common import Visited, issued, morsels, user_of
from coatcheck.testing.browsers import PATIENCE

if TYPE_CHECKING:
    from coatcheck.testing._integration.sites import Site
    from coatcheck.testing.browsers import Browser

_ENDED_BY = pytest.mark.parametrize("ended_by", ["/sign-out", "/clear"])


class Endings(Visited):
    """The end is the store's, and the browser is told."""

    @_ENDED_BY
    def test_L7_the_session_ends_at_the_store(self, site: Site, browser: Browser, ended_by: str) -> None:
        """A cookie that somebody has kept is of no use."""
        browser("POST", "/sign-in/ann")
        kept = dict(browser.cookies)
        browser("POST", ended_by)
        assert site.cookie not in browser.cookies
        assert site.sessions() == 0
        assert user_of(browser("GET", "/all", kept)) is None

    @_ENDED_BY
    def test_L8_a_slow_request_never_brings_a_session_back(self, site: Site, browser: Browser, ended_by: str) -> None:
        """It has read the session, then the user signs out, then it writes."""
        browser("POST", "/sign-in/ann")
        kept = dict(browser.cookies)
        slow = browser.start("POST", "/hold/late/1")
        site.pause.reached()
        browser("POST", ended_by, kept)
        site.pause.release()
        late = slow.result(PATIENCE)
        assert not any(issued(late, site.cookie))
        assert site.sessions() == 0
        assert browser("GET", "/all", kept).json() == {}

    @_ENDED_BY
    def test_C10_the_cookie_is_taken_back_as_it_was_given(self, site: Site, browser: Browser, ended_by: str) -> None:
        """With the same name, path and domain, or a browser keeps it."""
        (given,) = issued(browser("POST", "/sign-in/ann"), site.cookie)
        (taken,) = morsels(browser("POST", ended_by), site.cookie)
        assert taken["max-age"] == "0"
        for attribute in ("path", "domain", "samesite"):
            assert taken[attribute] == given[attribute]

    def test_L9_anonymous_traffic_creates_no_rows(self, site: Site, browser: Browser) -> None:
        """Looks, sign-outs without a session, and cookies that nobody issued."""
        for _ in range(5):
            planted = {site.cookie: token_urlsafe(32)}
            for method, path in (("GET", "/plain"), ("GET", "/all"), ("POST", "/sign-out")):
                for cookies in ({}, planted):
                    assert not any(issued(browser(method, path, cookies), site.cookie))
        assert site.sessions() == 0
