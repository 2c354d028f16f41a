# Generated from testing/_async_suite/changes.py by tools/generate_sync.py: edit that, run `make generate`.
"""Changes of a session that goes on, for threads."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.core.coherence import session_subject
from coatcheck.core.tokens import new_session_id
from coatcheck.errors import DataError
from coatcheck.stores.base import Rotation, Selection, SessionChange, Touch
from coatcheck.testing._pair import together
from coatcheck.testing._rows import DAY, HOUR, LONG_AGO, MANY_BYTES, SECOND, a_hash, a_row, an_expired_row
from coatcheck.testing._suite.common import added, head, ids_of, noted, stored, subjects_since, time_of

if TYPE_CHECKING:
    from coatcheck.stores.protocol import Store


class Changes:
    """Touch, save, relocate and rotate: each changes what is there, and none brings back what is not."""

    def test_a_touch_moves_last_seen_and_idle_expiry(self, store: Store) -> None:
        """Both move, nothing else does, and the id is confirmed."""
        token_hash, row = added(store)
        touch = Touch(row.id, row.last_seen_at + SECOND, row.idle_expires_at + SECOND)
        assert store.touch([touch]) == {row.id}
        moved = row._replace(last_seen_at=touch.last_seen_at, idle_expires_at=touch.idle_expires_at)
        assert stored(store, token_hash) == moved

    def test_a_touch_never_moves_back(self, store: Store) -> None:
        """A touch that comes late is confirmed, because the row is there, and changes nothing."""
        token_hash, row = added(store)
        late = Touch(row.id, row.last_seen_at - SECOND, row.idle_expires_at - SECOND)
        assert store.touch([late]) == {row.id}
        assert stored(store, token_hash) == row
        mixed = Touch(row.id, row.last_seen_at + SECOND, row.idle_expires_at - SECOND)
        store.touch([mixed])
        assert stored(store, token_hash) == row._replace(last_seen_at=mixed.last_seen_at)

    def test_L8_a_touch_never_creates_a_row(self, store: Store) -> None:
        """Of many at once, those that are there are touched, and the others stay gone."""
        now = time_of(store)
        kept = [(added(store))[1] for _ in range(3)]
        gone_hash, gone = added(store)
        store.revoke(Selection(token_hash=gone_hash))
        rows = [*kept, gone]
        touches = [Touch(row.id, now + SECOND, now + 2 * DAY) for row in rows]
        touches.append(Touch(new_session_id(), now + SECOND, now + 2 * DAY))
        assert store.touch(touches) == {row.id for row in kept}
        assert stored(store, gone_hash) is None
        assert sorted(ids_of(store, None)) == sorted(row.id for row in kept)

    def test_L4_a_touch_from_after_the_end_is_none(self, store: Store) -> None:
        """A session is not prolonged by a use at which it was over, by either expiry."""
        now = time_of(store)
        idle_hash, idle = added(store)
        over_hash, over = added(store, expires_at=now + 2 * SECOND)
        touches = [
            Touch(idle.id, idle.idle_expires_at, idle.idle_expires_at + DAY),
            Touch(over.id, now + 3 * SECOND, now + 2 * DAY),
        ]
        assert store.touch(touches) == set()
        assert stored(store, idle_hash) == idle
        assert stored(store, over_hash) == over

    def test_L6_what_has_expired_stays_so(self, store: Store) -> None:
        """A use from before the end that is written after it comes too late: the session has been refused."""
        now = time_of(store)
        idle_hash, idle = added(store, a_row(now - DAY, idle_expires_at=now - SECOND))
        over_hash, over = added(store, a_row(now - DAY, expires_at=now - SECOND))
        touches = [Touch(row.id, now - 2 * SECOND, now + DAY) for row in (idle, over)]
        assert store.touch(touches) == set()
        assert stored(store, idle_hash) == idle
        assert stored(store, over_hash) == over

    def test_a_touch_writes_no_log_entry(self, store: Store) -> None:
        """Cached copies of a touched session stay good."""
        _, row = added(store)
        cursor = head(store)
        store.touch([Touch(row.id, row.last_seen_at + SECOND, row.idle_expires_at + SECOND)])
        assert session_subject(row.id) not in subjects_since(store, cursor)

    def test_nothing_to_touch_is_no_error(self, store: Store) -> None:
        """An empty list is confirmed emptily."""
        assert store.touch([]) == set()

    def test_S8_saving_merges_keys(self, store: Store) -> None:
        """Keys are set and removed, all others stay; the new row is returned, and the change logged."""
        token_hash, row = added(store, data='{"a": 1, "b": 2, "c": 3}')
        cursor = head(store)
        saved = store.save(SessionChange(row.id, {"b": [20], "ü": None}, ("c", "missing"), MANY_BYTES))
        assert saved is not None
        assert json.loads(saved.data) == {"a": 1, "b": [20], "ü": None}
        assert saved._replace(data=row.data) == row
        assert stored(store, token_hash) == saved
        assert noted(store, cursor, session_subject(row.id))

    def test_S8_saving_can_expect_what_the_keys_hold(self, store: Store) -> None:
        """If one does not hold it, all stay as they are, and whoever asked sees it in the row."""
        token_hash, row = added(store, data='{"a": 1, "b": 2}')
        change = SessionChange(row.id, {"a": 10}, ("b",), MANY_BYTES)
        for wrong in ({"a": 2}, {"a": 1, "b": 1}, {"c": 3}):
            left = store.save(change._replace(expected=wrong))
            assert left is not None
            assert json.loads(left.data) == {"a": 1, "b": 2}
        saved = store.save(change._replace(expected={"a": 1, "b": 2}))
        assert saved is not None
        assert json.loads(saved.data) == {"a": 10}
        assert stored(store, token_hash) == saved

    def test_S8_of_writers_who_expect_the_same_one_has_its_way(self, store: Store) -> None:
        """However many at once."""
        if store.capabilities.eventual:
            return  # changes made at once may undo each other
        token_hash, row = added(store, data='{"a": 0}')
        changes = [SessionChange(row.id, {"a": n}, (), MANY_BYTES, {"a": 0}) for n in range(1, 9)]
        rows = together([partial(store.save, change) for change in changes])
        found = stored(store, token_hash)
        assert found is not None
        held = json.loads(found.data)["a"]
        assert held != 0
        assert {json.loads(each.data)["a"] for each in rows if each is not None} == {held}

    def test_S8_writers_of_different_keys_both_keep_theirs(self, store: Store) -> None:
        """However many at once."""
        if store.capabilities.eventual:
            return  # changes made at once may undo each other
        token_hash, row = added(store, data="{}")
        changes = [SessionChange(row.id, {f"key{n}": n}, (), MANY_BYTES) for n in range(8)]
        together([partial(store.save, change) for change in changes])
        found = stored(store, token_hash)
        assert found is not None
        assert json.loads(found.data) == {f"key{n}": n for n in range(8)}

    def test_saving_can_give_other_times(self, store: Store) -> None:
        """In either direction and with an entry, for copies must not outlive what they say; without, none moves."""
        token_hash, row = added(store, data="{}")
        cursor = head(store)
        times: dict[str, Any] = {
            "idle_timeout": HOUR,
            "idle_expires_at": row.created_at + HOUR,
            "expires_at": row.created_at + 60 * DAY,
        }
        saved = store.save(SessionChange(row.id, {}, (), MANY_BYTES)._replace(**times))
        assert saved == row._replace(**times)
        assert stored(store, token_hash) == saved
        assert noted(store, cursor, session_subject(row.id))
        assert store.save(SessionChange(row.id, {}, (), MANY_BYTES)) == saved

    def test_L8_saving_never_brings_a_session_back(self, store: Store) -> None:
        """What was revoked or has expired meanwhile is not there to be changed."""
        gone_hash, gone = added(store)
        old_hash, old = added(store, an_expired_row())
        store.revoke(Selection(token_hash=gone_hash))
        for row in (gone, old):
            assert store.save(SessionChange(row.id, {"a": 1}, (), MANY_BYTES)) is None
        assert stored(store, gone_hash) is None
        assert stored(store, old_hash) == old

    def test_S12_data_stays_within_its_bound(self, store: Store) -> None:
        """It is the merged data that counts, in bytes; what would be larger changes nothing."""
        token_hash, row = added(store, data="{}")
        fits = SessionChange(row.id, {"a": "x" * 100}, (), 120)
        assert store.save(fits) is not None
        before = stored(store, token_hash)
        for value in ("x" * 10, "ü" * 5):
            with pytest.raises(DataError):
                store.save(SessionChange(row.id, {"b": value}, (), 120))
        assert stored(store, token_hash) == before
        assert store.save(SessionChange(row.id, {"b": "x" * 10}, ("a",), 120)) is not None

    def test_S16_a_new_address_is_noted_once(self, store: Store) -> None:
        """Only the first who notes a change is told so; the change is logged."""
        if store.capabilities.eventual:
            return  # changes made at once may undo each other
        token_hash, row = added(store)
        cursor = head(store)
        notes = [partial(store.relocate, row.id, "198.51.100.7", None)] * 6
        assert sorted(together(notes)) == [False] * 5 + [True]
        assert stored(store, token_hash) == row._replace(ip="198.51.100.7", user_agent=None)
        assert noted(store, cursor, session_subject(row.id))
        assert store.relocate(row.id, "198.51.100.7", "curl") is True

    def test_L8_an_address_brings_nothing_back(self, store: Store) -> None:
        """There is nothing to note about a session that is over."""
        gone_hash, gone = added(store)
        old_hash, old = added(store, an_expired_row())
        store.revoke(Selection(token_hash=gone_hash))
        for row in (gone, old):
            assert store.relocate(row.id, "198.51.100.7", "curl") is False
        assert stored(store, gone_hash) is None
        assert stored(store, old_hash) == old

    def test_L1_rotation_moves_a_session_to_a_new_token(self, store: Store) -> None:
        """The same session answers to the new hash, the old hash to nothing, and the change is logged."""
        old_hash, row = added(store)
        cursor, new_hash = head(store), a_hash()
        assert store.rotate(Rotation(old_hash, new_hash)) == row
        assert stored(store, old_hash) is None
        assert stored(store, new_hash) == row
        assert noted(store, cursor, session_subject(row.id))

    def test_L5_only_reauthentication_starts_the_timers_anew(self, store: Store) -> None:
        """Then all three times are set, and not otherwise."""
        first, row = added(store)
        second, third = a_hash(), a_hash()
        later = row.created_at + DAY // 2
        assert store.rotate(Rotation(first, second)) == row
        renewed = store.rotate(Rotation(second, third, later, later + DAY, later + 30 * DAY))
        expected = row._replace(authenticated_at=later, idle_expires_at=later + DAY, expires_at=later + 30 * DAY)
        assert renewed == expected
        assert stored(store, third) == expected

    def test_A4_only_a_new_proof_changes_the_proofs(self, store: Store) -> None:
        """Rotation, saving and a touch leave them; one that brings a new one sets it."""
        first, row = added(store, a_row(time_of(store), authentication='{"acr":"1"}'))
        second, third = a_hash(), a_hash()
        store.rotate(Rotation(first, second))
        store.save(SessionChange(row.id, {"a": 1}, (), MANY_BYTES))
        store.touch([Touch(row.id, row.last_seen_at + SECOND, row.idle_expires_at + SECOND)])
        kept = stored(store, second)
        assert kept is not None
        assert json.loads(kept.authentication or "") == {"acr": "1"}
        renewed = store.rotate(Rotation(second, third, row.created_at, authentication='{"acr":"2"}'))
        assert renewed is not None
        assert json.loads(renewed.authentication or "") == {"acr": "2"}

    def test_S7_of_many_rotations_at_once_one_succeeds(self, store: Store) -> None:
        """The old token can be exchanged once."""
        if store.capabilities.eventual:
            return  # changes made at once may undo each other
        old_hash, row = added(store)
        rotations = [Rotation(old_hash, a_hash()) for _ in range(8)]
        results = together([partial(store.rotate, rotation) for rotation in rotations])
        winners = [rotation.new_hash for rotation, result in zip(rotations, results, strict=True) if result]
        assert len(winners) == 1
        assert [stored(store, rotation.new_hash) for rotation in rotations].count(row) == 1
        assert stored(store, winners[0]) == row

    def test_L8_rotation_never_brings_a_session_back(self, store: Store) -> None:
        """Neither a revoked session nor an expired one gets a new token."""
        gone_hash, _ = added(store)
        old_hash, old = added(store, an_expired_row())
        store.revoke(Selection(token_hash=gone_hash))
        for token_hash in (gone_hash, old_hash, a_hash()):
            fresh = a_hash()
            renewed = Rotation(token_hash, fresh, LONG_AGO, LONG_AGO * 100, LONG_AGO * 100)
            assert store.rotate(renewed) is None
            assert stored(store, fresh) is None
        assert stored(store, old_hash) == old

    def test_rotation_never_takes_anothers_token(self, store: Store) -> None:
        """A new hash that is taken is refused, and both sessions keep theirs."""
        mine, my_row = added(store)
        theirs, their_row = added(store, user_id="bob")
        with pytest.raises(DataError):
            store.rotate(Rotation(mine, theirs))
        assert stored(store, mine) == my_row
        assert stored(store, theirs) == their_row
