"""Browsers for a site under test, and what they need of whatever serves it. The standard library is enough."""

from __future__ import annotations

import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from http.cookies import SimpleCookie
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Answer", "Browser", "Pause", "Server", "Socket", "SocketRefused", "SocketServer", "Stream", "StreamServer"]

PATIENCE: Final = 30.0
"""After so many seconds what has not happened will not: the test fails instead of hanging."""

_ENOUGH: Final = 3
_AT_ONCE: Final = 0.005
"""Seconds: a part that comes sooner has been there before."""

_pool = ThreadPoolExecutor(16, thread_name_prefix="browser")


class Answer(NamedTuple):
    """What a site has answered; the names of headers are in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return the values of a header, one for each line."""
        return [value for key, value in self.headers if key == name]

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Stream:
    """A response that goes on until somebody ends it."""

    def __init__(self, status: int, read: Callable[[], bytes]) -> None:
        """Keep the status, and what waits for the next part; it returns nothing at the end."""
        self.status = status
        self.read = read

    def rest(self) -> bytes:
        """Wait for the end; returns what has come until then.

        Raises:
            TimeoutError: It does not end.
        """
        deadline = monotonic() + PATIENCE
        parts: list[bytes] = []
        while part := self.read():
            parts.append(part)
            if monotonic() > deadline:
                raise TimeoutError("the stream does not end")
        return b"".join(parts)

    def goes_on(self) -> bool:
        """Wait for something that was not on its way already; returns whether the stream has not ended instead.

        Only what has to be waited for counts, so it is for streams that send something again and again.
        """
        waited = 0
        while waited < _ENOUGH:
            asked = monotonic()
            if not self.read():
                return False
            waited += monotonic() - asked > _AT_ONCE
        return True


class Socket(Protocol):
    """A WebSocket that is open."""

    def say(self, text: str) -> None:
        """Send a text."""
        ...

    def hear(self) -> str:
        """Wait for the next text.

        Raises:
            TimeoutError: There is none.
        """
        ...

    def closed(self) -> int:
        """Wait for the end; returns the close code.

        Raises:
            TimeoutError: It does not end.
        """
        ...


class SocketRefused(Exception):
    """The site does not open a WebSocket for this browser."""


class Server(Protocol):
    """Something that answers one request, on whichever thread it is asked."""

    def __call__(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        """Serve one request without a body; the names of the headers are in lower case."""
        ...


@runtime_checkable
class StreamServer(Server, Protocol):
    """A server whose responses can be read while they come."""

    def stream(self, path: str, headers: dict[str, str]) -> AbstractContextManager[Stream]:
        """Send a GET, and give its response once it has begun."""
        ...


@runtime_checkable
class SocketServer(Protocol):
    """A server that can open WebSockets."""

    def socket(self, path: str, headers: dict[str, str]) -> AbstractContextManager[Socket]:
        """Open a WebSocket.

        Raises:
            SocketRefused: The site does not want to.
        """
        ...


class Browser:
    """One visitor, who keeps cookies as a browser does, and whose requests come from the site's own pages.

    Attributes:
        cookies: The cookies there are, by name.
    """

    def __init__(self, server: Server) -> None:
        """Start without cookies."""
        self._server = server
        self.cookies: dict[str, str] = {}

    def __call__(self, method: str, path: str, cookies: dict[str, str] | None = None) -> Answer:
        """Send a request with the cookies there are, or with others, and keep what the answer sets."""
        answer = self._server(method, path, self._headers(self.cookies if cookies is None else cookies))
        for line in answer.all("set-cookie"):
            self._keep(line)
        return answer

    def _headers(self, cookies: dict[str, str]) -> dict[str, str]:
        headers = {
            "host": "site.example",
            "origin": "http://site.example",
            "sec-fetch-site": "same-origin",
            "user-agent": "Browser/1",
        }
        if cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        return headers

    def _keep(self, line: str) -> None:
        for name, morsel in SimpleCookie(line).items():
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value

    def start(self, method: str, path: str) -> Future[Answer]:
        """Send a request beside others."""
        return _pool.submit(self, method, path)

    @contextmanager
    def stream(self, path: str) -> Generator[Stream]:
        """Open a response that goes on.

        Raises:
            TypeError: The server has none to give.
        """
        if not isinstance(self._server, StreamServer):
            msg = f"{type(self._server).__name__} has no method `stream`"
            raise TypeError(msg)
        with self._server.stream(path, self._headers(self.cookies)) as stream:
            yield stream

    @contextmanager
    def socket(self, path: str) -> Generator[Socket]:
        """Open a WebSocket.

        Raises:
            SocketRefused: The site does not want to.
            TypeError: The server has none to give.
        """
        if not isinstance(self._server, SocketServer):
            msg = f"{type(self._server).__name__} has no method `socket`"
            raise TypeError(msg)
        with self._server.socket(path, self._headers(self.cookies)) as socket:
            yield socket


class Pause:
    """Where a request waits in the middle, until a test lets it go on."""

    def __init__(self) -> None:
        """Start with nobody waiting."""
        self._arrived = threading.Semaphore(0)
        self._allowed = threading.Semaphore(0)

    def wait(self) -> None:
        """Wait, as a request; in an event loop with `await asyncio.to_thread(pause.wait)`.

        Raises:
            TimeoutError: Nobody lets it go on.
        """
        self._arrived.release()
        if not self._allowed.acquire(timeout=PATIENCE):
            raise TimeoutError("nobody lets the request go on")

    def reached(self, requests: int = 1) -> None:
        """Return when so many more requests wait.

        Raises:
            TimeoutError: They do not come.
        """
        for _ in range(requests):
            if not self._arrived.acquire(timeout=PATIENCE):
                raise TimeoutError("the request has not come to the place where it waits")

    def release(self, requests: int = 1) -> None:
        """Let so many requests go on."""
        self._allowed.release(requests)
