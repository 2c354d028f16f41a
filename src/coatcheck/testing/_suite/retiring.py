# Generated from testing/_async_suite/retiring.py by tools/generate_sync.py: edit that, run `make generate`.
"""Retiring tokens, for threads."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from secrets import token_bytes
from typing import TYPE_CHECKING, cast

import pytest

from coatcheck._sync.sessions import Sessions
from coatcheck.core.coherence import session_subject
from coatcheck.core.policy import Policy
from coatcheck.core.successors import MOST_RETIRED
from coatcheck.errors import ConfigurationError, DataError
from coatcheck.stores.base import Ended, Renewal, Rotation, Selection, Touch
from coatcheck.testing._pair import together
from coatcheck.testing._rows import DAY, SECOND, a_hash, a_row, an_expired_row, to_create
from coatcheck.testing._suite.common import added, head, noted, stored, time_of

if TYPE_CHECKING:
    from coatcheck.core.session import Record
    from coatcheck.stores.base import Renewed
    from coatcheck.stores.protocol import Retires, Store
    from coatcheck.testing.clock import ManualClock

GRACE = timedelta(seconds=30)
_AN_INSTANT = timedelta(microseconds=1)
_AT_ONCE = 50


def renewal(old_hash: bytes) -> Renewal:
    """Return the order to retire a token."""
    return Renewal(old_hash, a_hash(), token_bytes(32), 30 * SECOND)


def renewed(store: Store, order: Renewal) -> Renewed | None:
    """Retire a token."""
    return cast("Retires", store).renew(order)


def retired(store: Store) -> tuple[bytes, bytes, Record]:
    """Insert a session and retire its token; returns that one, its successor and the row."""
    old_hash, row = added(store)
    order = renewal(old_hash)
    assert renewed(store, order) is not None
    return old_hash, order.new_hash, row


class Retiring:
    """In its grace a retired token is as good as its successor, and after it its use is noticed."""

    def end_grace(self, store: Store, clock: ManualClock) -> None:  # noqa: ARG002 - for those who override
        """Make the grace of every token be over; override it where the store's time is not the clock's."""
        clock.advance(GRACE)

    def test_L16_a_store_that_cannot_retire_tokens_says_so(self, store: Store) -> None:
        """Then the policy is refused before the first request."""
        policy = Policy(rotate_after=timedelta(hours=1))
        if store.capabilities.retires:
            Sessions(store, policy=policy)
            return
        with pytest.raises(ConfigurationError, match="rotate_after"):
            Sessions(store, policy=policy)

    def test_L16_a_retired_token_is_good_in_its_grace(self, store: Store) -> None:
        """Both lead to the session, which is what it was (L5, A4); the change is logged."""
        if not store.capabilities.retires:
            return
        old_hash, row = added(store)
        cursor, order = head(store), renewal(old_hash)
        done = renewed(store, order)
        assert done is not None
        assert (done.record, done.seal, done.fresh) == (row, order.seal, True)
        assert noted(store, cursor, session_subject(row.id))
        old, new = store.read(old_hash), store.read(order.new_hash)
        assert (old.record, new.record, new.retired) == (row, row, None)
        assert new.since is not None
        assert old.retired is not None
        assert (old.retired.session_id, old.retired.until) == (row.id, new.since + order.grace)

    def test_L16_of_many_at_once_one_makes_the_successor(self, store: Store) -> None:
        """Fifty at the same instant: all get the same, and whoever is late in the grace as well."""
        if not store.capabilities.retires:
            return
        old_hash, row = added(store)
        orders = [renewal(old_hash) for _ in range(_AT_ONCE)]
        results = together([partial(renewed, store, order) for order in orders])
        assert [done.record for done in results if done is not None] == [row] * _AT_ONCE
        assert [done.fresh for done in results if done is not None].count(True) == 1
        (seal,) = {done.seal for done in results if done is not None}
        (winner,) = [order for order in orders if stored(store, order.new_hash) is not None]
        assert winner.seal == seal
        late = renewed(store, renewal(old_hash))
        assert late is not None
        assert (late.seal, late.fresh) == (seal, False)

    def test_L16_after_its_grace_a_retired_token_is_good_for_nothing(self, store: Store, clock: ManualClock) -> None:
        """It leads nowhere and gets no successor, but is known; the session goes on under its own token."""
        if not store.capabilities.retires:
            return
        old_hash, new_hash, row = retired(store)
        self.end_grace(store, clock)
        old = store.read(old_hash)
        assert old.record is None
        assert old.retired is not None
        assert old.retired.session_id == row.id
        assert old.retired.until * 1000 <= old.now
        assert renewed(store, renewal(old_hash)) is None
        assert store.rotate(Rotation(old_hash, a_hash())) is None
        assert stored(store, new_hash) == row

    def test_L16_in_its_grace_a_retired_token_stands_for_its_successor(self, store: Store) -> None:
        """Whoever signs out, signs in again or proves who they are with it, does so to the session."""
        if not store.capabilities.retires:
            return
        old_hash, new_hash, row = retired(store)
        fresh = a_hash()
        assert store.rotate(Rotation(old_hash, fresh)) == row
        assert stored(store, new_hash) is None
        assert stored(store, fresh) == row
        old_hash, new_hash, row = retired(store)
        assert [ended.id for ended in store.revoke(Selection(token_hash=old_hash))] == [row.id]
        assert stored(store, new_hash) is None
        old_hash, new_hash, row = retired(store)
        result = store.create(to_create(a_row(time_of(store)), replaces=old_hash))
        assert result.replaced is not None
        assert result.replaced.id == row.id
        assert stored(store, new_hash) is None

    def test_L1_a_change_of_privileges_ends_the_grace_too(self, store: Store, clock: ManualClock) -> None:
        """Every older token dies at once; one that comes late is no sign of a theft before its grace is over."""
        if not store.capabilities.retires:
            return
        first, second, row = retired(store)
        third = a_hash()
        assert store.rotate(Rotation(second, third)) == row
        for dead in (first, second):
            assert stored(store, dead) is None
            assert renewed(store, renewal(dead)) is None
        assert cast("Retires", store).reuse(first, end=True) is None
        assert stored(store, third) == row
        self.end_grace(store, clock)
        assert cast("Retires", store).reuse(second, end=True) is None
        assert cast("Retires", store).reuse(first, end=True) == Ended(row.id, row.user_id)

    def test_L17_the_use_of_a_retired_token_ends_the_session_once(self, store: Store, clock: ManualClock) -> None:
        """After the grace and not before it; for all who hold a token of it, with an entry, told to one caller."""
        if not store.capabilities.retires:
            return
        retiring = cast("Retires", store)
        old_hash, new_hash, row = retired(store)
        assert retiring.reuse(old_hash, end=True) is None
        self.end_grace(store, clock)
        assert retiring.reuse(new_hash, end=True) is None
        cursor = head(store)
        told = together([partial(retiring.reuse, old_hash, end=True)] * 8)
        assert sorted(told, key=str) == sorted([None] * 7 + [Ended(row.id, row.user_id)], key=str)
        assert noted(store, cursor, session_subject(row.id))
        assert stored(store, new_hash) is None
        assert (store.read(old_hash)).retired is None

    def test_L17_the_use_of_a_retired_token_can_be_told_alone(self, store: Store, clock: ManualClock) -> None:
        """Once for each; the session lives on."""
        if not store.capabilities.retires:
            return
        retiring = cast("Retires", store)
        old_hash, new_hash, row = retired(store)
        assert retiring.reuse(old_hash, end=False) is None
        self.end_grace(store, clock)
        told = together([partial(retiring.reuse, old_hash, end=False)] * 8)
        assert sorted(told, key=str) == sorted([None] * 7 + [Ended(row.id, row.user_id)], key=str)
        assert stored(store, new_hash) == row

    def test_L17_older_tokens_are_known_too(self, store: Store, clock: ManualClock) -> None:
        """The latest hundred; what is older leads nowhere and is nobody's."""
        if not store.capabilities.retires:
            return
        first, row = added(store)
        hashes = [first]
        for _ in range(MOST_RETIRED + 2):
            clock.advance(_AN_INSTANT)
            order = renewal(hashes[-1])
            assert renewed(store, order) is not None
            hashes.append(order.new_hash)
        self.end_grace(store, clock)
        assert stored(store, hashes[-1]) == row
        known = [(store.read(token_hash)).retired is not None for token_hash in hashes]
        assert known == [False] * 2 + [True] * MOST_RETIRED + [False]
        assert cast("Retires", store).reuse(hashes[2], end=True) == Ended(row.id, row.user_id)

    def test_S13_retired_tokens_go_with_their_session(self, store: Store, clock: ManualClock) -> None:
        """However it ends: revoked, swept, or with everyone's."""
        if not store.capabilities.retires:
            return
        revoked, current, _ = retired(store)
        store.revoke(Selection(token_hash=current))
        everyones, _, _ = retired(store)
        store.revoke_everyone()
        swept, _, _ = retired(store)
        clock.advance(timedelta(days=2))
        store.sweep(100)
        for token_hash in (revoked, everyones, swept):
            reading = store.read(token_hash)
            assert reading.record is None
            assert cast("Retires", store).reuse(token_hash, end=True) is None
        for token_hash in (revoked, swept):
            assert (store.read(token_hash)).retired is None

    def test_L8_retiring_never_brings_a_session_back(self, store: Store) -> None:
        """Neither a revoked session nor an expired one gets a successor; and a late touch changes no token."""
        if not store.capabilities.retires:
            return
        gone_hash, _ = added(store)
        expired_hash, expired = added(store, an_expired_row())
        store.revoke(Selection(token_hash=gone_hash))
        for token_hash in (gone_hash, expired_hash, a_hash()):
            order = renewal(token_hash)
            assert renewed(store, order) is None
            assert stored(store, order.new_hash) is None
        assert stored(store, expired_hash) == expired
        old_hash, new_hash, row = retired(store)
        store.rotate(Rotation(new_hash, a_hash()))
        store.touch([Touch(row.id, row.last_seen_at + SECOND, row.idle_expires_at + DAY)])
        assert stored(store, old_hash) is None
        assert stored(store, new_hash) is None

    def test_retiring_never_takes_anothers_token(self, store: Store) -> None:
        """A new hash that is taken is refused, and both sessions keep theirs."""
        if not store.capabilities.retires:
            return
        mine, my_row = added(store)
        theirs, their_row = added(store, user_id="bob")
        with pytest.raises(DataError):
            renewed(store, renewal(mine)._replace(new_hash=theirs))
        assert stored(store, mine) == my_row
        assert stored(store, theirs) == their_row
