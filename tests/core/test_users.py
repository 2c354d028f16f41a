"""The user behind a session, as JSON from a provider and from users tables of many kinds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from coatcheck import User
from coatcheck.core.users import user_json, user_of

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def read(**fields: Any) -> User:
    return user_of(json.dumps({"id": "7", **fields}).encode())


def test_what_was_written_is_read() -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    user = User(
        "7",
        name="Ada",
        email="ada@example.org",
        role="editor",
        attributes={"language": "en"},
        email_verified=False,
        labels=("gold", "beta"),
        created_at=NOON,
        updated_at=NOON.astimezone(east),
    )
    text = user_json(user)
    assert text is not None
    assert user_of(text.encode()) == user
    assert user_of((user_json(User("7")) or "").encode()) == User("7")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (1769860800000000, NOON),
        ("2026-01-31T12:00:00+00:00", NOON),
        ("2026-01-31T17:30:00+05:30", NOON),
        ("2026-01-31 12:00:00", NOON),
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31", NOON.replace(hour=0)),
        (None, None),
        ("", None),
        ("infinity", None),
        ("yesterday", None),
        (10**30, None),
        ([], None),
    ],
)
def test_a_time_is_read_in_utc_and_nonsense_is_no_time(written: Any, meant: datetime | None) -> None:
    user = read(created_at=written, updated_at=written)
    assert (user.created_at, user.updated_at) == (meant, meant)
    assert meant is None or user.created_at is None or user.created_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("written", "meant"),
    [(True, True), (False, False), (1, True), (0, False), (None, None), ("false", None), ("2026-01-31", None)],
)
def test_an_address_is_verified_only_if_that_is_said_clearly(written: Any, meant: bool | None) -> None:
    """The text "false" is true to a programmer, and must not be to us."""
    assert read(email_verified=written).email_verified is meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (["gold", "beta"], ("gold", "beta")),
        ('["gold", "beta"]', ("gold", "beta")),
        ("gold", ("gold",)),
        ("", ()),
        (None, ()),
        (["gold", 5, None, ""], ("gold",)),
        ("[gold", ()),
        ({"gold": 1}, ()),
        (5, ()),
    ],
)
def test_labels_are_an_array_or_one_text(written: Any, meant: tuple[str, ...]) -> None:
    assert read(labels=written).labels == meant
