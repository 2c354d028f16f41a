"""Writes on the caller's own connection commit or vanish with the caller's transaction."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import (
    ConfigurationError,
    DataError,
    NotSignedIn,
    SchemaError,
    Session,
    Sessions,
    TransactionRequired,
    Unavailable,
    UsersTable,
)
from coatcheck.stores.sqlite import SQLiteStore
from tests.callers import (
    INSERT,
    POLICY,
    VERBS,
    Caller,
    check_errors,
    check_reads,
    core,
    orm,
    sqlalchemy_autocommit,
    sqlalchemy_not_begun,
)
from tests.sqlite.helpers import dump, make_users, plain, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.callers import Kind, Verb


@contextmanager
def legacy(path: str) -> Iterator[Caller]:
    """The driver's default: it begins a transaction before the first change."""
    with closing(sqlite3.connect(path)) as connection:
        yield Caller(connection, connection.execute, connection.commit, connection.rollback)


@contextmanager
def explicit(path: str) -> Iterator[Caller]:
    """Autocommit mode, and a transaction begun by hand; rows come as dictionaries."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = lambda cursor, row: dict(
            zip((column[0] for column in cursor.description), row, strict=True)
        )
        connection.execute("BEGIN")
        yield Caller(connection, connection.execute, connection.commit, connection.rollback)


@contextmanager
def always_open(path: str) -> Iterator[Caller]:
    """Python 3.12's own transaction control: one is always open."""
    with closing(sqlite3.connect(path, autocommit=False)) as connection:  # type: ignore[call-overload, unused-ignore]
        yield Caller(connection, connection.execute, connection.commit, connection.rollback)


KINDS: list[Kind] = [legacy, explicit, core, orm]
if sys.version_info >= (3, 12):
    KINDS.append(always_open)

every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def sessions(path: str) -> Iterator[Sessions]:
    make_users(path)
    store = SQLiteStore(path, users=UsersTable(foreign_key=True), busy_timeout=0.2)
    with Sessions(store, policy=POLICY) as opened:
        yield opened


@every_kind
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_write_vanishes_with_the_caller_s_transaction(
    sessions: Sessions,
    path: str,
    kind: Kind,
    verb: Verb,
) -> None:
    created, _ = sessions.create("1"), sessions.create("1")
    before = dump(path)
    with kind(path) as caller:
        caller.execute(INSERT)
        assert verb(sessions, created, caller.connection) is not False
        assert dump(path) == before, "nothing may be committed before the caller commits"
        assert isinstance(sessions.get(created.token), Session)
        caller.rollback()
    assert dump(path) == before
    assert isinstance(sessions.get(created.token), Session)


@every_kind
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_write_commits_with_the_caller_s_transaction(
    sessions: Sessions,
    path: str,
    kind: Kind,
    verb: Verb,
) -> None:
    created, _ = sessions.create("1"), sessions.create("1")
    before = dump(path)
    with kind(path) as caller:
        assert verb(sessions, created, caller.connection) is not False
        caller.execute(INSERT)
        assert dump(path) == before
        caller.commit()
    after = dump(path)
    assert (9, "Inserted", None, None, None) in after["users"]
    changed = [table for table in before if before[table] != after[table] and table != "coatcheck_retired"]
    assert changed in (["coatcheck_log", "coatcheck_sessions", "users"], ["coatcheck_log", "users"]) or (
        changed == ["coatcheck_sessions", "users"] and len(after["coatcheck_sessions"]) == 3
    )


@every_kind
def test_B8_insert_a_user_create_a_session_write_an_audit_row(sessions: Sessions, path: str, kind: Kind) -> None:
    """All three, or none: the session's user exists only in the same transaction."""
    with plain(path) as connection:
        connection.execute("CREATE TABLE audit (session TEXT)")
    for commit in (False, True):
        with kind(path) as caller:
            caller.execute(INSERT)
            created = sessions.create("9", connection=caller.connection)
            assert created.session.user is not None
            assert created.session.user.name == "Inserted"
            caller.execute(f"INSERT INTO audit VALUES ('{created.session.id}')")  # noqa: S608
            (caller.commit if commit else caller.rollback)()
        tables = dump(path)
        assert len(tables["audit"]) == len(tables["coatcheck_sessions"]) == (1 if commit else 0)
        assert bool(sessions.get(created.token)) is commit


@every_kind
def test_a_read_on_the_caller_s_connection_sees_what_is_not_committed_and_is_never_remembered(
    sessions: Sessions, kind: Kind, path: str
) -> None:
    check_reads(sessions, kind(path))


