"""The example, served by gunicorn and by uvicorn with several processes each, as two browsers see it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.servers.ports import Port
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "examples" / "django"
SERVERS = {
    "gunicorn": ["gunicorn", "--workers", "3", "--no-control-socket", "--bind", "127.0.0.1:{port}", "shop.wsgi"],
    "uvicorn": ["uvicorn", "--workers", "3", "--port", "{port}", "--log-level", "warning", "shop.asgi:application"],
}

pytestmark = pytest.mark.processes


class Browser:
    """One browser: a connection for each request, so that the processes take turns."""

    def __init__(self, port: int, name: str) -> None:
        self._port = port
        self._name = name
        self.cookies: dict[str, str] = {}

    def __call__(self, method: str, path: str, **fields: str) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        try:
            headers = {"User-Agent": self._name, "Cookie": "; ".join("=".join(pair) for pair in self.cookies.items())}
            body = None
            if method == "POST":
                headers["Content-Type"] = "application/x-www-form-urlencoded"
                headers["X-CSRFToken"] = self.cookies["csrftoken"]
                body = urlencode(fields)
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            for line in response.headers.get_all("Set-Cookie", []):
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
            return response.status, response.read().decode()
        finally:
            connection.close()

    def sign_in(self) -> None:
        assert self("GET", "/login")[0] == 200
        assert self("POST", "/login", username="ann", password="a good one")[0] == 302

    def signed_in(self) -> bool:
        """Ask until several processes have answered; they must agree."""
        answers: set[bool] = set()
        processes: set[str] = set()

        def agreed() -> bool:
            text = self("GET", "/me")[1]
            answers.add('"user": "' in text)
            processes.add(text.rpartition(" ")[2])
            return len(processes) > 1

        until(agreed, "two processes have answered")
        assert len(answers) == 1
        return answers.pop()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's database with one user, made by its own commands."""
    place = tmp_path_factory.mktemp("shop") / "shop.sqlite3"
    more = {"SHOP_DATABASE": str(place), "DJANGO_SUPERUSER_PASSWORD": "a good one"}
    user = ["createsuperuser", "--noinput", "--username=ann", "--email=a@b.example"]
    for command in (["migrate", "-v0"], user):
        words = [sys.executable, "manage.py", *command]
        subprocess.run(words, cwd=EXAMPLE, env={**os.environ, **more}, check=True, capture_output=True)
    return place


@contextmanager
def served(server: str, folder: Path, database: Path) -> Iterator[int]:
    port = Port()
    environment = {**os.environ, "SHOP_DATABASE": str(shutil.copy(database, folder))}
    words = [sys.executable, "-m", *(word.format(port=port.number) for word in SERVERS[server])]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=EXAMPLE, env=environment, stdout=log, stderr=log)
    try:
        until(lambda: answers(port.number), f"{server} answers")
        yield port.number
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE)
        port.close()
    assert "Traceback" not in (folder / "log").read_text()


def answers(port: int) -> bool:
    try:
        return Browser(port, "")("GET", "/me")[0] == 200
    except (OSError, HTTPException):
        return False


@pytest.mark.parametrize("server", SERVERS)
def test_two_browsers(server: str, tmp_path: Path, database: Path) -> None:
    """Sign in twice, list, end the other, sign out everywhere: whichever process it comes to."""
    with served(server, tmp_path, database) as port:
        phone, laptop = Browser(port, "Phone"), Browser(port, "Laptop")
        for browser in (phone, laptop):
            browser.sign_in()
            assert browser.signed_in()
        page = laptop("GET", "/")[1]
        assert "Laptop" in page
        (other,) = re.findall(r"Phone.*?/end/([^\"]+)", page, re.DOTALL)
        assert laptop("POST", f"/end/{other}")[0] == 302
        assert not phone.signed_in()
        assert laptop.signed_in()
        phone.sign_in()
        assert laptop("POST", "/end-all")[0] == 302
        assert not phone.signed_in()
        assert not laptop.signed_in()


@pytest.mark.parametrize("place", ["memory", "file"])
def test_its_own_tests_pass(place: str, tmp_path: Path) -> None:
    """With Django's clients and runner: the sessions beside a database in memory, and in one that is a file."""
    more = {"SHOP_TEST_DATABASE": str(tmp_path / "test.sqlite3")} if place == "file" else {}
    words = [sys.executable, "manage.py", "test", "--noinput"]
    done = subprocess.run(words, cwd=EXAMPLE, env={**os.environ, **more}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Ran 5 tests" in done.stderr
