"""Requests at once lose nothing."""

from __future__ import annotations

from concurrent.futures import wait
from typing import TYPE_CHECKING

from coatcheck.testing._integration.common import Visited
from coatcheck.testing.browsers import PATIENCE

if TYPE_CHECKING:
    from coatcheck.testing._integration.sites import Site
    from coatcheck.testing.browsers import Browser


class Changes(Visited):
    """Only what a request has changed is written."""

    def test_S8_parallel_requests_lose_no_update(self, site: Site, browser: Browser) -> None:
        """All have read the session before the first of them writes."""
        browser("POST", "/sign-in/ann")
        answers = [browser.start("POST", f"/hold/key{number}/{number}") for number in range(4)]
        site.pause.reached(len(answers))
        site.pause.release(len(answers))
        wait(answers, PATIENCE)
        assert {answer.result().status for answer in answers} == {200}
        kept = browser("GET", "/all").json()
        assert {key: kept[key] for key in kept if key.startswith("key")} == {f"key{n}": str(n) for n in range(4)}

    def test_S8_a_slow_request_writes_back_no_old_value(self, site: Site, browser: Browser) -> None:
        """It changes one key, and another was changed since it has read the session."""
        browser("POST", "/sign-in/ann")
        browser("POST", "/set/kept/old")
        slow = browser.start("POST", "/hold/late/1")
        site.pause.reached()
        browser("POST", "/set/kept/new")
        site.pause.release()
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
