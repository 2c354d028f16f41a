"""Both processes of the demo: inside the test, and as they really run."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from httpx2 import Response
    from starlette.testclient import TestClient

COOKIE = "__Host-session"
PASSWORD = "correct horse"


class Browser:
    """A browser as far as HTTP goes: it keeps one cookie, and follows what it is told to follow."""

    def __init__(self, clients: Sequence[TestClient], agent: str) -> None:
        self._clients = clients
        self._agent = agent
        self.cookie: str | None = None
        self.pages: list[str] = []

    def get(self, path: str, *, on: int = 1, headers: Mapping[str, str] = {}) -> Response:
        """Ask a process for a page."""
        return self._send("GET", path, on, headers)

    def post(
        self, path: str, data: Mapping[str, str] | None = None, *, on: int = 1, headers: Mapping[str, str] = {}
    ) -> Response:
        """Send a form of the demo's own pages to a process."""
        return self._send("POST", path, on, {"sec-fetch-site": "same-origin", **headers}, data or {})

    def submit(self, path: str, data: Mapping[str, str] | None = None, *, on: int = 1) -> Response:
        """Send a form and return the page where that leads."""
        response = self.post(path, data, on=on)
        while response.is_redirect:
            response = self.get(response.headers["location"], on=on)
        return response

    def sign_up(self, email: str, name: str = "Ada Lovelace") -> Response:
        """Create an account and sign in to it."""
        return self.submit("/sign-up", {"name": name, "email": email, "password": PASSWORD})

    def sign_in(self, email: str, *, on: int = 1, **fields: str) -> Response:
        """Sign in with the password of every test."""
        return self.submit("/sign-in", {"email": email, "password": PASSWORD, **fields}, on=on)

    def _send(
        self, method: str, path: str, on: int, headers: Mapping[str, str], data: Mapping[str, str] | None = None
    ) -> Response:
        client = self._clients[on - 1]
        cookie = {} if self.cookie is None else {"cookie": f"{COOKIE}={self.cookie}"}
        sent = {"user-agent": self._agent, "accept": "text/html", **cookie, **headers}
        response = client.request(method, path, data=data, headers=sent)
        client.cookies.clear()  # this browser keeps them
        for header in response.headers.get_list("set-cookie"):
            value = header.split(";")[0].removeprefix(f"{COOKIE}=")
            self.cookie = value or None
        self.pages.append(response.text)
        return response


class Running(NamedTuple):
    """The demo as it really runs, and what it said."""

    process: subprocess.Popen[str]
    port: int
    said: str

    def url(self, process: int = 1) -> str:
        """Return the address of one of its processes."""
        return f"http://127.0.0.1:{self.port + process - 1}"


def two_free_ports() -> int:
    """Return a port that is free together with the next one."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                with socket.create_server(("127.0.0.1", port + 1)):
                    return port
            except (OSError, OverflowError):
                continue


# What a shell starts in the background is told to ignore Ctrl-C, and so would be the demo of tests that run there.
_PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from coatcheck.cli import main
sys.exit(main())
"""


def command(port: int, *arguments: str) -> list[str]:
    """Return the command that runs the demo."""
    return [sys.executable, "-c", _PROGRAM, "demo", "--port", str(port), *arguments]


@contextmanager
def running_demo(*arguments: str) -> Generator[Running]:
    """Run the demo until the test is over."""
    port = two_free_ports()
    with subprocess.Popen(command(port, *arguments), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = ""
            while "Ctrl-C" not in said:
                line = process.stdout.readline()
                assert line, f"the demo ended instead of starting: {said}"
                said += line
            yield Running(process, port, said)
        finally:
            process.terminate()
            process.wait(20)


def pids_of(pages: Sequence[str]) -> list[int]:
    """Return the process ids that pages say."""
    return [int(re.findall(r"pid (\d+)", page)[-1]) for page in pages]
