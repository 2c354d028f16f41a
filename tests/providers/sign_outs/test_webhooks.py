"""The signed webhook: who is believed, what it tells, and what it answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck import AsyncProviderSessions, ConfigurationError, NotSignedIn, ProviderSettings, Unavailable
from coatcheck.asgi.messages import LARGEST
from coatcheck.asgi.webhooks import SignOutWebhook
from coatcheck.core.webhooks import SignOut, WebhookRefused, checked_secrets, received, sign_out_of
from coatcheck.testing import ManualClock
from tests.providers.asking import introspection
from tests.providers.sign_outs.posting import FORM, JSON, Told, request

if TYPE_CHECKING:
    from pathlib import Path

    from tests.providers.sign_outs.posting import Answered
    from tests.servers.oidc_provider import Browser, OIDCProvider

pytestmark = pytest.mark.anyio

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEXT = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ENDED = {"type": "session.ended", "data": {"session_id": "s-1"}}


def signed(body: bytes, at: datetime, *, name: str = "msg_1", secret: str = SECRET) -> dict[bytes, bytes]:
    """Return the headers of a message, made as Standard Webhooks describes it and not by our own code."""
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
    signature = b"v1," + base64.b64encode(digest)
    return {b"webhook-id": name.encode(), b"webhook-timestamp": stamp.encode(), b"webhook-signature": signature}


class Hook:
    """One webhook, its clock, and what it has told."""

    def __init__(self, *secrets: str) -> None:
        self.clock = ManualClock()
        self.told = Told()
        self.app = SignOutWebhook(self.told, secrets=secrets or [SECRET], clock=self.clock)

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now() // 10**9, UTC)

    async def post(self, said: Any, *, age: timedelta = timedelta(0), secret: str = SECRET, **changes: Any) -> Answered:
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        headers = {**signed(body, self.now - age, secret=secret), **_bytes(changes)}
        return await request(self.app, body, JSON, *((name, value) for name, value in headers.items() if value))


def _bytes(changes: dict[str, Any]) -> dict[bytes, bytes]:
    return {f"webhook-{name}".encode(): value for name, value in changes.items()}


def test_a_message_is_verified_as_the_specification_has_it() -> None:
    """The example of its reference libraries."""
    headers = {
        b"webhook-id": b"msg_p5jXN8AQM9LWM0D4loKWxJek",
        b"webhook-timestamp": b"1614265330",
        b"webhook-signature": b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    now = datetime.fromtimestamp(1614265330, UTC)
    message = received(headers, b'{"test": 2432232314}', checked_secrets([SECRET]), now)
    assert message == ("msg_p5jXN8AQM9LWM0D4loKWxJek", now)


@pytest.mark.parametrize(
    ("said", "tells"),
    [
        (ENDED, {"sessions": ["s-1"]}),
        ({"type": "session.ended", "data": {"session_ids": ["s-1", "s-2"]}}, {"sessions": ["s-1", "s-2"]}),
        ({"type": "user.changed", "data": {"user_id": "ada", "more": 1}, "more": 1}, {"users": ["ada"]}),
        ({"type": "user.changed", "data": {"user_ids": ["ada", "eve"]}}, {"users": ["ada", "eve"]}),
    ],
    ids=str,
)
async def test_a_signed_message_tells_of_sessions_and_users(said: Any, tells: dict[str, Any]) -> None:
    hook = Hook()
    answer = await hook.post(said)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers[b"cache-control"] == b"no-store"
    assert hook.told.said == [tells]


async def test_whoever_is_signed_out_everywhere_is_so_from_when_it_was_sent() -> None:
    hook = Hook()
    age = timedelta(seconds=9)
    assert (await hook.post({"type": "user.signed_out", "data": {"user_id": "ada"}}, age=age)).status == 204
    assert hook.told.said == [{"signed_out": [("ada", hook.now - age)]}]


async def test_a_message_counts_once_and_a_repetition_is_no_failure() -> None:
    """The sender may not have had our answer, and must not send it for ever."""
    hook = Hook()
    for _ in range(3):
        assert (await hook.post(ENDED)).status == 204
    assert len(hook.told.said) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": b""},
        {"signature": b"v1,"},
        {"signature": b"v1," + base64.b64encode(bytes(32))},
        {"signature": b"v1a," + base64.b64encode(bytes(32))},
        {"id": b""},
        {"id": b"msg_2"},
        {"id": b"msg.1"},
        {"id": b"x" * 256},
        {"timestamp": b""},
        {"timestamp": b"now"},
        {"timestamp": b"-1"},
        {"timestamp": b"999999999999"},
        {"age": timedelta(seconds=301)},
        {"age": timedelta(seconds=-301)},
        {"secret": NEXT},
    ],
    ids=str,
)
async def test_T9_what_nobody_has_signed_now_is_refused(
    changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "coatcheck")
    hook = Hook()
    answer = await hook.post(ENDED, **changes)
    assert (answer.status, json.loads(answer.body)["error"]) == (401, "invalid_signature")
    assert hook.told.said == []
    assert "s-1" not in answer.body.decode() + caplog.text + str(caplog.records[0].__dict__)


async def test_a_message_may_be_a_little_old_or_ahead() -> None:
    hook = Hook()
    for number, seconds in enumerate((300, -300)):
        body = json.dumps(ENDED).encode()
        headers = signed(body, hook.now - timedelta(seconds=seconds), name=f"msg_{number}")
        assert (await request(hook.app, body, JSON, *headers.items())).status == 204


async def test_an_altered_message_is_refused() -> None:
    hook = Hook()
    body = json.dumps(ENDED).encode()
    for name, value in (("body", body + b" "), ("timestamp", b"0")):
        headers = signed(body, hook.now)
        if name == "timestamp":
            headers[b"webhook-timestamp"] = str(int(hook.now.timestamp()) - 1).encode()
        assert (await request(hook.app, value if name == "body" else body, JSON, *headers.items())).status == 401


async def test_a_dot_cannot_move_between_id_and_body() -> None:
    """Id, time and body are signed with dots between them; an id with one could take a part of the next."""
    hook = Hook()
    stamp = str(int(hook.now.timestamp())).encode()
    body = stamp + b"." + json.dumps(ENDED).encode()
    headers = signed(body, hook.now)
    headers[b"webhook-id"] += b"." + stamp
    assert (await request(hook.app, json.dumps(ENDED).encode(), JSON, *headers.items())).status == 401


async def test_a_header_that_comes_twice_is_none() -> None:
    hook = Hook()
    body = json.dumps(ENDED).encode()
    headers = [*signed(body, hook.now).items()]
    assert (await request(hook.app, body, JSON, *headers, (b"webhook-id", b"msg_2"))).status == 401


async def test_secrets_are_replaced_without_a_gap() -> None:
    hook = Hook(SECRET, NEXT)
    assert (await hook.post(ENDED, secret=NEXT)).status == 204
    body = json.dumps(ENDED).encode()
    both = signed(body, hook.now, name="msg_3")
    both[b"webhook-signature"] = b"v1a,zzz v1,bm90aGluZw== " + both[b"webhook-signature"]
    assert (await request(hook.app, body, JSON, *both.items())).status == 204


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{",
        b"[" * 100_000 if LARGEST > 100_000 else b"[" * 60_000,
        b"\xff",
        [],
        {},
        {"type": "session.ended"},
        {"type": "session.ended", "data": []},
        {"type": "session.ended", "data": {}},
        {"type": "session.ended", "data": {"session_id": ""}},
        {"type": "session.ended", "data": {"session_id": 7}},
        {"type": "session.ended", "data": {"session_id": None}},
        {"type": "session.ended", "data": {"session_id": "x" * 256}},
        {"type": "session.ended", "data": {"session_id": "\ud800"}},
        {"type": "user.changed", "data": {"user_id": "a\0b"}},
        {"type": "session.ended", "data": {"session_ids": []}},
        {"type": "session.ended", "data": {"session_ids": "s-1"}},
        {"type": "session.ended", "data": {"session_ids": ["s-1"] * 101}},
        {"type": "session.ended", "data": {"user_id": "ada"}},
        {"type": "user.changed", "data": {"session_id": "s-1"}},
        {"type": "user.deleted", "data": {"user_id": "ada"}},
        {"type": ["session.ended"], "data": {"session_id": "s-1"}},
    ],
    ids=lambda said: ascii(said)[:60],
)
async def test_a_message_that_says_nothing_known_is_no_success(said: Any) -> None:
    hook = Hook()
    answer = await hook.post(said)
    assert (answer.status, json.loads(answer.body)["error"]) == (400, "invalid_request")
    assert hook.told.said == []


async def test_I4_what_cannot_be_recorded_is_to_be_sent_again() -> None:
    hook = Hook()
    hook.told.error = Unavailable("the store is away", retry_after=3)
    answer = await hook.post(ENDED)
    assert (answer.status, answer.headers[b"retry-after"]) == (503, b"3")
    hook.told.error = None
    assert (await hook.post(ENDED)).status == 204
    assert len(hook.told.said) == 1


async def test_only_a_small_post_of_json_is_read() -> None:
    hook = Hook()
    body = json.dumps(ENDED).encode()
    headers = tuple(signed(body, hook.now).items())
    assert (await request(hook.app, body, JSON, *headers, method="GET")).status == 405
    assert (await request(hook.app, body, FORM, *headers)).status == 415
    assert (await request(hook.app, b" " * (LARGEST + 1), JSON, *headers)).status == 413
    assert (await request(hook.app, body, JSON, *headers)).status == 204


@pytest.mark.parametrize(
    "secrets",
    [[], SECRET, [SECRET.removeprefix("whsec_")], ["whsec_"], ["whsec_c2hvcnQ="], ["whsec_not base64"], [SECRET, ""]],
    ids=["none", "text", "no prefix", "empty", "short", "no base64", "one empty"],
)
def test_T9_a_secret_that_is_none_is_refused_at_once(secrets: Any) -> None:
    with pytest.raises(ConfigurationError, match="secrets") as error:
        SignOutWebhook(Told(), secrets=secrets)
    assert SECRET.removeprefix("whsec_") not in str(error.value)
    assert "c2hvcnQ" not in str(error.value)


HEADERS = st.sampled_from([b"webhook-id", b"webhook-timestamp", b"webhook-signature"])


@given(headers=st.dictionaries(HEADERS, st.binary(max_size=40)), body=st.binary(max_size=40))
def test_whatever_comes_unsigned_is_refused(headers: dict[bytes, bytes], body: bytes) -> None:
    with pytest.raises(WebhookRefused):
        received(headers, body, checked_secrets([SECRET]), datetime(2026, 1, 1, tzinfo=UTC))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["session.ended", "user.changed", "user.signed_out", "other"])},
    optional={"data": st.dictionaries(st.sampled_from(["session_id", "session_ids", "user_id"]), JSON_VALUES)},
)


@given(said=JSON_VALUES | MESSAGES)
def test_whatever_is_signed_names_somebody_or_is_refused(said: Any) -> None:
    with suppress(WebhookRefused):
        found = sign_out_of(json.dumps(said).encode(), datetime(2026, 1, 1, tzinfo=UTC))
        assert found != SignOut()


# --- with sessions behind it


async def test_I3_what_it_says_has_ended_is_refused_where_the_provider_still_accepts_it(
    oidc: OIDCProvider, browser: Browser, tmp_path: Path
) -> None:
    token, other = browser.sign_in("ada").access, browser.sign_in("ada").access
    cached = ProviderSettings(revalidate_after=timedelta(minutes=5))
    url = f"sqlite:///{tmp_path / 'log.db'}"
    first = AsyncProviderSessions(introspection("asyncio", oidc), url, settings=cached)
    second = AsyncProviderSessions(introspection("asyncio", oidc), url, settings=cached)
    async with first, second:
        session = await second.get(token)
        assert session
        assert await second.get(other)
        hook = SignOutWebhook(first, secrets=[SECRET])
        body = json.dumps({"type": "session.ended", "data": {"session_id": session.id}}).encode()
        headers = signed(body, datetime.now(UTC))
        assert (await request(hook, body, JSON, *headers.items())).status == 204
        for worker in (first, second):
            assert await worker.get(token) is NotSignedIn.UNKNOWN
            assert await worker.get(other)
        body = json.dumps({"type": "user.signed_out", "data": {"user_id": "ada"}}).encode()
        headers = signed(body, datetime.now(UTC), name="msg_2")
        assert (await request(hook, body, JSON, *headers.items())).status == 204
        for worker in (first, second):
            assert await worker.get(other) is NotSignedIn.UNKNOWN
