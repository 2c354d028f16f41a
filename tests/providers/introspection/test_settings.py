"""What can be set, what is refused at once, and what is a token at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from coatcheck import AsyncProviderSessions, ConfigurationError
from coatcheck.providers.introspection import AsyncIntrospection

URL = "https://id.example.com/introspect"
USUAL: dict[str, Any] = {"client_id": "api", "client_secret": "s3cret-of-api"}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"url": "id.example.com/introspect"}, "url='.*' is not possible"),
        ({"url": "https://user:s3cret-of-api@id.example.com/"}, "url"),
        ({"url": "https://id.example.com/?a=s3cret-of-api"}, "url"),
        ({"auth": "digest"}, "auth='digest' is not possible: use 'basic', 'post' or 'bearer'"),
        ({"client_id": ""}, "client_id='' is not possible"),
        ({"client_secret": ""}, "client_secret is empty"),
        ({"client_secret": "s3cret-of-api\n"}, "client_secret is empty or not printable"),
        ({"scopes": "orders:read"}, "scopes='orders:read' is not possible"),
        ({"scopes": ["orders read"]}, "scopes"),
        ({"revocation_url": "/revoke"}, "revocation_url"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused_at_once(settings: dict[str, Any], says: str) -> None:
    given = {"url": URL, **USUAL, **settings}
    with pytest.raises(ConfigurationError, match=says) as error:
        AsyncIntrospection(given.pop("url"), **given)
    assert "s3cret-of-api" not in str(error.value)


def test_T9_what_separates_copies_names_every_demand_and_no_secret() -> None:
    def conditions(**changes: Any) -> str:
        return AsyncIntrospection(changes.pop("url", URL), **{**USUAL, **changes}).conditions

    changes: list[dict[str, Any]] = [
        {},
        {"url": URL + "/"},
        {"client_id": "other"},
        {"issuer": "https://id.example.com"},
        {"audience": "https://id.example.com"},
        {"scopes": ["a"]},
        {"scopes": ["a", "b"]},
        {"token_type_required": False},
    ]
    found = [conditions(**change) for change in changes]
    assert len(set(found)) == len(changes)
    assert conditions(scopes=["b", "a"]) == conditions(scopes=["a", "b"])
    assert not any("s3cret-of-api" in each for each in found)
    assert conditions(client_secret="another") == found[0]


def test_a_slash_at_the_end_of_an_endpoint_stays() -> None:
    it = AsyncIntrospection(URL + "/", **USUAL)
    assert (it._upstream.url, it._path) == ("https://id.example.com", "/introspect/")


@pytest.mark.parametrize(
    ("presented", "good"),
    [
        (b"mF_9.B5f-4.1JqM", True),
        (b"a+b/c~d==", True),
        (b"a" * 8192, True),
        (b"a" * 8193, False),
        (b"", False),
        (b"==", False),
        (b"a=b", False),
        (b"two words", False),
        (b"a\n", False),
        ("é".encode(), False),
        (b"ambiguous", False),
    ],
    ids=lambda value: str(value)[:20],
)
def test_T7_what_cannot_be_a_token_is_never_sent(presented: bytes, *, good: bool) -> None:
    sessions = AsyncProviderSessions(AsyncIntrospection(URL, **USUAL), "sqlite:///:memory:")
    assert sessions.well_formed(presented) is good


def test_no_cookie_is_read_unless_the_application_names_one() -> None:
    """A cookie that is there for something else would be sent to somebody else's server."""
    headers = [(b"cookie", b"__Host-session=of-another-kind; access=token")]
    off = AsyncProviderSessions(AsyncIntrospection(URL, **USUAL), "sqlite:///:memory:")
    transport = off.transport("__Host-session", bearer=False)
    assert transport.find(headers, off.well_formed) == b""
    assert transport.find([*headers, (b"authorization", b"Bearer token")], off.well_formed) == b"token"
    on = AsyncProviderSessions(AsyncIntrospection(URL, **USUAL, cookie="access"), "sqlite:///:memory:")
    assert on.transport("__Host-session", bearer=False).find(headers, on.well_formed) == b"token"


def test_nothing_is_kept_until_a_time_to_live_is_set() -> None:
    assert AsyncIntrospection(URL, **USUAL).revalidate_after == timedelta(0)
