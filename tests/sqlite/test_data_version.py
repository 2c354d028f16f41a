"""The look at `data_version` that every validation takes, and the traps around it."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from coatcheck import NotSignedIn, Session, Sessions, Unavailable
from coatcheck.stores.sqlite import SQLiteStore, database
from tests.sqlite.helpers import cached, inner, plain, refused, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coatcheck.testing import FaultyStore

DELETE = "DELETE FROM coatcheck_sessions WHERE id = ?"


def test_L7_a_deletion_by_another_connection_is_seen_at_the_next_validation(
    sessions: Sessions, store: FaultyStore, path: str
) -> None:
    created = sessions.create("anna")
    cached(sessions, store, created.token)
    run(path, DELETE, (created.session.id,))
    assert sessions.lookup(created.token) is None
    assert sessions.get(created.token) is NotSignedIn.UNKNOWN


def test_L7_a_commit_by_the_writer_of_the_same_process_is_seen(sessions: Sessions, store: FaultyStore) -> None:
    created = sessions.create("anna")
    cached(sessions, store, created.token)
    sessions.revoke_by_id(created.session.id, user_id="anna")
    assert sessions.get(created.token) is NotSignedIn.UNKNOWN


@pytest.mark.parametrize("statement", ["BEGIN", "BEGIN IMMEDIATE"])
def test_a_transaction_left_open_elsewhere_freezes_nothing(
    sessions: Sessions, store: FaultyStore, path: str, statement: str
) -> None:
    """A transaction that somebody forgot, in another process or in this one, hides no later commit from us."""
    created, other = sessions.create("anna"), sessions.create("anna")
    cached(sessions, store, created.token)
    with plain(path) as forgotten, plain(path) as typed:
        if statement == "BEGIN":
            forgotten.execute("BEGIN")
            forgotten.execute("SELECT count(*) FROM coatcheck_sessions").fetchall()
            typed.execute(DELETE, (created.session.id,))
            assert forgotten.execute("SELECT count(*) FROM coatcheck_sessions").fetchall() == [(2,)]
        else:
            typed.execute(DELETE, (created.session.id,))
            forgotten.execute("BEGIN IMMEDIATE")
            forgotten.execute("SELECT count(*) FROM coatcheck_sessions").fetchall()
        assert refused(sessions.get(created.token))
        assert isinstance(sessions.get(other.token), Session)


def test_half_read_cursors_of_the_application_freeze_nothing(sessions: Sessions, store: FaultyStore, path: str) -> None:
    """Cursors that stand in the middle of a result, in this very thread, hide no later commit from us."""
    created = [sessions.create("anna") for _ in range(5)]
    for each in created:
        cached(sessions, store, each.token)
    with plain(path) as connection:
        cursors = [connection.execute("SELECT * FROM coatcheck_sessions") for _ in range(3)]
        for cursor in cursors:
            assert cursor.fetchone() is not None
        for each in created:
            run(path, DELETE, (each.session.id,))
            assert refused(sessions.get(each.token))
        assert all(len(cursor.fetchall()) == 4 for cursor in cursors)


def _verbs(sessions: Sessions) -> Iterator[str]:
    """Use every verb once; yields its name after each."""
    created = sessions.create("anna")
    yield "create"
    assert sessions.get(created.token)
    yield "get, from the store"
    assert sessions.get(created.token)
    yield "get, from memory"
    sessions.get("A" * 43)
    yield "get, of nobody"
    session = sessions.save(created.session, {"key": 1})
    assert session
    yield "save"
    rotated = sessions.rotate(created.token)
    assert rotated
    yield "rotate"
    sessions.note_client(created.session, ip="192.0.2.1", user_agent="x")
    yield "note_client"
    sessions.list("anna")
    sessions.list_active()
    yield "list"
    assert sessions.find(session.id)
    assert sessions.recheck(session)
    yield "find"
    for _ in range(20):
        sessions.revoke(sessions.create("anna").token)
    assert sessions.get(rotated.token)
    yield "poll of many entries"
    sessions.sweep()
    yield "sweep"


def test_the_checking_connection_is_never_inside_a_transaction(sessions: Sessions, path: str) -> None:
    """Between two calls it stands in no snapshot: its next look sees what was committed since."""
    reader = inner(sessions.store)._database.reader()
    with plain(path) as other:
        other.execute("CREATE TABLE pulse (n)")
        for verb in _verbs(sessions):
            connection = reader._connected().connection
            assert not connection.in_transaction, verb
            before = reader.version()
            other.execute("INSERT INTO pulse VALUES (1)")
            assert reader.version() != before, verb
            assert connection.execute("SELECT count(*) FROM pulse").fetchall() == (
                other.execute("SELECT count(*) FROM pulse").fetchall()
            ), verb


def test_the_checking_connection_is_not_the_writing_one(sessions: Sessions) -> None:
    """A connection's own commits do not move its `data_version`."""
    sessions.create("anna")
    connections = inner(sessions.store)._database
    assert connections.reader()._connected().connection is not connections._writer


