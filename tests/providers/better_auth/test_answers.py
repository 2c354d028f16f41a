"""What Better Auth says becomes a record, from its JSON and from its tables; nonsense is found out."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.authentication import authentication_of
from coatcheck.core.identities import Nonsense
from coatcheck.core.session import Record
from coatcheck.core.times import to_micros
from coatcheck.core.users import user_of as user_of_json
from coatcheck.providers.better_auth.answers import answer_of, moment, plain, record_of, user_of

BEGAN = datetime(2026, 11, 29, 22, 0, 15, 99_000, tzinfo=UTC)
USED = BEGAN + timedelta(hours=1)
ENDS = BEGAN + timedelta(days=7)
TOKEN = "wAduVepqDuUbijcog0nBESwfTnjKF9W0"


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


SESSION: dict[str, Any] = {
    "id": "R5jcSuVlj8FRvsh9jNFWE3M2cKcEnXZU",
    "userId": "uCiaDXInw89RrtjmiNen6Y85R42vvAx7",
    "token": TOKEN,
    "createdAt": iso(BEGAN),
    "updatedAt": iso(USED),
    "expiresAt": iso(ENDS),
    "ipAddress": "192.0.2.7",
    "userAgent": "a browser",
    "activeOrganizationId": "org-1",
    "impersonatedBy": None,
}
USER: dict[str, Any] = {
    "id": "uCiaDXInw89RrtjmiNen6Y85R42vvAx7",
    "name": "Ada",
    "email": "ada@example.com",
    "emailVerified": True,
    "image": None,
    "role": "admin",
    "tier": "gold",
    "banned": False,
    "createdAt": iso(BEGAN),
    "updatedAt": iso(USED),
}


def record(session: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Record:
    return record_of(SESSION | (session or {}), USER | (user or {}))


def test_a_session_and_its_user() -> None:
    found = answer_of({"session": SESSION, "user": USER}, TOKEN.encode())
    assert isinstance(found, Record)
    assert (found.id, found.user_id) == (SESSION["id"], USER["id"])
    times = (found.created_at, found.authenticated_at, found.last_seen_at, found.expires_at, found.idle_expires_at)
    assert times == tuple(map(to_micros, (BEGAN, BEGAN, USED, ENDS, ENDS)))
    assert (found.ip, found.user_agent) == ("192.0.2.7", "a browser")
    assert json.loads(found.data) == {"activeOrganizationId": "org-1"}
    user = user_of_json((found.user or "").encode())
    assert (user.name, user.email, user.email_verified, user.role) == ("Ada", "ada@example.com", True, "admin")
    assert (user.attributes, user.created_at, user.updated_at) == ({"tier": "gold", "banned": False}, BEGAN, USED)


@pytest.mark.parametrize("admin", ["admin-7", 7, UUID(int=7)], ids=repr)
def test_A1_who_acts_as_the_user_is_known_and_proves_nothing(admin: Any) -> None:
    """As the admin plugin notes it; a beginning that is somebody else's is no authentication of the user."""
    found = record({"impersonatedBy": admin})
    assert (authentication_of(found.authentication).actor, found.authenticated_at) == (str(admin), None)
    assert authentication_of(record().authentication).actor is None
    with pytest.raises(Nonsense, match=r"session\.impersonatedBy is not an id"):
        record({"impersonatedBy": {"id": 7}})


def test_nobody() -> None:
    assert answer_of(None) is NotSignedIn.UNKNOWN


def test_T9_the_token_is_not_kept() -> None:
    assert TOKEN.encode() not in record().pack()


def test_S11_an_answer_about_another_token_is_somebody_elses() -> None:
    with pytest.raises(Nonsense, match="another token"):
        answer_of({"session": SESSION, "user": USER}, b"somebody-elses")
    assert answer_of({"session": {**SESSION, "token": None}, "user": USER}, b"a customSession may leave it out")


def test_what_a_custom_session_adds_is_among_the_data() -> None:
    found = answer_of({"session": SESSION, "user": USER, "roles": ["a"], "needsRefresh": True})
    assert isinstance(found, Record)
    assert json.loads(found.data) == {"activeOrganizationId": "org-1", "roles": ["a"]}


