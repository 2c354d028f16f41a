# Generated from testing/_async_suite/log.py by tools/generate_sync.py: edit that, run `make generate`.
"""The invalidation log, for threads."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from coatcheck.core.coherence import LogPage
from coatcheck.stores.base import Reading, Rotation, Selection, SessionChange
from coatcheck.testing._pair import together
from coatcheck.testing._rows import MANY_BYTES, a_hash, an_expired_row, named
from coatcheck.testing._suite.common import added, head, stored, subjects_after, subjects_since

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.core.session import Record
    from coatcheck.stores.protocol import Store
    from coatcheck.testing.clock import ManualClock

_LONGER_THAN_ANY_COPY = timedelta(hours=3)


class Log:
    """What was read and where the log stood belong together; the log is complete from its floor on."""

    def age_log(self, store: Store, clock: ManualClock) -> None:  # noqa: ARG002 - for those who override
        """Make every log entry older than a copy can be; override it where the store's time is not the clock's."""
        clock.advance(_LONGER_THAN_ANY_COPY)

    def test_a_poll_from_nowhere_brings_the_whole_log(self, store: Store) -> None:
        """A new worker knows every entry there is."""
        rows = [(added(store))[1] for _ in range(3)]
        for row in rows:
            store.revoke(Selection(session_id=row.id))
        subjects = subjects_since(store, None)
        assert all(named(row, subjects) for row in rows)

    def test_a_poll_goes_on_where_the_last_one_ended(self, store: Store) -> None:
        """Each cursor leads to the entries after it, whoever has polled meanwhile."""
        seen: list[tuple[Record, list[str]]] = []
        cursor = head(store)
        for _ in range(4):
            _, row = added(store)
            store.revoke(Selection(session_id=row.id))
            store.poll(None)
            page = store.poll(cursor)
            assert page.resumed
            seen.append((row, [entry.subject for entry in page.entries]))
            cursor = page.cursor
        assert all(named(row, subjects) for row, subjects in seen)
        first = (store.poll(None)).entries[0].position
        assert all(entry.position > first for entry in (store.poll(cursor)).entries)

    def test_an_old_cursor_stays_good(self, store: Store) -> None:
        """A worker that has slept for long misses nothing."""
        cursor = head(store)
        rows = [(added(store))[1] for _ in range(5)]
        for row in rows:
            store.revoke(Selection(session_id=row.id))
            store.poll(None)
        subjects = subjects_since(store, cursor)
        assert all(named(row, subjects) for row in rows)

    def test_a_copy_read_before_a_change_loses_and_one_read_after_it_does_not(self, store: Store) -> None:
        """`as_of` is at or before the entry of every later change, and after those of all earlier ones."""
        token_hash, row = added(store)
        positions: list[int] = []
        reading = store.read(token_hash)
        for n in range(3):
            cursor = head(store)
            store.save(SessionChange(row.id, {"n": n}, (), MANY_BYTES))
            page = store.poll(cursor)
            positions = [entry.position for entry in page.entries if named(row, {entry.subject})]
            assert positions
            assert max(positions) >= reading.as_of
            reading = store.read(token_hash)
            assert reading.as_of > max(positions)
        assert (store.find(row.id)).as_of > max(positions)

    def test_a_page_reaches_as_far_as_a_reading_would(self, store: Store) -> None:
        """Or copies in use that are stamped with it would stay below the floor."""
        token_hash, row = added(store)
        for n in range(3):
            store.save(SessionChange(row.id, {"n": n}, (), MANY_BYTES))
            before = store.read(token_hash)
            page = store.poll(None)
            after = store.read(token_hash)
            assert before.as_of <= page.as_of <= after.as_of

    def test_I1_what_is_committed_after_a_poll_stands_at_or_after_what_it_reached(self, store: Store) -> None:
        """Whatever is read from then on may claim to have been read there."""
        page = store.poll(None)
        for n in range(4):
            token_hash, _ = added(store)
            store.invalidate([f"k:{n}"])
            store.revoke(Selection(token_hash=token_hash))
            following = store.poll(page.cursor)
            new = [entry for entry in following.entries if entry not in page.entries]
            assert len(new) >= 2
            assert all(entry.position >= page.as_of for entry in new)
            page = following

    def test_I1_a_page_knows_every_entry_before_what_it_reached(self, store: Store) -> None:
        """Also one that is read while others write."""
        pages: list[LogPage] = []
        for n in range(10):
            calls: list[Callable[[], object]] = [partial(store.poll, None)] * 4
            for at in range(4):
                calls.insert(2 * at, partial(store.invalidate, [f"k:{n}.{at}"]))
            results = together(calls)
            pages += [result for result in results if isinstance(result, LogPage)]
        everything = (store.poll(None)).entries
        for page in pages:
            assert {entry for entry in everything if entry.position < page.as_of} <= set(page.entries)

    def test_invalidating_writes_one_entry_for_each_subject(self, store: Store) -> None:
        """They are the caller's, and mean nothing to the store."""
        subjects = ["k:1", "k:2", "n:1", "s:nobody", "x"]
        page = store.poll(None)
        store.invalidate(subjects)
        assert sorted(subjects_after(store, page)) == subjects

    def test_S6_a_subject_has_any_characters_but_nul(self, store: Store) -> None:
        """What stands in the log is what was written, to the letter."""
        subjects = [
            *(
                "",
                " ",
                "k",
                "K",
                "k ",
                "k\n",
                "k\t",
                "'",
                '"',
                "\\",
                "\\u0041",
                "%s",
                ":subject",
                "$1",
                "{}",
                "[]",
                "null",
            ),
            *(
                "\x01",
                "\x1f",
                "\x7f",
                "\N{KELVIN SIGN}",
                "e\N{COMBINING ACUTE ACCENT}",
                "\N{LATIN SMALL LETTER E WITH ACUTE}",
            ),
            *("\N{LINE SEPARATOR}", "\N{ZERO WIDTH NO-BREAK SPACE}", "\N{COAT}", "\U0010ffff", "k" * 500),
        ]
        page = store.poll(None)
        store.invalidate(subjects)
        assert sorted(subjects_after(store, page)) == sorted(subjects)

    def test_a_thousand_subjects_are_invalidated_at_once(self, store: Store) -> None:
        """And no copy of anything else is."""
        subjects = [f"k:{n:04}" for n in range(1000)]
        page = store.poll(None)
        store.invalidate(subjects)
        assert sorted(subjects_after(store, page)) == subjects

    def test_no_subjects_are_no_entries(self, store: Store) -> None:
        """Whoever invalidates nothing ends no copy."""
        page = store.poll(None)
        store.invalidate([])
        assert subjects_after(store, page) == []

    def test_every_answer_names_the_same_epoch(self, store: Store) -> None:
        """Or nothing that was read could be cached."""
        token_hash, row = added(store)
        page = store.poll(None)
        epochs = {(store.read(token_hash)).epoch, (store.find(row.id)).epoch}
        store.revoke(Selection(token_hash=token_hash))
        store.sweep(10)
        assert {*epochs, (store.poll(page.cursor)).epoch} == {page.epoch}

    def test_I1_a_reading_is_of_one_snapshot(self, store: Store) -> None:
        """While sessions end, whoever still reads one reads an `as_of` from before the entry that ends it."""
        for _ in range(10):
            token_hash, row = added(store)
            cursor = head(store)
            calls: list[Callable[[], object]]
            calls = [partial(store.read, token_hash), partial(store.find, row.id)] * 4
            calls.insert(4, partial(store.revoke, Selection(token_hash=token_hash)))
            results = together(calls)
            page = store.poll(cursor)
            entry = min(entry.position for entry in page.entries if named(row, {entry.subject}))
            readings = [result for result in results if isinstance(result, Reading)]
            assert len(readings) == 8
            assert all(reading.as_of <= entry for reading in readings if reading.record is not None)

    def test_I1_a_page_is_of_one_snapshot(self, store: Store, clock: ManualClock) -> None:
        """While the log is trimmed, no page misses an entry that is not below its floor."""
        pages: list[LogPage] = []
        for _ in range(5):
            for _ in range(4):
                token_hash, _ = added(store)
                store.revoke(Selection(token_hash=token_hash))
            pages.append(store.poll(None))
            self.age_log(store, clock)
            token_hash, _ = added(store)
            calls: list[Callable[[], object]] = [partial(store.poll, None)] * 6
            calls.insert(3, partial(store.revoke, Selection(token_hash=token_hash)))
            calls.insert(3, partial(store.sweep, 10))
            results = together(calls)
            pages += [result for result in results if isinstance(result, LogPage)]
        everything = {entry for page in pages for entry in page.entries}
        for page in pages:
            newest = max((entry.position for entry in page.entries), default=-1)
            expected = {entry for entry in everything if page.floor <= entry.position <= newest}
            assert expected <= set(page.entries)

    def test_the_floor_rises_with_trimming(self, store: Store, clock: ManualClock) -> None:
        """Old entries go, and from then on no copy from below the floor is good; new ones are."""
        token_hash, row = added(store)
        old = store.read(token_hash)
        cursor = head(store)
        store.save(SessionChange(row.id, {"a": 1}, (), MANY_BYTES))
        self.age_log(store, clock)
        store.sweep(10)
        whole = store.poll(None)
        assert not named(row, {entry.subject for entry in whole.entries})
        for page in (whole, store.poll(cursor)):
            assert page.floor > old.as_of
        assert (store.read(token_hash)).as_of >= whole.floor

    def test_positions_do_not_start_again(self, store: Store, clock: ManualClock) -> None:
        """After all entries were trimmed, new ones stand after them."""
        cursor = head(store)
        store.invalidate_user("ann")
        newest = max(entry.position for entry in (store.poll(cursor)).entries)
        self.age_log(store, clock)
        store.sweep(10)
        store.invalidate_user("ann")
        page = store.poll(cursor)
        assert page.resumed
        assert max(entry.position for entry in page.entries) > newest

    def test_sweeping_expired_sessions_writes_no_entry(self, store: Store) -> None:
        """Their copies are refused by their expiry."""
        token_hash, row = added(store, an_expired_row())
        cursor = head(store)
        store.sweep(10)
        assert stored(store, token_hash) is None
        assert not named(row, subjects_since(store, cursor))

    def test_what_changes_nothing_ends_no_copy(self, store: Store) -> None:
        """Calls that find nothing to do write no entry about a session."""
        _, row = added(store)
        cursor = head(store)
        store.revoke(Selection(session_id=row.id, user_id="bob"))
        store.rotate(Rotation(a_hash(), a_hash()))
        store.relocate(row.id, row.ip, row.user_agent)
        store.touch([])
        assert not named(row, subjects_since(store, cursor))

    def test_a_grown_log_is_noticed(self, store: Store) -> None:
        """`unchanged` is true for who knows all there is; where it notices changes, only for them."""
        token_hash, _ = added(store)
        cursor = head(store)
        assert store.unchanged(cursor) is True
        store.revoke(Selection(token_hash=token_hash))
        if store.capabilities.notices_changes:
            assert store.unchanged(cursor) is False

    def test_I1_anothers_poll_proves_nothing_to_me(self, store: Store) -> None:
        """Of two caches over one store, each learns what the log says."""
        token_hash, _ = added(store)
        mine = head(store)
        store.revoke(Selection(token_hash=token_hash))
        theirs = head(store)
        assert store.unchanged(theirs) is True
        if store.capabilities.notices_changes:
            assert store.unchanged(mine) is False
