"""A user in the bytes of a record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from coatcheck.core.users import User, user_json, user_of

TEXT = st.none() | st.text()
MOMENTS = st.none() | st.datetimes(timezones=st.just(UTC))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.builds(
        User,
        id=st.text(),
        name=TEXT,
        email=TEXT,
        role=TEXT,
        attributes=st.dictionaries(st.text(), JSON),
        email_verified=st.none() | st.booleans(),
        labels=st.lists(st.text(min_size=1)).map(tuple),
        created_at=MOMENTS,
        updated_at=MOMENTS,
    )
)
def test_a_user_comes_back_as_they_went(user: User) -> None:
    text = user_json(user)
    assert text is not None
    assert user_of(text.encode()) == user


def test_only_what_is_known_is_kept() -> None:
    assert user_json(User("ada")) == '{"id": "ada"}'
    assert user_json(User("ada", email_verified=False, name="")) == '{"id": "ada", "name": "", "email_verified": false}'
    assert user_json(None) is None


def test_times_are_kept_to_the_microsecond_in_utc() -> None:
    moment = datetime(2030, 1, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    text = user_json(User("ada", created_at=moment))
    assert text is not None
    known = user_of(text.encode()).created_at
    assert (known, known and known.tzinfo) == (moment, UTC)
