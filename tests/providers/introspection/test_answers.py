"""What an introspection response may say, and what is made of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck import NotSignedIn
from coatcheck.core.authentication import authentication_of
from coatcheck.core.endings import login_tag
from coatcheck.core.identities import Nonsense, ProviderAnswer
from coatcheck.core.session import Record
from coatcheck.core.users import user_of
from coatcheck.providers.introspection.answers import Demands, Refused, answer_of

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
TOKEN = "opaque-token-of-somebody-0123456789"
ISSUER = "https://id.example.com"
AT = int(NOW.timestamp())

GOOD: dict[str, Any] = {
    "active": True,
    "sub": "ada",
    "iss": ISSUER,
    "aud": ["https://api.example.com", "other"],
    "client_id": "web",
    "scope": "orders:read orders:write",
    "token_type": "Bearer",
    "exp": AT + 600,
    "iat": AT - 60,
    "nbf": AT - 60,
    "jti": "a-name-of-its-own",
    "sid": "login-7",
    "auth_time": AT - 3600,
    "username": "ada.l",
    "name": "Ada",
    "email": "ada@example.com",
    "email_verified": True,
    "realm_access": {"roles": ["clerk"]},
}
STRICT = Demands(ISSUER, "https://api.example.com", frozenset({"orders:read"}))


def answer(demands: Demands = STRICT, **changes: Any) -> ProviderAnswer:
    said = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return answer_of(said, TOKEN, demands, NOW)


def record(**changes: Any) -> Record:
    found = answer(**changes).identity
    assert isinstance(found, Record)
    return found


def test_an_active_token_is_its_users_session() -> None:
    found = record()
    assert (found.id, found.user_id) == ("a-name-of-its-own", "ada")
    assert (found.created_at, found.expires_at) == ((AT - 60) * 1_000_000, (AT + 600) * 1_000_000)
    assert found.user is not None
    user = user_of(found.user.encode())
    assert (user.name, user.email, user.email_verified) == ("Ada", "ada@example.com", True)
    data = json.loads(found.data)
    assert data["scope"] == "orders:read orders:write"
    assert data["realm_access"] == {"roles": ["clerk"]}
    assert "email" not in data


def test_A4_when_the_user_proved_who_they_are_is_kept_and_never_guessed() -> None:
    assert record().authenticated_at == (AT - 3600) * 1_000_000
    assert record(auth_time=...).authenticated_at is None


def test_A1_who_acts_as_the_user_is_known_and_proves_nothing() -> None:
    """The outermost of them, as RFC 8693 section 4.1 wants it."""
    found = record(act={"sub": "sue", "act": {"sub": "bob"}})
    assert (authentication_of(found.authentication).actor, found.authenticated_at) == ("sue", None)
    assert authentication_of(record().authentication).actor is None
    for nobody in ({}, {"client_id": "web"}, {"sub": 7}, "sue", True):
        with pytest.raises(Refused, match="act"):
            record(act=nobody)


def test_A5_a_session_at_the_identity_provider_is_a_tag() -> None:
    assert answer().tags == (login_tag(ISSUER, "login-7"),)
    assert answer(sid=...).tags == ()
    assert answer(Demands(), iss=...).tags == ()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"active": False}, "active"),
        ({"exp": AT}, "exp"),
        ({"exp": AT - 0.5}, "exp"),
        ({"nbf": AT + 61}, "nbf"),
        ({"iss": "https://other.example.com"}, "iss"),
        ({"iss": ISSUER + "/"}, "iss"),
        ({"iss": ...}, "iss"),
        ({"aud": "https://api.example.com.evil.example"}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": ...}, "aud"),
        ({"scope": "orders:write"}, "scope"),
        ({"scope": "orders:readall"}, "scope"),
        ({"scope": ...}, "scope"),
        ({"token_type": "DPoP"}, "token_type"),
        ({"token_type": "N_A"}, "token_type"),
        ({"token_type": ...}, "token_type"),
        ({"token_use": "refresh_token"}, "token_use"),
        ({"cnf": {"jkt": "thumbprint"}}, "cnf"),
        ({"cnf": {"x5t#S256": "thumbprint"}}, "cnf"),
        ({"cnf": {}}, "cnf"),
    ],
    ids=str,
)
def test_J2_J8_a_token_that_is_not_meant_for_us_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused) as refused:
        answer(**changes)
    assert refused.value.why == why
    assert refused.value.reason is (NotSignedIn.EXPIRED if why == "exp" else NotSignedIn.UNKNOWN)


@pytest.mark.parametrize(
    "changes",
    [{"aud": "https://api.example.com"}, {"nbf": AT + 59}, {"token_type": "bearer"}, {"scope": "a orders:read b"}],
    ids=str,
)
def test_a_token_that_is_just_good_enough_is_accepted(changes: dict[str, Any]) -> None:
    assert record(**changes).user_id == "ada"


def test_where_the_server_names_no_type_that_can_be_admitted() -> None:
    assert isinstance(answer(Demands(token_type=False), token_type=...).identity, Record)
    with pytest.raises(Refused):
        answer(Demands(token_type=False), token_type="DPoP")


@pytest.mark.parametrize("changes", [{"sub": ...}, {"sub": "web"}], ids=["no sub", "the client's own id"])
def test_J2_a_client_is_never_taken_for_a_user(changes: dict[str, Any]) -> None:
    found = record(**changes)
    assert (found.user_id, found.user) == (None, None)


@pytest.mark.parametrize("jti", [TOKEN, TOKEN[4:20], f"x{TOKEN}x", "", "x" * 256, ...], ids=str)
def test_T9_no_id_gives_the_token_away(jti: Any) -> None:
    found = record(jti=jti)
    assert len(found.id) == 24
    assert found.id == record(jti=...).id
    assert TOKEN not in repr(found)
    assert not isinstance(jti, str) or len(jti) < 2 or jti not in found.id


def test_T9_a_member_that_repeats_the_token_is_not_kept() -> None:
    assert TOKEN not in record(access_token=TOKEN, nested={"deep": [TOKEN]}).data


def test_a_token_without_an_end_lives_as_long_as_an_answer_may_be_kept() -> None:
    end = int((NOW + timedelta(hours=1)).timestamp())
    assert record(exp=..., iat=...).expires_at == end * 1_000_000


@pytest.mark.parametrize("said", [None, [], "active", {}, {"active": "true"}, {"active": 1}], ids=str)
def test_what_says_nothing_is_nonsense(said: Any) -> None:
    with pytest.raises(Nonsense):
        answer_of(said, TOKEN, STRICT, NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": "1790000000"},
        {"exp": True},
        {"exp": -1},
        {"exp": 10**30},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"sub": 7},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": "\ud800"},
        {"aud": {"a": 1}},
        {"aud": [1]},
        {"scope": ["orders:read"]},
        {"iss": 1},
        {"token_type": 1},
        {"jti": 7},
    ],
    ids=lambda changes: json.dumps(changes)[:40],
)
def test_nonsense_is_told_from_an_answer(changes: dict[str, Any]) -> None:
    with pytest.raises(Nonsense) as error:
        answer(**changes)
    assert "ada" not in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(changes=st.dictionaries(st.sampled_from([*GOOD, "cnf", "token_use"]), JSON, max_size=4), demands=st.booleans())
def test_whatever_is_said_is_an_answer_a_refusal_or_nonsense(changes: dict[str, Any], *, demands: bool) -> None:
    """And an answer can be kept: it has bytes, and its end is not past."""
    try:
        found = answer_of({**GOOD, **changes}, TOKEN, STRICT if demands else Demands(token_type=False), NOW)
    except (Refused, Nonsense):
        return
    assert isinstance(found.identity, Record)
    assert found.identity.pack()
    assert found.identity.ends_at() > AT * 1_000_000
