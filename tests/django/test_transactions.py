"""Sessions that are written inside of a transaction of Django's commit or vanish with it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections, transaction
from django.test import override_settings

from coatcheck.django.running import running
from coatcheck.django.sessions import SessionStore
from tests.django import site as sites

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.postgresql import PostgreSQL


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of Django's, with the tables."""
    sites.prepared()
    if request.param == "sqlite":
        yield "default"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    with sites.on_postgresql(server) as alias:
        yield alias


@pytest.fixture(autouse=True)
def _database(database: str) -> Iterator[None]:
    with override_settings(COATCHECK={"database": database}):
        yield


def stored(key: str | None) -> dict[str, Any]:
    """What another process has under a key."""
    sessions = running.wiring().settings.sessions().open()
    try:
        return dict(found.data) if (found := sessions.get(key)) else {}
    finally:
        sessions.close()


def begun(**data: Any) -> SessionStore:
    session = SessionStore()
    session.update(data)
    session.save()
    return session


@contextmanager
def undone(database: str) -> Iterator[None]:
    """A block that is not to be committed."""
    with transaction.atomic(using=database):
        yield
        transaction.set_rollback(True, using=database)


def test_what_is_written_in_a_block_is_seen_by_others_when_it_commits(database: str) -> None:
    """And before that by whoever is inside."""
    with transaction.atomic(using=database):
        session = begun(a=1)
        assert SessionStore(session.session_key).get("a") == 1
        assert stored(session.session_key) == {}
    assert stored(session.session_key) == {"a": 1}
    assert SessionStore(session.session_key).get("a") == 1


@pytest.mark.parametrize("verb", ["save", "delete", "cycle_key", "flush"])
def test_a_block_that_is_undone_takes_everything_with_it(database: str, verb: str) -> None:
    """The session is as before, under the key it had."""
    session = begun(a=1)
    key = session.session_key
    with undone(database):
        inside = SessionStore(key)
        inside["a"] = 2
        getattr(inside, verb)()
        if verb != "save":
            assert SessionStore(key).get("a") is None
    assert stored(key) == {"a": 1}
    assert SessionStore(key).get("a") == 1


def test_a_block_inside_of_another_is_undone_alone(database: str) -> None:
    """As every savepoint."""
    with transaction.atomic(using=database):
        kept = begun(a=1)
        with undone(database):
            SessionStore(kept.session_key).flush()
    assert stored(kept.session_key) == {"a": 1}


def test_reading_in_a_block_that_has_changed_nothing_uses_the_memory(database: str) -> None:
    """As in a view with ATOMIC_REQUESTS: its transaction is no reason to ask the database."""
    key = begun(a=1).session_key
    assert SessionStore(key).get("a") == 1
    connection = connections[database]
    with transaction.atomic(using=database):
        connection.force_debug_cursor = True
        before = len(connection.queries_log)
        assert SessionStore(key).get("a") == 1
        assert len(connection.queries_log) == before
    connection.force_debug_cursor = False


def test_what_a_block_has_begun_can_be_saved_again_in_it(database: str) -> None:
    """With SESSION_SAVE_EVERY_REQUEST each request saves, as in the tests of a site, which are one block."""
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True), transaction.atomic(using=database):
        session = begun(a=1)
        session.save()
        again = SessionStore(session.session_key)
        assert again.get("a") == 1
        again.save()
        assert again.session_key == session.session_key


def test_the_process_sees_what_it_has_committed_at_once(database: str) -> None:
    """Its memory is asked again after the block, and not after a lease."""
    key = begun(a=1).session_key
    for value in range(2, 6):
        assert SessionStore(key).get("a") == value - 1
        with transaction.atomic(using=database):
            session = SessionStore(key)
            session["a"] = value
            session.save()


def test_nothing_is_added_to_what_happens_on_commit(database: str) -> None:
    """The tests of a site may count it."""
    with transaction.atomic(using=database):
        begun(a=1)
        assert connections[database].run_on_commit == []


def test_tables_can_be_made_shown_and_dropped(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`migrate` makes what a store wants, `sqlmigrate` prints what makes it, and `migrate zero` leaves nothing."""
    from django.core.management import call_command

    def tables() -> list[str]:
        return [name for name in connections[database].introspection.table_names() if name.startswith("coatcheck")]

    def problems() -> list[str]:
        sessions = running.wiring().settings.sessions()
        try:
            return list(sessions.store.problems())
        finally:
            sessions.close()

    assert problems() == []
    call_command("sqlmigrate", "coatcheck", "0001", database=database)
    script = capsys.readouterr().out
    call_command("migrate", "coatcheck", "zero", database=database, verbosity=0)
    assert tables() == []
    call_command("migrate", "coatcheck", "zero", database=database, verbosity=0)
    running.reset()
    raw = connections[database]
    raw.ensure_connection()
    if database == "default":
        raw.connection.executescript(script)
    else:
        raw.connection.execute(script)
    assert problems() == []
    call_command("migrate", "coatcheck", database=database, verbosity=0)
    assert begun(a=1).session_key
