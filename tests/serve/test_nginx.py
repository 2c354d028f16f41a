"""nginx with `auth_request` in front of a plain application, configured as `--print-config nginx` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest

from coatcheck import Sessions
from tests.serve.proxied import FORGED, NGINX, OLD_KEY, PAGE, Client, identity_in, printed
from tests.servers.nginx import Nginx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serve.plain import PlainApplication
    from tests.servers.gate import ServedGate

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def client(gate: ServedGate, application: PlainApplication) -> Iterator[Client]:
    with Nginx(printed("nginx", gate, application.port, NGINX, api_tokens=True)) as nginx:
        client = Client(nginx.address, gate.store)
        yield client
        client.close()


def test_nobody_is_sent_to_sign_in_and_a_program_is_told_401(client: Client) -> None:
    page = client.http.get("/orders?page=2&next=//evil.example", headers=PAGE)
    assert (page.status_code, page.headers["location"]) == (
        302,
        "/login?next=%2Forders%3Fpage%3D2%26next%3D%2F%2Fevil.example",
    )
    assert client.http.get("/orders").status_code == 401
    assert client.http.post("/orders", headers=PAGE).status_code == 401
    for path in ("//evil.example/", "/%2Fevil.example", "/x/%2e%2e//evil.example"):
        answer = client.http.get(httpx2.URL(client.address, raw_path=path.encode()), headers=PAGE)
        assert answer.headers["location"] == "/login"


def test_who_is_signed_in_passes_with_their_identity_and_their_body(client: Client) -> None:
    signed_in = client.sign_in("ada ✓")
    heard = client.heard("/orders?page=2", signed_in)
    [session] = client.sessions.list("ada ✓")
    assert identity_in(heard) == {"X-Coatcheck-User": "ada %E2%9C%93", "X-Coatcheck-Session": session.id}
    assert heard["uri"] == "/orders?page=2"
    own = {**signed_in, "Sec-Fetch-Site": "same-origin"}
    assert client.heard("/orders", own, "POST", content=b"x" * 20_000)["body"] == "x" * 20_000


def test_identity_headers_that_a_client_has_forged_are_replaced(client: Client) -> None:
    """In any spelling; also those that the gate leaves empty."""
    heard = client.heard("/", {**FORGED, **client.sign_in("ada")})
    assert identity_in(heard).keys() == {"X-Coatcheck-User", "X-Coatcheck-Session"}
    assert identity_in(heard)["X-Coatcheck-User"] == "ada"
    assert client.http.get("/", headers=FORGED).status_code == 401


def test_the_application_is_told_who_acts_as_the_user(client: Client) -> None:
    """And nothing that the client says of it, in any spelling, whether somebody acts or not."""
    for signed_in, actor in ((client.act("sue", "alice"), "sue"), (client.sign_in("alice"), "")):
        told = identity_in(client.heard("/", {**FORGED, **signed_in}))
        assert (told["X-Coatcheck-User"], told.get("X-Coatcheck-Actor", "")) == ("alice", actor)
        assert not told.keys() & {"X_Coatcheck_User", "X-Coatcheck_Role", "X-Coatcheck_Actor"}


def test_what_the_client_says_of_the_request_is_not_what_the_gate_is_told(client: Client) -> None:
    """The proxy writes over X-Forwarded-*; and its own location is for nobody else."""
    lies = {"X-Forwarded-Method": "GET", "X-Forwarded-Host": "evil.example", "X-Forwarded-Uri": "//evil.example"}
    assert client.http.get("/here", headers={**PAGE, **lies}).headers["location"] == "/login?next=%2Fhere"
    cross = {**client.sign_in(), **lies, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert client.http.post("/orders", headers=cross).status_code == 403
    assert client.http.get("/_coatcheck", headers=client.sign_in()).status_code == 404


def test_L7_a_revoked_session_is_refused_with_the_next_request(client: Client) -> None:
    """By each of the gate's two processes."""
    signed_in = client.sign_in("bob")
    for _ in range(8):
        client.heard("/", signed_in)
    client.sessions.revoke_user("bob")
    assert {client.http.get("/", headers=signed_in).status_code for _ in range(8)} == {401}


def test_the_application_answers_for_itself(client: Client) -> None:
    """Its own errors are no sign-in, and the JSON API is beside it."""
    signed_in = client.sign_in("ada")
    assert client.http.get("/teapot", headers=signed_in).status_code == 418
    assert client.http.get("/coatcheck/session", headers=signed_in).json()["id"] == "ada"
    ended = client.http.post("/coatcheck/sign-out", headers={**signed_in, "Sec-Fetch-Site": "same-origin"})
    assert (ended.status_code, "Max-Age=0" in ended.headers["set-cookie"]) == (204, True)
    assert client.http.get("/", headers=signed_in).status_code == 401


def test_S3_H2_a_cookie_that_is_renewed_reaches_the_browser(client: Client, gate: ServedGate) -> None:
    """A key was replaced, so the gate signs the token anew; and no cache keeps that, whatever it is brought with."""
    with Sessions(gate.store, keys=[OLD_KEY]) as before:
        token = before.create("ada").token.reveal()
    answer = client.http.get("/", headers={"Cookie": f"__Host-session={token}"})
    assert answer.status_code == 200
    renewed = answer.headers["set-cookie"]
    assert renewed.startswith(f"__Host-session={token.partition('.')[0]}.")
    assert token not in renewed
    assert answer.headers["cache-control"] == "no-store"
    again = client.http.get("/", headers={"Cookie": renewed.partition(";")[0]})
    assert (again.status_code, "set-cookie" in again.headers, "cache-control" in again.headers) == (200, False, False)
