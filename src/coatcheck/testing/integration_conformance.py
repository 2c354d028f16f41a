"""Whether an integration with a framework keeps what every integration keeps, whatever the framework is."""

from __future__ import annotations

from coatcheck.testing._integration.changes import Changes
from coatcheck.testing._integration.endings import Endings
from coatcheck.testing._integration.outages import Outages
from coatcheck.testing._integration.responses import Responses
from coatcheck.testing._integration.sites import FragileSite, SilentSite, Site, SocketSite, StreamingSite
from coatcheck.testing._integration.streams import SilentStreams, Sockets, Streams
from coatcheck.testing._integration.tokens import Tokens

__all__ = [
    "FragileSite",
    "IntegrationConformance",
    "OutageConformance",
    "SilentSite",
    "SilentStreamConformance",
    "Site",
    "SocketConformance",
    "SocketSite",
    "StreamConformance",
    "StreamingSite",
]


class IntegrationConformance(Tokens, Endings, Changes, Responses):
    """The promises of an integration, each with a test.

    Subclass it under a name that pytest collects, and give it a fixture `site`: a `Site` of your framework, on a store
    that is empty. What else the framework can do has a class of its own, to be inherited beside this one.

        class TestMyFramework(IntegrationConformance, OutageConformance):
            @pytest.fixture
            def site(self, tmp_path):
                with MySite(tmp_path) as site:
                    yield site
    """


class OutageConformance(Outages):
    """An outage of the store is never a sign-out; for a `FragileSite`."""


class StreamConformance(Streams):
    """Streams end with their session; for a `StreamingSite`."""


class SilentStreamConformance(SilentStreams):
    """So do those in which nothing happens; for a `SilentSite`, as one in an event loop is."""


class SocketConformance(Sockets):
    """WebSockets are closed with 4001; for a `SocketSite`."""
