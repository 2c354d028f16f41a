"""A gate that stands still, is killed, or cannot ask its store: nobody is let through, and nobody is signed out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.serve.proxied import CADDY, KEY, NGINX, PAGE, Client, printed
from tests.servers.caddy import Caddy
from tests.servers.gate import ServedGate
from tests.servers.nginx import Nginx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serve.plain import PlainApplication

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def gate() -> Iterator[ServedGate]:
    """A gate of their own, on the other server."""
    with ServedGate({"KEYS": KEY}, server="uvicorn") as gate:
        yield gate


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def client(request: pytest.FixtureRequest, gate: ServedGate, application: PlainApplication) -> Iterator[Client]:
    """A client of a site behind a proxy that waits for the gate no longer than a test does."""
    if request.param == "nginx":
        quick = {**NGINX, "proxy_read_timeout 5s;": "proxy_read_timeout 300ms;"}
        proxy: Nginx | Caddy = Nginx(printed("nginx", gate, application.port, quick))
    else:
        quick = {**CADDY, "response_header_timeout 5s": "response_header_timeout 300ms"}
        proxy = Caddy(printed("caddy", gate, application.port, quick))
    with proxy:
        client = Client(proxy.address, gate.store)
        yield client
        client.close()


def test_S9_a_gate_that_is_stopped_is_an_error_and_never_open(client: Client, gate: ServedGate) -> None:
    """Standing still, killed, and back again."""
    signed_in = client.sign_in()
    client.heard("/", signed_in)
    gate.pause()
    answers = [client.http.get("/", headers=signed_in), client.http.get("/", headers=PAGE)]
    gate.resume()
    client.heard("/", signed_in)
    gate.kill()
    answers += [client.http.get("/", headers=signed_in), client.http.get("/", headers=PAGE)]
    gate.start()
    assert {answer.status_code for answer in answers} <= {502, 503, 504}
    assert all("set-cookie" not in answer.headers for answer in answers)
    client.heard("/", signed_in)


def test_S9_what_the_gate_cannot_find_out_is_503(client: Client, gate: ServedGate) -> None:
    """Its database is no database any more: the session of nobody can be told, and it ends for nobody."""
    signed_in = client.sign_in()
    database, away = gate.folder / "sessions.db", gate.folder / "away.db"
    database.rename(away)
    database.mkdir()
    try:
        answer = client.http.get("/", headers=signed_in)
    finally:
        database.rmdir()
        away.rename(database)
    assert (answer.status_code, "set-cookie" in answer.headers) == (503, False)
    assert answer.headers["retry-after"] == "1"
    assert client.http.get("/", headers=signed_in).status_code == 200