@every_kind
def test_an_error_undoes_only_its_own_part(sessions: Sessions, kind: Kind, path: str) -> None:
    """The caller may catch it and commit the rest; what the failed call did before its error is gone."""
    left = check_errors(sessions, kind(path), nobody=("no such user",))
    tables = dump(path)
    assert len(tables["users"]) == 4
    assert {row[1] for row in tables["coatcheck_sessions"]} == left


@every_kind
def test_several_calls_join_one_transaction(sessions: Sessions, kind: Kind, path: str) -> None:
    with kind(path) as caller:
        created = [sessions.create("1", connection=caller.connection) for _ in range(3)]
        rotated = sessions.rotate(created[0].token, connection=caller.connection)
        assert not isinstance(rotated, NotSignedIn)
        sessions.revoke(created[1].token, connection=caller.connection)
        assert sessions.revoke_others(rotated.session, connection=caller.connection) == 1
        caller.commit()
    assert sessions.get(rotated.token)
    assert [refused(sessions.get(each.token)) for each in created] == [True, True, True]


@contextmanager
def driver_autocommit(path: str) -> Iterator[Any]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


@contextmanager
def new_autocommit(path: str) -> Iterator[Any]:
    with closing(sqlite3.connect(path, autocommit=True)) as connection:  # type: ignore[call-overload, unused-ignore]
        yield connection


AUTOCOMMIT = [driver_autocommit, sqlalchemy_autocommit, sqlalchemy_not_begun]
if sys.version_info >= (3, 12):
    AUTOCOMMIT.append(new_autocommit)


@pytest.mark.parametrize("kind", AUTOCOMMIT)
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_connection_without_a_transaction_is_refused(
    sessions: Sessions,
    path: str,
    kind: Callable[[str], AbstractContextManager[Any]],
    verb: Verb,
) -> None:
    """Each statement would commit by itself, and an error in the middle would leave half of the work."""
    created = sessions.create("1")
    before = dump(path)
    with kind(path) as connection, pytest.raises(TransactionRequired, match="begin a transaction"):
        verb(sessions, created, connection)
    assert dump(path) == before


@pytest.mark.parametrize("thing", [object(), "app.db", 7])
def test_what_is_no_connection_is_named(sessions: Sessions, thing: object) -> None:
    with pytest.raises(ConfigurationError, match=type(thing).__name__):
        sessions.create("1", connection=thing)


def test_a_connection_to_another_database_is_an_error(sessions: Sessions, tmp_path: object) -> None:
    with legacy(f"{tmp_path}/other.db") as caller, pytest.raises(SchemaError, match="no coatcheck tables"):
        sessions.create("1", connection=caller.connection)


def test_a_lock_held_by_another_is_an_outage_for_the_caller_too(sessions: Sessions, path: str) -> None:
    with plain(path) as other, closing(sqlite3.connect(path, timeout=0.01)) as connection:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            sessions.create("1", connection=connection)
        assert not connection.in_transaction
        other.execute("ROLLBACK")
        sessions.create("1", connection=connection)
        connection.commit()
    assert len(dump(path)["coatcheck_sessions"]) == 1


def test_the_first_statement_of_a_write_is_a_write(sessions: Sessions, path: str) -> None:
    """In a deferred transaction a read takes a snapshot, and a write after another's commit then fails at once."""
    created = sessions.create("1")
    for name in sorted(set(VERBS) - {"reauthenticate"}):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            statements: list[str] = []
            connection.set_trace_callback(statements.append)
            VERBS[name](sessions, created, connection)
            first = next(text for text in statements if "coatcheck_" in text)
            body = [line for line in first.splitlines() if not line.startswith("--")]
            assert body[0].split()[0] in {"INSERT", "UPDATE", "DELETE"}, (name, first)
            connection.execute("ROLLBACK")


def test_an_error_that_ends_the_whole_transaction_is_told_as_itself(sessions: Sessions, path: str) -> None:
    """Some errors leave no savepoint to go back to; the message is about the error, not about that."""
    with plain(path) as connection:
        connection.execute(
            "CREATE TRIGGER theirs BEFORE INSERT ON coatcheck_sessions BEGIN SELECT RAISE(ROLLBACK, 'by theirs'); END"
        )
    with legacy(path) as caller:
        caller.execute(INSERT)
        with pytest.raises(DataError, match="by theirs"):
            sessions.create("1", connection=caller.connection)
    assert len(dump(path)["users"]) == 3
