"""The columns of the users table that become fields of `User`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from coatcheck import ConfigurationError, Session, Sessions, User, UsersTable
from coatcheck.stores.sqlite import SQLiteStore
from tests.sqlite.helpers import run

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
USERS = UsersTable(
    email=None,
    role=None,
    email_verified="verified",
    labels="tier",
    created_at="joined",
    updated_at="changed",
    attributes=("language",),
)


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "users.db")
    run(path, "CREATE TABLE users (id INTEGER PRIMARY KEY, name, verified, tier, joined, changed, language)")
    return path


def user_of(sessions: Sessions, token: str) -> User | None:
    answer = sessions.get(token)
    assert isinstance(answer, Session)
    return answer.user


@pytest.mark.parametrize(
    ("joined", "changed", "tier", "labels"),
    [
        ("'2026-01-31 12:00:00'", "'2026-01-31T12:00:00Z'", "'gold'", ("gold",)),
        ("unixepoch('2026-01-31 12:00:00')", "1769860800.0", "json_array('gold', 'beta')", ("gold", "beta")),
        ("'2026-01-31T13:00:00+01:00'", "'2026-01-31 12:00:00.000000'", "NULL", ()),
    ],
)
def test_E6_the_whole_user_is_joined(path: str, joined: str, changed: str, tier: str, labels: tuple[str, ...]) -> None:
    """Times as text or as seconds, labels as one text or a JSON array, as such tables have them."""
    run(path, f"INSERT INTO users VALUES (7, 'Ada', 1, {tier}, {joined}, {changed}, 'en')")  # noqa: S608 - written above
    with Sessions(SQLiteStore(path, users=USERS)) as sessions:
        token = sessions.create("7").token.reveal()
        assert user_of(sessions, token) == User(
            "7",
            name="Ada",
            attributes={"language": "en"},
            email_verified=True,
            labels=labels,
            created_at=NOON,
            updated_at=NOON,
        )


def test_L18_a_change_of_such_a_column_is_seen_at_once(path: str) -> None:
    run(path, "INSERT INTO users VALUES (7, 'Ada', 0, NULL, NULL, NULL, NULL)")
    with Sessions(SQLiteStore(path, users=USERS)) as sessions:
        token = sessions.create("7").token.reveal()
        for change, name, value in [
            ("verified = 1", "email_verified", True),
            ("tier = 'gold'", "labels", ("gold",)),
            ("joined = '2026-01-31 12:00:00'", "created_at", NOON),
            ("changed = '2026-01-31 12:00:00'", "updated_at", NOON),
        ]:
            assert getattr(user_of(sessions, token), name) != value
            run(path, f"UPDATE users SET {change}")  # noqa: S608 - written above
            assert getattr(user_of(sessions, token), name) == value


def test_a_column_that_is_not_there_is_named(path: str) -> None:
    store = SQLiteStore(path, users=UsersTable(email=None, role=None, labels="tags"))
    with pytest.raises(ConfigurationError, match="has no column tags"):
        store.open()
    store.close()
