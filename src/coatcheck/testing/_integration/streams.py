"""What is open ends with its session, and only with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck.testing.browsers import SocketRefused

if TYPE_CHECKING:
    from coatcheck.testing._integration.sites import SilentSite, Site, SocketSite, StreamingSite
    from coatcheck.testing.browsers import Browser

SESSION_ENDED = 4001


class Streams:
    """Responses that go on, such as server-sent events."""

    def test_X8_a_stream_ends_with_its_session_and_no_other(self, site: StreamingSite) -> None:
        """Another user's end does not end it, nor does another token; then its own end does."""
        ann, bob = _visitors(site)
        with ann.stream("/stream") as hers, bob.stream("/stream") as his:
            assert b"ann" in hers.read()
            assert b"bob" in his.read()
            assert ann("POST", "/step-up").status == 200
            site.revoke("bob")
            his.rest()
            assert hers.goes_on()
            ann("POST", "/sign-out")
            hers.rest()

    def test_X8_nothing_is_streamed_to_nobody(self, site: StreamingSite) -> None:
        """Who has no session is refused."""
        assert site.browser()("GET", "/stream").status == 401


class SilentStreams:
    """Streams in which nothing happens."""

    def test_X8_a_silent_stream_ends_at_once(self, site: SilentSite) -> None:
        """Although the application waits for something else, and will wait on."""
        ann, bob = _visitors(site)
        with ann.stream("/silence") as hers, bob.stream("/silence") as his:
            assert b"ann" in hers.read()
            assert b"bob" in his.read()
            site.revoke("ann")
            assert hers.rest() == b""
            bob("POST", "/sign-out")
            assert his.rest() == b""


class Sockets:
    """WebSockets."""

    def test_X8_a_socket_is_closed_with_its_session_and_no_other(self, site: SocketSite) -> None:
        """With a code that tells the client not to come back."""
        ann, bob = _visitors(site)
        with ann.socket("/socket") as hers, bob.socket("/socket") as his:
            for socket in (hers, his):
                socket.say("one")
                assert socket.hear() == "one"
            assert ann("POST", "/step-up").status == 200
            site.revoke("bob")
            assert his.closed() == SESSION_ENDED
            hers.say("two")
            assert hers.hear() == "two"
            ann("POST", "/sign-out")
            assert hers.closed() == SESSION_ENDED

    def test_X8_no_socket_is_opened_for_nobody(self, site: SocketSite) -> None:
        """Who has no session is refused before it is open."""
        with pytest.raises(SocketRefused), site.browser().socket("/socket"):
            pass


def _visitors(site: Site) -> tuple[Browser, Browser]:
    ann, bob = site.browser(), site.browser()
    for browser, user in ((ann, "ann"), (bob, "bob")):
        assert browser("POST", f"/sign-in/{user}").status == 200
    return ann, bob
