"""Guards ask programs for a token, and tell them what is wrong, in every framework alike (RFC 6750 section 3)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import fastapi
import pytest
from starlette.testclient import TestClient

import coatcheck.fastapi as on_fastapi
from coatcheck import (
    ApiToken,
    ApiTokens,
    AsyncApiTokens,
    AsyncSessions,
    ConfigurationError,
    DataError,
    Session,
    Sessions,
)
from coatcheck.fastapi import SessionMiddleware, sign_in
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from coatcheck.testing import AsyncFaultyStore, FaultyStore
from tests.tokens.guarded import FRAMEWORKS, NEEDED


class Site:
    """The tokens of a database, for both sides."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.stores = AsyncFaultyStore(AsyncSQLiteStore(path)), FaultyStore(SQLiteStore(path))
        self.sessions = Sessions(self.stores[1]).open()
        self.tokens = ApiTokens(self.sessions)
        self.async_sessions = AsyncSessions(self.stores[0])
        self.async_tokens = AsyncApiTokens(self.async_sessions)

    def token(self, *scopes: str) -> str:
        return self.tokens.create("ann", name="CI", scopes=scopes).token.reveal()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(f"{tmp_path}/app.db")
    yield site
    site.sessions.close()


@pytest.mark.parametrize("make", FRAMEWORKS, ids=lambda make: make.__name__)
def test_B9_what_a_program_is_told(site: Site, make: Any) -> None:
    """A good token goes on; each other request learns what is wrong, and no more than RFC 6750 section 3 says."""
    ask = make(site.async_tokens, site.tokens)
    good, poor, dead = site.token(NEEDED, "other"), site.token("other"), site.token(NEEDED)
    assert site.tokens.revoke(dead)

    def asked(value: str) -> Any:
        return ask({"Authorization": value})

    assert asked(f"Bearer {good}").status == 200
    assert "ann" in asked(f"bearer {good}").body
    nothing = ask({})
    assert (nothing.status, nothing.challenge) == (401, f'Bearer realm="api", scope="{NEEDED}"')
    session = site.sessions.create("ann").token.reveal()
    answers = {asked(f"Bearer {value}") for value in (dead, good[:-1], good[:-1] + "g", session, "x")}
    assert {(told.status, told.challenge) for told in answers} == {(401, 'Bearer realm="api", error="invalid_token"')}
    assert len(answers) == 1
    lacking = asked(f"Bearer {poor}")
    challenge = f'Bearer realm="api", error="insufficient_scope", scope="{NEEDED}"'
    assert (lacking.status, lacking.challenge) == (403, challenge)
    for store in site.stores:
        store.fail("poll", "read")
    away = asked(f"Bearer {site_unknown(site)}")
    assert (away.status, away.challenge, away.retry_after) == (503, None, "1")


def site_unknown(site: Site) -> str:
    """Return a well-formed token that no memory has."""
    other = Site(f"{site.path}.other")
    try:
        return other.token(NEEDED)
    finally:
        other.sessions.close()


def test_T8_T7_only_the_header_counts_and_a_mistyped_token_costs_no_look(site: Site) -> None:
    """Nor does a token that has another prefix."""
    site.stores[1].fail("read", "poll", "find")
    token = "cct_" + "a" * 42 + "A"
    for wrong in (token + "00000000", f"ccr_{token[4:]}00000000", "", token):
        assert not site.tokens.get(wrong)


@pytest.mark.parametrize("realm", ["", 'a"b', "a\nb", "é"])
def test_a_realm_that_cannot_stand_in_a_header_is_refused(site: Site, realm: str) -> None:
    with pytest.raises(ConfigurationError, match="realm="):
        on_fastapi.ApiGuard(site.async_tokens, realm=realm)


def test_a_guard_needs_something_to_accept_and_scopes_that_can_be() -> None:
    with pytest.raises(ConfigurationError, match="ApiGuard"):
        on_fastapi.ApiGuard()


def test_X1_a_route_for_both_takes_either_and_judges_a_token_alone(site: Site) -> None:
    """Without a token the session counts, with all that is asked of cookies; with one, nothing but the token."""
    app = fastapi.FastAPI()
    app.add_middleware(SessionMiddleware, sessions=site.async_sessions, cookie=_plain_cookie())
    guard = on_fastapi.ApiGuard(site.async_tokens)
    with pytest.raises(DataError, match="scope"):
        guard.scopes("in voices")

    @app.post("/both")
    async def both(who: Annotated[ApiToken | Session, guard.either(NEEDED)]) -> str:
        return f"{type(who).__name__} {who.user_id}"

    @app.post("/sign-in")
    async def enter(request: fastapi.Request) -> None:
        await sign_in(request, "bob")

    with TestClient(app) as client:
        assert client.post("/both").status_code == 401
        bearer = {"Authorization": f"Bearer {site.token(NEEDED)}"}
        assert client.post("/both", headers=bearer).json() == "ApiToken ann"
        client.post("/sign-in")
        assert client.post("/both", headers={"Sec-Fetch-Site": "same-origin"}).json() == "Session bob"
        assert client.post("/both", headers={"Origin": "https://evil.example"}).status_code == 403
        same = {"Sec-Fetch-Site": "same-origin"}
        assert client.post("/both", headers={**same, **bearer}).json() == "ApiToken ann"
        assert client.post("/both", headers={**same, "Authorization": "Bearer nonsense"}).status_code == 401
        operation = client.get("/openapi.json").json()["paths"]["/both"]["post"]
    assert operation["security"] == [{"api_token": [NEEDED]}, {"session": []}]


def _plain_cookie() -> Any:
    from coatcheck import CookieSettings

    return CookieSettings(name="session", secure=False)
