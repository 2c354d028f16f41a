"""Caddy with `forward_auth` in front of a plain application, configured as `--print-config caddy` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.serve.proxied import CADDY, FORGED, PAGE, Client, identity_in, printed
from tests.servers.caddy import Caddy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serve.plain import PlainApplication
    from tests.servers.gate import ServedGate

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def client(gate: ServedGate, application: PlainApplication) -> Iterator[Client]:
    with Caddy(printed("caddy", gate, application.port, CADDY, api_tokens=True)) as caddy:
        client = Client(caddy.address, gate.store)
        yield client
        client.close()


def test_nobody_is_sent_to_sign_in_and_a_program_is_told_401(client: Client) -> None:
    page = client.http.get("/orders?page=2", headers=PAGE)
    assert (page.status_code, page.headers["location"]) == (302, "/login?next=%2Forders%3Fpage%3D2")
    answer = client.http.get("/orders")
    assert (answer.status_code, answer.json()["reason"]) == (401, "no_token")


def test_who_is_signed_in_passes_with_their_identity_and_their_body(client: Client) -> None:
    """And no identity header that they have forged, in any spelling."""
    own = {**FORGED, **client.sign_in("cay"), "Sec-Fetch-Site": "same-origin"}
    heard = client.heard("/orders?page=2", own, "POST", content=b"x" * 20_000)
    [session] = client.sessions.list("cay")
    said = {name: value for name, value in identity_in(heard).items() if value}
    assert said == {"X-Coatcheck-User": "cay", "X-Coatcheck-Session": session.id}
    assert (heard["method"], heard["uri"], heard["body"]) == ("POST", "/orders?page=2", "x" * 20_000)
    assert client.http.get("/", headers=FORGED).status_code == 401


def test_the_application_is_told_who_acts_as_the_user(client: Client) -> None:
    """And nothing that the client says of it, in any spelling, whether somebody acts or not."""
    for signed_in, actor in ((client.act("sue", "alice"), "sue"), (client.sign_in("alice"), "")):
        told = identity_in(client.heard("/", {**FORGED, **signed_in}))
        assert (told["X-Coatcheck-User"], told.get("X-Coatcheck-Actor", "")) == ("alice", actor)
        assert not told.keys() & {"X_Coatcheck_User", "X-Coatcheck_Role", "X-Coatcheck_Actor"}


def test_what_the_client_says_of_the_request_is_not_what_the_gate_is_told(client: Client) -> None:
    lies = {"X-Forwarded-Method": "GET", "X-Forwarded-Host": "evil.example", "X-Forwarded-Uri": "//evil.example"}
    assert client.http.get("/here", headers={**PAGE, **lies}).headers["location"] == "/login?next=%2Fhere"
    cross = {**client.sign_in(), **lies, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert client.http.post("/orders", headers=cross).status_code == 403


def test_L7_a_revoked_session_is_refused_with_the_next_request(client: Client) -> None:
    signed_in = client.sign_in("bob")
    client.heard("/", signed_in)
    client.sessions.revoke_user("bob")
    assert client.http.get("/", headers=signed_in).status_code == 401
    assert client.http.get("/coatcheck/session", headers=client.sign_in("eve")).json()["id"] == "eve"
