"""Changes of a session that goes on, for asyncio."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.core.coherence import session_subject
from coatcheck.core.tokens import new_session_id
from coatcheck.errors import DataError
from coatcheck.stores.base import Rotation, Selection, SessionChange, Touch
from coatcheck.testing._async_pair import async_together
from coatcheck.testing._async_suite.common import added, head, ids_of, noted, stored, subjects_since, time_of
from coatcheck.testing._rows import DAY, HOUR, LONG_AGO, MANY_BYTES, SECOND, a_hash, a_row, an_expired_row

if TYPE_CHECKING:
    from coatcheck.stores.async_protocol import AsyncStore


class AsyncChanges:
    """Touch, save, relocate and rotate: each changes what is there, and none brings back what is not."""

    async def test_a_touch_moves_last_seen_and_idle_expiry(self, store: AsyncStore) -> None:
        """Both move, nothing else does, and the id is confirmed."""
        token_hash, row = await added(store)
        touch = Touch(row.id, row.last_seen_at + SECOND, row.idle_expires_at + SECOND)
        assert await store.touch([touch]) == {row.id}
        moved = row._replace(last_seen_at=touch.last_seen_at, idle_expires_at=touch.idle_expires_at)
        assert await stored(store, token_hash) == moved

    async def test_a_touch_never_moves_back(self, store: AsyncStore) -> None:
        """A touch that comes late is confirmed, because the row is there, and changes nothing."""
        token_hash, row = await added(store)
        late = Touch(row.id, row.last_seen_at - SECOND, row.idle_expires_at - SECOND)
        assert await store.touch([late]) == {row.id}
        assert await stored(store, token_hash) == row
        mixed = Touch(row.id, row.last_seen_at + SECOND, row.idle_expires_at - SECOND)
        await store.touch([mixed])
        assert await stored(store, token_hash) == row._replace(last_seen_at=mixed.last_seen_at)

    async def test_L8_a_touch_never_creates_a_row(self, store: AsyncStore) -> None:
        """Of many at once, those that are there are touched, and the others stay gone."""
        now = await time_of(store)
        kept = [(await added(store))[1] for _ in range(3)]
        gone_hash, gone = await added(store)
        await store.revoke(Selection(token_hash=gone_hash))
        rows = [*kept, gone]
        touches = [Touch(row.id, now + SECOND, now + 2 * DAY) for row in rows]
        touches.append(Touch(new_session_id(), now + SECOND, now + 2 * DAY))
        assert await store.touch(touches) == {row.id for row in kept}
        assert await stored(store, gone_hash) is None
        assert sorted(await ids_of(store, None)) == sorted(row.id for row in kept)

    async def test_L4_a_touch_from_after_the_end_is_none(self, store: AsyncStore) -> None:
        """A session is not prolonged by a use at which it was over, by either expiry."""
        now = await time_of(store)
        idle_hash, idle = await added(store)
        over_hash, over = await added(store, expires_at=now + 2 * SECOND)
        touches = [
            Touch(idle.id, idle.idle_expires_at, idle.idle_expires_at + DAY),
            Touch(over.id, now + 3 * SECOND, now + 2 * DAY),
        ]
        assert await store.touch(touches) == set()
        assert await stored(store, idle_hash) == idle
        assert await stored(store, over_hash) == over

    async def test_L6_what_has_expired_stays_so(self, store: AsyncStore) -> None:
        """A use from before the end that is written after it comes too late: the session has been refused."""
        now = await time_of(store)
        idle_hash, idle = await added(store, a_row(now - DAY, idle_expires_at=now - SECOND))
        over_hash, over = await added(store, a_row(now - DAY, expires_at=now - SECOND))
        touches = [Touch(row.id, now - 2 * SECOND, now + DAY) for row in (idle, over)]
        assert await store.touch(touches) == set()
        assert await stored(store, idle_hash) == idle
        assert await stored(store, over_hash) == over

    async def test_a_touch_writes_no_log_entry(self, store: AsyncStore) -> None:
        """Cached copies of a touched session stay good."""
        _, row = await added(store)
        cursor = await head(store)
        await store.touch([Touch(row.id, row.last_seen_at + SECOND, row.idle_expires_at + SECOND)])
        assert session_subject(row.id) not in await subjects_since(store, cursor)

    async def test_nothing_to_touch_is_no_error(self, store: AsyncStore) -> None:
        """An empty list is confirmed emptily."""
        assert await store.touch([]) == set()

    async def test_S8_saving_merges_keys(self, store: AsyncStore) -> None:
        """Keys are set and removed, all others stay; the new row is returned, and the change logged."""
        token_hash, row = await added(store, data='{"a": 1, "b": 2, "c": 3}')
        cursor = await head(store)
        saved = await store.save(SessionChange(row.id, {"b": [20], "ü": None}, ("c", "missing"), MANY_BYTES))
        assert saved is not None
        assert json.loads(saved.data) == {"a": 1, "b": [20], "ü": None}
        assert saved._replace(data=row.data) == row
        assert await stored(store, token_hash) == saved
        assert await noted(store, cursor, session_subject(row.id))

    async def test_S8_saving_can_expect_what_the_keys_hold(self, store: AsyncStore) -> None:
        """If one does not hold it, all stay as they are, and whoever asked sees it in the row."""
        token_hash, row = await added(store, data='{"a": 1, "b": 2}')
        change = SessionChange(row.id, {"a": 10}, ("b",), MANY_BYTES)
        for wrong in ({"a": 2}, {"a": 1, "b": 1}, {"c": 3}):
            left = await store.save(change._replace(expected=wrong))
            assert left is not None
            assert json.loads(left.data) == {"a": 1, "b": 2}
        saved = await store.save(change._replace(expected={"a": 1, "b": 2}))
        assert saved is not None
        assert json.loads(saved.data) == {"a": 10}
        assert await stored(store, token_hash) == saved

    async def test_S8_of_writers_who_expect_the_same_one_has_its_way(self, store: AsyncStore) -> None:
        """However many at once."""
        if store.capabilities.eventual:
            return  # changes made at once may undo each other
        token_hash, row = await added(store, data='{"a": 0}')
        changes = [SessionChange(row.id, {"a": n}, (), MANY_BYTES, {"a": 0}) for n in range(1, 9)]
        rows = await async_together([partial(store.save, change) for change in changes])
        found = await stored(store, token_hash)
        assert found is not None
        held = json.loads(found.data)["a"]
        assert held != 0
        assert {json.loads(each.data)["a"] for each in rows if each is not None} == {held}

    async def test_S8_writers_of_different_keys_both_keep_theirs(self, store: AsyncStore) -> None:
        """However many at once."""
        if store.capabilities.eventual:
            return  # changes made at once may undo each other
        token_hash, row = await added(store, data="{}")
        changes = [SessionChange(row.id, {f"key{n}": n}, (), MANY_BYTES) for n in range(8)]
        await async_together([partial(store.save, change) for change in changes])
        found = await stored(store, token_hash)
        assert found is not None
        assert json.loads(found.data) == {f"key{n}": n for n in range(8)}

    async def test_saving_can_give_other_times(self, store: AsyncStore) -> None:
        """In either direction and with an entry, for copies must not outlive what they say; without, none moves."""
        token_hash, row = await added(store, data="{}")
        cursor = await head(store)
        times: dict[str, Any] = {
            "idle_timeout": HOUR,
            "idle_expires_at": row.created_at + HOUR,
            "expires_at": row.created_at + 60 * DAY,
        }
        saved = await store.save(SessionChange(row.id, {}, (), MANY_BYTES)._replace(**times))
        assert saved == row._replace(**times)
        assert await stored(store, token_hash) == saved
        assert await noted(store, cursor, session_subject(row.id))
        assert await store.save(SessionChange(row.id, {}, (), MANY_BYTES)) == saved

    async def test_L8_saving_never_brings_a_session_back(self, store: AsyncStore) -> None:
        """What was revoked or has expired meanwhile is not there to be changed."""
        gone_hash, gone = await added(store)
        old_hash, old = await added(store, an_expired_row())
        await store.revoke(Selection(token_hash=gone_hash))
        for row in (gone, old):
            assert await store.save(SessionChange(row.id, {"a": 1}, (), MANY_BYTES)) is None
        assert await stored(store, gone_hash) is None
        assert await stored(store, old_hash) == old

    async def test_S12_data_stays_within_its_bound(self, store: AsyncStore) -> None:
        """It is the merged data that counts, in bytes; what would be larger changes nothing."""
        token_hash, row = await added(store, data="{}")
        fits = SessionChange(row.id, {"a": "x" * 100}, (), 120)
        assert await store.save(fits) is not None
        before = await stored(store, token_hash)
        for value in ("x" * 10, "ü" * 5):
            with pytest.raises(DataError):
                await store.save(SessionChange(row.id, {"b": value}, (), 120))
        assert await stored(store, token_hash) == before
        assert await store.save(SessionChange(row.id, {"b": "x" * 10}, ("a",), 120)) is not None

    async def test_S16_a_new_address_is_noted_once(self, store: AsyncStore) -> None:
        """Only the first who notes a change is told so; the change is logged."""
        if store.capabilities.eventual:
            return  # changes made at once may undo each other
        token_hash, row = await added(store)
        cursor = await head(store)
        notes = [partial(store.relocate, row.id, "198.51.100.7", None)] * 6
        assert sorted(await async_together(notes)) == [False] * 5 + [True]
        assert await stored(store, token_hash) == row._replace(ip="198.51.100.7", user_agent=None)
        assert await noted(store, cursor, session_subject(row.id))
        assert await store.relocate(row.id, "198.51.100.7", "curl") is True

    async def test_L8_an_address_brings_nothing_back(self, store: AsyncStore) -> None:
        """There is nothing to note about a session that is over."""
        gone_hash, gone = await added(store)
        old_hash, old = await added(store, an_expired_row())
        await store.revoke(Selection(token_hash=gone_hash))
        for row in (gone, old):
            assert await store.relocate(row.id, "198.51.100.7", "curl") is False
        assert await stored(store, gone_hash) is None
        assert await stored(store, old_hash) == old

    async def test_L1_rotation_moves_a_session_to_a_new_token(self, store: AsyncStore) -> None:
        """The same session answers to the new hash, the old hash to nothing, and the change is logged."""
        old_hash, row = await added(store)
        cursor, new_hash = await head(store), a_hash()
        assert await store.rotate(Rotation(old_hash, new_hash)) == row
        assert await stored(store, old_hash) is None
        assert await stored(store, new_hash) == row
        assert await noted(store, cursor, session_subject(row.id))

    async def test_L5_only_reauthentication_starts_the_timers_anew(self, store: AsyncStore) -> None:
        """Then all three times are set, and not otherwise."""
        first, row = await added(store)
        second, third = a_hash(), a_hash()
        later = row.created_at + DAY // 2
        assert await store.rotate(Rotation(first, second)) == row
        renewed = await store.rotate(Rotation(second, third, later, later + DAY, later + 30 * DAY))
        expected = row._replace(authenticated_at=later, idle_expires_at=later + DAY, expires_at=later + 30 * DAY)
        assert renewed == expected
        assert await stored(store, third) == expected

    async def test_A4_only_a_new_proof_changes_the_proofs(self, store: AsyncStore) -> None:
        """Rotation, saving and a touch leave them; one that brings a new one sets it."""
        first, row = await added(store, a_row(await time_of(store), authentication='{"acr":"1"}'))
        second, third = a_hash(), a_hash()
        await store.rotate(Rotation(first, second))
        await store.save(SessionChange(row.id, {"a": 1}, (), MANY_BYTES))
        await store.touch([Touch(row.id, row.last_seen_at + SECOND, row.idle_expires_at + SECOND)])
        kept = await stored(store, second)
        assert kept is not None
        assert json.loads(kept.authentication or "") == {"acr": "1"}
        renewed = await store.rotate(Rotation(second, third, row.created_at, authentication='{"acr":"2"}'))
        assert renewed is not None
        assert json.loads(renewed.authentication or "") == {"acr": "2"}

    async def test_S7_of_many_rotations_at_once_one_succeeds(self, store: AsyncStore) -> None:
        """The old token can be exchanged once."""
        if store.capabilities.eventual:
            return  # changes made at once may undo each other
        old_hash, row = await added(store)
        rotations = [Rotation(old_hash, a_hash()) for _ in range(8)]
        results = await async_together([partial(store.rotate, rotation) for rotation in rotations])
        winners = [rotation.new_hash for rotation, result in zip(rotations, results, strict=True) if result]
        assert len(winners) == 1
        assert [await stored(store, rotation.new_hash) for rotation in rotations].count(row) == 1
        assert await stored(store, winners[0]) == row

    async def test_L8_rotation_never_brings_a_session_back(self, store: AsyncStore) -> None:
        """Neither a revoked session nor an expired one gets a new token."""
        gone_hash, _ = await added(store)
        old_hash, old = await added(store, an_expired_row())
        await store.revoke(Selection(token_hash=gone_hash))
        for token_hash in (gone_hash, old_hash, a_hash()):
            fresh = a_hash()
            renewed = Rotation(token_hash, fresh, LONG_AGO, LONG_AGO * 100, LONG_AGO * 100)
            assert await store.rotate(renewed) is None
            assert await stored(store, fresh) is None
        assert await stored(store, old_hash) == old

    async def test_rotation_never_takes_anothers_token(self, store: AsyncStore) -> None:
        """A new hash that is taken is refused, and both sessions keep theirs."""
        mine, my_row = await added(store)
        theirs, their_row = await added(store, user_id="bob")
        with pytest.raises(DataError):
            await store.rotate(Rotation(mine, theirs))
        assert await stored(store, mine) == my_row
        assert await stored(store, theirs) == their_row
