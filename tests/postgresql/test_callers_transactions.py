"""Writes on the caller's own connection commit or vanish with the caller's transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy
import sqlalchemy.orm
from psycopg.rows import dict_row

from coatcheck import (
    ConfigurationError,
    SchemaError,
    Session,
    Sessions,
    TransactionRequired,
    Unavailable,
    UsersTable,
)
from coatcheck.stores.postgresql import PostgreSQLStore
from tests.callers import (
    INSERT,
    POLICY,
    VERBS,
    Caller,
    check_errors,
    check_reads,
    core,
    engine,
    orm,
    sqlalchemy_autocommit,
    sqlalchemy_not_begun,
)
from tests.postgresql.hands import content, make_users, plain, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.callers import Kind


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


every_kind = pytest.mark.parametrize("kind", [usual, explicit, block, core, orm])

UNDO = "DELETE FROM users WHERE id = 9"


@pytest.fixture
def sessions(empty_postgresql_url: str) -> Iterator[Sessions]:
    make_users(empty_postgresql_url)
    store = PostgreSQLStore(empty_postgresql_url, users=UsersTable(foreign_key=True), timeout=2.0)
    with Sessions(store, policy=POLICY) as opened:
        yield opened


@every_kind
def test_every_write_vanishes_or_commits_with_the_caller_s_transaction(
    sessions: Sessions, empty_postgresql_url: str, kind: Kind
) -> None:
    for name, verb in VERBS.items():
        created, _ = sessions.create("1"), sessions.create("1")
        before = content(empty_postgresql_url)
        with kind(empty_postgresql_url) as caller:
            caller.execute(INSERT)
            assert verb(sessions, created, caller.connection) is not False
            assert content(empty_postgresql_url) == before, f"{name}: committed before the caller commits"
            caller.rollback()
        assert content(empty_postgresql_url) == before, f"{name}: not undone"
        with kind(empty_postgresql_url) as caller:
            assert verb(sessions, created, caller.connection) is not False
            caller.execute(INSERT)
            assert content(empty_postgresql_url) == before
            caller.commit()
        after = content(empty_postgresql_url)
        assert "9" in after["users"]
        assert {**after, "users": before["users"]} != before, f"{name}: not committed"
        run(empty_postgresql_url, UNDO)
        sessions.revoke_user("1")


@every_kind
def test_a_read_on_the_caller_s_connection_sees_what_is_not_committed_and_is_never_remembered(
    sessions: Sessions, empty_postgresql_url: str, kind: Kind
) -> None:
    check_reads(sessions, kind(empty_postgresql_url))


@every_kind
def test_an_error_undoes_only_its_own_part(sessions: Sessions, empty_postgresql_url: str, kind: Kind) -> None:
    """The caller may catch it and commit the rest; what the failed call did before its error is gone."""
    left = check_errors(sessions, kind(empty_postgresql_url), nobody=("77", "no number"))
    assert set(content(empty_postgresql_url)["sessions"]) == left
    assert len(content(empty_postgresql_url)["users"]) == 4


@every_kind
def test_an_error_of_the_caller_s_own_is_an_answer_and_no_puzzle(
    sessions: Sessions, empty_postgresql_url: str, kind: Kind
) -> None:
    """A transaction that has failed before takes no statement any more."""
    with kind(empty_postgresql_url) as caller:
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
def orm_autocommit(url: str) -> Iterator[Any]:
    with engine(url, isolation_level="AUTOCOMMIT") as made, sqlalchemy.orm.Session(made) as session:
        yield session


@pytest.mark.parametrize("kind", [driver_autocommit, sqlalchemy_autocommit, sqlalchemy_not_begun, orm_autocommit])
def test_a_connection_without_a_transaction_is_refused(
    sessions: Sessions, empty_postgresql_url: str, kind: Callable[[str], AbstractContextManager[Any]]
) -> None:
    """Each statement would commit by itself, and an error in the middle would leave half of the work."""
    created = sessions.create("1")
    before = content(empty_postgresql_url)
    for verb in VERBS.values():
        with kind(empty_postgresql_url) as connection, pytest.raises(TransactionRequired, match="begin a transaction"):
            verb(sessions, created, connection)
    assert content(empty_postgresql_url) == before


@pytest.mark.parametrize("thing", [object(), "app.db", 7])
def test_what_is_no_connection_is_named(sessions: Sessions, thing: object) -> None:
    with pytest.raises(ConfigurationError, match=type(thing).__name__):
        sessions.create("1", connection=thing)


def test_a_connection_to_another_database_is_an_error(sessions: Sessions, empty_postgresql_url: str) -> None:
    with (
        usual(empty_postgresql_url.rpartition("/")[0] + "/postgres") as caller,
        pytest.raises(SchemaError, match="coatcheck migrate"),
    ):
        sessions.create("1", connection=caller.connection)


def test_a_caller_s_settings_change_nothing(sessions: Sessions, empty_postgresql_url: str) -> None:
    with usual(empty_postgresql_url) as caller:
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
