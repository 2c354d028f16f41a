"""The gate on every store of the settings, and on sessions that somebody else issues."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from coatcheck import Sessions
from tests.serve.asked import asked, cookie
from tests.serve.proxied import KEY, SERVICE_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.gate import ServedGate

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

INTERNAL = ("Authorization", f"Bearer {SERVICE_KEY}")
JSON = ("Content-Type", "application/json")


@pytest.mark.parametrize("store", ["postgresql_url", "valkey_url"])
async def test_L7_two_gates_on_one_server_refuse_what_one_has_ended(
    store: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    settings = {"store": request.getfixturevalue(store), "cache": {"lease": "200ms"}}
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(asked(tmp_path, **settings)) for _ in range(2)]
        signed_in = cookie(await first.token("ada"))
        for gate in (first, second):
            assert (await gate.ask("caddy", signed_in)).status == 200
        await first.sessions.revoke_user("ada", wait=True)
        for gate in (first, second):
            assert (await gate.ask("caddy", signed_in)).status == 401


async def test_a_gate_may_be_the_provider_of_another(gate: ServedGate, tmp_path: Path) -> None:
    """It answers as RFC 7662 has it, and the other lets through whom it knows, and can do what a provider's can."""
    provider = {
        "kind": "introspection",
        "url": f"{gate.address}/internal/introspect",
        "client_secret": SERVICE_KEY,
        "auth": "bearer",
    }
    with Sessions(gate.store, keys=[KEY]) as sessions:
        created = sessions.create("ada")
        bearer = ("Authorization", f"Bearer {created.token.reveal()}")
        async with asked(tmp_path, provider=provider, serve={"service_keys": [SERVICE_KEY]}) as other:
            answer = await other.ask("traefik", bearer)
            assert (answer.status, answer.all("x-coatcheck-user")) == (200, ["ada"])
            assert (await other.ask("traefik", ("Authorization", "Bearer unknown"))).status == 401
            assert (await other.request("GET", "/api/session", bearer)).json()["id"] == "ada"
            assert (await other.request("GET", "/api/sessions", bearer)).status == 404  # listed and ended over there
            form = ("Content-Type", "application/x-www-form-urlencoded")
            sent = f"token={created.token.reveal()}".encode()
            said = (await other.request("POST", "/internal/introspect", INTERNAL, form, body=sent)).json()
            assert (said["active"], said["sub"]) == (True, "ada")
            for method, path, body in (
                ("POST", "sessions", {"user_id": "eve"}),
                ("GET", "sessions", None),
                ("POST", "revoke", {"user_id": "ada"}),
            ):
                sent = b"" if body is None else json.dumps(body).encode()
                answer = await other.request(method, f"/internal/{path}", INTERNAL, JSON, body=sent)
                assert (answer.status, answer.json()["reason"]) == (501, "issued_elsewhere")
            sessions.revoke(created.token)
            assert (await other.ask("traefik", bearer)).status == 401


async def test_S9_a_provider_that_is_away_is_503(tmp_path: Path) -> None:
    away = {"kind": "introspection", "url": "http://127.0.0.1:9/", "client_secret": SERVICE_KEY, "auth": "bearer"}
    async with asked(tmp_path, provider=away, serve={"sign_in_url": "/login"}) as gate:
        answer = await gate.ask("envoy", ("Authorization", "Bearer token"), ("Accept", "text/html"))
        assert (answer.status, answer.all("x-coatcheck-user")) == (503, [""])
