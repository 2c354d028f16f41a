"""`POST /token` and `POST /revoke`, as RFC 6749 section 6 and RFC 7009 have them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from coatcheck import AsyncSessions, AsyncTokenPairs
from coatcheck.api import token_router
from coatcheck.testing import AsyncFaultyStore, AsyncMemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from coatcheck import TokenPair

KEYS = ["a key of the first kind, 32 octets or more"]


class Site:
    """An application with both endpoints, and one grant."""

    def __init__(self) -> None:
        self.store = AsyncFaultyStore(AsyncMemoryStore())
        self.sessions = AsyncSessions(self.store, keys=KEYS)
        self.pairs = AsyncTokenPairs(self.sessions)
        app = FastAPI(lifespan=self.lifespan)
        app.include_router(token_router(self.pairs), prefix="/oauth")
        self.client = TestClient(app)

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        async with self.sessions:
            yield

    def send(self, path: str, **form: str) -> Any:
        return self.client.post(f"/oauth/{path}", data=form)

    def do(self, verb: str, *arguments: Any, **how: Any) -> Any:
        assert self.client.portal is not None

        async def call() -> Any:
            return await getattr(self.pairs, verb)(*arguments, **how)

        return self.client.portal.call(call)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    with site.client:
        yield site


@pytest.fixture
def pair(site: Site) -> TokenPair:
    pair: TokenPair = site.do("issue", "ann", name="phone", scopes=["mail", "files"])
    return pair


def test_J4_a_refresh_token_is_exchanged(site: Site, pair: TokenPair) -> None:
    """For the next pair, which no cache may keep."""
    answer = site.send("token", grant_type="refresh_token", refresh_token=pair.refresh.reveal(), client_id="phone")
    assert answer.status_code == 200
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    said = answer.json()
    assert (said["token_type"], said["expires_in"], said["scope"]) == ("Bearer", 600, "files mail")
    assert site.do("get", said["access_token"])
    assert said["refresh_token"] != pair.refresh.reveal()
    again = site.send("token", grant_type="refresh_token", refresh_token=pair.refresh.reveal()).json()
    assert again["refresh_token"] == said["refresh_token"]


def test_J4_what_is_no_refresh_token_is_told_so_and_no_more(site: Site, pair: TokenPair) -> None:
    def told(**form: str) -> tuple[int, Any]:
        answer = site.send("token", **form)
        return answer.status_code, answer.json()

    for wrong in (pair.access.reveal(), pair.refresh.reveal()[:-1], "x", "é"):
        assert told(grant_type="refresh_token", refresh_token=wrong) == (400, {"error": "invalid_grant"})
    assert told(grant_type="password", refresh_token="x") == (400, {"error": "unsupported_grant_type"})
    for form in ({}, {"grant_type": "refresh_token"}, {"grant_type": "refresh_token", "refresh_token": ""}):
        assert told(**form) == (400, {"error": "invalid_request"})
    twice = "grant_type=refresh_token&refresh_token=a&refresh_token=b"
    form_type = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (twice, "token=" + "x" * 5000, b"\xff"):
        answer = site.client.post("/oauth/token", content=body, headers=form_type)
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})
    answer = site.client.post("/oauth/token", json={"grant_type": "refresh_token"})
    assert answer.status_code == 400


@pytest.mark.parametrize("which", ["access", "refresh"])
def test_J3_revoking_either_token_ends_both(site: Site, pair: TokenPair, which: str) -> None:
    """Whoever sends what is no token is told the same (RFC 7009 section 2.2)."""
    answer = site.send("revoke", token=getattr(pair, which).reveal(), token_type_hint="refresh_token")
    assert (answer.status_code, answer.content) == (200, b"")
    assert not site.do("get", pair.access)
    assert not site.do("refresh", pair.refresh)
    nothing = site.send("revoke", token="x")
    assert (nothing.status_code, nothing.content, nothing.headers) == (200, b"", answer.headers)
    assert site.send("revoke").status_code == 400


def test_S9_an_outage_is_503(site: Site, pair: TokenPair) -> None:
    site.store.fail("renew", "revoke", "read", "poll")
    for path, form in (
        ("token", {"grant_type": "refresh_token", "refresh_token": pair.refresh.reveal()}),
        ("revoke", {"token": pair.refresh.reveal()}),
    ):
        answer = site.send(path, **form)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_the_endpoints_are_described(site: Site) -> None:
    paths = site.client.get("/openapi.json").json()["paths"]
    form = paths["/oauth/token"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    assert form["required"] == ["grant_type", "refresh_token"]
    assert "security" not in paths["/oauth/revoke"]["post"]
