"""Somebody acts as a user behind the gate: the application is told who, by each proxy's way and in every token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from coatcheck import AsyncImpersonation
from tests.serve.asked import asked, cookie
from tests.serve.proxied import SERVICE_KEY
from tests.servers.gate import ServedGate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.serve.asked import Asked
    from tests.web.browser import Answer

pytestmark = pytest.mark.anyio

WAYS = ["nginx", "traefik", "caddy", "envoy", "optional/nginx"]
KEY = ("Authorization", f"Bearer {SERVICE_KEY}")
OPEN: dict[str, Any] = {"service_keys": (SERVICE_KEY,)}


async def acting(gate: Asked) -> str:
    """Let Sue act as Alice; returns the token."""
    sue = await gate.sessions.create("sue")
    begun = await AsyncImpersonation(gate.sessions).begin(sue.session, "alice", reason="case 17")
    assert begun
    return begun.token.reveal()


async def call(gate: Asked, method: str, path: str, body: Any = None) -> Answer:
    headers = [KEY, ("Content-Type", "application/json")]
    sent = b"" if body is None else json.dumps(body).encode()
    return await gate.request(method, f"/internal{path}", *headers, body=sent)


@pytest.mark.parametrize("headers", ["user", "user,actor=Remote-Actor"])
async def test_who_acts_is_always_told_and_no_client_can_say_it(headers: str, tmp_path: Path) -> None:
    """Also where the setting names other headers; of somebody who is themself it is told that nobody acts."""
    name = "remote-actor" if "=" in headers else "x-coatcheck-actor"
    forged = (name, "eve")
    async with asked(tmp_path, serve={"headers": headers.split(",")}) as gate:
        other, own = await acting(gate), await gate.token("alice")
        for way in WAYS:
            answer = await gate.ask(way, cookie(other), forged)
            assert (answer.status, answer.all("x-coatcheck-user"), answer.all(name)) == (200, ["alice"], ["sue"])
            assert (await gate.ask(way, cookie(own), forged)).all(name) == [""]
            assert (await gate.ask(way, forged)).all(name) == [""]


async def test_an_actor_with_a_long_name_is_told_too(tmp_path: Path) -> None:
    """What is too long for a header is otherwise left out; here that would make the user of somebody else."""
    async with asked(tmp_path) as gate:
        name = "\N{SNOWMAN}" * 255
        token = (await gate.sessions.create("alice", actor_id=name)).token.reveal()
        [told] = (await gate.ask("caddy", cookie(token))).all("x-coatcheck-actor")
        assert unquote(told) == name


async def test_A1_who_acts_has_not_proved_to_be_the_user(tmp_path: Path) -> None:
    """An application that wants a recent authentication is not told of one."""
    async with asked(tmp_path, serve={"headers": ["authenticated"], **OPEN}) as gate:
        other, own = await acting(gate), await gate.token("alice")
        assert (await gate.ask("envoy", cookie(own))).all("x-coatcheck-authenticated")[0].isdecimal()
        assert (await gate.ask("envoy", cookie(other))).all("x-coatcheck-authenticated") == [""]
        listed = (await call(gate, "GET", "/sessions?user_id=alice")).json()["sessions"]
        assert {each["actor_id"]: each["authenticated_at"] is None for each in listed} == {"sue": True, None: False}
        refused = await call(gate, "POST", "/rotate", {"token": other, "reauthenticated": True})
        assert (refused.status, refused.json()["reason"]) == (403, "impersonation")
        assert (await call(gate, "POST", "/rotate", {"token": other})).status == 200


async def test_J2_tokens_and_introspection_name_the_actor(tmp_path: Path) -> None:
    """As RFC 8693 section 4.1 has it; a session of one's own has no such claim."""
    key = Ed25519PrivateKey.generate()
    path = tmp_path / "identity.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    signed = {"token_keys": (str(path),), "token_issuer": "gate", "token_audience": ("shop",)}
    async with asked(tmp_path, serve={**signed, **OPEN}) as gate:
        other, own = await acting(gate), await gate.token("alice")
        for token, actor in ((other, {"sub": "sue"}), (own, None)):
            [found] = (await gate.ask("traefik", cookie(token))).all("x-coatcheck-token")
            claims = jwt.decode(found, key.public_key(), ["EdDSA"], audience="shop")
            form = ("Content-Type", "application/x-www-form-urlencoded")
            said = (
                await gate.request("POST", "/internal/introspect", KEY, form, body=f"token={token}".encode())
            ).json()
            for each in (claims, said):
                assert (each["sub"], each.get("act"), "auth_time" in each) == ("alice", actor, actor is None)


@pytest.mark.processes
async def test_a_gate_that_asks_another_one_tells_who_acts_there(tmp_path: Path) -> None:
    with ServedGate({"SERVE_SERVICE_KEYS": SERVICE_KEY}) as first:
        async with asked(tmp_path, environ={"COATCHECK_STORE": first.store}) as beside:
            bearer = ("Authorization", f"Bearer {await acting(beside)}")
        provider = {
            "kind": "introspection",
            "url": f"{first.address}/internal/introspect",
            "client_secret": SERVICE_KEY,
            "auth": "bearer",
        }
        async with asked(tmp_path, provider=provider, serve={"headers": ["authenticated"]}) as second:
            answer = await second.ask("traefik", bearer)
            told = [answer.all(f"x-coatcheck-{name}") for name in ("actor", "authenticated")]
            assert (answer.status, told) == (200, [["sue"], [""]])
