"""A client that sends octets: what no HTTP library would send is what the advisories are about."""

from __future__ import annotations

import json
import socket
from typing import Any, ClassVar, NamedTuple

from tests.servers.waiting import DEADLINE, until

OWN = "Sec-Fetch-Site: same-origin"


class Reply(NamedTuple):
    """One answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """A server, asked over a connection of its own each time, so that any of its processes may answer."""

    def __init__(self, port: int) -> None:
        self.port = port

    def send(self, octets: bytes) -> Reply:
        """Send octets, and return what the server says until it hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as connection:
            connection.sendall(octets)
            said = b""
            while chunk := connection.recv(65_536):
                said += chunk
        head, _, body = said.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        if ("transfer-encoding", "chunked") in [(name.lower(), value.lower()) for name, value in headers]:
            body = _whole(body)
        return Reply(int(first.split(" ")[1]), headers, body)

    def ask(self, method: str, target: str, *lines: str | bytes, body: bytes = b"") -> Reply:
        """Send a request with these header lines, in octets or in Latin-1."""
        octets = [line.encode("latin-1") if isinstance(line, str) else line for line in lines]
        length = [b"Content-Length: %d" % len(body)] if body or method != "GET" else []
        head = [f"{method} {target} HTTP/1.1".encode("latin-1"), b"Host: shop.example", b"Connection: close"]
        return self.send(b"\r\n".join([*head, *octets, *length, b"", b""]) + body)


def _whole(body: bytes) -> bytes:
    parts = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if not length:
            break
        parts, body = parts + body[:length], body[length + 2 :]
    return parts


class Browser:
    """One browser: it keeps the session's cookie, and says that its requests are the site's own."""

    seen: ClassVar[set[str]] = set()
    """Every token that any site has given to anybody: none of them may be in a log."""

    def __init__(self, wire: Wire, cookie: str) -> None:
        self.wire = wire
        self.cookie = cookie
        self.token = ""

    @property
    def line(self) -> str:
        return f"Cookie: {self.cookie}={self.token}"

    def __call__(self, method: str, target: str, *lines: str | bytes) -> Reply:
        own = [OWN, *([self.line] if self.token else []), *lines]
        reply = self.wire.ask(method, target, *own)
        for given in reply.all("set-cookie"):
            name, _, value = given.partition(";")[0].partition("=")
            if name == self.cookie:
                self.token = "" if "Max-Age=0" in given or value in {"", '""'} else value
                self.seen.update({value} - {"", '""'})
        return reply

    def get(self, target: str, *lines: str | bytes) -> Reply:
        return self("GET", target, *lines)

    def post(self, target: str, *lines: str | bytes) -> Reply:
        reply = self("POST", target, *lines)
        assert reply.status == 200, (target, reply.status, reply.body[:500])
        return reply

    def who(self) -> str:
        """Return who is signed in with what the browser has; asked often enough for each process to answer."""
        answers = {(reply.status, reply.text if reply.status == 200 else "") for reply in self._asked(4)}
        assert len(answers) == 1, answers
        [(status, user)] = answers
        assert status in {200, 401}
        return user

    def is_over(self) -> bool:
        """Wait until nobody is signed in with what the browser has, in any process.

        A notification takes a moment; what it may take at most is tested elsewhere.
        """
        return until(lambda: {reply.status for reply in self._asked(12)} == {401}, "every process has heard of it")

    def _asked(self, times: int) -> list[Reply]:
        lines = [self.line] if self.token else []
        return [self.wire.ask("GET", "/me", "Accept: application/json", *lines) for _ in range(times)]

    def stolen(self) -> Browser:
        """Return somebody else's browser with the same cookie."""
        thief = Browser(self.wire, self.cookie)
        thief.token = self.token
        return thief
