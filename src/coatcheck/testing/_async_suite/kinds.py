"""Rows of another kind than sessions, for asyncio."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import pytest

from coatcheck._async.api_tokens import AsyncApiTokens
from coatcheck._async.sessions import AsyncSessions
from coatcheck.errors import ConfigurationError
from coatcheck.stores.base import Full, NewSession, Renewal, Selection, Touch
from coatcheck.testing._async_pair import async_together
from coatcheck.testing._async_suite.common import added, head, ids_of, outdated, stored, time_of
from coatcheck.testing._rows import a_row, to_create

if TYPE_CHECKING:
    from coatcheck.core.session import Record
    from coatcheck.stores.async_protocol import AsyncRetires, AsyncStore
    from coatcheck.stores.base import CreateResult


async def _api_token(store: AsyncStore, **conditions: object) -> NewSession:
    new = to_create(a_row(await time_of(store)), kind="api", **conditions)
    await store.create(new)
    return new


async def _listed(store: AsyncStore, user_id: str | None, kind: str) -> list[str]:
    return [row.id for row in await store.list_sessions(user_id, 100, kind=kind)]


class AsyncKinds:
    """Kinds are listed, counted and ended apart, and together where a user's all end; or the store says that it cannot.

    Whether a token is one of another kind is nothing that a store decides: their hashes differ (rules J2, C12).
    """

    async def test_B9_each_kind_has_its_own_list(self, store: AsyncStore) -> None:
        """Of a user and of all; nobody who asks for sessions sees anything else."""
        if not store.capabilities.kinds:
            with pytest.raises(ConfigurationError, match="cannot tell them from sessions"):
                AsyncApiTokens(AsyncSessions(store))
            return
        _, row = await added(store)
        new = await _api_token(store)
        assert await ids_of(store, "ann") == await ids_of(store, None) == [row.id]
        assert await _listed(store, "ann", "api") == await _listed(store, None, "api") == [new.record.id]
        assert await _listed(store, "ann", "grant") == []
        assert await stored(store, new.token_hash) == new.record

    async def test_B9_a_limit_counts_its_own_kind(self, store: AsyncStore) -> None:
        """Neither takes a place of the other, and no row of another kind makes room."""
        if not store.capabilities.kinds:
            return
        _, row = await added(store)
        first = await _api_token(store, limit=1, when_full="refuse")
        with pytest.raises(Full) as full:
            await _api_token(store, limit=1, when_full="refuse")
        assert [each.id for each in full.value.records] == [first.record.id]
        second = await _api_token(store, limit=1)
        assert await stored(store, first.token_hash) is None
        newer = to_create(a_row(await time_of(store)), limit=1)
        result = await store.create(newer)
        assert [each.id for each in result.evicted] == [row.id]
        assert await _listed(store, "ann", "api") == [second.record.id]

    async def test_B9_a_limit_of_a_kind_is_exact(self, store: AsyncStore) -> None:
        """However many are made at once (I6)."""
        if not store.capabilities.kinds:
            return
        now = await time_of(store)
        orders = [to_create(a_row(now), kind="api", limit=3, when_full="refuse") for _ in range(8)]
        results = await async_together([partial(_attempt, store, order) for order in orders])
        assert sum(not isinstance(result, Full) for result in results) == 3
        assert len(await _listed(store, "ann", "api")) == 3

    async def test_B9_what_is_ended_by_kind_leaves_the_others(self, store: AsyncStore) -> None:
        """By user and by id; without a kind all end, and each is in the log (rules L11, L14)."""
        if not store.capabilities.kinds:
            return
        _, kept = await added(store)
        _, other = await added(store)
        token = (await _api_token(store)).record
        assert not await store.revoke(Selection(session_id=token.id, user_id="ann", kind="session"))
        assert not await store.revoke(Selection(session_id=kept.id, kind="api"))
        ended = await store.revoke(Selection(user_id="ann", keep=kept.id, kind="session"))
        assert [each.id for each in ended] == [other.id]
        assert await _listed(store, "ann", "api") == [token.id]
        await _end_all(store, kept, token)

    async def test_B9_the_kind_stays(self, store: AsyncStore) -> None:
        """Also when the token is exchanged, and its use is noted."""
        if not (store.capabilities.kinds and store.capabilities.retires):
            return
        new = await _api_token(store)
        successor = to_create(new.record).token_hash
        assert await cast("AsyncRetires", store).renew(Renewal(new.token_hash, successor, bytes(32), 1_000_000))
        await store.touch([Touch(new.record.id, new.record.last_seen_at + 1, new.record.idle_expires_at)])
        assert await _listed(store, "ann", "api") == [new.record.id]
        assert await ids_of(store, "ann") == []


async def _attempt(store: AsyncStore, new: NewSession) -> CreateResult | Full:
    try:
        return await store.create(new)
    except Full as full:
        return full


async def _end_all(store: AsyncStore, *rows: Record) -> None:
    cursor = await head(store)
    ended = await store.revoke(Selection(user_id="ann"))
    assert {each.id for each in ended} == {row.id for row in rows}
    assert await outdated(store, cursor, *rows)
