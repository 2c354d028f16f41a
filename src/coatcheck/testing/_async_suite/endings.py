"""Ending sessions, for asyncio."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from coatcheck.core.coherence import EVERYONE, user_subject
from coatcheck.core.tokens import new_session_id
from coatcheck.stores.base import Ended, Rotation, Selection, SessionChange, Touch
from coatcheck.testing._async_pair import async_together
from coatcheck.testing._async_suite.common import added, head, ids_of, noted, outdated, stored, time_of
from coatcheck.testing._rows import DAY, MANY_BYTES, SECOND, a_hash, a_row, to_create

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coatcheck.stores.async_protocol import AsyncStore


class AsyncEndings:
    """Revocation ends exactly what was selected, says so, and writes it into the log."""

    async def test_L7_by_token(self, store: AsyncStore) -> None:
        """The session with this token hash, and no other; the second time there is none."""
        token_hash, row = await added(store)
        other_hash, other = await added(store)
        cursor = await head(store)
        assert list(await store.revoke(Selection(token_hash=token_hash))) == [Ended(row.id, "ann")]
        assert await stored(store, token_hash) is None
        assert await stored(store, other_hash) == other
        assert await outdated(store, cursor, row)
        assert list(await store.revoke(Selection(token_hash=token_hash))) == []

    async def test_L14_by_id_for_its_owner_only(self, store: AsyncStore) -> None:
        """Another user's attempt ends nothing; for None it is anybody's."""
        token_hash, row = await added(store)
        _, anonymous = await added(store, user_id=None)
        for user in ("bob", "", "ANN"):
            assert list(await store.revoke(Selection(session_id=row.id, user_id=user))) == []
        assert list(await store.revoke(Selection(session_id=anonymous.id, user_id="bob"))) == []
        assert await stored(store, token_hash) == row
        cursor = await head(store)
        assert list(await store.revoke(Selection(session_id=row.id, user_id="ann"))) == [Ended(row.id, "ann")]
        assert list(await store.revoke(Selection(session_id=anonymous.id))) == [Ended(anonymous.id, None)]
        assert await ids_of(store, None) == []
        assert await outdated(store, cursor, row, anonymous)
        assert list(await store.revoke(Selection(session_id=new_session_id()))) == []

    async def test_L11_all_of_a_user(self, store: AsyncStore) -> None:
        """Each of them is ended and named; other users' sessions and anonymous ones stay."""
        rows = [(await added(store))[1] for _ in range(3)]
        _, bobs = await added(store, user_id="bob")
        _, nobodys = await added(store, user_id=None)
        cursor = await head(store)
        ended = await store.revoke(Selection(user_id="ann"))
        assert sorted(ended) == sorted(Ended(row.id, "ann") for row in rows)
        assert await outdated(store, cursor, *rows)
        assert sorted(await ids_of(store, None)) == sorted([bobs.id, nobodys.id])

    async def test_L12_all_of_a_user_but_one(self, store: AsyncStore) -> None:
        """The one to keep stays as it is."""
        kept_hash, kept = await added(store)
        rows = [(await added(store))[1] for _ in range(2)]
        ended = await store.revoke(Selection(user_id="ann", keep=kept.id))
        assert sorted(ended) == sorted(Ended(row.id, "ann") for row in rows)
        assert await stored(store, kept_hash) == kept
        assert await ids_of(store, "ann") == [kept.id]

    async def test_an_empty_selection_ends_nothing(self, store: AsyncStore) -> None:
        """Anonymous sessions are not those of the user None."""
        _, row = await added(store, user_id=None)
        assert list(await store.revoke(Selection())) == []
        assert await ids_of(store, None) == [row.id]

    async def test_everyone(self, store: AsyncStore) -> None:
        """All sessions end with an entry for everyone; who signs in afterwards is not concerned by it."""
        for user in ("ann", "bob", None):
            await added(store, user_id=user)
        cursor = await head(store)
        assert await store.revoke_everyone() == 3
        assert await ids_of(store, None) == []
        assert await noted(store, cursor, EVERYONE)
        everyone = [entry.position for entry in (await store.poll(cursor)).entries if entry.subject == EVERYONE]
        token_hash, row = await added(store)
        reading = await store.read(token_hash)
        assert reading.record == row
        assert reading.as_of > max(everyone, default=-1)
        assert await store.revoke_everyone() == 1

    async def test_L18_a_users_copies_are_outdated(self, store: AsyncStore) -> None:
        """An entry for the user, and all their sessions stay."""
        token_hash, row = await added(store)
        cursor = await head(store)
        await store.invalidate_user("ann")
        assert await noted(store, cursor, user_subject("ann"))
        assert await stored(store, token_hash) == row

    async def test_S7_a_session_ends_once(self, store: AsyncStore) -> None:
        """Of many who end it at once, one is told that they did."""
        if store.capabilities.eventual:
            return  # changes made at once may undo each other
        token_hash, row = await added(store)
        results = await async_together([partial(store.revoke, Selection(token_hash=token_hash))] * 8)
        assert [list(result) for result in results if result] == [[Ended(row.id, "ann")]]

    async def test_L8_nothing_done_at_the_same_time_brings_a_session_back(self, store: AsyncStore) -> None:
        """However revoking falls among touches, saves and rotations, the session is gone afterwards."""
        for _ in range(10):
            token_hash, row = await added(store)
            now, fresh = await time_of(store), a_hash()
            calls: list[Callable[[], Awaitable[object]]] = [
                partial(store.save, SessionChange(row.id, {"a": 1}, (), MANY_BYTES)),
                partial(store.touch, [Touch(row.id, now + SECOND, now + DAY)]),
                partial(store.revoke, Selection(user_id="ann")),
                partial(store.rotate, Rotation(token_hash, fresh)),
                partial(store.relocate, row.id, "198.51.100.7", None),
            ]
            await async_together(calls)
            assert (await store.find(row.id)).record is None
            assert await stored(store, token_hash) is None
            assert await stored(store, fresh) is None

    async def test_L1_creating_again_is_no_return(self, store: AsyncStore) -> None:
        """A new session of the same user has nothing of the one that was revoked."""
        token_hash, row = await added(store)
        await store.revoke(Selection(token_hash=token_hash))
        new = to_create(a_row(await time_of(store)), replaces=token_hash)
        assert (await store.create(new)).replaced is None
        assert (await store.find(row.id)).record is None
