"""Searching sessions across users, for asyncio."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, cast

import pytest

from coatcheck._async.session_search import AsyncSessionSearch
from coatcheck._async.sessions import AsyncSessions
from coatcheck.errors import ConfigurationError
from coatcheck.stores.base import TICKET, Ended, SessionFilter, Touch
from coatcheck.stores.searching import matches
from coatcheck.testing._async_suite.common import added, head, ids_of, outdated, stored, time_of
from coatcheck.testing._filters import a_crowd, a_filter, in_order
from coatcheck.testing._rows import DAY, HOUR, SECOND, a_row, an_expired_row, to_create

if TYPE_CHECKING:
    from coatcheck.core.session import Record
    from coatcheck.stores.async_protocol import AsyncSearches, AsyncStore

EVERYBODY = SessionFilter()
_FILTERS = 40


class AsyncSearching:
    """What a filter means is the same to the list, to the count and to the revocation."""

    async def test_a_store_that_cannot_search_says_so(self, store: AsyncStore) -> None:
        """Then the search is refused before the first request."""
        if store.capabilities.searching:
            AsyncSessionSearch(AsyncSessions(store))
            return
        with pytest.raises(ConfigurationError, match="search"):
            AsyncSessionSearch(AsyncSessions(store))

    async def test_L13_a_filter_means_what_a_plain_predicate_says(self, store: AsyncStore) -> None:
        """Of a crowd, to the list and to the count, whatever it is made of."""
        search, crowd = _searching(store), await _a_crowd(store)
        random = Random(7)  # noqa: S311 - the same filters each time
        for wanted in (EVERYBODY, *(a_filter(random, crowd) for _ in range(_FILTERS))):
            expected = in_order(row for row in crowd if matches(wanted, row))
            assert list(await search.search(wanted, limit=100)) == expected, wanted
            assert await search.count_matching(wanted) == len(expected), wanted
            assert await search.count_matching(wanted, most=5) == min(5, len(expected)), wanted
            assert await search.count_users_matching(wanted) == len({row.user_id for row in expected} - {None}), wanted

    async def test_pages_miss_none_and_show_none_twice(self, store: AsyncStore) -> None:
        """Of sessions that were last seen at the same time, too."""
        search, crowd = _searching(store), await _a_crowd(store)
        wanted = SessionFilter(signed_in=True)
        found: list[Record] = []
        after = None
        while page := await search.search(wanted, limit=3, after=after):
            found += page
            after = (page[-1].last_seen_at, page[-1].id)
        assert found == in_order(row for row in crowd if row.user_id is not None)

    async def test_a_session_moves_to_the_front_when_it_is_used(self, store: AsyncStore) -> None:
        """By the latest activity, as it is stored."""
        search, now = _searching(store), await time_of(store)
        old = (await added(store, a_row(now - HOUR)))[1]
        new = (await added(store, a_row(now - SECOND)))[1]
        assert [row.id for row in await search.search(EVERYBODY, limit=2)] == [new.id, old.id]
        await store.touch([Touch(old.id, now, now + DAY)])
        assert [row.id for row in await search.search(EVERYBODY, limit=2)] == [old.id, new.id]
        assert await search.count_matching(SessionFilter(active_since=now)) == 1

    async def test_L13_what_a_filter_means_ends_and_nothing_else(self, store: AsyncStore) -> None:
        """Each is named, and each of its copies outdated; the second time there is none."""
        search, crowd = _searching(store), await _a_crowd(store)
        wanted = SessionFilter(text="MOZILLA", signed_in=True)
        concerned = [row for row in crowd if matches(wanted, row)]
        cursor = await head(store)
        ended = await search.revoke_matching(wanted)
        assert sorted(ended) == sorted(Ended(row.id, row.user_id) for row in concerned)
        assert await outdated(store, cursor, *concerned)
        others = in_order(row for row in crowd if row not in concerned)
        assert list(await search.search(EVERYBODY, limit=100)) == others
        assert list(await search.revoke_matching(wanted)) == []

    async def test_a_ticket_is_no_session_and_neither_is_what_has_expired(self, store: AsyncStore) -> None:
        """They are in no list, and no filter ends them, not even by their ids."""
        search, now = _searching(store), await time_of(store)
        ticket = a_row(now, user_id=None, authenticated_at=None)
        new = to_create(ticket, kind=TICKET)
        await store.create(new)
        _, over = await added(store, an_expired_row())
        _, visitor = await added(store, a_row(now, user_id=None, authenticated_at=None))
        for wanted in (EVERYBODY, SessionFilter(signed_in=False), SessionFilter(ids=(ticket.id, over.id, visitor.id))):
            assert list(await search.search(wanted, limit=10)) == [visitor]
            assert await search.count_matching(wanted) == 1
        assert await ids_of(store, None) == [visitor.id]
        assert list(await search.revoke_matching(EVERYBODY)) == [Ended(visitor.id, None)]
        assert await stored(store, new.token_hash) == ticket


async def _a_crowd(store: AsyncStore) -> list[Record]:
    crowd = a_crowd(await time_of(store))
    for row in crowd:
        await added(store, row)
    return crowd


def _searching(store: AsyncStore) -> AsyncSearches:
    if not store.capabilities.searching:
        pytest.skip("this store cannot search")
    return cast("AsyncSearches", store)
