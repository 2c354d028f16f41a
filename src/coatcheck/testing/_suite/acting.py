# Generated from testing/_async_suite/acting.py by tools/generate_sync.py: edit that, run `make generate`.
"""Sessions that end with another one, for threads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from coatcheck.core.authentication import Authentication, authentication_of
from coatcheck.core.tokens import new_session_id
from coatcheck.stores.base import Ended, NewSession, Rotation, Selection, SessionChange
from coatcheck.testing._pair import together
from coatcheck.testing._rows import DAY, HOUR, LONG_AGO, MANY_BYTES, SECOND, a_hash, a_row, an_expired_row, to_create
from coatcheck.testing._suite.common import added, head, ids_of, outdated, stored, subjects_since, time_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.core.session import Record
    from coatcheck.stores.protocol import Impersonates, Store

BY_SUE = Authentication(actor="sue").text()


class Acting:
    """Create what ends with another session, and end that: nothing of it is left, and nobody misses it."""

    def test_an_acting_session_is_like_any_other(self, store: Store) -> None:
        """It is kept as it was given, listed, and says whose session it ends with."""
        _, actor = added(store, user_id="sue")
        token_hash, row = acting(store, actor)
        assert authentication_of(row.authentication).actor == "sue"
        assert stored(store, token_hash) == row
        assert ids_of(store, "ann") == [row.id]
        assert ids_of(store, "sue") == [actor.id]
        assert _impersonating(store).actor_session(row.id) == actor.id
        assert _impersonating(store).actor_session(actor.id) is None

    def test_L4_it_ends_no_later_than_the_session_of_who_acts(self, store: Store) -> None:
        """Neither than its absolute end, nor than its idle expiry as that stands."""
        now = time_of(store)
        for times in ({"expires_at": now + HOUR}, {"idle_expires_at": now + HOUR}):
            _, actor = added(store, a_row(now, user_id="sue", **times))
            _, row = acting(store, actor, expires_at=now + DAY)
            assert row.expires_at == now + HOUR
        _, row = acting(store, actor, expires_at=now + HOUR // 2)
        assert row.expires_at == now + HOUR // 2

    @pytest.mark.parametrize("end", ["token", "id", "user", "everyone", "replaced", "evicted"])
    def test_L7_it_ends_with_the_session_of_who_acts(self, store: Store, end: str) -> None:
        """However that ends, in the same step, and with an entry of its own."""
        actor_hash, actor = added(store, user_id="sue")
        token_hash, row = acting(store, actor)
        cursor = head(store)
        selections = {
            "token": Selection(token_hash=actor_hash),
            "id": Selection(session_id=actor.id),
            "user": Selection(user_id="sue"),
        }
        later = a_row(time_of(store) + SECOND, user_id="sue")
        if end in selections:
            assert store.revoke(selections[end]) == [Ended(actor.id, "sue")]
        elif end == "everyone":
            store.revoke_everyone()
        elif end == "replaced":
            store.create(to_create(later, replaces=actor_hash))
        else:
            store.create(to_create(later, limit=1))
        assert stored(store, token_hash) is None
        assert outdated(store, cursor, actor, row)
        assert _impersonating(store).actor_session(row.id) is None
        store.sweep(10)
        assert ids_of(store, None) == ([later.id] if end in {"replaced", "evicted"} else [])

    def test_L7_a_sweep_takes_it_along_and_says_so(self, store: Store) -> None:
        """A copy of what was not over itself could be served otherwise: the sweep writes no entries for the rest."""
        _, actor = added(store, user_id="sue")
        token_hash, row = acting(store, actor)
        store.save(SessionChange(actor.id, {}, (), MANY_BYTES, expires_at=LONG_AGO))
        cursor = head(store)
        store.sweep(10)
        assert stored(store, token_hash) is None
        assert ids_of(store, None) == []
        assert set(subjects_since(store, cursor)) <= {f"s:{row.id}"}

    @pytest.mark.parametrize("how", ["save", "rotate"])
    def test_L4_it_ends_earlier_when_that_is_to(self, store: Store, how: str) -> None:
        """And every copy from before is outdated."""
        actor_hash, actor = added(store, user_id="sue")
        token_hash, row = acting(store, actor)
        cursor = head(store)
        end = time_of(store) + 60 * SECOND
        if how == "save":
            store.save(SessionChange(actor.id, {}, (), MANY_BYTES, expires_at=end))
        else:
            store.rotate(Rotation(actor_hash, a_hash(), end, end, end))
        assert stored(store, token_hash) == row._replace(expires_at=end)
        assert outdated(store, cursor, row)

    def test_it_stays_when_tokens_change(self, store: Store) -> None:
        """Its own, and that of who acts: it is by the sessions that they are tied."""
        actor_hash, actor = added(store, user_id="sue")
        token_hash, row = acting(store, actor)
        rotated_hash = a_hash()
        assert store.rotate(Rotation(token_hash, rotated_hash)) == row
        store.rotate(Rotation(actor_hash, a_hash()))
        assert stored(store, rotated_hash) == row
        store.revoke(Selection(session_id=actor.id))
        assert stored(store, rotated_hash) is None

    def test_who_acts_goes_on_when_it_ends(self, store: Store) -> None:
        """It says by whom it was, and may begin again."""
        actor_hash, actor = added(store, user_id="sue")
        _, row = acting(store, actor)
        assert store.revoke(Selection(session_id=row.id)) == [Ended(row.id, "ann", "sue")]
        assert stored(store, actor_hash) == actor
        acting(store, actor)

    def test_there_is_none_for_what_is_gone_or_over(self, store: Store) -> None:
        """Nothing is left behind either."""
        gone_hash, gone = added(store, user_id="sue")
        store.revoke(Selection(token_hash=gone_hash))
        _, over = added(store, an_expired_row(user_id="sue"))
        for session_id in (gone.id, over.id, new_session_id()):
            new = to_create(a_row(time_of(store), authentication=BY_SUE))
            assert _impersonating(store).create_acting(new, session_id) is None
            assert stored(store, new.token_hash) is None
            assert _impersonating(store).actor_session(new.record.id) is None

    def test_there_are_no_chains(self, store: Store) -> None:
        """Who acts as somebody acts as nobody else from there."""
        _, actor = added(store, user_id="sue")
        _, row = acting(store, actor)
        new = to_create(a_row(time_of(store), user_id="bob"))
        assert _impersonating(store).create_acting(new, row.id) is None

    @pytest.mark.parametrize("when_full", ["evict_oldest", "refuse"])
    def test_L15_it_is_not_counted_and_makes_nobody_leave(self, store: Store, when_full: str) -> None:
        """The user's own sessions are what a limit is about, and what fills it."""
        now = time_of(store)
        _, actor = added(store, user_id="sue")
        added(store, a_row(now))
        _, row = acting(store, actor)
        assert len(ids_of(store, "ann")) == 2
        new = NewSession(a_hash(), a_row(now + SECOND), limit=2, when_full=when_full)  # type: ignore[arg-type]
        assert (store.create(new)).evicted == ()
        assert row.id in ids_of(store, "ann")
        newest = a_row(now + 2 * SECOND)
        if when_full == "evict_oldest":
            assert len((store.create(to_create(newest, limit=1))).evicted) == 2
            assert sorted(ids_of(store, "ann")) == sorted([row.id, newest.id])

    def test_I3_of_a_beginning_and_an_end_at_once_nothing_is_left(self, store: Store) -> None:
        """Whichever was first: there is no session, or it ends too."""
        for _ in range(5):
            actor_hash, actor = added(store, user_id="sue")
            news = [to_create(a_row(time_of(store), authentication=BY_SUE)) for _ in range(4)]
            calls: list[Callable[[], object]] = [
                partial(_impersonating(store).create_acting, new, actor.id) for new in news
            ]
            calls.insert(2, partial(store.revoke, Selection(token_hash=actor_hash)))
            together(calls)
            assert ids_of(store, None) == []


def acting(store: Store, actor: Record, **changes: Any) -> tuple[bytes, Record]:
    """Insert a session of "ann" that ends with another; returns its token hash and its row."""
    now = time_of(store)
    row = a_row(now, **{"expires_at": now + HOUR, "authentication": BY_SUE, **changes})
    new = to_create(row)
    made = _impersonating(store).create_acting(new, actor.id)
    assert made is not None
    return new.token_hash, made


def _impersonating(store: Store) -> Impersonates:
    if not store.capabilities.impersonates:
        pytest.skip("this store ties no session to another")
    return cast("Impersonates", store)
