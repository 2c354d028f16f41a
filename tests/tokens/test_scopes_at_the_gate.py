"""Scopes at the gate: a place that wants some lets no token through without them, and none is taken for a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import AsyncApiTokens, AsyncTokenPairs
from coatcheck.serve.gate import question_of
from coatcheck.serve.identity import LONGEST_VALUE, NO_SCOPES
from tests.serve.asked import asked, cookie
from tests.serve.proxied import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.serve.asked import Asked
    from tests.web.browser import Answer

pytestmark = pytest.mark.anyio

SERVE: dict[str, Any] = {"api_tokens": True}
SAID = [
    ("X-Forwarded-Method", "GET"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "a"),
    ("X-Forwarded-Uri", "/"),
]


def bearer(token: Any) -> tuple[str, str]:
    return "Authorization", f"Bearer {token.reveal()}"


async def ask(gate: Asked, place: str, *headers: tuple[str, str]) -> Answer:
    """Ask in each of the three ways, which must answer alike."""
    said = [("Host", "a"), *SAID, *headers]
    first, *others = [
        await gate.request("GET", f"/auth/{place}{way}", *said) for way in ("nginx", "forward", "envoy/x")
    ]
    assert {other.status for other in others} == {first.status}
    return first


async def test_B9_a_place_that_wants_scopes_lets_no_token_through_without_them(tmp_path: Path) -> None:
    """RFC 6750 section 3.1. Of sessions no scopes are asked: their user may do whatever they may."""
    async with asked(tmp_path, keys=[KEY], serve=SERVE) as gate:
        tokens = AsyncApiTokens(gate.sessions)
        reads = bearer((await tokens.create("ada", name="a", scopes=["mail:read", "x/y%z"])).token)
        both = bearer(
            (await AsyncTokenPairs(gate.sessions).issue("ada", name="b", scopes=["mail:read", "send"])).access
        )
        none = bearer((await tokens.create("ada", name="c")).token)
        for place, lets in (
            ("", (reads, both, none)),
            ("scope/mail:read/", (reads, both)),
            ("scope/mail%3Aread/", (reads, both)),
            ("scope/x%2Fy%25z/", (reads,)),
            ("scope/send/scope/mail:read/", (both,)),
            ("scope/mail/", ()),
        ):
            for each in (reads, both, none):
                answer = await ask(gate, place, each)
                assert answer.status == (200 if each in lets else 403), (place, each)
                assert answer.all("x-coatcheck-user") == ["ada" if each in lets else ""]
            assert (await ask(gate, place, cookie(await gate.token()))).status == 200
            assert (await ask(gate, place)).status == 401
        refused = await ask(gate, "scope/send/scope/mail:read/", none)
        said = 'Bearer realm="gate", error="insufficient_scope", scope="send mail:read"'
        assert refused.all("www-authenticate") == [said]
        text = (await gate.request("GET", "/metrics")).body.decode()
        assert 'answer="insufficient_scope"} ' in text


@pytest.mark.parametrize(
    "place",
    [
        "scope/",
        "scope//",
        "scope/a b/",
        "scope/%22/",
        "scope/a%20b/",
        "scope/a/optional/",
        "optional/scope/a/",
        "scopes/a/",
    ],
)
async def test_a_place_that_nobody_can_mean_is_no_yes(place: str, tmp_path: Path) -> None:
    async with asked(tmp_path, serve=SERVE) as gate:
        for way in ("nginx", "envoy/x"):
            answer = await gate.request("GET", f"/auth/{place}{way}", *SAID, cookie(await gate.token()))
            assert answer.status == 404


def test_the_client_s_own_path_asks_for_nothing() -> None:
    """With Envoy it stands behind the question."""
    path = b"/auth/scope/a/envoy/scope/b/envoy"
    question = question_of({"path": "", "raw_path": path})
    assert question is not None
    assert (question.scopes, question.rest) == (("a",), b"/scope/b/envoy")


async def test_B9_a_token_for_nothing_in_particular_is_not_told_as_a_session(tmp_path: Path) -> None:
    """A session has an empty header, and may do everything; so may no token, nor one with more than fits."""
    async with asked(tmp_path, serve=SERVE) as gate:
        tokens = AsyncApiTokens(gate.sessions)
        many = [f"scope-{number:02}-{'x' * 30}" for number in range(40)]
        assert len(" ".join(many)) > LONGEST_VALUE
        for scopes in ([], many):
            new = await tokens.create("ada", name="CI", scopes=scopes)
            answer = await gate.ask("caddy", bearer(new.token))
            assert (answer.status, answer.all("x-coatcheck-scopes")) == (200, [NO_SCOPES.decode()])
        assert (await gate.ask("caddy", cookie(await gate.token()))).all("x-coatcheck-scopes") == [""]
