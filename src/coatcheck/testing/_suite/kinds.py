# Generated from testing/_async_suite/kinds.py by tools/generate_sync.py: edit that, run `make generate`.
"""Rows of another kind than sessions, for threads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import pytest

from coatcheck._sync.api_tokens import ApiTokens
from coatcheck._sync.sessions import Sessions
from coatcheck.errors import ConfigurationError
from coatcheck.stores.base import Full, NewSession, Renewal, Selection, Touch
from coatcheck.testing._pair import together
from coatcheck.testing._rows import a_row, to_create
from coatcheck.testing._suite.common import added, head, ids_of, outdated, stored, time_of

if TYPE_CHECKING:
    from coatcheck.core.session import Record
    from coatcheck.stores.base import CreateResult
    from coatcheck.stores.protocol import Retires, Store


def _api_token(store: Store, **conditions: object) -> NewSession:
    new = to_create(a_row(time_of(store)), kind="api", **conditions)
    store.create(new)
    return new


def _listed(store: Store, user_id: str | None, kind: str) -> list[str]:
    return [row.id for row in store.list_sessions(user_id, 100, kind=kind)]


class Kinds:
    """Kinds are listed, counted and ended apart, and together where a user's all end; or the store says that it cannot.

    Whether a token is one of another kind is nothing that a store decides: their hashes differ (rules J2, C12).
    """

    def test_B9_each_kind_has_its_own_list(self, store: Store) -> None:
        """Of a user and of all; nobody who asks for sessions sees anything else."""
        if not store.capabilities.kinds:
            with pytest.raises(ConfigurationError, match="cannot tell them from sessions"):
                ApiTokens(Sessions(store))
            return
        _, row = added(store)
        new = _api_token(store)
        assert ids_of(store, "ann") == ids_of(store, None) == [row.id]
        assert _listed(store, "ann", "api") == _listed(store, None, "api") == [new.record.id]
        assert _listed(store, "ann", "grant") == []
        assert stored(store, new.token_hash) == new.record

    def test_B9_a_limit_counts_its_own_kind(self, store: Store) -> None:
        """Neither takes a place of the other, and no row of another kind makes room."""
        if not store.capabilities.kinds:
            return
        _, row = added(store)
        first = _api_token(store, limit=1, when_full="refuse")
        with pytest.raises(Full) as full:
            _api_token(store, limit=1, when_full="refuse")
        assert [each.id for each in full.value.records] == [first.record.id]
        second = _api_token(store, limit=1)
        assert stored(store, first.token_hash) is None
        newer = to_create(a_row(time_of(store)), limit=1)
        result = store.create(newer)
        assert [each.id for each in result.evicted] == [row.id]
        assert _listed(store, "ann", "api") == [second.record.id]

    def test_B9_a_limit_of_a_kind_is_exact(self, store: Store) -> None:
        """However many are made at once (I6)."""
        if not store.capabilities.kinds:
            return
        now = time_of(store)
        orders = [to_create(a_row(now), kind="api", limit=3, when_full="refuse") for _ in range(8)]
        results = together([partial(_attempt, store, order) for order in orders])
        assert sum(not isinstance(result, Full) for result in results) == 3
        assert len(_listed(store, "ann", "api")) == 3

    def test_B9_what_is_ended_by_kind_leaves_the_others(self, store: Store) -> None:
        """By user and by id; without a kind all end, and each is in the log (rules L11, L14)."""
        if not store.capabilities.kinds:
            return
        _, kept = added(store)
        _, other = added(store)
        token = (_api_token(store)).record
        assert not store.revoke(Selection(session_id=token.id, user_id="ann", kind="session"))
        assert not store.revoke(Selection(session_id=kept.id, kind="api"))
        ended = store.revoke(Selection(user_id="ann", keep=kept.id, kind="session"))
        assert [each.id for each in ended] == [other.id]
        assert _listed(store, "ann", "api") == [token.id]
        _end_all(store, kept, token)

    def test_B9_the_kind_stays(self, store: Store) -> None:
        """Also when the token is exchanged, and its use is noted."""
        if not (store.capabilities.kinds and store.capabilities.retires):
            return
        new = _api_token(store)
        successor = to_create(new.record).token_hash
        assert cast("Retires", store).renew(Renewal(new.token_hash, successor, bytes(32), 1_000_000))
        store.touch([Touch(new.record.id, new.record.last_seen_at + 1, new.record.idle_expires_at)])
        assert _listed(store, "ann", "api") == [new.record.id]
        assert ids_of(store, "ann") == []


def _attempt(store: Store, new: NewSession) -> CreateResult | Full:
    try:
        return store.create(new)
    except Full as full:
        return full


def _end_all(store: Store, *rows: Record) -> None:
    cursor = head(store)
    ended = store.revoke(Selection(user_id="ann"))
    assert {each.id for each in ended} == {row.id for row in rows}
    assert outdated(store, cursor, *rows)
