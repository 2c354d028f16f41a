"""Writes on the caller's own connection commit or vanish with the caller's transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest
import sqlalchemy
import sqlalchemy.orm
from psycopg.rows import dict_row

from coatcheck import (
    ConfigurationError,
    DataError,
    LimitReached,
    NotSignedIn,
    Policy,
    SchemaError,
    Session,
    Sessions,
    TransactionRequired,
    Unavailable,
    UsersTable,
)
from coatcheck.stores.postgresql import PostgreSQLStore
from tests.postgresql.hands import content, make_users, plain, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from coatcheck import Created

    Kind = Callable[[str], AbstractContextManager["Caller"]]


class Caller(NamedTuple):
    """A connection of the application, and how it uses it."""

    connection: Any
    execute: Callable[[str], object]
    commit: Callable[[], object]
    rollback: Callable[[], object]


@contextmanager
def usual(url: str) -> Iterator[Caller]:
    """The driver's default: it begins a transaction before the first statement."""
    with psycopg.connect(url) as connection:
        yield Caller(connection, lambda sql: connection.execute(sql.encode()), connection.commit, connection.rollback)


@contextmanager
def explicit(url: str) -> Iterator[Caller]:
    """Autocommit mode, and a transaction begun by hand; rows come as dictionaries, and cursors are the server's."""
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("BEGIN")
        yield Caller(connection, lambda sql: connection.execute(sql.encode()), connection.commit, connection.rollback)


@contextmanager
def block(url: str) -> Iterator[Caller]:
    """The driver's transaction block, of which only leaving it decides; what is prepared stays out of it."""
    with psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection:
        transaction = connection.transaction()
        transaction.__enter__()

        def rollback() -> None:
            transaction.__exit__(psycopg.Rollback, psycopg.Rollback(), None)

        def commit() -> None:
            transaction.__exit__(None, None, None)

        yield Caller(connection, lambda sql: connection.execute(sql.encode()), commit, rollback)


@contextmanager
def engine(url: str, **options: Any) -> Iterator[sqlalchemy.Engine]:
    made = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), **options)
    try:
        yield made
    finally:
        made.dispose()


@contextmanager
def core(url: str) -> Iterator[Caller]:
    """A SQLAlchemy connection."""
    with engine(url) as made, made.connect() as connection:
        connection.begin()
        yield Caller(
            connection, lambda sql: connection.execute(sqlalchemy.text(sql)), connection.commit, connection.rollback
        )


@contextmanager
def orm(url: str) -> Iterator[Caller]:
    """A SQLAlchemy session."""
    with engine(url) as made, sqlalchemy.orm.Session(made) as session:
        yield Caller(session, lambda sql: session.execute(sqlalchemy.text(sql)), session.commit, session.rollback)


every_kind = pytest.mark.parametrize("kind", [usual, explicit, block, core, orm])

