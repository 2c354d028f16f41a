"""The place where logout tokens arrive: what it answers, and what it tells the sessions."""

from __future__ import annotations

import json
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck import Unavailable
from coatcheck.asgi.back_channel import BackChannelLogout, _token_in
from coatcheck.asgi.messages import LARGEST, Refusal
from coatcheck.providers.base import HTTPSettings
from coatcheck.testing import ManualClock
from tests.providers.sign_outs.posting import FORM, JSON, Told, request
from tests.providers.sign_outs.signing import ISSUER, NOW, Keys, token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def back_channel(told: Told, keys: Keys | None = None) -> AsyncIterator[BackChannelLogout]:
    async with (keys or Keys()).client() as client:
        how: dict[str, Any] = {
            "jwks_url": f"{ISSUER}/keys",
            "client": client,
            "clock": ManualClock(),
            "settings": HTTPSettings(retries=0),
        }
        yield BackChannelLogout(told, issuer=ISSUER, client_id="web", **how)


def form(text: str) -> bytes:
    return urlencode({"logout_token": text}).encode()


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({}, {"logins": [(ISSUER, "login-7")], "users": ["ada"]}),
        ({"sub": ...}, {"logins": [(ISSUER, "login-7")]}),
        ({"sid": ...}, {"signed_out": [("ada", NOW)]}),
    ],
    ids=["session and user", "session", "user"],
)
async def test_A5_a_logout_token_ends_exactly_what_it_names(claims: dict[str, Any], says: dict[str, Any]) -> None:
    told = Told()
    async with back_channel(told) as app:
        answer = await request(app, form(token(**claims)), FORM)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers[b"cache-control"] == b"no-store"
    assert told.said == [says]


async def test_A5_a_token_counts_once() -> None:
    told = Told()
    async with back_channel(told) as app:
        assert (await request(app, form(token()), FORM)).status == 200
        again = await request(app, form(token()), FORM)
        assert (again.status, json.loads(again.body)["error"]) == (400, "invalid_request")
        assert (await request(app, form(token(jti="logout-2")), FORM)).status == 200
    assert len(told.said) == 2


@pytest.mark.parametrize("claims", [{"nonce": "n"}, {"aud": "other"}, {"events": {}}, {"exp": 1}], ids=str)
async def test_A5_T9_a_token_that_breaks_a_rule_ends_nothing(
    claims: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "coatcheck")
    told, text = Told(), token(**claims)
    async with back_channel(told) as app:
        answer = await request(app, form(text), FORM)
    assert answer.status == 400
    assert answer.headers[b"cache-control"] == b"no-store"
    assert json.loads(answer.body).keys() == {"error", "error_description"}
    assert told.said == []
    (line,) = [record for record in caplog.records if record.name == "coatcheck"]
    assert line.getMessage() == "coatcheck.sign_out_refused"
    for secret in (text, text[-20:], "login-7"):
        assert secret not in answer.body.decode() + str(line.__dict__)


async def test_I4_what_cannot_be_judged_or_recorded_is_to_be_sent_again() -> None:
    told, keys = Told(), Keys(status=503)
    async with back_channel(told, keys) as app:
        answer = await request(app, form(token()), FORM)
        assert (answer.status, answer.headers[b"retry-after"]) == (503, b"1")
        keys.status = 200
        told.error = Unavailable("the store is away", retry_after=7)
        answer = await request(app, form(token()), FORM)
        assert (answer.status, answer.headers[b"retry-after"]) == (503, b"7")
        told.error = None
        assert (await request(app, form(token()), FORM)).status == 200
    assert len(told.said) == 1


@pytest.mark.parametrize(
    ("body", "headers", "how", "status"),
    [
        (form(token()), (FORM,), {"method": "GET"}, 405),
        (form(token()), (FORM,), {"method": "PUT"}, 405),
        (form(token()), (), {}, 415),
        (form(token()), (JSON,), {}, 415),
        (form(token()), (FORM, FORM), {}, 415),
        (form(token()), (FORM,), {"whole": False}, 400),
        (b"x" * (LARGEST + 1), (FORM,), {}, 413),
        ([b"logout_token=" + b"x" * 1000] * 100, (FORM,), {}, 413),
        (b"", (FORM,), {}, 400),
        (b"logout_token=", (FORM,), {}, 400),
        (b"logout_token", (FORM,), {}, 400),
        (b"token=" + token().encode(), (FORM,), {}, 400),
        (form(token()) + b"&" + form(token()), (FORM,), {}, 400),
        (b"logout_token=\xff", (FORM,), {}, 400),
        (b"&".join([b"a=1"] * 21), (FORM,), {}, 400),
    ],
    ids=[
        *("GET", "PUT", "no type", "JSON", "two types", "cut off", "long", "long in parts", "nothing", "empty"),
        *("no value", "another name", "two", "no text", "many"),
    ],
)
async def test_A5_only_a_form_with_one_token_is_read(body: Any, headers: Any, how: dict[str, Any], status: int) -> None:
    told = Told()
    async with back_channel(told) as app:
        answer = await request(app, body, *headers, **how)
    assert answer.status == status
    assert told.said == []
    assert (b"allow" in answer.headers) is (status == 405)


async def test_a_form_may_come_in_parts_and_name_its_charset() -> None:
    told, whole = Told(), form(token())
    async with back_channel(told) as app:
        header = (b"content-type", b"Application/x-www-form-urlencoded; charset=utf-8")
        assert (await request(app, [whole[:9], b"", whole[9:]], header)).status == 200


async def test_a_websocket_is_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async with back_channel(Told()) as app:
        await app({"type": "websocket"}, None, send)  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]


@given(body=st.binary(max_size=80) | st.lists(st.sampled_from([b"logout_token", b"=", b"&", b"%", b"+"])).map(b"".join))
def test_whatever_a_form_is_it_has_a_token_or_is_refused(body: bytes) -> None:
    with suppress(Refusal):
        assert isinstance(_token_in(body), str)
