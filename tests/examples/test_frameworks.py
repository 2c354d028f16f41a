"""The examples under their usual servers, with several workers: two browsers sign in, one ends the other, then all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.ports import Port
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
WORKERS = "2"
ENOUGH = 20
"""Requests after which each of the workers has had some."""

pytestmark = pytest.mark.processes


def _uvicorn(app: str, port: str) -> Sequence[str]:
    return ["uvicorn", app, "--port", port, "--workers", WORKERS, "--log-level", "warning"]


def _granian(app: str, port: str) -> Sequence[str]:
    # One of its workers does not hear that it is to stop before it has imported the application.
    heard = ["--workers-kill-timeout", "10"]
    return ["granian", "--interface", "asgi", "--port", port, "--workers", WORKERS, "--no-log", *heard, app]


def _gunicorn(app: str, port: str) -> Sequence[str]:
    return ["gunicorn", "--preload", "--no-control-socket", "--workers", WORKERS, "--bind", f"127.0.0.1:{port}", app]


def _gunicorn_of_aiohttp(app: str, port: str) -> Sequence[str]:
    return [*_gunicorn(app, port), "--worker-class", "aiohttp.GunicornWebWorker"]


SERVED = {
    "starlette-uvicorn": ("examples.starlette_app:app", _uvicorn),
    "starlette-granian": ("examples.starlette_app:app", _granian),
    "litestar-uvicorn": ("examples.litestar_app:app", _uvicorn),
    "flask-gunicorn": ("examples.flask_app:app", _gunicorn),
    "aiohttp-gunicorn": ("examples.aiohttp_app:app", _gunicorn_of_aiohttp),
}


class Browser:
    """One browser, with a connection of its own for each request, so that any worker may answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cookie = ""

    def __call__(self, method: str, path: str) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        try:
            headers = {"Sec-Fetch-Site": "same-origin", "Accept": "application/json", "Cookie": self.cookie}
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            if given := response.headers.get("Set-Cookie"):
                self.cookie = given.partition(";")[0]
            body = response.read()
            return response.status, json.loads(body) if "json" in response.headers.get("Content-Type", "") else None
        finally:
            connection.close()

    def statuses(self) -> set[int]:
        """Ask often enough for every worker to have been asked."""
        return {self("GET", "/me")[0] for _ in range(ENOUGH)}


@contextmanager
def _served(name: str, folder: Path) -> Iterator[int]:
    app, words = SERVED[name]
    port = Port()
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "COATCHECK_STORE": f"sqlite:///{folder / 'app.db'}", "PYTHONPATH": path}
    command = [sys.executable, "-m", *words(app, str(port.number))]
    process = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    try:
        until(lambda: process.poll() is not None or _answers(port.number), f"{name} answers")
        yield port.number
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE)
        port.close()


def _answers(port: int) -> bool:
    try:
        return Browser(port)("GET", "/me")[0] == 401
    except OSError:
        return False


@pytest.mark.parametrize("name", SERVED)
def test_the_example_serves_a_list_of_devices(name: str, tmp_path: Path) -> None:
    with _served(name, tmp_path) as port:
        phone, laptop, stranger = Browser(port), Browser(port), Browser(port)
        assert phone("POST", "/sign-in/ada")[0] == 200
        assert laptop("POST", "/sign-in/ada")[0] == 200
        assert stranger("POST", "/sign-in/bob")[0] == 200
        assert phone.statuses() == laptop.statuses() == {200}
        devices = laptop("GET", "/devices")[1]["devices"]
        # Two workers can be some microseconds apart about what time it is, so either may be the newer one.
        assert sorted(each["current"] for each in devices) == [False, True]
        (other,) = (each["id"] for each in devices if not each["current"])
        assert stranger("DELETE", f"/devices/{other}")[0] == 404, "L14"
        assert phone.statuses() == {200}
        assert laptop("DELETE", f"/devices/{other}")[0] == 200
        assert phone.statuses() == {401}, "in every worker, from the next request on"
        assert laptop.statuses() == {200}
        kept = laptop.cookie
        assert laptop("POST", "/sign-out-everywhere")[1] == {"ended": 1}
        laptop.cookie = kept
        assert laptop.statuses() == {401}
        assert stranger.statuses() == {200}
