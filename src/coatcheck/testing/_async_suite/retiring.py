"""Retiring tokens, for asyncio."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from secrets import token_bytes
from typing import TYPE_CHECKING, cast

import pytest

from coatcheck._async.sessions import AsyncSessions
from coatcheck.core.coherence import session_subject
from coatcheck.core.policy import Policy
from coatcheck.core.successors import MOST_RETIRED
from coatcheck.errors import ConfigurationError, DataError
from coatcheck.stores.base import Ended, Renewal, Rotation, Selection, Touch
from coatcheck.testing._async_pair import async_together
from coatcheck.testing._async_suite.common import added, head, noted, stored, time_of
from coatcheck.testing._rows import DAY, SECOND, a_hash, a_row, an_expired_row, to_create

if TYPE_CHECKING:
    from coatcheck.core.session import Record
    from coatcheck.stores.async_protocol import AsyncRetires, AsyncStore
    from coatcheck.stores.base import Renewed
    from coatcheck.testing.clock import ManualClock

GRACE = timedelta(seconds=30)
_AN_INSTANT = timedelta(microseconds=1)
_AT_ONCE = 50


def renewal(old_hash: bytes) -> Renewal:
    """Return the order to retire a token."""
    return Renewal(old_hash, a_hash(), token_bytes(32), 30 * SECOND)


async def renewed(store: AsyncStore, order: Renewal) -> Renewed | None:
    """Retire a token."""
    return await cast("AsyncRetires", store).renew(order)


async def retired(store: AsyncStore) -> tuple[bytes, bytes, Record]:
    """Insert a session and retire its token; returns that one, its successor and the row."""
    old_hash, row = await added(store)
    order = renewal(old_hash)
    assert await renewed(store, order) is not None
    return old_hash, order.new_hash, row


class AsyncRetiring:
    """In its grace a retired token is as good as its successor, and after it its use is noticed."""

    async def end_grace(self, store: AsyncStore, clock: ManualClock) -> None:  # noqa: ARG002 - for those who override
        """Make the grace of every token be over; override it where the store's time is not the clock's."""
        clock.advance(GRACE)

    async def test_L16_a_store_that_cannot_retire_tokens_says_so(self, store: AsyncStore) -> None:
        """Then the policy is refused before the first request."""
        policy = Policy(rotate_after=timedelta(hours=1))
        if store.capabilities.retires:
            AsyncSessions(store, policy=policy)
            return
        with pytest.raises(ConfigurationError, match="rotate_after"):
            AsyncSessions(store, policy=policy)

    async def test_L16_a_retired_token_is_good_in_its_grace(self, store: AsyncStore) -> None:
        """Both lead to the session, which is what it was (L5, A4); the change is logged."""
        if not store.capabilities.retires:
            return
        old_hash, row = await added(store)
        cursor, order = await head(store), renewal(old_hash)
        done = await renewed(store, order)
        assert done is not None
        assert (done.record, done.seal, done.fresh) == (row, order.seal, True)
        assert await noted(store, cursor, session_subject(row.id))
        old, new = await store.read(old_hash), await store.read(order.new_hash)
        assert (old.record, new.record, new.retired) == (row, row, None)
        assert new.since is not None
        assert old.retired is not None
        assert (old.retired.session_id, old.retired.until) == (row.id, new.since + order.grace)

    async def test_L16_of_many_at_once_one_makes_the_successor(self, store: AsyncStore) -> None:
        """Fifty at the same instant: all get the same, and whoever is late in the grace as well."""
        if not store.capabilities.retires:
            return
        old_hash, row = await added(store)
        orders = [renewal(old_hash) for _ in range(_AT_ONCE)]
        results = await async_together([partial(renewed, store, order) for order in orders])
        assert [done.record for done in results if done is not None] == [row] * _AT_ONCE
        assert [done.fresh for done in results if done is not None].count(True) == 1
        (seal,) = {done.seal for done in results if done is not None}
        (winner,) = [order for order in orders if await stored(store, order.new_hash) is not None]
        assert winner.seal == seal
        late = await renewed(store, renewal(old_hash))
        assert late is not None
        assert (late.seal, late.fresh) == (seal, False)

    async def test_L16_after_its_grace_a_retired_token_is_good_for_nothing(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        """It leads nowhere and gets no successor, but is known; the session goes on under its own token."""
        if not store.capabilities.retires:
            return
        old_hash, new_hash, row = await retired(store)
        await self.end_grace(store, clock)
        old = await store.read(old_hash)
        assert old.record is None
        assert old.retired is not None
        assert old.retired.session_id == row.id
        assert old.retired.until * 1000 <= old.now
        assert await renewed(store, renewal(old_hash)) is None
        assert await store.rotate(Rotation(old_hash, a_hash())) is None
        assert await stored(store, new_hash) == row

    async def test_L16_in_its_grace_a_retired_token_stands_for_its_successor(self, store: AsyncStore) -> None:
        """Whoever signs out, signs in again or proves who they are with it, does so to the session."""
        if not store.capabilities.retires:
            return
        old_hash, new_hash, row = await retired(store)
        fresh = a_hash()
        assert await store.rotate(Rotation(old_hash, fresh)) == row
        assert await stored(store, new_hash) is None
        assert await stored(store, fresh) == row
        old_hash, new_hash, row = await retired(store)
        assert [ended.id for ended in await store.revoke(Selection(token_hash=old_hash))] == [row.id]
        assert await stored(store, new_hash) is None
        old_hash, new_hash, row = await retired(store)
        result = await store.create(to_create(a_row(await time_of(store)), replaces=old_hash))
        assert result.replaced is not None
        assert result.replaced.id == row.id
        assert await stored(store, new_hash) is None

    async def test_L1_a_change_of_privileges_ends_the_grace_too(self, store: AsyncStore, clock: ManualClock) -> None:
        """Every older token dies at once; one that comes late is no sign of a theft before its grace is over."""
        if not store.capabilities.retires:
            return
        first, second, row = await retired(store)
        third = a_hash()
        assert await store.rotate(Rotation(second, third)) == row
        for dead in (first, second):
            assert await stored(store, dead) is None
            assert await renewed(store, renewal(dead)) is None
        assert await cast("AsyncRetires", store).reuse(first, end=True) is None
        assert await stored(store, third) == row
        await self.end_grace(store, clock)
        assert await cast("AsyncRetires", store).reuse(second, end=True) is None
        assert await cast("AsyncRetires", store).reuse(first, end=True) == Ended(row.id, row.user_id)

    async def test_L17_the_use_of_a_retired_token_ends_the_session_once(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        """After the grace and not before it; for all who hold a token of it, with an entry, told to one caller."""
        if not store.capabilities.retires:
            return
        retiring = cast("AsyncRetires", store)
        old_hash, new_hash, row = await retired(store)
        assert await retiring.reuse(old_hash, end=True) is None
        await self.end_grace(store, clock)
        assert await retiring.reuse(new_hash, end=True) is None
        cursor = await head(store)
        told = await async_together([partial(retiring.reuse, old_hash, end=True)] * 8)
        assert sorted(told, key=str) == sorted([None] * 7 + [Ended(row.id, row.user_id)], key=str)
        assert await noted(store, cursor, session_subject(row.id))
        assert await stored(store, new_hash) is None
        assert (await store.read(old_hash)).retired is None

    async def test_L17_the_use_of_a_retired_token_can_be_told_alone(
        self, store: AsyncStore, clock: ManualClock
    ) -> None:
        """Once for each; the session lives on."""
        if not store.capabilities.retires:
            return
        retiring = cast("AsyncRetires", store)
        old_hash, new_hash, row = await retired(store)
        assert await retiring.reuse(old_hash, end=False) is None
        await self.end_grace(store, clock)
        told = await async_together([partial(retiring.reuse, old_hash, end=False)] * 8)
        assert sorted(told, key=str) == sorted([None] * 7 + [Ended(row.id, row.user_id)], key=str)
        assert await stored(store, new_hash) == row

    async def test_L17_older_tokens_are_known_too(self, store: AsyncStore, clock: ManualClock) -> None:
        """The latest hundred; what is older leads nowhere and is nobody's."""
        if not store.capabilities.retires:
            return
        first, row = await added(store)
        hashes = [first]
        for _ in range(MOST_RETIRED + 2):
            clock.advance(_AN_INSTANT)
            order = renewal(hashes[-1])
            assert await renewed(store, order) is not None
            hashes.append(order.new_hash)
        await self.end_grace(store, clock)
        assert await stored(store, hashes[-1]) == row
        known = [(await store.read(token_hash)).retired is not None for token_hash in hashes]
        assert known == [False] * 2 + [True] * MOST_RETIRED + [False]
        assert await cast("AsyncRetires", store).reuse(hashes[2], end=True) == Ended(row.id, row.user_id)

    async def test_S13_retired_tokens_go_with_their_session(self, store: AsyncStore, clock: ManualClock) -> None:
        """However it ends: revoked, swept, or with everyone's."""
        if not store.capabilities.retires:
            return
        revoked, current, _ = await retired(store)
        await store.revoke(Selection(token_hash=current))
        everyones, _, _ = await retired(store)
        await store.revoke_everyone()
        swept, _, _ = await retired(store)
        clock.advance(timedelta(days=2))
        await store.sweep(100)
        for token_hash in (revoked, everyones, swept):
            reading = await store.read(token_hash)
            assert reading.record is None
            assert await cast("AsyncRetires", store).reuse(token_hash, end=True) is None
        for token_hash in (revoked, swept):
            assert (await store.read(token_hash)).retired is None

    async def test_L8_retiring_never_brings_a_session_back(self, store: AsyncStore) -> None:
        """Neither a revoked session nor an expired one gets a successor; and a late touch changes no token."""
        if not store.capabilities.retires:
            return
        gone_hash, _ = await added(store)
        expired_hash, expired = await added(store, an_expired_row())
        await store.revoke(Selection(token_hash=gone_hash))
        for token_hash in (gone_hash, expired_hash, a_hash()):
            order = renewal(token_hash)
            assert await renewed(store, order) is None
            assert await stored(store, order.new_hash) is None
        assert await stored(store, expired_hash) == expired
        old_hash, new_hash, row = await retired(store)
        await store.rotate(Rotation(new_hash, a_hash()))
        await store.touch([Touch(row.id, row.last_seen_at + SECOND, row.idle_expires_at + DAY)])
        assert await stored(store, old_hash) is None
        assert await stored(store, new_hash) is None

    async def test_retiring_never_takes_anothers_token(self, store: AsyncStore) -> None:
        """A new hash that is taken is refused, and both sessions keep theirs."""
        if not store.capabilities.retires:
            return
        mine, my_row = await added(store)
        theirs, their_row = await added(store, user_id="bob")
        with pytest.raises(DataError):
            await renewed(store, renewal(mine)._replace(new_hash=theirs))
        assert await stored(store, mine) == my_row
        assert await stored(store, theirs) == their_row
