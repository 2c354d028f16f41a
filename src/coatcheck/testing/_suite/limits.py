# Generated from testing/_async_suite/limits.py by tools/generate_sync.py: edit that, run `make generate`.
"""Limits of sessions per user, for threads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck._sync.sessions import Sessions
from coatcheck.core.policy import Policy
from coatcheck.errors import ConfigurationError
from coatcheck.stores.base import Full
from coatcheck.testing._pair import together
from coatcheck.testing._rows import HOUR, SECOND, a_row, an_expired_row, named, to_create
from coatcheck.testing._suite.common import added, head, ids_of, stored, subjects_since, time_of

if TYPE_CHECKING:
    from coatcheck.core.session import Record
    from coatcheck.stores.base import CreateResult, NewSession
    from coatcheck.stores.protocol import Store


def refused_when_wired(store: Store) -> bool:
    """Tell whether the store cannot keep limits, after seeing that `Sessions` refuses to rely on it."""
    if store.capabilities.exact_limits:
        return False
    with pytest.raises(ConfigurationError, match="max_sessions"):
        Sessions(store, policy=Policy(max_sessions=3))
    return True


def _aged(store: Store, ages: tuple[int, ...], **changes: Any) -> list[Record]:
    """Insert sessions of so many hours."""
    now = time_of(store)
    return [(added(store, a_row(now, created_at=now - age * HOUR, **changes)))[1] for age in ages]


def _attempt(store: Store, new: NewSession) -> CreateResult | Full:
    try:
        return store.create(new)
    except Full as full:
        return full


class Limits:
    """A limit is exact, or the store says that it has none (I6)."""

    def test_L15_a_limit_needs_a_store_that_keeps_it(self, store: Store) -> None:
        """It is refused when things are wired together, never dropped silently."""
        if not refused_when_wired(store):
            Sessions(store, policy=Policy(max_sessions=3))

    def test_L15_the_oldest_make_room(self, store: Store) -> None:
        """As many as needed go, are returned and logged; the newest and the new one stay."""
        if refused_when_wired(store):
            return
        rows = _aged(store, (2, 4, 1, 3))
        cursor = head(store)
        new = to_create(a_row(time_of(store)), limit=3)
        result = store.create(new)
        assert sorted(row.id for row in result.evicted) == sorted([rows[1].id, rows[3].id])
        assert ids_of(store, "ann") == [new.record.id, rows[2].id, rows[0].id]
        subjects = subjects_since(store, cursor)
        assert all(named(row, subjects) for row in result.evicted)

    def test_L15_the_new_session_survives(self, store: Store) -> None:
        """Also when it seems to be the oldest, because two clocks differ."""
        if refused_when_wired(store):
            return
        _aged(store, (1, 2))
        now = time_of(store)
        new = to_create(a_row(now, created_at=now - 5 * HOUR), limit=1)
        assert len((store.create(new)).evicted) == 2
        assert ids_of(store, "ann") == [new.record.id]

    @pytest.mark.parametrize("when_full", ["refuse", "ask"])
    def test_L15_a_full_user_is_refused(self, store: Store, when_full: str) -> None:
        """The answer is who fills the limit, newest first; nothing is written, and nobody's session is replaced."""
        if refused_when_wired(store):
            return
        rows = _aged(store, (2, 1))
        bobs_hash, bobs = added(store, user_id="bob")
        cursor = head(store)
        new = to_create(a_row(time_of(store)), limit=2, when_full=when_full, replaces=bobs_hash)
        with pytest.raises(Full) as full:
            store.create(new)
        assert full.value.limit == 2
        assert [row.id for row in full.value.records] == [rows[1].id, rows[0].id]
        assert stored(store, new.token_hash) is None
        assert stored(store, bobs_hash) == bobs
        assert ids_of(store, "ann") == [rows[1].id, rows[0].id]
        assert not named(bobs, subjects_since(store, cursor))

    @pytest.mark.parametrize("when_full", ["evict_oldest", "refuse"])
    def test_L15_expired_sessions_do_not_count(self, store: Store, when_full: str) -> None:
        """They are neither in the way nor evicted, whichever expiry has passed."""
        if refused_when_wired(store):
            return
        now = time_of(store)
        added(store, an_expired_row())
        added(store, a_row(now - HOUR, expires_at=now - SECOND))
        _, live = added(store, a_row(now - HOUR))
        new = to_create(a_row(now), limit=2, when_full=when_full)
        assert (store.create(new)).evicted == ()
        assert ids_of(store, "ann") == [new.record.id, live.id]

    @pytest.mark.parametrize("when_full", ["evict_oldest", "refuse"])
    def test_L15_the_replaced_session_does_not_count(self, store: Store, when_full: str) -> None:
        """Signing in again from one browser ends none of the others."""
        if refused_when_wired(store):
            return
        (other,) = _aged(store, (2,))
        mine_hash, _ = added(store)
        new = to_create(a_row(time_of(store)), limit=2, when_full=when_full, replaces=mine_hash)
        assert (store.create(new)).evicted == ()
        assert ids_of(store, "ann") == [new.record.id, other.id]

    def test_L15_others_do_not_count(self, store: Store) -> None:
        """Neither other users' sessions nor anonymous ones."""
        if refused_when_wired(store):
            return
        _aged(store, (1, 2), user_id="bob")
        _aged(store, (1, 2), user_id=None)
        new = to_create(a_row(time_of(store)), limit=1, when_full="refuse")
        assert (store.create(new)).evicted == ()
        assert len(store.list_sessions(None, 10)) == 5

    @pytest.mark.parametrize("when_full", ["evict_oldest", "refuse"])
    def test_L15_S7_a_limit_holds_however_many_sign_in_at_once(self, store: Store, when_full: str) -> None:
        """Twenty at once leave three."""
        if refused_when_wired(store):
            return
        now = time_of(store)
        news = [to_create(a_row(now + n), limit=3, when_full=when_full) for n in range(20)]
        results = together([partial(_attempt, store, new) for new in news])
        created = [result for result in results if not isinstance(result, Full)]
        evicted = [row.id for result in created for row in result.evicted]
        assert len(ids_of(store, "ann")) == 3
        assert len(created) == (20 if when_full == "evict_oldest" else 3)
        assert len(evicted) == len(set(evicted)) == len(created) - 3