VERBS: dict[str, Callable[[Sessions, Created, Any], object]] = {
    "create": lambda sessions, _, connection: sessions.create("2", connection=connection),
    "create, replacing": lambda sessions, created, connection: sessions.create(
        "2", replaces=created.token, connection=connection
    ),
    "save": lambda sessions, created, connection: sessions.save(created.session, {"key": 1}, connection=connection),
    "rotate": lambda sessions, created, connection: sessions.rotate(created.token, connection=connection),
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
every_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
INSERT = "INSERT INTO users (id, name) VALUES (9, 'Inserted')"
UNDO = "DELETE FROM users WHERE id = 9"


@pytest.fixture
def sessions(postgresql_url: str) -> Iterator[Sessions]:
    make_users(postgresql_url)
    with Sessions(PostgreSQLStore(postgresql_url, users=UsersTable(foreign_key=True), timeout=2.0)) as opened:
        yield opened


@every_kind
def test_every_write_vanishes_or_commits_with_the_caller_s_transaction(
    sessions: Sessions, postgresql_url: str, kind: Kind
) -> None:
    for name, verb in VERBS.items():
        created, _ = sessions.create("1"), sessions.create("1")
        before = content(postgresql_url)
        with kind(postgresql_url) as caller:
            caller.execute(INSERT)
            assert verb(sessions, created, caller.connection) is not False
            assert content(postgresql_url) == before, f"{name}: committed before the caller commits"
            caller.rollback()
        assert content(postgresql_url) == before, f"{name}: not undone"
        with kind(postgresql_url) as caller:
            assert verb(sessions, created, caller.connection) is not False
            caller.execute(INSERT)
            assert content(postgresql_url) == before
            caller.commit()
        after = content(postgresql_url)
        assert "9" in after["users"]
        assert {**after, "users": before["users"]} != before, f"{name}: not committed"
        run(postgresql_url, UNDO)
        sessions.revoke_user("1")


@every_kind
def test_a_read_on_the_caller_s_connection_sees_what_is_not_committed_and_is_never_remembered(
    sessions: Sessions, postgresql_url: str, kind: Kind
) -> None:
    ended = sessions.create("1")
    assert sessions.get(ended.token)
    with kind(postgresql_url) as caller:
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
        caller.rollback()
    assert sessions.get(created.token) is NotSignedIn.UNKNOWN
    assert isinstance(sessions.get(ended.token), Session)


@every_kind
def test_an_error_undoes_only_its_own_part(sessions: Sessions, postgresql_url: str, kind: Kind) -> None:
    """The caller may catch it and commit the rest; what the failed call did before its error is gone."""
    kept, full = sessions.create("1"), Sessions(sessions.store, policy=Policy(max_sessions=1, when_full="refuse"))
    anonymous = sessions.create(None)
    with kind(postgresql_url) as caller:
        caller.execute(INSERT)
        large = {"large": "x" * 9_000}
        assert isinstance(sessions.save(kept.session, large, connection=caller.connection), Session)
        with pytest.raises(LimitReached):
            full.create("1", replaces=anonymous.token, connection=caller.connection)
        with pytest.raises(DataError):
            sessions.create("77", replaces=anonymous.token, connection=caller.connection)
        with pytest.raises(DataError):
            sessions.create("no number", replaces=anonymous.token, connection=caller.connection)
        with pytest.raises(DataError, match="max_data_bytes"):
            sessions.save(kept.session, {"more": "x" * 9_000}, connection=caller.connection)
        caller.commit()
    assert set(content(postgresql_url)["sessions"]) == {kept.session.id, anonymous.session.id}
    assert len(content(postgresql_url)["users"]) == 4
    session = sessions.get(kept.token)
    assert isinstance(session, Session)
    assert session.data == large


@every_kind
def test_an_error_of_the_caller_s_own_is_an_answer_and_no_puzzle(
    sessions: Sessions, postgresql_url: str, kind: Kind
) -> None:
    """A transaction that has failed before takes no statement any more."""
    with kind(postgresql_url) as caller:
        with pytest.raises((psycopg.Error, sqlalchemy.exc.DBAPIError)):
            caller.execute("SELECT 1/0")
        with pytest.raises(Unavailable, match="aborted"):
            sessions.create("1", connection=caller.connection)
        caller.rollback()


@contextmanager
def driver_autocommit(url: str) -> Iterator[Any]:
    with plain(url) as connection:
        yield connection


@contextmanager
def sqlalchemy_autocommit(url: str) -> Iterator[Any]:
    with engine(url, isolation_level="AUTOCOMMIT") as made, made.begin() as connection:
        yield connection


@contextmanager
def sqlalchemy_not_begun(url: str) -> Iterator[Any]:
    with engine(url) as made, made.connect() as connection:
        yield connection


@contextmanager
def orm_autocommit(url: str) -> Iterator[Any]:
    with engine(url, isolation_level="AUTOCOMMIT") as made, sqlalchemy.orm.Session(made) as session:
        yield session


@pytest.mark.parametrize("kind", [driver_autocommit, sqlalchemy_autocommit, sqlalchemy_not_begun, orm_autocommit])
def test_a_connection_without_a_transaction_is_refused(
    sessions: Sessions, postgresql_url: str, kind: Callable[[str], AbstractContextManager[Any]]
) -> None:
    """Each statement would commit by itself, and an error in the middle would leave half of the work."""
    created = sessions.create("1")
    before = content(postgresql_url)
    for verb in VERBS.values():
        with kind(postgresql_url) as connection, pytest.raises(TransactionRequired, match="begin a transaction"):
            verb(sessions, created, connection)
    assert content(postgresql_url) == before


@pytest.mark.parametrize("thing", [object(), "app.db", 7])
def test_what_is_no_connection_is_named(sessions: Sessions, thing: object) -> None:
    with pytest.raises(ConfigurationError, match=type(thing).__name__):
        sessions.create("1", connection=thing)


def test_a_connection_to_another_database_is_an_error(sessions: Sessions, postgresql_url: str) -> None:
    with (
        usual(postgresql_url.rpartition("/")[0] + "/postgres") as caller,
        pytest.raises(SchemaError, match="coatcheck migrate"),
    ):
        sessions.create("1", connection=caller.connection)


def test_a_caller_s_settings_change_nothing(sessions: Sessions, postgresql_url: str) -> None:
    with usual(postgresql_url) as caller:
        caller.execute("SET search_path = pg_temp, public")
        caller.execute("CREATE TEMPORARY TABLE coatcheck_sessions (id text)")
        caller.execute("CREATE TEMPORARY TABLE coatcheck_meta (generation bigint)")
        caller.execute("SET timezone = 'Asia/Kathmandu'")
        caller.execute("SET bytea_output = 'escape'")
        caller.execute("SET intervalstyle = 'sql_standard'")
        created = sessions.create("1", data={"key": "value"}, ip="192.0.2.1", connection=caller.connection)
        caller.commit()
    session = sessions.get(created.token)
    assert isinstance(session, Session)
    assert (session.data, session.ip) == ({"key": "value"}, "192.0.2.1")
    assert session.created_at == created.session.created_at