def test_what_is_committed_while_the_log_is_read_is_not_missed(
    sessions: Sessions, store: FaultyStore, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value to compare with is noted before the log is read, so a commit in between is looked at again."""
    created = sessions.create("anna")
    cached(sessions, store, created.token)
    sessions.create("berta")  # so that the next validation has to look at the log
    rows = database.Reader.rows

    def slow(self: database.Reader, sql: str, parameters: object) -> object:
        result = rows(self, sql, parameters)  # type: ignore[arg-type]
        if "coatcheck_log AS log" in sql:
            monkeypatch.undo()
            run(path, DELETE, (created.session.id,))
        return result

    monkeypatch.setattr(database.Reader, "rows", slow)
    sessions.get(created.token)  # asked before the deletion: either answer is right
    assert refused(sessions.get(created.token))


def test_many_threads_see_every_revocation(path: str) -> None:
    """Each thread has a checking connection of its own, and a value of its own to compare with."""
    threads, rounds = 8, 25
    barrier = threading.Barrier(threads + 1, timeout=30)
    tokens: list[object] = [None]
    answers: list[list[tuple[bool, bool]]] = [[] for _ in range(threads)]

    with Sessions(SQLiteStore(path)) as sessions:

        def worker(mine: list[tuple[bool, bool]]) -> None:
            for _ in range(rounds):
                barrier.wait()
                live = isinstance(sessions.get(tokens[0]), Session)  # type: ignore[arg-type]
                barrier.wait()
                barrier.wait()
                mine.append((live, refused(sessions.get(tokens[0]))))  # type: ignore[arg-type]
                barrier.wait()

        with ThreadPoolExecutor(threads) as pool:
            done = [pool.submit(worker, mine) for mine in answers]
            for _ in range(rounds):
                created = sessions.create("anna")
                tokens[0] = created.token
                barrier.wait()
                barrier.wait()
                sessions.revoke(created.token)
                barrier.wait()
                barrier.wait()
            for future in done:
                future.result()
    assert answers == [[(True, True)] * rounds] * threads


def test_one_thread_s_poll_is_not_taken_for_another_s(path: str) -> None:
    """A thread that has not polled since a commit has to, although another thread has."""
    with Sessions(SQLiteStore(path)) as sessions, ThreadPoolExecutor(1) as elsewhere:
        created, other = sessions.create("anna"), sessions.create("anna")
        for token in (created.token, other.token):
            assert sessions.get(token)
            assert elsewhere.submit(sessions.get, token).result()
        sessions.revoke(created.token)
        assert elsewhere.submit(sessions.get, other.token).result()
        assert sessions.lookup(other.token) is None
        assert refused(sessions.get(created.token))


def test_two_caches_over_one_store_both_learn_of_a_revocation(path: str) -> None:
    store = SQLiteStore(path)
    with Sessions(store) as one, Sessions(store) as two:
        created = one.create("anna")
        assert one.get(created.token)
        assert two.get(created.token)
        run(path, DELETE, (created.session.id,))
        assert refused(one.get(created.token))
        assert refused(two.get(created.token))


def test_S9_a_look_that_fails_counts_as_a_change(
    sessions: Sessions, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When not even `data_version` can be read, memory answers nothing, and the driver's error reaches nobody."""
    created = sessions.create("anna")
    cached(sessions, store, created.token)

    def broken(_: database.Reader) -> int:
        msg = "disk I/O error"
        raise sqlite3.OperationalError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(database.Reader, "version", broken)
        assert sessions.lookup(created.token) is None
        with pytest.raises(Unavailable, match="disk I/O error"):
            sessions.get(created.token)
    assert sessions.get(created.token)


def test_a_thread_s_connection_is_closed_with_the_thread(sessions: Sessions) -> None:
    """A server that starts a thread for each request does not run out of file descriptors."""
    created = sessions.create("anna")
    connections = inner(sessions.store)._database
    assert sessions.get(created.token)
    for _ in range(20):
        thread = threading.Thread(target=sessions.get, args=(created.token,))
        thread.start()
        thread.join()
    assert len(connections._readers) == 1
