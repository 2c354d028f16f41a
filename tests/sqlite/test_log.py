"""The invalidation log in the file: what writes entries, what does not, trimming, and floods."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from coatcheck import CacheSettings, DataError, Policy, Session, Sessions
from coatcheck.stores.base import Touch
from coatcheck.stores.sqlite import SQLiteStore, async_store, pages
from coatcheck.stores.sqlite import store as sync_store
from coatcheck.testing import FaultyStore, ManualClock
from tests.sqlite.helpers import cached, dump, inner, make_users, plain, refused, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coatcheck import Created
    from coatcheck.core.coherence import LogPage

FLOOD = 50
"""As many entries as the tests let one poll learn."""


@pytest.fixture
def small_floods(monkeypatch: pytest.MonkeyPatch) -> None:
    assert async_store.FLOOD == sync_store.FLOOD
    monkeypatch.setattr(sync_store, "FLOOD", FLOOD)


def subjects(path: str, after: int = 0) -> list[str]:
    return [subject for (subject,) in run(path, "SELECT subject FROM coatcheck_log WHERE position > ?", (after,))]


def head(path: str) -> int:
    return run(path, "SELECT coalesce(max(position), 0) FROM coatcheck_log")[0][0]  # type: ignore[no-any-return]


ENTRIES: dict[str, Callable[[Sessions, Created], object]] = {
    "revoke": lambda sessions, created: sessions.revoke(created.token),
    "revoke by id": lambda sessions, created: sessions.revoke_by_id(created.session.id, user_id="anna"),
    "rotate": lambda sessions, created: sessions.rotate(created.token),
    "reauthenticate": lambda sessions, created: sessions.rotate(created.token, reauthenticated=True),
    "save": lambda sessions, created: sessions.save(created.session, {"key": 1}),
    "new address": lambda sessions, created: sessions.note_client(created.session, ip="192.0.2.1", user_agent=None),
    "replaced by a sign-in": lambda sessions, created: sessions.create("berta", replaces=created.token),
    "revoke user": lambda sessions, created: sessions.revoke_user(created.session.user_id or ""),
}


@pytest.mark.parametrize("call", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_names_the_session_and_never_the_token(
    sessions: Sessions, store: FaultyStore, path: str, call: Callable[[Sessions, Created], object]
) -> None:
    """Every call that ends or changes a session writes exactly one entry, and memory obeys it."""
    created = sessions.create("anna")
    cached(sessions, store, created.token)
    call(sessions, created)
    assert subjects(path) == ["s:" + created.session.id]
    reads = store.count("read")
    sessions.get(created.token)
    assert store.count("read") == reads + 1


def test_an_entry_about_a_user_outdates_all_of_the_user_s_copies(
    sessions: Sessions, store: FaultyStore, path: str
) -> None:
    mine, others = sessions.create("anna"), sessions.create("berta")
    for each in (mine, others):
        cached(sessions, store, each.token)
    sessions.invalidate_user("anna")
    assert subjects(path) == ["u:anna"]
    reads = store.count("read")
    assert sessions.get(others.token)
    assert store.count("read") == reads
    assert sessions.get(mine.token)
    assert store.count("read") == reads + 1


def test_rotation_outdates_the_copy_under_the_old_token(sessions: Sessions, store: FaultyStore) -> None:
    created = sessions.create("anna")
    cached(sessions, store, created.token)
    rotated = sessions.rotate(created.token)
    assert rotated
    assert refused(sessions.get(created.token))
    assert isinstance(sessions.get(rotated.token), Session)


def test_creating_and_touching_write_no_entry(sessions: Sessions, store: FaultyStore, path: str) -> None:
    created = sessions.create("anna")
    session = cached(sessions, store, created.token)
    seen, idle = (int(when.timestamp() * 1e6) for when in (session.last_seen_at, session.idle_expires_at))
    assert inner(store).touch([Touch(session.id, seen + 10**6, idle + 10**6)]) == {session.id}
    assert subjects(path) == []


def test_S13_a_sweep_deletes_expired_rows_without_an_entry(path: str, clock: ManualClock) -> None:
    """In batches, expired ones only; no live session notices."""
    policy = Policy(idle_timeout=timedelta(hours=1), lifetime=timedelta(hours=2))
    store = FaultyStore(SQLiteStore(path, clock=clock))
    with Sessions(store, policy=policy, clock=clock) as sessions:
        for _ in range(25):
            sessions.create("anna")
        clock.advance(timedelta(minutes=61))
        live = sessions.create("anna")
        cached(sessions, store, live.token)
        steps: list[int] = []
        reads = store.count("read")
        assert sessions.sweep(batch=10, progress=steps.append) == 25
        assert steps == [10, 20, 25]
        assert subjects(path) == []
        assert sessions.get(live.token)
        assert store.count("read") == reads
        assert run(path, "SELECT count(*) FROM coatcheck_sessions") == [(1,)]
        assert run(path, "SELECT quiet FROM coatcheck_meta") == [(0,)]


def test_revoking_everyone_writes_one_entry(sessions: Sessions, store: FaultyStore, path: str) -> None:
    created = [sessions.create(f"user {number}") for number in range(30)]
    for each in created:
        cached(sessions, store, each.token)
    assert sessions.revoke_everyone() == 30
    assert subjects(path) == ["*"]
    assert all(refused(sessions.get(each.token)) for each in created)
    assert run(path, "SELECT quiet FROM coatcheck_meta") == [(0,)]
    later = sessions.create("anna")
    cached(sessions, store, later.token)
    run(path, "DELETE FROM coatcheck_sessions")
    assert refused(sessions.get(later.token))


@pytest.mark.parametrize("how", ["revoke", "delete by hand"])
def test_L7_a_deletion_is_logged_whatever_the_clocks_say(path: str, how: str) -> None:
    """A session that is over by one clock and alive by another is still somewhere in a memory."""
    behind = ManualClock()
    behind.jump_wall(timedelta(days=-36500))
    store = FaultyStore(SQLiteStore(path, clock=behind))
    with Sessions(store, clock=behind) as sessions:
        created = sessions.create("anna")
        cached(sessions, store, created.token)
        if how == "revoke":
            sessions.revoke(created.token)
        else:
            run(path, "DELETE FROM coatcheck_sessions")
        assert refused(sessions.get(created.token))


def _trimmed(path: str) -> None:
    """Let everything in the log become old, and trim it."""
    run(path, "UPDATE coatcheck_log SET at = 0")
    with Sessions(SQLiteStore(path)) as sessions:
        sessions.sweep()
    assert subjects(path) == []


def test_positions_do_not_start_again_after_the_log_was_fully_trimmed(
    sessions: Sessions, store: FaultyStore, path: str
) -> None:
    """A copy from before the trim would not be outdated by an entry with a position that was used already."""
    created = sessions.create("anna")
    for _ in range(5):
        sessions.revoke(sessions.create("berta").token)
    cached(sessions, store, created.token)
    before = head(path)
    _trimmed(path)
    session = sessions.get(created.token)  # read again: the floor has risen to what it was read at, or beyond
    assert isinstance(session, Session)
    cached(sessions, store, created.token)
    run(path, "DELETE FROM coatcheck_sessions")
    assert head(path) == before + 1
    assert refused(sessions.get(created.token))


def test_L7_a_worker_that_slept_through_a_trim_trusts_nothing_from_before(
    sessions: Sessions, store: FaultyStore, path: str
) -> None:
    """The entry it has missed is gone; the floor says so, in the statement that reads the entries."""
    created, other = sessions.create("anna"), sessions.create("anna")
    sessions.revoke(sessions.create("berta").token)
    for each in (created, other):
        cached(sessions, store, each.token)
    with Sessions(SQLiteStore(path)) as elsewhere:
        elsewhere.revoke(created.token)
    _trimmed(path)
    assert refused(sessions.get(created.token))
    assert isinstance(sessions.get(other.token), Session)


def test_a_trim_alone_costs_one_read_and_keeps_what_is_newer(sessions: Sessions, store: FaultyStore, path: str) -> None:
    created = sessions.create("anna")
    sessions.revoke(sessions.create("berta").token)
    cached(sessions, store, created.token)
    _trimmed(path)
    reads = store.count("read")
    assert sessions.get(created.token)
    assert store.count("read") == reads, "it was read at the floor, so nothing that was trimmed can concern it"


def test_the_sweep_keeps_young_entries(sessions: Sessions, path: str) -> None:
    sessions.revoke(sessions.create("anna").token)
    sessions.sweep()
    assert len(subjects(path)) == 1


@pytest.mark.usefixtures("small_floods")
@pytest.mark.parametrize("entries", [FLOOD - 2, FLOOD - 1, FLOOD, FLOOD + 1, FLOOD + 2, 3 * FLOOD])
def test_L7_more_entries_than_one_poll_learns(sessions: Sessions, store: FaultyStore, path: str, entries: int) -> None:
    """A flood raises the floor: nothing from before it counts, and nothing that it ended is accepted."""
    first, last, live = (sessions.create("anna") for _ in range(3))
    sessions.revoke(sessions.create("berta").token)
    for each in (first, last, live):
        cached(sessions, store, each.token)
    with plain(path) as connection:
        connection.execute("BEGIN")
        connection.execute("DELETE FROM coatcheck_sessions WHERE id = ?", (first.session.id,))
        connection.executemany("INSERT INTO coatcheck_log (subject) VALUES (?)", [("s:x",)] * (entries - 2))
        connection.execute("DELETE FROM coatcheck_sessions WHERE id = ?", (last.session.id,))
        connection.execute("COMMIT")
    assert refused(sessions.get(first.token))
    assert refused(sessions.get(last.token))
    assert isinstance(sessions.get(live.token), Session)
    cached(sessions, store, live.token)
    sessions.revoke(live.token)
    assert refused(sessions.get(live.token))


@pytest.mark.usefixtures("small_floods")
def test_a_new_worker_starts_on_a_flooded_log(sessions: Sessions, path: str) -> None:
    created = sessions.create("anna")
    with plain(path) as connection:
        connection.executemany("INSERT INTO coatcheck_log (subject) VALUES (?)", [("s:x",)] * 3 * FLOOD)
    store = FaultyStore(SQLiteStore(path))
    with Sessions(store) as fresh:
        cached(fresh, store, created.token)
        sessions.revoke(created.token)
        assert refused(fresh.get(created.token))


@pytest.mark.usefixtures("small_floods")
def test_a_flooded_log_that_is_trimmed_meanwhile(
    sessions: Sessions, store: FaultyStore, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the entries and the look at the log's head, a sweep elsewhere empties the log."""
    created = sessions.create("anna")
    cached(sessions, store, created.token)
    with plain(path) as connection:
        connection.executemany("INSERT INTO coatcheck_log (subject) VALUES (?)", [("s:x",)] * 3 * FLOOD)
        connection.execute("DELETE FROM coatcheck_sessions")
    flooded = inner(store)._flooded

    def late(epoch: str, schema: int) -> LogPage:
        _trimmed(path)
        return flooded(epoch, schema)

    monkeypatch.setattr(inner(store), "_flooded", late)
    assert refused(sessions.get(created.token))


