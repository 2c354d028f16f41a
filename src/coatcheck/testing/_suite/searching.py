# Generated from testing/_async_suite/searching.py by tools/generate_sync.py: edit that, run `make generate`.
"""Searching sessions across users, for threads."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, cast

import pytest

from coatcheck._sync.session_search import SessionSearch
from coatcheck._sync.sessions import Sessions
from coatcheck.errors import ConfigurationError
from coatcheck.stores.base import TICKET, Ended, SessionFilter, Touch
from coatcheck.stores.searching import matches
from coatcheck.testing._filters import a_crowd, a_filter, in_order
from coatcheck.testing._rows import DAY, HOUR, SECOND, a_row, an_expired_row, to_create
from coatcheck.testing._suite.common import added, head, ids_of, outdated, stored, time_of

if TYPE_CHECKING:
    from coatcheck.core.session import Record
    from coatcheck.stores.protocol import Searches, Store

EVERYBODY = SessionFilter()
_FILTERS = 40


class Searching:
    """What a filter means is the same to the list, to the count and to the revocation."""

    def test_a_store_that_cannot_search_says_so(self, store: Store) -> None:
        """Then the search is refused before the first request."""
        if store.capabilities.searching:
            SessionSearch(Sessions(store))
            return
        with pytest.raises(ConfigurationError, match="search"):
            SessionSearch(Sessions(store))

    def test_L13_a_filter_means_what_a_plain_predicate_says(self, store: Store) -> None:
        """Of a crowd, to the list and to the count, whatever it is made of."""
        search, crowd = _searching(store), _a_crowd(store)
        random = Random(7)  # noqa: S311 - the same filters each time
        for wanted in (EVERYBODY, *(a_filter(random, crowd) for _ in range(_FILTERS))):
            expected = in_order(row for row in crowd if matches(wanted, row))
            assert list(search.search(wanted, limit=100)) == expected, wanted
            assert search.count_matching(wanted) == len(expected), wanted
            assert search.count_matching(wanted, most=5) == min(5, len(expected)), wanted
            assert search.count_users_matching(wanted) == len({row.user_id for row in expected} - {None}), wanted

    def test_pages_miss_none_and_show_none_twice(self, store: Store) -> None:
        """Of sessions that were last seen at the same time, too."""
        search, crowd = _searching(store), _a_crowd(store)
        wanted = SessionFilter(signed_in=True)
        found: list[Record] = []
        after = None
        while page := search.search(wanted, limit=3, after=after):
            found += page
            after = (page[-1].last_seen_at, page[-1].id)
        assert found == in_order(row for row in crowd if row.user_id is not None)

    def test_a_session_moves_to_the_front_when_it_is_used(self, store: Store) -> None:
        """By the latest activity, as it is stored."""
        search, now = _searching(store), time_of(store)
        old = (added(store, a_row(now - HOUR)))[1]
        new = (added(store, a_row(now - SECOND)))[1]
        assert [row.id for row in search.search(EVERYBODY, limit=2)] == [new.id, old.id]
        store.touch([Touch(old.id, now, now + DAY)])
        assert [row.id for row in search.search(EVERYBODY, limit=2)] == [old.id, new.id]
        assert search.count_matching(SessionFilter(active_since=now)) == 1

    def test_L13_what_a_filter_means_ends_and_nothing_else(self, store: Store) -> None:
        """Each is named, and each of its copies outdated; the second time there is none."""
        search, crowd = _searching(store), _a_crowd(store)
        wanted = SessionFilter(text="MOZILLA", signed_in=True)
        concerned = [row for row in crowd if matches(wanted, row)]
        cursor = head(store)
        ended = search.revoke_matching(wanted)
        assert sorted(ended) == sorted(Ended(row.id, row.user_id) for row in concerned)
        assert outdated(store, cursor, *concerned)
        others = in_order(row for row in crowd if row not in concerned)
        assert list(search.search(EVERYBODY, limit=100)) == others
        assert list(search.revoke_matching(wanted)) == []

    def test_a_ticket_is_no_session_and_neither_is_what_has_expired(self, store: Store) -> None:
        """They are in no list, and no filter ends them, not even by their ids."""
        search, now = _searching(store), time_of(store)
        ticket = a_row(now, user_id=None, authenticated_at=None)
        new = to_create(ticket, kind=TICKET)
        store.create(new)
        _, over = added(store, an_expired_row())
        _, visitor = added(store, a_row(now, user_id=None, authenticated_at=None))
        for wanted in (EVERYBODY, SessionFilter(signed_in=False), SessionFilter(ids=(ticket.id, over.id, visitor.id))):
            assert list(search.search(wanted, limit=10)) == [visitor]
            assert search.count_matching(wanted) == 1
        assert ids_of(store, None) == [visitor.id]
        assert list(search.revoke_matching(EVERYBODY)) == [Ended(visitor.id, None)]
        assert stored(store, new.token_hash) == ticket


def _a_crowd(store: Store) -> list[Record]:
    crowd = a_crowd(time_of(store))
    for row in crowd:
        added(store, row)
    return crowd


def _searching(store: Store) -> Searches:
    if not store.capabilities.searching:
        pytest.skip("this store cannot search")
    return cast("Searches", store)
