"""The file is replaced, restored, deleted or put back under running processes."""

from __future__ import annotations

import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coatcheck import AsyncSessions, SchemaError, Session, Sessions, Unavailable, UsersTable
from coatcheck.core.session import copy_in
from coatcheck.stores.sqlite import AsyncSQLiteStore, SQLiteStore, database
from tests.sqlite.helpers import (
    backup,
    cached,
    inner,
    make_users,
    plain,
    put_in_place,
    refused,
    remove_database,
    run,
    shell,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck import Token
    from coatcheck.testing import FaultyStore

Restore = "Callable[[str, str], None]"


def by_interface(source: str, path: str) -> None:
    """Restore a backup into the file through SQLite's own interface."""
    backup(source, path)


def by_shell(source: str, path: str) -> None:
    """Restore a backup into the file by the shell's command."""
    shell(path, f".restore '{source}'")


def by_move(source: str, path: str) -> None:
    """Restore a backup by moving it over the file."""
    shutil.copy(source, source + ".copy")
    put_in_place(source + ".copy", path)


restores = pytest.mark.parametrize("restore", [by_interface, by_shell, by_move])


def another_database(path: str) -> tuple[str, Token]:
    """Make a database with one session; returns its path and the token."""
    other = path + ".other"
    with Sessions(SQLiteStore(other)) as sessions:
        return other, sessions.create("anna").token


def test_a_database_moved_over_the_file_is_the_one_that_counts(
    sessions: Sessions, store: FaultyStore, path: str
) -> None:
    """A connection follows its file, not its name; the sessions of the file that has gone are refused."""
    created = sessions.create("anna")
    cached(sessions, store, created.token)
    other, token = another_database(path)
    put_in_place(other, path)
    assert sessions.lookup(created.token) is None
    assert refused(sessions.get(created.token))
    assert isinstance(sessions.get(token), Session)
    assert sessions.revoke(token), "the writer has to write into the new file"
    assert run(path, "SELECT count(*) FROM coatcheck_sessions") == [(0,)]
    assert refused(sessions.get(token))


@pytest.mark.anyio
async def test_a_database_moved_over_the_file_is_seen_by_tasks_too(path: str) -> None:
    async with AsyncSessions(AsyncSQLiteStore(path)) as sessions:
        created = await sessions.create("anna")
        assert await sessions.get(created.token)
        other, token = another_database(path)
        put_in_place(other, path)
        assert refused(await sessions.get(created.token))
        assert await sessions.get(token)
        assert await sessions.revoke(token)
        assert refused(await sessions.get(token))


def test_a_session_read_from_another_file_is_not_admitted_again(
    sessions: Sessions, store: FaultyStore, path: str
) -> None:
    """An open WebSocket holds its session across the change of files; positions of two logs cannot be compared."""
    for _ in range(10):  # so that the position at which it was read is far ahead in the next file's log
        sessions.revoke(sessions.create("anna").token)
    created = sessions.create("anna")
    session = cached(sessions, store, created.token)
    assert sessions.recheck(session)
    other, _ = another_database(path)
    put_in_place(other, path)
    assert refused(sessions.recheck(session))


@restores
def test_a_restored_backup_is_a_new_epoch(
    sessions: Sessions, store: FaultyStore, path: str, restore: Callable[[str, str], None]
) -> None:
    """The log's head is behind what was known: what the backup has counts, and what it lacks is refused."""
    old = sessions.create("anna")
    backup(path, path + ".backup")
    new = sessions.create("berta")
    for _ in range(10):
        sessions.revoke(sessions.create("anna").token)
    new = sessions.create("carla")
    for token in (old.token, new.token):
        cached(sessions, store, token)
    restore(path + ".backup", path)
    assert isinstance(sessions.get(old.token), Session)
    assert refused(sessions.get(new.token))


@restores
def test_L7_a_revocation_at_a_position_that_was_used_before_counts(
    sessions: Sessions, store: FaultyStore, path: str, restore: Callable[[str, str], None]
) -> None:
    """After a restore positions are used again; a copy from the log's other life does not outlive that."""
    created = sessions.create("anna")
    backup(path, path + ".backup")
    for _ in range(10):
        sessions.revoke(sessions.create("anna").token)
    cached(sessions, store, created.token)  # read at a position far ahead
    restore(path + ".backup", path)
    run(path, "DELETE FROM coatcheck_sessions")
    assert refused(sessions.get(created.token))


@restores
def test_L7_a_restored_log_that_has_grown_past_the_old_one_is_noticed(
    sessions: Sessions, store: FaultyStore, path: str, restore: Callable[[str, str], None]
) -> None:
    """Nobody looked until the restored log was longer than the one before: the numbers alone would fit."""
    created = sessions.create("anna")
    backup(path, path + ".backup")
    for _ in range(3):
        sessions.revoke(sessions.create("berta").token)
    lost = sessions.create("carla")
    for token in (created.token, lost.token):
        cached(sessions, store, token)
    restore(path + ".backup", path)
    with Sessions(SQLiteStore(path)) as other:
        other.revoke(created.token)
        for _ in range(20):
            other.revoke(other.create("dora").token)
    assert refused(sessions.get(created.token))
    assert refused(sessions.get(lost.token))


@restores
def test_L7_a_restored_log_that_ends_where_the_old_one_did_is_noticed(
    sessions: Sessions, store: FaultyStore, path: str, restore: Callable[[str, str], None]
) -> None:
    """Creating a session writes no entry, so the last entry is the same in both lives of the log."""
    backup(path, path + ".backup")
    created = sessions.create("anna")
    cached(sessions, store, created.token)
    restore(path + ".backup", path)
    assert refused(sessions.get(created.token))
    assert sessions.revoke(created.token) is False


def test_a_log_with_another_mark_at_the_cursor_is_another_log(
    sessions: Sessions, store: FaultyStore, path: str
) -> None:
    """A file copied byte by byte keeps inode and schema: only the entries themselves tell."""
    sessions.revoke(sessions.create("anna").token)
    created = sessions.create("anna")
    cached(sessions, store, created.token)
    run(path, "UPDATE coatcheck_log SET mark = mark + 1")
    reads = store.count("read")
    assert isinstance(sessions.get(created.token), Session)
    assert store.count("read") == reads + 1, "the copy from before must not count any more"


def test_a_poll_that_breaks_after_noticing_another_log_leaves_nothing_to_trust(
    sessions: Sessions, store: FaultyStore, path: str
) -> None:
    """The first poll finds the change, the second fails: the knowledge from before must not be proven by that."""
    created = sessions.create("anna")
    backup(path, path + ".backup")
    sessions.revoke(sessions.create("berta").token)
    lost = sessions.create("carla")
    for token in (created.token, lost.token):
        cached(sessions, store, token)
    backup(path + ".backup", path)
    sqlite = inner(store)
    polls = []

    def poll(cursor: object) -> object:
        polls.append(cursor)
        if len(polls) == 2:
            msg = "no answer"
            raise Unavailable(msg)
        return SQLiteStore.poll(sqlite, cursor)  # type: ignore[arg-type]

    sqlite.poll = poll  # type: ignore[method-assign, assignment]
    with pytest.raises(Unavailable):
        sessions.get(lost.token)
    assert sessions.lookup(lost.token) is None
    assert refused(sessions.get(lost.token))
    assert isinstance(sessions.get(created.token), Session)


def test_S9_a_deleted_file_is_an_outage(sessions: Sessions, store: FaultyStore, path: str) -> None:
    """Nobody is signed out by it, nothing is served from memory, and no empty database comes into being."""
    created = sessions.create("anna")
    cached(sessions, store, created.token)
    Path(path).rename(path + ".away")
    assert sessions.lookup(created.token) is None
    for call in (
        lambda: sessions.get(created.token),
        lambda: sessions.create("berta"),
        lambda: sessions.revoke(created.token),
        lambda: sessions.list("anna"),
    ):
        with pytest.raises(Unavailable, match="cannot be found"):
            call()
    with ThreadPoolExecutor(1) as elsewhere, pytest.raises(Unavailable, match="cannot be found"):
        elsewhere.submit(sessions.get, created.token).result()  # a thread that has no connection yet
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        database.connect(path, 1)  # as when it goes between the look for it and this
    assert not Path(path).exists()
    Path(path + ".away").rename(path)
    assert isinstance(sessions.get(created.token), Session)


def test_S9_an_empty_file_in_its_place_is_an_error(sessions: Sessions, store: FaultyStore, path: str) -> None:
    """A database without our tables says nothing about anybody."""
    created = sessions.create("anna")
    cached(sessions, store, created.token)
    remove_database(path)
    Path(path).touch()
    for call in (lambda: sessions.get(created.token), lambda: sessions.create("anna")):
        with pytest.raises(SchemaError, match="coatcheck migrate"):
            call()


def test_a_recreated_file_starts_without_the_old_sessions(sessions: Sessions, store: FaultyStore, path: str) -> None:
    created = sessions.create("anna")
    cached(sessions, store, created.token)
    remove_database(path)
    inner(store).migrate()
    assert refused(sessions.get(created.token))
    fresh = sessions.create("anna")
    cached(sessions, store, fresh.token)


def test_a_file_moved_away_and_back_goes_on(sessions: Sessions, store: FaultyStore, path: str) -> None:
    created = sessions.create("anna")
    cached(sessions, store, created.token)
    other, token = another_database(path)
    with plain(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.link(path, path + ".kept")
    put_in_place(other, path)
    assert refused(sessions.get(created.token))
    put_in_place(path + ".kept", path)
    assert isinstance(sessions.get(created.token), Session)
    assert refused(sessions.get(token))


def test_the_whole_path_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that changes its working directory after it has started goes on with its file."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "one")
    with Sessions("sqlite:///app.db") as sessions:
        created = sessions.create("anna")
        monkeypatch.chdir(tmp_path / "two")
        assert sessions.get(created.token)
        sessions.revoke(created.token)
        assert refused(sessions.get(created.token))
    assert not (tmp_path / "two" / "app.db").exists()


def test_a_copy_s_epoch_names_the_file(sessions: Sessions, store: FaultyStore, path: str) -> None:
    """A fill from one file never lands among the copies of another, even of the same origin."""
    created = sessions.create("anna")
    session = cached(sessions, store, created.token)
    assert copy_in(session)
    before = inner(store).find(created.session.id).epoch
    backup(path, path + ".backup")
    put_in_place(path + ".backup", path)
    assert inner(store).find(created.session.id).epoch != before


def test_the_user_s_deletion_in_a_restored_file_is_seen(path: str) -> None:
    """The triggers on the users table are part of the backup."""
    make_users(path)
    with Sessions(SQLiteStore(path, users=UsersTable())) as sessions:
        created = sessions.create("1")
        assert sessions.get(created.token)
        backup(path, path + ".backup")
        by_interface(path + ".backup", path)
        assert sessions.get(created.token)
        run(path, "DELETE FROM users WHERE id = 1")
        assert refused(sessions.get(created.token))
