"""API tokens for back ends in other languages: made, listed and ended through the internal API (B9)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncApiTokens, AsyncTokenPairs
from coatcheck.errors import Unavailable
from tests.serve.asked import Asked, asked, cookie
from tests.serve.proxied import KEY, SERVICE_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.web.browser import Answer

pytestmark = pytest.mark.anyio

OPEN: dict[str, Any] = {"serve": {"api_tokens": True, "service_keys": (SERVICE_KEY,)}}


async def call(gate: Asked, method: str, path: str, body: Any = None) -> Answer:
    headers = [("Authorization", f"Bearer {SERVICE_KEY}"), *([("Content-Type", "application/json")] if body else [])]
    sent = b"" if body is None else json.dumps(body).encode()
    return await gate.request(method, f"/internal{path}", *headers, body=sent)


async def made(gate: Asked, user: str = "ada", **how: Any) -> dict[str, Any]:
    answer = await call(gate, "POST", "/tokens", {"user_id": user, "name": "CI", **how})
    assert (answer.status, answer.all("cache-control")) == (201, ["no-store"]), answer.body
    created: dict[str, Any] = answer.json()
    return created


async def listed(gate: Asked, user: str = "ada") -> list[dict[str, Any]]:
    tokens: list[dict[str, Any]] = (await call(gate, "GET", f"/tokens?user_id={user}")).json()["tokens"]
    return tokens


async def passes(gate: Asked, token: str) -> bool:
    answer = await gate.ask("traefik", ("Authorization", f"Bearer {token}"))
    assert answer.status in {200, 401}
    return answer.status == 200


async def test_B9_a_token_from_beginning_to_end(tmp_path: Path) -> None:
    """Its text is in the answer that makes it and in no other (rule T5)."""
    async with asked(tmp_path, **OPEN) as gate:
        created = await made(gate, name="Nightly ✓", scopes=["mail:send", "mail:read"], lifetime=3600)
        text, shown = created["token"], created["api_token"]
        assert (shown["user_id"], shown["name"], shown["last_used_at"]) == ("ada", "Nightly ✓", None)
        assert shown["scopes"] == ["mail:read", "mail:send"]
        [token] = await AsyncApiTokens(gate.sessions).list("ada")
        assert token.expires_at - token.created_at == timedelta(hours=1)
        answer = await gate.ask("nginx", ("Authorization", f"Bearer {text}"))
        assert (answer.status, answer.all("x-coatcheck-scopes")) == (200, ["mail:read mail:send"])
        assert await listed(gate) == [shown]
        assert await listed(gate, "bob") == []
        assert text not in json.dumps(await listed(gate))
        ended = await call(gate, "DELETE", f"/tokens/{shown['id']}?user_id=ada&wait=true")
        assert (ended.status, ended.body) == (204, b"")
        assert not await passes(gate, text)
        assert await listed(gate) == []


async def test_L14_a_token_is_ended_for_its_owner_only(tmp_path: Path) -> None:
    """A back end hands on the id that a user has named; and a session's id is none of a token, nor the other way."""
    async with asked(tmp_path, **OPEN) as gate:
        created = await made(gate)
        signed_in = cookie(await gate.token("ada"))
        [session] = await gate.sessions.list("ada")
        for name, user, status in (
            (created["api_token"]["id"], "bob", 404),
            (session.id, "ada", 404),
            ("nothing", "ada", 404),
        ):
            answer = await call(gate, "DELETE", f"/tokens/{name}?user_id={user}")
            assert (answer.status, answer.json()["title"]) == (status, "No such token")
        assert (await call(gate, "DELETE", f"/tokens/{created['api_token']['id']}")).status == 422
        assert await passes(gate, created["token"])
        assert (await gate.ask("nginx", signed_in)).status == 200


async def test_L11_what_ends_many_ends_the_right_ones(tmp_path: Path) -> None:
    async with asked(tmp_path, keys=[KEY], **OPEN) as gate:
        signed_in = cookie(await gate.token("ada"))
        tokens = [(await made(gate))["token"] for _ in range(2)]
        other = (await made(gate, "bob"))["token"]
        assert (await call(gate, "DELETE", "/tokens?user_id=ada")).json() == {"ended": 2}
        assert [await passes(gate, each) for each in (*tokens, other)] == [False, False, True]
        assert (await gate.ask("nginx", signed_in)).status == 200
        token = (await made(gate))["token"]
        assert (await call(gate, "POST", "/revoke", {"user_id": "ada"})).json()["ended"] == 2
        assert not await passes(gate, token)
        assert (await gate.ask("nginx", signed_in)).status == 401


