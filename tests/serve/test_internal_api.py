"""The internal API: sessions for back ends in other languages, and for nobody without a service key."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from coatcheck import ConfigurationError, Policy
from coatcheck.configuration.serve_options import ServeOptions
from coatcheck.errors import Unavailable
from tests.serve.asked import COOKIE, Asked, asked, cookie

if TYPE_CHECKING:
    from pathlib import Path

    from tests.web.browser import Answer

pytestmark = pytest.mark.anyio

KEY, NEXT = "mZ4rT8wQ1xV6bN3cJ7kL0pS5dF9gH2yU-internal", "Q9wE8rT7yU6iO5pA4sD3fG2hJ1kL0zX-the-next-one"
OPEN: dict[str, Any] = {"serve": {"service_keys": [KEY, NEXT]}}
FORM = ("Content-Type", "application/x-www-form-urlencoded")
JSON = ("Content-Type", "application/json")


async def call(gate: Asked, method: str, path: str, body: Any = None, *, key: str = KEY) -> Answer:
    headers = [("Authorization", f"Bearer {key}"), *([JSON] if body is not None else [])]
    sent = b"" if body is None else json.dumps(body).encode()
    return await gate.request(method, f"/internal{path}", *headers, body=sent)


async def introspected(gate: Asked, token: str) -> bytes:
    headers = [("Authorization", f"Bearer {KEY}"), FORM]
    answer = await gate.request("POST", "/internal/introspect", *headers, body=urlencode({"token": token}).encode())
    assert (answer.status, answer.all("cache-control")) == (200, ["no-store"])
    return answer.body


async def test_nobody_gets_in_without_a_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """On any path, in any way; and not at all where there is none."""
    paths = ["/sessions", "/openapi.json", "/nothing", "/sessions/x"]
    async with asked(tmp_path) as gate:
        for path in paths:
            assert (await call(gate, "GET", path)).status == 404
    with caplog.at_level(logging.WARNING, "coatcheck"):
        async with asked(tmp_path, **OPEN) as gate:
            token = await gate.token()
            for path in paths:
                for headers in (
                    [],
                    [("Authorization", "Bearer ")],
                    [("Authorization", f"Bearer {KEY[:-1]}")],
                    [("Authorization", f"Bearer {KEY}x")],
                    [("Authorization", f"Basic {KEY}")],
                    [("Authorization", f"Bearer {KEY}"), ("Authorization", f"Bearer {NEXT}")],
                    [("Authorization", f"Bearer {token}"), cookie(token)],
                    [("Cookie", f"{COOKIE}={KEY}"), ("X-Api-Key", KEY)],
                ):
                    answer = await gate.request("GET", f"/internal{path}?key={KEY}", *headers)
                    assert (answer.status, answer.all("www-authenticate")) == (401, ["Bearer"])
            for key in (KEY, NEXT):
                assert (await call(gate, "GET", "/sessions", key=key)).status == 200
    assert {record.getMessage() for record in caplog.records} == {"coatcheck.service_refused"}
    assert KEY[:-1] not in caplog.text


def test_S4_short_and_known_service_keys_are_refused() -> None:
    for key, problem in {
        "short": "has 5 octets, and 32 are needed",
        "changeme-changeme-changeme-changeme": "can be guessed",
        "a-string-secret-at-least-256-bits-long": "can be guessed",
    }.items():
        with pytest.raises(ConfigurationError, match=rf"service_keys\[1\] {problem}") as refused:
            ServeOptions(service_keys=(KEY, key))
        assert key not in str(refused.value)
    with pytest.raises(ConfigurationError, match=r"service_keys\[1\] is the same as service_keys\[0\]"):
        ServeOptions(service_keys=(KEY, KEY))
    assert KEY not in repr(ServeOptions(service_keys=(KEY,)))


async def test_a_session_from_beginning_to_end(tmp_path: Path) -> None:
    async with asked(tmp_path, **OPEN) as gate:
        wanted = {
            "user_id": "ada ✓",
            "ip": "203.0.113.7",
            "user_agent": "Agent/1",
            "data": {"n": [1]},
        }
        answer = await call(gate, "POST", "/sessions", wanted)
        created = answer.json()
        session = created["session"]
        assert (answer.status, answer.all("location")) == (201, [f"/internal/sessions/{session['id']}"])
        assert {name: session[name] for name in wanted} == wanted
        assert created["set_cookies"] == [f"{COOKIE}={created['token']}; Path=/; Secure; HttpOnly; SameSite=Lax"]
        assert (await gate.ask("nginx", cookie(created["token"]))).status == 200
        said = json.loads(await introspected(gate, created["token"]))
        assert (said["active"], said["sub"], said["sid"]) == (True, "ada ✓", session["id"])
        assert said["data"] == wanted["data"]
        assert (await call(gate, "GET", f"/sessions/{session['id']}")).json() == session
        listed = (await call(gate, "GET", f"/sessions?{urlencode({'user_id': 'ada ✓'})}")).json()
        assert listed == {"sessions": [session]}
        assert created["token"] not in json.dumps(listed)
        rotated = (await call(gate, "POST", "/rotate", {"token": created["token"], "reauthenticated": True})).json()
        assert rotated["session"]["id"] == session["id"]
        assert json.loads(await introspected(gate, created["token"])) == {"active": False}
        ended = (await call(gate, "POST", "/revoke", {"token": rotated["token"], "wait": True})).json()
        assert (ended["ended"], "Max-Age=0" in ended["set_cookies"][0]) == (1, True)
        assert (await gate.ask("nginx", cookie(rotated["token"]))).status == 401
        assert (await call(gate, "POST", "/rotate", {"token": rotated["token"]})).status == 404
        assert (await call(gate, "GET", f"/sessions/{session['id']}")).status == 404


async def test_sessions_end_by_id_by_user_and_all_together(tmp_path: Path) -> None:
    async with asked(tmp_path, **OPEN) as gate:
        tokens = {user: [await gate.token(user) for _ in range(2)] for user in ("ada", "bob", "eve")}
        [first, _] = await gate.sessions.list("ada")
        assert (await call(gate, "DELETE", f"/sessions/{first.id}?wait=true")).status == 204
        assert (await call(gate, "DELETE", f"/sessions/{first.id}")).status == 404
        assert (await call(gate, "POST", "/revoke", {"user_id": "bob"})).json() == {"ended": 2, "set_cookies": []}
        assert {(await gate.ask("envoy", cookie(token))).status for token in tokens["bob"]} == {401}
        assert len((await call(gate, "GET", "/sessions?limit=2")).json()["sessions"]) == 2
        assert (await call(gate, "POST", "/revoke", {"everyone": True})).json()["ended"] == 3
        assert (await call(gate, "GET", "/sessions")).json() == {"sessions": []}


async def test_J8_a_bound_token_says_of_which_key(tmp_path: Path) -> None:
    """So that whoever has asked demands the proof; the gate, which sees none, lets nobody in by it."""
    async with asked(tmp_path, **OPEN) as gate:
        thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
        token = (await call(gate, "POST", "/sessions", {"user_id": "7", "key_thumbprint": thumbprint})).json()["token"]
        said = json.loads(await introspected(gate, token))
        assert (said["token_type"], said["cnf"]) == ("DPoP", {"jkt": thumbprint})
        assert (await gate.ask("nginx", cookie(token))).status == 401
        unbound = json.loads(await introspected(gate, await gate.token("7")))
        assert (unbound["token_type"], "cnf" in unbound) == ("Bearer", False)


async def test_J7_dead_tokens_are_all_alike(tmp_path: Path) -> None:
    """Malformed, unknown, revoked, somebody anonymous: the same bytes."""
    async with asked(tmp_path, **OPEN) as gate:
        revoked, visitor = await gate.token("ada"), await gate.token(None, data={"cart": 1})
        await gate.sessions.revoke_user("ada")
        answers = [await introspected(gate, token) for token in ("x", "y" * 43, revoked, visitor, "ä" * 100)]
        assert set(answers) == {b'{"active":false}'}


async def test_how_long_it_lives_may_be_said(tmp_path: Path) -> None:
    async with asked(tmp_path, **OPEN) as gate:
        wanted = {"user_id": "ada", "remember": True, "lifetime": 3600, "idle_timeout": 60}
        created = (await call(gate, "POST", "/sessions", wanted)).json()
        [session] = await gate.sessions.list("ada")
        assert session.expires_at is not None
        assert session.expires_at - session.created_at == timedelta(hours=1)
        assert session.idle_expires_at - session.created_at == timedelta(minutes=1)
        assert "; Max-Age=35" in created["set_cookies"][0]
        again = (await call(gate, "POST", "/sessions", {"user_id": "ada", "replaces": created["token"]})).json()
        assert [each.id for each in await gate.sessions.list("ada")] == [again["session"]["id"]]


async def test_T9_what_is_wrong_is_said_and_never_repeated(tmp_path: Path) -> None:
    async with asked(tmp_path, policy=Policy(max_sessions=1, when_full="refuse", max_data_bytes=100), **OPEN) as gate:
        secret = "hunter2" * 5
        for path, body, status in (
            ("/sessions", {"user_id": ""}, 422),
            ("/sessions", {"user_id": secret + "\n"}, 422),
            ("/sessions", {"user_id": "ä" * 200}, 422),
            ("/sessions", {"user_id": 7}, 422),
            ("/sessions", {"user_id": "ada", secret: 1}, 422),
            ("/sessions", {"user_id": "ada", "data": {"x": secret * 5}}, 422),
            ("/sessions", {"user_id": "ada", "data": secret}, 422),
            ("/sessions", {"user_id": "ada", "lifetime": 0}, 422),
            ("/revoke", {}, 422),
            ("/revoke", {"token": secret, "user_id": "ada"}, 422),
            ("/revoke", {"everyone": False}, 422),
            ("/revoke", {"everyone": "yes"}, 422),
            ("/revoke", {"user_id": "ada", "everyone": False}, 422),
            ("/rotate", {"token": ""}, 422),
        ):
            answer = await call(gate, "POST", path, body)
            assert (answer.status, answer.all("content-type")) == (status, ["application/problem+json"]), body
            assert b"hunter2" not in answer.body
        assert (await call(gate, "POST", "/sessions", {"user_id": "ada"})).status == 201
        full = await call(gate, "POST", "/sessions", {"user_id": "ada"})
        assert (full.status, full.json()["limit"]) == (409, 1)
        key = ("Authorization", f"Bearer {KEY}")
        large = json.dumps({"user_id": "ada", "user_agent": "x" * 70_000}).encode()
        for headers, sent, status in (
            ([JSON], large, 413),
            ([JSON], b"{", 422),
            ([JSON], b"[" * 50_000, 400),
            ([], b"{}", 415),
            ([("Content-Type", "text/plain")], b"{}", 415),
        ):
            answer = await gate.request("POST", "/internal/sessions", key, *headers, body=sent)
            assert (answer.status, answer.all("content-type")) == (status, ["application/problem+json"]), sent[:9]
        for headers, sent, status in (
            ([FORM], b"", 400),
            ([FORM], b"token=a&token=b", 400),
            ([FORM], b"token=%ff", 400),
            ([FORM], b"token=\xff", 400),
            ([JSON], b'{"token": "a"}', 415),
            ([FORM], b"token=" + b"x" * 70_000, 413),
        ):
            answer = await gate.request("POST", "/internal/introspect", key, *headers, body=sent)
            assert answer.status == status, sent[:20]
        assert (await call(gate, "PUT", "/sessions", {})).status == 405


async def test_S9_an_outage_is_503(tmp_path: Path) -> None:
    """And not a dead token."""
    async with asked(tmp_path, **OPEN) as gate:

        async def away(*_: Any, **__: Any) -> None:
            raise Unavailable("the store is away")

        gate.sessions.get = gate.sessions.create = gate.sessions.list = away  # type: ignore[method-assign,assignment]
        form = urlencode({"token": "x" * 43}).encode()
        key = ("Authorization", f"Bearer {KEY}")
        answers = [
            await gate.request("POST", "/internal/introspect", key, FORM, body=form),
            await call(gate, "POST", "/sessions", {"user_id": "ada"}),
            await call(gate, "GET", "/sessions?user_id=ada"),
        ]
        assert [(answer.status, answer.all("retry-after")) for answer in answers] == [(503, ["1"])] * 3


async def test_lone_surrogates_are_no_crash(tmp_path: Path) -> None:
    async with asked(tmp_path, **OPEN) as gate:
        key = ("Authorization", f"Bearer {KEY}")
        for sent in (b'{"user_id": "\\ud800"}', b'{"user_id": "a", "data": {"\\ud800": "\\udfff"}}'):
            answer = await gate.request("POST", "/internal/sessions", key, JSON, body=sent)
            assert answer.status == 422
        token = await gate.token(data={"text": "\ud800"})
        assert json.loads(await introspected(gate, token))["data"] == {"text": "?"}
