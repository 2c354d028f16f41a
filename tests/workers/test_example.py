"""The example Worker over HTTP. Its Python runs in Pyodide, in Node; D1 and KV are workerd's."""

from __future__ import annotations

import http.client
import json
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from coatcheck.stores.d1.schema import script
from tests.workers.pyodide import ROOT, served

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = ROOT / "examples" / "worker"
PASSWORD = "correct horse"

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    variables = {"SESSION_KEY": secrets.token_urlsafe(32), "PASSWORD": PASSWORD}
    migration = (EXAMPLE / "migrations" / "0001_coatcheck.sql").read_text(encoding="utf-8")
    with served("examples.worker.src.entry", migration=migration, variables=variables) as port:
        yield port


class Device:
    """A browser with one cookie."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cookie: str | None = None

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, dict[str, str], str]:
        """Send one request; returns status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        headers = {"Accept": "text/html", "Origin": f"http://127.0.0.1:{self._port}", "User-Agent": "test"}
        if self.cookie is not None:
            headers["Cookie"] = self.cookie
        connection.request(method, path, urlencode(form) if form is not None else None, headers)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        for line in response.headers.get_all("Set-Cookie", []):
            self.cookie = line.partition(";")[0]
        return response.status, dict(response.headers), body

    def sign_in(self, name: str, password: str = PASSWORD) -> int:
        """Fill in the form."""
        return self.ask("POST", "/login?next=%2F", {"name": name, "password": password})[0]

    def sessions(self) -> list[dict[str, Any]]:
        """Return the list of devices."""
        found: list[dict[str, Any]] = json.loads(self.ask("GET", "/api/sessions")[2])["sessions"]
        return found

    def people(self) -> int:
        """Return how many are signed in."""
        return int(json.loads(self.ask("GET", "/api/people")[2])["people"])


def test_sign_in_list_and_sign_out_everywhere(port: int) -> None:
    """From two devices of one user; somebody else stays signed in."""
    phone, laptop, other = Device(port), Device(port), Device(port)
    status, headers, _ = phone.ask("GET", "/")
    assert (status, headers["location"]) == (302, "/login?next=%2F")
    assert "<form" in phone.ask("GET", "/login")[2]
    assert phone.sign_in("ann", "wrong") == 403
    assert phone.cookie is None
    assert [phone.sign_in("ann"), laptop.sign_in("ann"), other.sign_in("<bob>")] == [303] * 3
    assert "Hello, ann." in phone.ask("GET", "/")[2]
    assert "Hello, &lt;bob&gt;." in other.ask("GET", "/")[2]
    assert [session["current"] for session in phone.sessions()] == [False, True]
    assert phone.sessions()[0]["ip"] == "127.0.0.1"
    assert other.people() == 2
    assert Device(port).sign_in("cid") == 303
    assert other.people() == 3  # the count from before was outdated by it
    assert json.loads(laptop.ask("POST", "/api/sign-out-everywhere")[2]) == {"ended": 2}
    assert phone.ask("GET", "/")[0] == 302
    assert laptop.ask("GET", "/")[0] == 302
    assert len(other.sessions()) == 1


def test_signing_out_ends_one_session(port: int) -> None:
    phone, laptop = Device(port), Device(port)
    assert [phone.sign_in("eve"), laptop.sign_in("eve")] == [303] * 2
    stolen = Device(port)
    stolen.cookie = phone.cookie
    assert phone.ask("POST", "/api/sign-out")[0] == 204
    assert stolen.ask("GET", "/")[0] == 302
    assert laptop.ask("GET", "/")[0] == 200


def test_what_is_not_there(port: int) -> None:
    assert Device(port).ask("GET", "/nothing")[0] == 404


def test_the_migration_is_this_releases() -> None:
    """`python -m coatcheck.stores.d1 > examples/worker/migrations/0001_coatcheck.sql` writes it."""
    assert (EXAMPLE / "migrations" / "0001_coatcheck.sql").read_text(encoding="utf-8") == script()
