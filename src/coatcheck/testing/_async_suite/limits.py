"""Limits of sessions per user, for asyncio."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck._async.sessions import AsyncSessions
from coatcheck.core.policy import Policy
from coatcheck.errors import ConfigurationError
from coatcheck.stores.base import Full
from coatcheck.testing._async_pair import async_together
from coatcheck.testing._async_suite.common import added, head, ids_of, stored, subjects_since, time_of
from coatcheck.testing._rows import HOUR, SECOND, a_row, an_expired_row, named, to_create

if TYPE_CHECKING:
    from coatcheck.core.session import Record
    from coatcheck.stores.async_protocol import AsyncStore
    from coatcheck.stores.base import CreateResult, NewSession


def refused_when_wired(store: AsyncStore) -> bool:
    """Tell whether the store cannot keep limits, after seeing that `AsyncSessions` refuses to rely on it."""
    if store.capabilities.exact_limits:
        return False
    with pytest.raises(ConfigurationError, match="max_sessions"):
        AsyncSessions(store, policy=Policy(max_sessions=3))
    return True


async def _aged(store: AsyncStore, ages: tuple[int, ...], **changes: Any) -> list[Record]:
    """Insert sessions of so many hours."""
    now = await time_of(store)
    return [(await added(store, a_row(now, created_at=now - age * HOUR, **changes)))[1] for age in ages]


async def _attempt(store: AsyncStore, new: NewSession) -> CreateResult | Full:
    try:
        return await store.create(new)
    except Full as full:
        return full


class AsyncLimits:
    """A limit is exact, or the store says that it has none (I6)."""

    async def test_L15_a_limit_needs_a_store_that_keeps_it(self, store: AsyncStore) -> None:
        """It is refused when things are wired together, never dropped silently."""
        if not refused_when_wired(store):
            AsyncSessions(store, policy=Policy(max_sessions=3))

    async def test_L15_the_oldest_make_room(self, store: AsyncStore) -> None:
        """As many as needed go, are returned and logged; the newest and the new one stay."""
        if refused_when_wired(store):
            return
        rows = await _aged(store, (2, 4, 1, 3))
        cursor = await head(store)
        new = to_create(a_row(await time_of(store)), limit=3)
        result = await store.create(new)
        assert sorted(row.id for row in result.evicted) == sorted([rows[1].id, rows[3].id])
        assert await ids_of(store, "ann") == [new.record.id, rows[2].id, rows[0].id]
        subjects = await subjects_since(store, cursor)
        assert all(named(row, subjects) for row in result.evicted)

    async def test_L15_the_new_session_survives(self, store: AsyncStore) -> None:
        """Also when it seems to be the oldest, because two clocks differ."""
        if refused_when_wired(store):
            return
        await _aged(store, (1, 2))
        now = await time_of(store)
        new = to_create(a_row(now, created_at=now - 5 * HOUR), limit=1)
        assert len((await store.create(new)).evicted) == 2
        assert await ids_of(store, "ann") == [new.record.id]

    @pytest.mark.parametrize("when_full", ["refuse", "ask"])
    async def test_L15_a_full_user_is_refused(self, store: AsyncStore, when_full: str) -> None:
        """The answer is who fills the limit, newest first; nothing is written, and nobody's session is replaced."""
        if refused_when_wired(store):
            return
        rows = await _aged(store, (2, 1))
        bobs_hash, bobs = await added(store, user_id="bob")
        cursor = await head(store)
        new = to_create(a_row(await time_of(store)), limit=2, when_full=when_full, replaces=bobs_hash)
        with pytest.raises(Full) as full:
            await store.create(new)
        assert full.value.limit == 2
        assert [row.id for row in full.value.records] == [rows[1].id, rows[0].id]
        assert await stored(store, new.token_hash) is None
        assert await stored(store, bobs_hash) == bobs
        assert await ids_of(store, "ann") == [rows[1].id, rows[0].id]
        assert not named(bobs, await subjects_since(store, cursor))

    @pytest.mark.parametrize("when_full", ["evict_oldest", "refuse"])
    async def test_L15_expired_sessions_do_not_count(self, store: AsyncStore, when_full: str) -> None:
        """They are neither in the way nor evicted, whichever expiry has passed."""
        if refused_when_wired(store):
            return
        now = await time_of(store)
        await added(store, an_expired_row())
        await added(store, a_row(now - HOUR, expires_at=now - SECOND))
        _, live = await added(store, a_row(now - HOUR))
        new = to_create(a_row(now), limit=2, when_full=when_full)
        assert (await store.create(new)).evicted == ()
        assert await ids_of(store, "ann") == [new.record.id, live.id]

    @pytest.mark.parametrize("when_full", ["evict_oldest", "refuse"])
    async def test_L15_the_replaced_session_does_not_count(self, store: AsyncStore, when_full: str) -> None:
        """Signing in again from one browser ends none of the others."""
        if refused_when_wired(store):
            return
        (other,) = await _aged(store, (2,))
        mine_hash, _ = await added(store)
        new = to_create(a_row(await time_of(store)), limit=2, when_full=when_full, replaces=mine_hash)
        assert (await store.create(new)).evicted == ()
        assert await ids_of(store, "ann") == [new.record.id, other.id]

    async def test_L15_others_do_not_count(self, store: AsyncStore) -> None:
        """Neither other users' sessions nor anonymous ones."""
        if refused_when_wired(store):
            return
        await _aged(store, (1, 2), user_id="bob")
        await _aged(store, (1, 2), user_id=None)
        new = to_create(a_row(await time_of(store)), limit=1, when_full="refuse")
        assert (await store.create(new)).evicted == ()
        assert len(await store.list_sessions(None, 10)) == 5

    @pytest.mark.parametrize("when_full", ["evict_oldest", "refuse"])
    async def test_L15_S7_a_limit_holds_however_many_sign_in_at_once(self, store: AsyncStore, when_full: str) -> None:
        """Twenty at once leave three."""
        if refused_when_wired(store):
            return
        now = await time_of(store)
        news = [to_create(a_row(now + n), limit=3, when_full=when_full) for n in range(20)]
        results = await async_together([partial(_attempt, store, new) for new in news])
        created = [result for result in results if not isinstance(result, Full)]
        evicted = [row.id for result in created for row in result.evicted]
        assert len(await ids_of(store, "ann")) == 3
        assert len(created) == (20 if when_full == "evict_oldest" else 3)
        assert len(evicted) == len(set(evicted)) == len(created) - 3
