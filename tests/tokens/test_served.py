"""The gate and the internal API know API tokens and access tokens (B9, J2, J7)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from coatcheck import AsyncApiTokens, AsyncTokenPairs, ConfigurationError
from coatcheck.core.api_tokens import new_secret
from coatcheck.stores.base import SessionChange
from tests.serve.asked import COOKIE, asked
from tests.serve.proxied import KEY, SERVICE_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.serve.asked import Asked

pytestmark = pytest.mark.anyio

SERVE: dict[str, Any] = {"api_tokens": True, "service_keys": (SERVICE_KEY,)}


async def introspected(gate: Asked, token: str) -> bytes:
    headers = [("Authorization", f"Bearer {SERVICE_KEY}"), ("Content-Type", "application/x-www-form-urlencoded")]
    answer = await gate.request("POST", "/internal/introspect", *headers, body=urlencode({"token": token}).encode())
    return answer.body


async def test_B9_the_gate_lets_programs_through_and_says_what_for(tmp_path: Path) -> None:
    """Which no client can say for them, nor a session's data; and no program looks as if a user had just signed in."""
    async with asked(tmp_path, keys=[KEY], serve=SERVE) as gate:
        tokens, pairs = AsyncApiTokens(gate.sessions), AsyncTokenPairs(gate.sessions)
        api = (await tokens.create("ada", name="CI", scopes=["mail:read", "mail:send"])).token.reveal()
        access = (await pairs.issue("ada", name="phone", scopes=["mail:read"])).access.reveal()
        forged = [("X-Coatcheck-Scopes", "admin"), ("X-Coatcheck-User", "eve")]
        for way in ("nginx", "traefik", "envoy"):
            for token, scopes in ((api, "mail:read mail:send"), (access, "mail:read")):
                answer = await gate.ask(way, ("Authorization", f"Bearer {token}"), *forged)
                assert answer.status == 200
                assert (answer.header("x-coatcheck-user"), answer.header("x-coatcheck-scopes")) == ("ada", scopes)
        cookie = await gate.token(data={"scopes": ["admin"]})
        answer = await gate.ask("nginx", ("Cookie", f"{COOKIE}={cookie}"), *forged)
        assert (answer.status, answer.header("x-coatcheck-scopes")) == (200, "")
        await tokens.revoke(api)
        answer = await gate.ask("nginx", ("Authorization", f"Bearer {api}"), *forged)
        assert (answer.status, answer.header("x-coatcheck-user"), answer.header("x-coatcheck-scopes")) == (
            401,
            "",
            "",
        )
        assert answer.header("www-authenticate") == 'Bearer realm="gate", error="invalid_token"'
        answer = await gate.ask("optional/nginx", ("Authorization", f"Bearer {api}"), *forged)
        assert (answer.status, answer.header("x-coatcheck-user")) == (200, "")


async def test_J2_no_token_of_a_program_is_a_cookie(tmp_path: Path) -> None:
    """Nor is it accepted where nobody has asked for it."""
    async with asked(tmp_path, keys=[KEY], serve=SERVE) as gate:
        api = (await AsyncApiTokens(gate.sessions).create("ada", name="CI")).token.reveal()
        cookie = await gate.token()
        assert (await gate.ask("nginx", ("Cookie", f"{COOKIE}={api}"))).status == 401
        assert (await gate.ask("nginx", ("Authorization", f"Bearer {cookie}"))).status == 401
    async with asked(tmp_path, keys=[KEY], serve={"bearer": True}) as gate:
        answer = await gate.ask("nginx", ("Authorization", f"Bearer {api}"))
        assert answer.status == 401
        assert answer.all("x-coatcheck-scopes") == []


async def test_J2_J3_the_identity_token_says_the_scopes(tmp_path: Path) -> None:
    """It ends with the token at the latest, and has no time of an authentication."""
    key = Ed25519PrivateKey.generate()
    path = tmp_path / "identity.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    more = {"token_keys": (str(path),), "token_issuer": "gate", "token_audience": ("shop",)}
    async with asked(tmp_path, keys=[KEY], serve={**SERVE, **more}) as gate:
        new = await AsyncApiTokens(gate.sessions).create("ada", name="CI", scopes=["mail:read"])
        answer = await gate.ask("nginx", ("Authorization", f"Bearer {new.token.reveal()}"))
        said = jwt.decode(answer.header("x-coatcheck-token") or "", key.public_key(), ["EdDSA"], audience="shop")
        assert (said["sub"], said["sid"], said["scope"]) == ("ada", new.api_token.id, "mail:read")
        assert "auth_time" not in said
        cookie = await gate.token()
        answer = await gate.ask("nginx", ("Cookie", f"{COOKIE}={cookie}"))
        said = jwt.decode(answer.header("x-coatcheck-token") or "", key.public_key(), ["EdDSA"], audience="shop")
        assert "scope" not in said


async def test_J7_introspection_knows_programs_and_tells_dead_tokens_alike(tmp_path: Path) -> None:
    """Of a good one whose it is and what for; of five kinds of dead ones byte for byte the same."""
    async with asked(tmp_path, keys=[KEY], serve=SERVE) as gate:
        tokens, pairs = AsyncApiTokens(gate.sessions), AsyncTokenPairs(gate.sessions)
        new = await tokens.create("ada", name="CI", scopes=["mail:read"])
        api = new.token.reveal()
        said = json.loads(await introspected(gate, api))
        assert said == {
            "active": True,
            "token_type": "Bearer",
            "token_kind": "api",
            "token_name": "CI",
            "scope": "mail:read",
            "sub": "ada",
            "sid": new.api_token.id,
            "exp": int(new.api_token.expires_at.timestamp()),
            "iat": int(new.api_token.created_at.timestamp()),
        }
        pair = await pairs.issue("ada", name="phone")
        said = json.loads(await introspected(gate, pair.access.reveal()))
        assert (said["token_kind"], said["token_name"], said["scope"]) == ("access", "phone", "")
        assert said["exp"] - said["iat"] in {599, 600}
        await tokens.revoke(api)
        await pairs.revoke(pair.access)
        unknown, expired = tokens.form.dressed(new_secret()), await _expired(gate, tokens)
        dead = [api, pair.access.reveal(), unknown.reveal(), expired, api[:-1], pair.refresh.reveal(), "x"]
        assert {await introspected(gate, each) for each in dead} == {b'{"active":false}'}


async def _expired(gate: Asked, tokens: AsyncApiTokens) -> str:
    new = await tokens.create("ada", name="old")
    store: Any = gate.sessions.store
    change = SessionChange(new.api_token.id, {}, (), 16_384, idle_timeout=1_000_000, idle_expires_at=1)
    assert await store.save(change)
    return new.token.reveal()


async def test_sessions_of_a_provider_have_no_api_tokens_beside_them(tmp_path: Path) -> None:
    away = {"kind": "introspection", "url": "http://127.0.0.1:9/", "client_secret": SERVICE_KEY, "auth": "bearer"}
    with pytest.raises(ConfigurationError, match="api_tokens=True is not possible"):
        async with asked(tmp_path, provider=away, serve=SERVE):
            pass
