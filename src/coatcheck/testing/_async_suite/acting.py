"""Sessions that end with another one, for asyncio."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from coatcheck.core.authentication import Authentication, authentication_of
from coatcheck.core.tokens import new_session_id
from coatcheck.stores.base import Ended, NewSession, Rotation, Selection, SessionChange
from coatcheck.testing._async_pair import async_together
from coatcheck.testing._async_suite.common import added, head, ids_of, outdated, stored, subjects_since, time_of
from coatcheck.testing._rows import DAY, HOUR, LONG_AGO, MANY_BYTES, SECOND, a_hash, a_row, an_expired_row, to_create

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coatcheck.core.session import Record
    from coatcheck.stores.async_protocol import AsyncImpersonates, AsyncStore

BY_SUE = Authentication(actor="sue").text()


class AsyncActing:
    """Create what ends with another session, and end that: nothing of it is left, and nobody misses it."""

    async def test_an_acting_session_is_like_any_other(self, store: AsyncStore) -> None:
        """It is kept as it was given, listed, and says whose session it ends with."""
        _, actor = await added(store, user_id="sue")
        token_hash, row = await acting(store, actor)
        assert authentication_of(row.authentication).actor == "sue"
        assert await stored(store, token_hash) == row
        assert await ids_of(store, "ann") == [row.id]
        assert await ids_of(store, "sue") == [actor.id]
        assert await _impersonating(store).actor_session(row.id) == actor.id
        assert await _impersonating(store).actor_session(actor.id) is None

    async def test_L4_it_ends_no_later_than_the_session_of_who_acts(self, store: AsyncStore) -> None:
        """Neither than its absolute end, nor than its idle expiry as that stands."""
        now = await time_of(store)
        for times in ({"expires_at": now + HOUR}, {"idle_expires_at": now + HOUR}):
            _, actor = await added(store, a_row(now, user_id="sue", **times))
            _, row = await acting(store, actor, expires_at=now + DAY)
            assert row.expires_at == now + HOUR
        _, row = await acting(store, actor, expires_at=now + HOUR // 2)
        assert row.expires_at == now + HOUR // 2

    @pytest.mark.parametrize("end", ["token", "id", "user", "everyone", "replaced", "evicted"])
    async def test_L7_it_ends_with_the_session_of_who_acts(self, store: AsyncStore, end: str) -> None:
        """However that ends, in the same step, and with an entry of its own."""
        actor_hash, actor = await added(store, user_id="sue")
        token_hash, row = await acting(store, actor)
        cursor = await head(store)
        selections = {
            "token": Selection(token_hash=actor_hash),
            "id": Selection(session_id=actor.id),
            "user": Selection(user_id="sue"),
        }
        later = a_row(await time_of(store) + SECOND, user_id="sue")
        if end in selections:
            assert await store.revoke(selections[end]) == [Ended(actor.id, "sue")]
        elif end == "everyone":
            await store.revoke_everyone()
        elif end == "replaced":
            await store.create(to_create(later, replaces=actor_hash))
        else:
            await store.create(to_create(later, limit=1))
        assert await stored(store, token_hash) is None
        assert await outdated(store, cursor, actor, row)
        assert await _impersonating(store).actor_session(row.id) is None
        await store.sweep(10)
        assert await ids_of(store, None) == ([later.id] if end in {"replaced", "evicted"} else [])

    async def test_L7_a_sweep_takes_it_along_and_says_so(self, store: AsyncStore) -> None:
        """A copy of what was not over itself could be served otherwise: the sweep writes no entries for the rest."""
        _, actor = await added(store, user_id="sue")
        token_hash, row = await acting(store, actor)
        await store.save(SessionChange(actor.id, {}, (), MANY_BYTES, expires_at=LONG_AGO))
        cursor = await head(store)
        await store.sweep(10)
        assert await stored(store, token_hash) is None
        assert await ids_of(store, None) == []
        assert set(await subjects_since(store, cursor)) <= {f"s:{row.id}"}

    @pytest.mark.parametrize("how", ["save", "rotate"])
    async def test_L4_it_ends_earlier_when_that_is_to(self, store: AsyncStore, how: str) -> None:
        """And every copy from before is outdated."""
        actor_hash, actor = await added(store, user_id="sue")
        token_hash, row = await acting(store, actor)
        cursor = await head(store)
        end = await time_of(store) + 60 * SECOND
        if how == "save":
            await store.save(SessionChange(actor.id, {}, (), MANY_BYTES, expires_at=end))
        else:
            await store.rotate(Rotation(actor_hash, a_hash(), end, end, end))
        assert await stored(store, token_hash) == row._replace(expires_at=end)
        assert await outdated(store, cursor, row)

    async def test_it_stays_when_tokens_change(self, store: AsyncStore) -> None:
        """Its own, and that of who acts: it is by the sessions that they are tied."""
        actor_hash, actor = await added(store, user_id="sue")
        token_hash, row = await acting(store, actor)
        rotated_hash = a_hash()
        assert await store.rotate(Rotation(token_hash, rotated_hash)) == row
        await store.rotate(Rotation(actor_hash, a_hash()))
        assert await stored(store, rotated_hash) == row
        await store.revoke(Selection(session_id=actor.id))
        assert await stored(store, rotated_hash) is None

    async def test_who_acts_goes_on_when_it_ends(self, store: AsyncStore) -> None:
        """It says by whom it was, and may begin again."""
        actor_hash, actor = await added(store, user_id="sue")
        _, row = await acting(store, actor)
        assert await store.revoke(Selection(session_id=row.id)) == [Ended(row.id, "ann", "sue")]
        assert await stored(store, actor_hash) == actor
        await acting(store, actor)

    async def test_there_is_none_for_what_is_gone_or_over(self, store: AsyncStore) -> None:
        """Nothing is left behind either."""
        gone_hash, gone = await added(store, user_id="sue")
        await store.revoke(Selection(token_hash=gone_hash))
        _, over = await added(store, an_expired_row(user_id="sue"))
        for session_id in (gone.id, over.id, new_session_id()):
            new = to_create(a_row(await time_of(store), authentication=BY_SUE))
            assert await _impersonating(store).create_acting(new, session_id) is None
            assert await stored(store, new.token_hash) is None
            assert await _impersonating(store).actor_session(new.record.id) is None

    async def test_there_are_no_chains(self, store: AsyncStore) -> None:
        """Who acts as somebody acts as nobody else from there."""
        _, actor = await added(store, user_id="sue")
        _, row = await acting(store, actor)
        new = to_create(a_row(await time_of(store), user_id="bob"))
        assert await _impersonating(store).create_acting(new, row.id) is None

    @pytest.mark.parametrize("when_full", ["evict_oldest", "refuse"])
    async def test_L15_it_is_not_counted_and_makes_nobody_leave(self, store: AsyncStore, when_full: str) -> None:
        """The user's own sessions are what a limit is about, and what fills it."""
        now = await time_of(store)
        _, actor = await added(store, user_id="sue")
        await added(store, a_row(now))
        _, row = await acting(store, actor)
        assert len(await ids_of(store, "ann")) == 2
        new = NewSession(a_hash(), a_row(now + SECOND), limit=2, when_full=when_full)  # type: ignore[arg-type]
        assert (await store.create(new)).evicted == ()
        assert row.id in await ids_of(store, "ann")
        newest = a_row(now + 2 * SECOND)
        if when_full == "evict_oldest":
            assert len((await store.create(to_create(newest, limit=1))).evicted) == 2
            assert sorted(await ids_of(store, "ann")) == sorted([row.id, newest.id])

    async def test_I3_of_a_beginning_and_an_end_at_once_nothing_is_left(self, store: AsyncStore) -> None:
        """Whichever was first: there is no session, or it ends too."""
        for _ in range(5):
            actor_hash, actor = await added(store, user_id="sue")
            news = [to_create(a_row(await time_of(store), authentication=BY_SUE)) for _ in range(4)]
            calls: list[Callable[[], Awaitable[object]]] = [
                partial(_impersonating(store).create_acting, new, actor.id) for new in news
            ]
            calls.insert(2, partial(store.revoke, Selection(token_hash=actor_hash)))
            await async_together(calls)
            assert await ids_of(store, None) == []


async def acting(store: AsyncStore, actor: Record, **changes: Any) -> tuple[bytes, Record]:
    """Insert a session of "ann" that ends with another; returns its token hash and its row."""
    now = await time_of(store)
    row = a_row(now, **{"expires_at": now + HOUR, "authentication": BY_SUE, **changes})
    new = to_create(row)
    made = await _impersonating(store).create_acting(new, actor.id)
    assert made is not None
    return new.token_hash, made


def _impersonating(store: AsyncStore) -> AsyncImpersonates:
    if not store.capabilities.impersonates:
        pytest.skip("this store ties no session to another")
    return cast("AsyncImpersonates", store)