def test_deleting_all_rows_by_hand_writes_their_entries(sessions: Sessions, store: FaultyStore, path: str) -> None:
    """`DELETE FROM` without a condition is SQLite's TRUNCATE, unless there are triggers."""
    created = [sessions.create("anna") for _ in range(20)]
    for each in created:
        cached(sessions, store, each.token)
    run(path, "DELETE FROM coatcheck_sessions")
    assert sorted(subjects(path)) == sorted("s:" + each.session.id for each in created)
    assert all(refused(sessions.get(each.token)) for each in created)


def test_entry_floor_and_epoch_are_read_in_one_statement(sessions: Sessions) -> None:
    """Two statements could stand on both sides of a trim."""
    statements: list[str] = []
    reader = inner(sessions.store)._database.reader()
    reader._connected().connection.set_trace_callback(statements.append)
    sessions.store.poll(None)
    polls = [text for text in statements if "coatcheck_" in text]
    assert len(polls) == 1
    assert all(word in polls[0] for word in ("epoch", "floor", "position", "schema_version"))
    statements.clear()
    sessions.get("A" * 43)
    reads = [text for text in statements if "coatcheck_sessions" in text]
    assert len(reads) == 1
    assert all(word in reads[0] for word in ("epoch", "floor", "position", "token_hash"))


