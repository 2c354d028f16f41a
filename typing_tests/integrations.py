"""What type checkers must understand of the suite for integrations; never run."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, assert_type

from coatcheck.testing.browsers import Answer, Browser, Pause, Server, Socket, SocketServer, Stream, StreamServer
from coatcheck.testing.integration_conformance import (
    FragileSite,
    IntegrationConformance,
    OutageConformance,
    SilentSite,
    Site,
    SocketSite,
    StreamingSite,
)
from coatcheck.testing.servers import ASGIServer, ListeningServer, WSGIServer


class Own:
    """A site inherits nothing."""

    cookie = "session"
    ways = ("get", "in")

    def __init__(self) -> None:
        """Have a place where requests wait."""
        self.pause = Pause()

    def browser(self) -> Browser:
        """Return a browser for a server that is a function."""
        return Browser(serve)

    def sessions(self) -> int:
        """Count."""
        return 0

    def contents(self) -> str:
        """Dump."""
        return ""

    def outage(self) -> AbstractContextManager[None]:
        """Be away."""
        return nullcontext()

    def revoke(self, user: str) -> None:
        """End all of a user's."""


def serve(method: str, path: str, headers: dict[str, str]) -> Answer:
    """Answer."""
    return Answer(200, [(method, path), *headers.items()], b"")


class TestOwn(IntegrationConformance, OutageConformance):
    """The parts of the suite go together."""


site: Site = Own()
fragile: FragileSite = Own()
streaming: StreamingSite = Own()
silent: SilentSite = Own()
sockets: SocketSite = Own()


def servers(application: Any) -> None:
    """The servers are what browsers want."""
    streams: StreamServer = WSGIServer(application)
    with streams.stream("/stream", {}) as first:
        assert_type(first, Stream)
    talks: SocketServer = ASGIServer(application)
    with talks.socket("/socket", {}) as second:
        assert_type(second, Socket)
    listens: Server = ListeningServer("127.0.0.1", 8000)
    browser = Browser(listens)
    assert_type(browser("GET", "/"), Answer)
    with browser.stream("/stream") as stream, browser.socket("/socket") as socket:
        assert_type(stream, Stream)
        assert_type(socket, Socket)
