# Generated from testing/_async_suite/endings.py by tools/generate_sync.py: edit that, run `make generate`.
"""Ending sessions, for threads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from coatcheck.core.coherence import EVERYONE, user_subject
from coatcheck.core.tokens import new_session_id
from coatcheck.stores.base import Ended, Rotation, Selection, SessionChange, Touch
from coatcheck.testing._pair import together
from coatcheck.testing._rows import DAY, MANY_BYTES, SECOND, a_hash, a_row, to_create
from coatcheck.testing._suite.common import added, head, ids_of, noted, outdated, stored, time_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.stores.protocol import Store


class Endings:
    """Revocation ends exactly what was selected, says so, and writes it into the log."""

    def test_L7_by_token(self, store: Store) -> None:
        """The session with this token hash, and no other; the second time there is none."""
        token_hash, row = added(store)
        other_hash, other = added(store)
        cursor = head(store)
        assert list(store.revoke(Selection(token_hash=token_hash))) == [Ended(row.id, "ann")]
        assert stored(store, token_hash) is None
        assert stored(store, other_hash) == other
        assert outdated(store, cursor, row)
        assert list(store.revoke(Selection(token_hash=token_hash))) == []

    def test_L14_by_id_for_its_owner_only(self, store: Store) -> None:
        """Another user's attempt ends nothing; for None it is anybody's."""
        token_hash, row = added(store)
        _, anonymous = added(store, user_id=None)
        for user in ("bob", "", "ANN"):
            assert list(store.revoke(Selection(session_id=row.id, user_id=user))) == []
        assert list(store.revoke(Selection(session_id=anonymous.id, user_id="bob"))) == []
        assert stored(store, token_hash) == row
        cursor = head(store)
        assert list(store.revoke(Selection(session_id=row.id, user_id="ann"))) == [Ended(row.id, "ann")]
        assert list(store.revoke(Selection(session_id=anonymous.id))) == [Ended(anonymous.id, None)]
        assert ids_of(store, None) == []
        assert outdated(store, cursor, row, anonymous)
        assert list(store.revoke(Selection(session_id=new_session_id()))) == []

    def test_L11_all_of_a_user(self, store: Store) -> None:
        """Each of them is ended and named; other users' sessions and anonymous ones stay."""
        rows = [(added(store))[1] for _ in range(3)]
        _, bobs = added(store, user_id="bob")
        _, nobodys = added(store, user_id=None)
        cursor = head(store)
        ended = store.revoke(Selection(user_id="ann"))
        assert sorted(ended) == sorted(Ended(row.id, "ann") for row in rows)
        assert outdated(store, cursor, *rows)
        assert sorted(ids_of(store, None)) == sorted([bobs.id, nobodys.id])

    def test_L12_all_of_a_user_but_one(self, store: Store) -> None:
        """The one to keep stays as it is."""
        kept_hash, kept = added(store)
        rows = [(added(store))[1] for _ in range(2)]
        ended = store.revoke(Selection(user_id="ann", keep=kept.id))
        assert sorted(ended) == sorted(Ended(row.id, "ann") for row in rows)
        assert stored(store, kept_hash) == kept
        assert ids_of(store, "ann") == [kept.id]

    def test_an_empty_selection_ends_nothing(self, store: Store) -> None:
        """Anonymous sessions are not those of the user None."""
        _, row = added(store, user_id=None)
        assert list(store.revoke(Selection())) == []
        assert ids_of(store, None) == [row.id]

    def test_everyone(self, store: Store) -> None:
        """All sessions end with an entry for everyone; who signs in afterwards is not concerned by it."""
        for user in ("ann", "bob", None):
            added(store, user_id=user)
        cursor = head(store)
        assert store.revoke_everyone() == 3
        assert ids_of(store, None) == []
        assert noted(store, cursor, EVERYONE)
        everyone = [entry.position for entry in (store.poll(cursor)).entries if entry.subject == EVERYONE]
        token_hash, row = added(store)
        reading = store.read(token_hash)
        assert reading.record == row
        assert reading.as_of > max(everyone, default=-1)
        assert store.revoke_everyone() == 1

    def test_L18_a_users_copies_are_outdated(self, store: Store) -> None:
        """An entry for the user, and all their sessions stay."""
        token_hash, row = added(store)
        cursor = head(store)
        store.invalidate_user("ann")
        assert noted(store, cursor, user_subject("ann"))
        assert stored(store, token_hash) == row

    def test_S7_a_session_ends_once(self, store: Store) -> None:
        """Of many who end it at once, one is told that they did."""
        if store.capabilities.eventual:
            return  # changes made at once may undo each other
        token_hash, row = added(store)
        results = together([partial(store.revoke, Selection(token_hash=token_hash))] * 8)
        assert [list(result) for result in results if result] == [[Ended(row.id, "ann")]]

    def test_L8_nothing_done_at_the_same_time_brings_a_session_back(self, store: Store) -> None:
        """However revoking falls among touches, saves and rotations, the session is gone afterwards."""
        for _ in range(10):
            token_hash, row = added(store)
            now, fresh = time_of(store), a_hash()
            calls: list[Callable[[], object]] = [
                partial(store.save, SessionChange(row.id, {"a": 1}, (), MANY_BYTES)),
                partial(store.touch, [Touch(row.id, now + SECOND, now + DAY)]),
                partial(store.revoke, Selection(user_id="ann")),
                partial(store.rotate, Rotation(token_hash, fresh)),
                partial(store.relocate, row.id, "198.51.100.7", None),
            ]
            together(calls)
            assert (store.find(row.id)).record is None
            assert stored(store, token_hash) is None
            assert stored(store, fresh) is None

    def test_L1_creating_again_is_no_return(self, store: Store) -> None:
        """A new session of the same user has nothing of the one that was revoked."""
        token_hash, row = added(store)
        store.revoke(Selection(token_hash=token_hash))
        new = to_create(a_row(time_of(store)), replaces=token_hash)
        assert (store.create(new)).replaced is None
        assert (store.find(row.id)).record is None
