"""The JSON API where a provider issues the sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from coatcheck import AsyncProviderSessions, User
from coatcheck.api import identity_router, session_router
from coatcheck.core.transport import Transport
from coatcheck.fastapi import SessionMiddleware, _describe, describe_security
from coatcheck.stores.sqlite import AsyncSQLiteStore
from coatcheck.testing import ManualClock
from coatcheck.testing.clock import START
from tests.api.test_reading import strings
from tests.stub_provider import ADA, COOKIE, SECURE_COOKIE, AsyncStubProvider, session_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "stub-token-1"
DEVICES = [
    ("GET", "/sessions"),
    ("DELETE", "/sessions/stub-1"),
    ("POST", "/sessions/revoke-others"),
    ("POST", "/sessions/revoke-all"),
]


class Site:
    """An application behind a provider, and a browser in which Ada is signed in."""

    def __init__(self, folder: Path, router: Any = None) -> None:
        clock = ManualClock()
        self.provider = AsyncStubProvider()
        self.provider.sessions[TOKEN.encode()] = session_of(ADA)
        self.provider.sessions[b"stub-token-2"] = session_of(User("8"), "stub-2")
        store = AsyncSQLiteStore(str(folder / "log.db"), clock=clock)
        self.sessions = AsyncProviderSessions(self.provider, store, clock=clock)
        self.app = FastAPI()
        self.app.add_middleware(SessionMiddleware, sessions=self.sessions)
        self.app.include_router(router or identity_router(), prefix="/api/v1/auth")
        self.client = TestClient(self.app, base_url="https://testserver", headers={"Sec-Fetch-Site": "same-origin"})

    def ask(self, method: str, path: str, token: str | None = TOKEN, **headers: str) -> Any:
        if token is not None:
            headers["Cookie"] = f"{SECURE_COOKIE}={token}"
        self.client.cookies.clear()
        return self.client.request(method, f"/api/v1/auth{path}", headers=headers)

    def get(self, path: str, token: str | None = TOKEN) -> Any:
        return self.ask("GET", path, token)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, identity_router(user_attributes=("language", "tier")))
    with made.client:
        yield made


def test_me_is_the_whole_user_of_the_provider(site: Site) -> None:
    """Times in UTC; of what came unchecked only what the application names, and null for what is not there."""
    answer = site.get("/me")
    assert answer.status_code == 200
    assert answer.json() == {
        "id": "7",
        "email": "ada@example.org",
        "name": "Ada",
        "role": "editor",
        "session_id": "stub-1",
        "exp": int(START.timestamp()) + 86_400,
        "email_verified": True,
        "labels": ["gold"],
        "created_at": "2024-02-29T12:00:00Z",
        "updated_at": "2025-11-30T18:15:00Z",
        "attributes": {"language": "en", "tier": None},
    }


def test_me_shows_no_attribute_that_the_application_does_not_name(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.client:
        assert site.get("/me").json()["attributes"] == {}


def test_me_of_a_user_of_whom_nobody_tells_more_says_null(site: Site) -> None:
    answer = site.get("/me", "stub-token-2").json()
    assert (answer["id"], answer["email_verified"], answer["labels"], answer["created_at"]) == ("8", None, [], None)


def test_session_is_thin_with_a_provider_too(site: Site) -> None:
    assert set(site.get("/session").json()) == {"id", "email", "name", "role", "session_id", "exp"}


def test_A3_both_are_answered_from_memory(site: Site) -> None:
    """The provider is asked once for all of them."""
    for path in ("/session", "/me", "/me"):
        assert site.get(path).status_code == 200
    assert site.provider.asked == 1


@pytest.mark.parametrize("path", ["/session", "/me"])
def test_N3_nobody_is_401_and_an_outage_503_that_takes_no_cookie(site: Site, path: str) -> None:
    assert (site.get(path, None).status_code, site.get(path, None).json()["reason"]) == (401, "no_token")
    assert site.get(path, "stub-token-9").json()["reason"] == "unknown"
    site.provider.available = False
    answer = site.get(path)
    assert (answer.status_code, "set-cookie" in answer.headers) == (503, False)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"


def test_L7_sign_out_ends_the_session_at_the_provider_and_hands_its_cookie_on(site: Site) -> None:
    assert site.get("/me").status_code == 200
    answer = site.ask("POST", "/sign-out")
    assert answer.status_code == 204
    assert answer.headers["set-cookie"].startswith(f"{SECURE_COOKIE}=;")
    assert answer.headers["cache-control"] == "no-store"
    assert site.get("/me").status_code == 401
    assert site.ask("POST", "/sign-out", None).status_code == 204


def test_sign_out_in_an_outage_is_503_and_the_cookie_stays(site: Site) -> None:
    assert site.get("/me").status_code == 200
    site.provider.available = False
    answer = site.ask("POST", "/sign-out")
    assert (answer.status_code, "set-cookie" in answer.headers) == (503, False)


def test_X1_another_site_cannot_sign_out(site: Site) -> None:
    assert site.ask("POST", "/sign-out", **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert site.get("/me").status_code == 200


def test_H1_H2_every_answer_depends_on_what_is_presented_and_is_not_kept(site: Site) -> None:
    for path in ("/session", "/me"):
        for token in (TOKEN, None, "stub-token-9"):
            answer = site.get(path, token)
            assert answer.headers["vary"] == "Cookie, Authorization"
            assert answer.headers["cache-control"] == "no-store"


def test_T10_no_value_in_any_answer_works_as_a_cookie(site: Site) -> None:
    values = {text for path in ("/session", "/me") for text in strings(site.get(path).json())}
    assert "stub-1" in values
    assert TOKEN not in values
    for value in values:
        assert site.get("/me", value.encode("ascii", "replace").decode()).status_code == 401


def test_bearer_tokens_work_where_the_provider_reads_them(site: Site) -> None:
    answer = site.client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.json()["id"] == "7"
    assert site.get("/me", None).headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), DEVICES, ids=" ".join)
@pytest.mark.parametrize("token", [TOKEN, None], ids=["signed in", "nobody"])
def test_devices_of_a_provider_are_501_with_the_reason(
    tmp_path: Path, method: str, path: str, token: str | None
) -> None:
    """Not 401 "sign in again", which would not help, and no crash. Nothing was ended."""
    site = Site(tmp_path, session_router())
    with site.client:
        answer = site.ask(method, path, token)
        assert answer.status_code == 501
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json() == {
            "type": "about:blank",
            "title": "Not possible with these sessions",
            "status": 501,
            "detail": "stub issues them: list and end them there",
            "reason": "issued_elsewhere",
        }
        assert site.get("/me").status_code == 200


def test_the_document_names_what_the_provider_reads(site: Site) -> None:
    """Every cookie by its name, and the bearer token; each is an alternative on what needs a session."""
    for _ in range(2):
        document = site.client.get("/openapi.json").json()
        assert document["components"]["securitySchemes"] == {
            "session": {"type": "apiKey", "in": "cookie", "name": SECURE_COOKIE},
            "session_2": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
        needed: list[dict[str, list[str]]] = [{"session": []}, {"session_2": []}, {"bearer": []}]
        assert document["paths"]["/api/v1/auth/me"]["get"]["security"] == needed
        assert document["paths"]["/api/v1/auth/sign-out"]["post"]["security"] == [{}, *needed]


def test_the_document_can_be_written_without_a_server(tmp_path: Path) -> None:
    app = Site(tmp_path).app
    describe_security(app)
    assert app.openapi()["components"]["securitySchemes"]["session"]["name"] == SECURE_COOKIE


def test_the_document_names_no_cookie_where_none_is_read(tmp_path: Path) -> None:
    """Introspection is about bearer tokens."""
    site = Site(tmp_path)
    _describe(site.app, Transport(cookies=(), bearer=True))
    document = site.app.openapi()
    assert set(document["components"]["securitySchemes"]) == {"bearer"}
    assert document["paths"]["/api/v1/auth/me"]["get"]["security"] == [{"bearer": []}]
    assert document["paths"]["/api/v1/auth/sign-out"]["post"]["security"] == [{}, {"bearer": []}]


def test_a_name_that_is_no_list_of_names_is_refused() -> None:
    """A text would show attributes that are named by its letters."""
    from coatcheck import ConfigurationError

    with pytest.raises(ConfigurationError, match=r"user_attributes='tier' is not possible: use a tuple of names"):
        identity_router(user_attributes="tier")
