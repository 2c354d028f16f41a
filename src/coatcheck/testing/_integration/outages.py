"""Nobody is signed out because nobody can tell who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.testing._integration.common import user_of

if TYPE_CHECKING:
    from coatcheck.testing._integration.sites import FragileSite


class Outages:
    """What holds besides on a store that can be away."""

    def test_S9_an_outage_is_never_a_sign_out(self, site: FragileSite) -> None:
        """It is a 503 that says when to try again, and the cookie stays; afterwards all is as before."""
        browser = site.browser()
        browser("POST", "/sign-in/ann")
        with site.outage():
            for method, path in (
                ("GET", "/all"),
                ("POST", "/set/a/1"),
                ("POST", "/step-up"),
                ("POST", "/sign-out"),
                ("POST", "/clear"),
                ("POST", "/sign-in/bob"),
            ):
                answer = browser(method, path)
                assert answer.status == 503, path
                assert answer.all("retry-after")
                assert not answer.all("set-cookie")
            assert browser("GET", "/plain").status == 200
        assert user_of(browser("GET", "/all")) == "ann"
