"""Servers for a site under test: they call a WSGI or ASGI application as a server does, or ask one that listens."""

from __future__ import annotations

import io
from contextlib import closing, contextmanager
from http.client import HTTPConnection, IncompleteRead
from itertools import chain
from socket import create_connection
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

from coatcheck.testing._loops import ASGIServer, LoopThread
from coatcheck.testing.browsers import PATIENCE, Answer, SocketRefused, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from http.client import HTTPResponse

    from coatcheck.testing.browsers import Socket

__all__ = ["ASGIServer", "ListeningServer", "LoopThread", "WSGIServer"]


class WSGIServer:
    """Calls a WSGI application, on the thread of whoever asks."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        """Keep the application."""
        self._application = application

    def __call__(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        """Serve one request."""
        with self._begun(method, path, headers) as (status, named, body):
            return Answer(status, named, b"".join(body))

    @contextmanager
    def stream(self, path: str, headers: dict[str, str]) -> Generator[Stream]:
        """Send a GET; the application runs whenever somebody reads."""
        with self._begun("GET", path, headers) as (status, _, parts):
            yield Stream(status, lambda: next(parts, b""))

    @contextmanager
    def _begun(
        self, method: str, path: str, headers: dict[str, str]
    ) -> Generator[tuple[int, list[tuple[str, str]], Iterator[bytes]]]:
        begun: list[tuple[Any, ...]] = []

        def start_response(*start: Any) -> None:
            begun.append(start)

        body = self._application(_environ(method, path, headers), start_response)
        try:
            parts = iter(body)
            early = [] if begun else [next(parts, b"")]  # a generator begins when it is asked for its first part
            status, pairs, *_ = begun[-1]
            yield int(status.split()[0]), [(name.lower(), value) for name, value in pairs], chain(early, parts)
        finally:
            getattr(body, "close", lambda: None)()


def _environ(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    route, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": route,
        "QUERY_STRING": query,
        "REMOTE_ADDR": "192.0.2.7",
        "CONTENT_LENGTH": "0",
        "wsgi.input": io.BytesIO(),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }
    setup_testing_defaults(environ)
    return environ


class ListeningServer:
    """Asks a server that listens somewhere, whatever it is made of, with a connection for each request."""

    def __init__(self, host: str, port: int) -> None:
        """Keep where it listens, without TLS."""
        self._host = host
        self._port = port

    def __call__(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        """Have one request served."""
        with self._begun(method, path, headers) as response:
            pairs = [(name.lower(), value) for name, value in response.getheaders()]
            return Answer(response.status, pairs, response.read())

    @contextmanager
    def stream(self, path: str, headers: dict[str, str]) -> Generator[Stream]:
        """Send a GET, and give what comes while it comes."""
        with self._begun("GET", path, headers) as response:
            yield Stream(response.status, lambda: _part_of(response))

    @contextmanager
    def _begun(self, method: str, path: str, headers: dict[str, str]) -> Generator[HTTPResponse]:
        with closing(HTTPConnection(self._host, self._port, timeout=PATIENCE)) as connection:
            connection.request(method, path, headers=headers)
            yield connection.getresponse()

    @contextmanager
    def socket(self, path: str, headers: dict[str, str]) -> Generator[Socket]:
        """Open a WebSocket; needs the package `websockets`.

        Raises:
            SocketRefused: The site does not want to.
        """
        from websockets.exceptions import InvalidStatus  # noqa: PLC0415 - only these tests need it
        from websockets.sync.client import connect  # noqa: PLC0415 - the same

        place = f"ws://{headers.pop('host')}{path}"
        there = create_connection((self._host, self._port), PATIENCE)
        try:
            connection = connect(place, sock=there, additional_headers=headers, user_agent_header=None, proxy=None)
        except InvalidStatus as refused:
            raise SocketRefused(str(refused)) from None
        with connection:
            yield _Connected(connection)


def _part_of(response: HTTPResponse) -> bytes:
    try:
        return response.read1(65_536)
    except (IncompleteRead, ConnectionError):
        return b""  # cut, which is an end as well


class _Connected:
    """A WebSocket of the package `websockets`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def say(self, text: str) -> None:
        self._connection.send(text)

    def hear(self) -> str:
        return str(self._connection.recv(timeout=PATIENCE))

    def closed(self) -> int:
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - as above

        try:
            while True:
                self.hear()
        except ConnectionClosed as end:
            return 1006 if end.rcvd is None else int(end.rcvd.code)
