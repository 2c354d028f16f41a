"""An application's connections, and what it has coatcheck write on them: for the tests of callers' transactions.

A place is a server's URL, or the path of a file. `async_callers.py` has the same for asyncio.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import sqlalchemy
import sqlalchemy.orm

from coatcheck import DataError, LimitReached, NotSignedIn, Policy, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from coatcheck import Created, Sessions

    Verb = Callable[[Any, Created, Any], Any]
    Kind = Callable[[str], AbstractContextManager["Caller"]]

INSERT = "INSERT INTO users (id, name) VALUES (9, 'Inserted')"

POLICY = Policy(
    rotate_after=timedelta(hours=1), max_sessions=lambda user_id: 1 if user_id == "3" else None, when_full="refuse"
)
"""One user has a limit, which a test can run into."""


class Caller(NamedTuple):
    """A connection of the application, and how it uses it."""

    connection: Any
    execute: Callable[[str], Any]
    commit: Callable[[], Any]
    rollback: Callable[[], Any]


VERBS: dict[str, Verb] = {
    "create": lambda sessions, _, connection: sessions.create("2", connection=connection),
    "create, replacing": lambda sessions, created, connection: sessions.create(
        "2", replaces=created.token, connection=connection
    ),
    "save": lambda sessions, created, connection: sessions.save(created.session, {"key": 1}, connection=connection),
    "rotate": lambda sessions, created, connection: sessions.rotate(created.token, connection=connection),
    "renew token": lambda sessions, created, connection: sessions.renew_token(created.token, connection=connection),
    "reauthenticate": lambda sessions, created, connection: sessions.rotate(
        created.token, reauthenticated=True, connection=connection
    ),
    "revoke": lambda sessions, created, connection: sessions.revoke(created.token, connection=connection),
    "revoke by id": lambda sessions, created, connection: sessions.revoke_by_id(
        created.session.id, user_id="1", connection=connection
    ),
    "revoke others": lambda sessions, created, connection: sessions.revoke_others(
        created.session, connection=connection
    ),
    "revoke user": lambda sessions, _, connection: sessions.revoke_user("1", connection=connection),
    "revoke everyone": lambda sessions, _, connection: sessions.revoke_everyone(connection=connection),
    "invalidate user": lambda sessions, created, connection: sessions.invalidate_user(
        created.session.user_id or "", connection=connection
    ),
}
"""Every write of `Sessions`, and of `AsyncSessions`, where it has to be awaited."""

# --- through SQLAlchemy


def address(place: str, driver: str) -> str:
    """Return what SQLAlchemy calls a place."""
    return place.replace(":", f"+{driver}:", 1) if "://" in place else f"sqlite+{driver}:///{place}"


@contextmanager
def engine(place: str, **options: Any) -> Iterator[sqlalchemy.Engine]:
    made = sqlalchemy.create_engine(address(place, "psycopg" if "://" in place else "pysqlite"), **options)
    try:
        yield made
    finally:
        made.dispose()


@contextmanager
def core(place: str) -> Iterator[Caller]:
    """A SQLAlchemy connection."""
    with engine(place) as made, made.connect() as connection:
        connection.begin()
        yield Caller(
            connection, lambda sql: connection.execute(sqlalchemy.text(sql)), connection.commit, connection.rollback
        )


@contextmanager
def orm(place: str) -> Iterator[Caller]:
    """A SQLAlchemy session."""
    with engine(place) as made, sqlalchemy.orm.Session(made) as session:
        yield Caller(session, lambda sql: session.execute(sqlalchemy.text(sql)), session.commit, session.rollback)


@contextmanager
def sqlalchemy_autocommit(place: str) -> Iterator[Any]:
    with engine(place, isolation_level="AUTOCOMMIT") as made, made.begin() as connection:
        yield connection


@contextmanager
def sqlalchemy_not_begun(place: str) -> Iterator[Any]:
    with engine(place) as made, made.connect() as connection:
        yield connection


# --- what holds on every connection


def check_reads(sessions: Sessions, connected: AbstractContextManager[Caller]) -> None:
    """Reads on the connection see what is not committed, others do not, and no cache ever learns of it."""
    ended = sessions.create("1")
    assert sessions.get(ended.token)
    with connected as caller:
        created = sessions.create("1", connection=caller.connection)
        sessions.revoke(ended.token, connection=caller.connection)
        for _ in range(3):
            session = sessions.get(created.token, connection=caller.connection)
            assert isinstance(session, Session)
            assert session.user is not None
            assert session.user.name == "Name 1"
            assert sessions.get(created.token) is NotSignedIn.UNKNOWN
            assert sessions.get(ended.token, connection=caller.connection) is NotSignedIn.UNKNOWN
            assert isinstance(sessions.get(ended.token), Session)
        listed = sessions.list("1", connection=caller.connection)
        assert [session.id for session in listed] == [created.session.id]
        assert [session.id for session in sessions.list_active(connection=caller.connection)] == [created.session.id]
        caller.rollback()
    assert sessions.get(created.token) is NotSignedIn.UNKNOWN
    assert isinstance(sessions.get(ended.token), Session)


def check_errors(sessions: Sessions, connected: AbstractContextManager[Caller], *, nobody: Sequence[str]) -> set[str]:
    """Fail in every way after two changes, and commit: the changes are there, and nothing of what has failed.

    Args:
        sessions: The sessions, under `POLICY`.
        connected: The caller's connection.
        nobody: Ids that no user can have.

    Returns:
        The ids of the sessions that have to be there now, besides the user of `INSERT`.
    """
    kept, only, anonymous = sessions.create("1"), sessions.create("3"), sessions.create(None)
    large = {"large": "x" * 9_000}
    with connected as caller:
        caller.execute(INSERT)
        assert isinstance(sessions.save(kept.session, large, connection=caller.connection), Session)
        with pytest.raises(LimitReached):
            sessions.create("3", replaces=anonymous.token, connection=caller.connection)
        for user_id in nobody:
            with pytest.raises(DataError):
                sessions.create(user_id, replaces=anonymous.token, connection=caller.connection)
        with pytest.raises(DataError, match="max_data_bytes"):
            sessions.save(kept.session, {"more": "x" * 9_000}, connection=caller.connection)
        caller.commit()
    session = sessions.get(kept.token)
    assert isinstance(session, Session)
    assert session.data == large
    return {each.session.id for each in (kept, only, anonymous)}
