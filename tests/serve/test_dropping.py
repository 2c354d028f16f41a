"""No client of a proxy has it drop an identity header that the gate has set: to lack one can be worth more than any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck import ApiTokens
from tests.serve.proxied import CADDY, NGINX, Client, identity_in, printed
from tests.servers.caddy import Caddy
from tests.servers.nginx import Nginx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serve.plain import PlainApplication
    from tests.servers.gate import ServedGate

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def client(request: pytest.FixtureRequest, gate: ServedGate, application: PlainApplication) -> Iterator[Client]:
    if request.param == "nginx":
        proxy: Nginx | Caddy = Nginx(printed("nginx", gate, application.port, NGINX, api_tokens=True))
    else:
        proxy = Caddy(printed("caddy", gate, application.port, CADDY, api_tokens=True))
    with proxy:
        client = Client(proxy.address, gate.store)
        yield client
        client.close()


@pytest.mark.parametrize(
    "connection",
    [
        *("{}", "close, {}", "{}, close", "keep-alive,{},x", "upgrade, {}", "{}\t , Upgrade"),
        *("X-Other, x-other2 ,{}", "{},{}", "TE, {}"),
    ],
)
def test_B9_A1_what_the_connection_header_names_reaches_the_application(client: Client, connection: str) -> None:
    """Proxies drop what it names (RFC 9110 section 7.6.1), some of them after the gate has answered.

    Without its scopes a program could do everything, and without the actor somebody who acts would be the user.
    """
    token = ApiTokens(client.sessions).create("ada", name="CI", scopes=["mail:read"])
    program, acting = {"Authorization": f"Bearer {token.token.reveal()}"}, client.act("sue", "alice")
    for own, header, value in (
        (program, "X-Coatcheck-Scopes", "mail:read"),
        (program, "x-coatcheck-scopes", "mail:read"),
        (acting, "X-COATCHECK-ACTOR", "sue"),
    ):
        line = connection.replace("{}", header)
        answer = client.http.get("/", headers={**own, "Connection": line, "Upgrade": "websocket"})
        assert answer.status_code in {200, 400}
        if answer.status_code == 200:
            told = {name.lower(): value for name, value in identity_in(answer.json()).items()}
            assert told[header.lower()] == value, line


def test_other_connection_headers_are_as_ever(client: Client) -> None:
    for line in ("close", "keep-alive", "upgrade", "X-Other"):
        client.heard("/", {**client.sign_in(), "Connection": line})