@pytest.mark.parametrize(
    "value",
    [
        *(iso(BEGAN), BEGAN.isoformat(), "2026-11-29 22:00:15.099", "2026-11-29T23:00:15.099+01:00"),
        *(BEGAN, BEGAN.replace(tzinfo=None), BEGAN.astimezone(timezone(timedelta(hours=-3)))),
        *(int(BEGAN.timestamp() * 1000), BEGAN.timestamp() * 1000),
    ],
    ids=repr,
)
def test_a_time_as_text_as_number_and_as_a_database_has_it(value: Any) -> None:
    assert moment(value) == BEGAN


def test_a_time_in_seconds() -> None:
    assert moment(int(BEGAN.timestamp())) == BEGAN.replace(microsecond=0)


@pytest.mark.parametrize("value", ["", "soon", True, 0, -1, float("nan"), float("inf"), 10**20, [], {}])
def test_what_is_no_time(value: Any) -> None:
    assert moment(value) is None


Fields = dict[str, Any]
NO_ID: list[Any] = [None, "", 1.5, True, [], "x" * 256, "\ud800"]
NO_TIME: list[Any] = [None, "soon", [], True]
WRONG: list[tuple[Fields, Fields]] = [
    *(({"id": value}, {}) for value in NO_ID),
    ({"userId": None}, {}),
    ({"userId": "somebody-else"}, {}),
    ({"userId": 7}, {}),
    *(({name: value}, {}) for name in ("createdAt", "expiresAt") for value in NO_TIME),
    ({"updatedAt": "soon"}, {}),
    ({"ipAddress": 5}, {}),
    ({"userAgent": ["a"]}, {}),
    ({}, {"id": None}),
    ({}, {"id": 3.0}),
    ({}, {"name": 5}),
    ({}, {"name": {"a": 1}}),
    ({}, {"email": 5}),
    ({}, {"emailVerified": "yes"}),
    ({}, {"emailVerified": 2}),
    ({}, {"createdAt": "soon"}),
]


@pytest.mark.parametrize(("session", "user"), WRONG, ids=str)
def test_nonsense_is_found_out_and_not_shown(session: dict[str, Any], user: dict[str, Any]) -> None:
    with pytest.raises(Nonsense) as caught:
        record(session, user)
    assert "somebody" not in str(caught.value)


@pytest.mark.parametrize("answer", [[], "null", 5, True, {}, {"session": SESSION}, {"user": USER, "session": None}])
def test_an_answer_that_is_none_is_nonsense(answer: Any) -> None:
    with pytest.raises(Nonsense):
        answer_of(answer)


def test_ids_that_databases_count_or_have_a_type_for() -> None:
    number = UUID("6f1b6f1e-7f3a-4f3f-9f39-0d2f1a0d2f1a")
    found = record({"id": number, "userId": 7}, {"id": 7})
    assert (found.id, found.user_id) == (str(number), "7")


def test_a_user_of_a_row() -> None:
    row = {
        "id": 7,
        "name": "",
        "email": None,
        "emailVerified": 1,
        "role": ["a", "b"],
        "born": BEGAN,
        "rate": Decimal(5),
    }
    user = user_of({**row, "password": "hash", "twoFactorSecret": "seed", "twoFactorBackupCodes": "codes"})
    assert (user.id, user.name, user.email, user.email_verified, user.role) == ("7", None, None, True, None)
    assert user.attributes == {"role": ["a", "b"], "born": BEGAN.isoformat(), "rate": "5"}


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(), st.lists))
def test_whatever_a_field_holds_can_be_kept(value: Any) -> None:
    json.dumps(plain(value), allow_nan=False)
    record({"more": value}, {"more": {"deep": value}})


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SESSION, *USER]), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*SESSION]), JSON), st.dictionaries(st.sampled_from([*USER]), JSON))
def test_any_json_is_a_record_or_nonsense(session: dict[str, Any], user: dict[str, Any]) -> None:
    with suppress(Nonsense):
        assert isinstance(answer_of({"session": SESSION | session, "user": USER | user}), Record)
