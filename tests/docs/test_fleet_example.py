"""The example of a fleet, as two server processes on a real PostgreSQL and a real Valkey."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from coatcheck import Settings
from tests.servers.ports import Port
from tests.servers.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "examples" / "fleet"
KEYS = "jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"

pytestmark = pytest.mark.processes


class Answer(NamedTuple):
    status: int
    cookie: str
    body: Any


class Site:
    """One of the processes, as a browser sees it."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, method: str, path: str, cookie: str | None = None) -> Answer:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        try:
            headers = {"Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
            connection.request(method, path, headers=headers | ({"Cookie": cookie} if cookie else {}))
            response = connection.getresponse()
            cookies = response.headers.get("Set-Cookie", "").partition(";")[0]
            return Answer(response.status, cookies, json.loads(response.read() or "0"))
        finally:
            connection.close()

    def sign_in(self, name: str) -> str:
        answer = self.ask("POST", f"/sign-in?name={name}")
        assert answer.status == 200
        assert answer.cookie
        return answer.cookie

    def accepts(self, cookie: str) -> bool:
        status = self.ask("GET", "/me", cookie).status
        assert status in {200, 401}
        return status == 200

    def says(self, text: str) -> bool:
        return bool(self.ask("GET", "/notice").body == {"notice": text})

    def ready(self) -> bool:
        try:
            return self.ask("GET", "/readyz").status == 200
        except ConnectionError:
            return False


@contextmanager
def started(environment: dict[str, str]) -> Iterator[Site]:
    """Run one process of the example for as long as it is needed."""
    port = Port()
    words = ["--app-dir", str(EXAMPLE), "app:app", "--port", str(port.number), "--log-level", "warning"]
    process = subprocess.Popen([sys.executable, "-m", "uvicorn", *words], env=environment)
    try:
        yield Site(port.number)
        process.terminate()
        assert process.wait(DEADLINE) in {0, -signal.SIGTERM}
    finally:
        process.kill()
        process.wait(DEADLINE)
        port.close()


@pytest.fixture
def sites(postgresql_url: str, valkey_url: str) -> Iterator[list[Site]]:
    """Start it twice, as its README says."""
    environment = os.environ | {
        "COATCHECK_STORE": postgresql_url,
        "COATCHECK_SHARED_CACHE": valkey_url,
        "COATCHECK_KEYS": KEYS,
    }
    with ExitStack() as stack:
        found = [stack.enter_context(started(environment)) for _ in range(2)]
        for site in found:
            until(site.ready, "the example is ready")
        yield found


def test_who_signs_in_at_one_is_signed_in_at_the_other(sites: list[Site]) -> None:
    """And out; and each says how it is."""
    one, other = sites
    cookie = one.sign_in("ada")
    assert other.ask("GET", "/me", cookie).body == {"user": "ada"}
    assert other.ask("POST", "/api/sign-out", cookie).status == 204
    until(lambda: not one.accepts(cookie), "the first one refuses it")
    assert not other.accepts(cookie)
    parts = one.ask("GET", "/readyz").body["parts"]
    assert {"authority", "lease", "listener", "shared_cache", "local_cache", "pool"} == set(parts)
    assert {part["status"] for part in parts.values()} == {"ok"}
    assert one.ask("GET", "/healthz").status == 200


def test_L13_an_administrator_signs_everyone_out_on_every_process(sites: list[Site]) -> None:
    """When the answer is there nobody is accepted anywhere, and whoever signs in afterwards is."""
    cookies = [site.sign_in(name) for site in sites for name in ("ada", "bob", "grace")]
    assert all(site.accepts(cookie) for site in sites for cookie in cookies)
    assert sites[0].ask("POST", "/everyone-out", cookies[0]).status == 403
    assert sites[0].ask("POST", "/everyone-out", cookies[2]).body == {"ended": 6}
    assert not any(site.accepts(cookie) for site in sites for cookie in cookies)
    later = sites[1].sign_in("ada")
    assert all(site.accepts(later) for site in sites)


def test_what_is_announced_at_one_is_said_by_all(sites: list[Site]) -> None:
    """The cached row changes in the transaction that changes it, and only who may announce does."""
    assert [site.ask("GET", "/notice").body for site in sites] == [{"notice": None}] * 2
    ada, grace = (sites[0].sign_in(name) for name in ("ada", "grace"))
    assert sites[0].ask("PUT", "/notice?text=closed", ada).status == 403
    for text in ("closed", "open"):
        assert sites[0].ask("PUT", f"/notice?text={text}", grace).status == 200
        until(lambda: all(site.says(text) for site in sites), "all say so")  # noqa: B023 - it is called at once


def test_the_file_says_all_but_what_is_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the environment only the keys are missing."""
    for name in [name for name in os.environ if name.startswith("COATCHECK_")]:
        monkeypatch.delenv(name)
    settings = Settings.load(EXAMPLE / "coatcheck.toml", keys=[KEYS])
    assert settings.policy.max_sessions == 10
    assert settings.shared_cache == "valkey://cache.internal:6379/0"