async def test_a_token_that_was_found_somewhere_is_ended_by_its_text(tmp_path: Path) -> None:
    """Of each kind; and what nobody has is nothing, and takes no cookie from a browser."""
    async with asked(tmp_path, keys=[KEY], **OPEN) as gate:
        pairs = AsyncTokenPairs(gate.sessions)
        one, two = [await pairs.issue("ada", name="phone") for _ in range(2)]
        api = (await made(gate))["token"]
        for text, access in (
            (api, api),
            (one.access.reveal(), one.access.reveal()),
            (two.refresh.reveal(), two.access.reveal()),
        ):
            assert await passes(gate, access)
            for ended in (1, 0):
                answer = await call(gate, "POST", "/revoke", {"token": text, "wait": True})
                assert answer.json() == {"ended": ended, "set_cookies": []}
            assert not await passes(gate, access)


async def test_the_limit_is_told_and_nothing_is_ended_for_it(tmp_path: Path) -> None:
    async with asked(tmp_path, **OPEN) as gate:
        for _ in range(50):
            await made(gate)
        answer = await call(gate, "POST", "/tokens", {"user_id": "ada", "name": "CI"})
        problem = answer.json()
        assert (answer.status, problem["title"], problem["limit"]) == (409, "Too many API tokens", 50)
        assert len(await listed(gate)) == 50


async def test_T9_what_is_wrong_with_a_token_is_said_and_never_repeated(tmp_path: Path) -> None:
    async with asked(tmp_path, **OPEN) as gate:
        secret = "hunter2"
        for body in (
            {"user_id": "ada"},
            {"user_id": "ada", "name": ""},
            {"user_id": "ada", "name": " "},
            {"user_id": "ada", "name": f"{secret}\n"},
            {"user_id": "ada", "name": secret * 20},
            {"user_id": "ada", "name": "\N{ZERO WIDTH SPACE}"},
            {"user_id": "", "name": "CI"},
            {"user_id": "ä" * 200, "name": "CI"},
            {"user_id": "ada", "name": "CI", "lifetime": 0},
            {"user_id": "ada", "name": "CI", "lifetime": 366 * 86_400 + 1},
            {"user_id": "ada", "name": "CI", "scopes": secret},
            {"user_id": "ada", "name": "CI", "scopes": [f"{secret} b"]},
            {"user_id": "ada", "name": "CI", "scopes": [f'"{secret}"']},
            {"user_id": "ada", "name": "CI", "scopes": ["\ud800"]},
            {"user_id": "ada", "name": "CI", "scopes": [secret] * 65},
            {"user_id": "ada", "name": "CI", secret: 1},
        ):
            answer = await call(gate, "POST", "/tokens", body)
            assert (answer.status, answer.all("content-type")) == (422, ["application/problem+json"]), body
            assert b"hunter2" not in answer.body
        assert await listed(gate) == []
        assert (await call(gate, "GET", "/tokens")).status == 422


async def test_S9_an_outage_is_503_and_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable("the store is away")

    for verb in ("create", "list", "revoke_user", "revoke_by_id", "revoke"):
        monkeypatch.setattr(AsyncApiTokens, verb, away)
    async with asked(tmp_path, **OPEN) as gate:
        for method, path, body in (
            ("POST", "/tokens", {"user_id": "ada", "name": "CI"}),
            ("GET", "/tokens?user_id=ada", None),
            ("DELETE", "/tokens?user_id=ada", None),
            ("DELETE", "/tokens/x?user_id=ada", None),
            ("POST", "/revoke", {"token": "cct_x"}),
        ):
            answer = await call(gate, method, path, body)
            assert (answer.status, answer.all("retry-after")) == (503, ["1"]), path


async def test_where_the_gate_accepts_none_nobody_makes_any(tmp_path: Path) -> None:
    """Nor with the sessions of a provider; and without a service key there is nothing at all."""
    away = {"kind": "introspection", "url": "http://127.0.0.1:9/", "client_secret": SERVICE_KEY, "auth": "bearer"}
    closed: dict[str, Any] = {"serve": {"service_keys": (SERVICE_KEY,)}}
    for settings, reason in ((closed, "api_tokens"), ({**closed, "provider": away}, "issued_elsewhere")):
        async with asked(tmp_path, **settings) as gate:
            for method, path, body in (
                ("POST", "/tokens", {"user_id": "ada", "name": "CI"}),
                ("GET", "/tokens?user_id=ada", None),
                ("DELETE", "/tokens?user_id=ada", None),
                ("DELETE", "/tokens/x?user_id=ada", None),
            ):
                answer = await call(gate, method, path, body)
                assert (answer.status, answer.json()["reason"]) == (501, reason)
    async with asked(tmp_path, **OPEN) as gate:
        assert (await gate.request("GET", "/internal/tokens?user_id=ada")).status == 401