def test_I3_a_late_fill_loses_against_the_revocation_it_has_missed(
    sessions: Sessions, store: FaultyStore, path: str
) -> None:
    """A read is under way while the session is revoked; what it brings is in memory, and is not served."""
    created = sessions.create("anna")
    gate = store.hold_answers("read")
    thread = threading.Thread(target=sessions.get, args=(created.token,))
    thread.start()
    gate.reached()
    run(path, "DELETE FROM coatcheck_sessions")
    gate.release()
    thread.join()
    assert len(sessions._reads.cache) == 1, "the fill did land"
    assert refused(sessions.get(created.token))


def test_nobody_is_remembered_as_unknown(sessions: Sessions, store: FaultyStore, path: str) -> None:
    """A store's "not found" is never cached: a row that comes later is found."""
    created = sessions.create("anna")
    row = run(path, "SELECT * FROM coatcheck_sessions")[0]
    run(path, "DELETE FROM coatcheck_sessions")
    assert refused(sessions.get(created.token))
    assert refused(sessions.get(created.token))
    run(path, f"INSERT INTO coatcheck_sessions VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
    assert isinstance(sessions.get(created.token), Session)


def test_a_copy_lives_an_hour_at_most(path: str, clock: ManualClock) -> None:
    """Entries are trimmed after two hours; whatever the settings, no copy is older than one."""
    store = FaultyStore(SQLiteStore(path, clock=clock))
    with Sessions(store, cache=CacheSettings(ttl=timedelta(hours=1)), clock=clock) as sessions:
        created = sessions.create("anna")
        cached(sessions, store, created.token)
        reads = store.count("read")
        clock.advance(timedelta(minutes=59))
        assert sessions.get(created.token)
        assert store.count("read") == reads
        sessions.flush()  # a touch renews nothing but the expiry
        clock.advance(timedelta(minutes=1))
        assert sessions.get(created.token)
        assert store.count("read") == reads + 1
        assert pages.KEEP_LOG > 3600


def test_an_altered_log_is_an_error_and_no_sign_out(sessions: Sessions, store: FaultyStore, path: str) -> None:
    created = sessions.create("anna")
    cached(sessions, store, created.token)
    run(path, "DELETE FROM coatcheck_meta")
    with pytest.raises(Exception, match="the row of coatcheck_meta has been deleted"):
        sessions.get(created.token)


def test_T5_a_token_is_nowhere_in_the_file(path: str) -> None:
    make_users(path)
    with Sessions(SQLiteStore(path)) as sessions:
        tokens = [sessions.create("anna").token for _ in range(20)]
        rotated = sessions.rotate(tokens[0])
        assert rotated
        sessions.revoke(tokens[1])
        everything = repr(dump(path))
        assert not any(token.reveal() in everything for token in [*tokens, rotated.token])
        hashes = [row[0] for row in run(path, "SELECT token_hash FROM coatcheck_sessions")]
        assert not any(sessions.get(each.hex()) or sessions.get(each.hex()[:43]) for each in hashes)


@pytest.mark.parametrize("verb", ["invalidate", "invalidate_user"])
def test_no_entry_is_written_that_no_poll_could_read(tmp_path: Path, verb: str) -> None:
    """Half of a surrogate pair, which SQLite takes where it comes in an escape of JSON."""
    path = str(tmp_path / "app.db")
    with Sessions(SQLiteStore(path)) as sessions:
        with pytest.raises(DataError):
            getattr(sessions.store, verb)(["u:\ud800"] if verb == "invalidate" else "\ud800")
        assert subjects(path) == []
        assert sessions.store.poll(None)
