"""The conformance suite finds what it is there to find: each store here breaks one promise."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.core.coherence import Entry, LogPage
from coatcheck.stores.base import (
    SESSION,
    CreateResult,
    Ended,
    Full,
    NewSession,
    Reading,
    Renewal,
    Renewed,
    Rotation,
    Selection,
    SessionChange,
    Touch,
)
from coatcheck.testing import ManualClock, MemoryStore
from coatcheck.testing.conformance import StoreConformance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from coatcheck.core.session import Record


def yielding() -> None:
    """Let the other threads run: what is not done in one step is seen half done."""
    time.sleep(0.002)


class Unlocked(MemoryStore):
    def __init__(self, *, clock: ManualClock) -> None:
        super().__init__(clock=clock)
        unlocked: Any = nullcontext()
        self._lock = unlocked


class ReplacesWhenCreating(MemoryStore):
    def create(self, new: NewSession, *, connection: Any = None) -> CreateResult:
        self._rows.pop(new.token_hash, None)
        return super().create(new, connection=connection)


class CarriesEverythingOver(MemoryStore):
    def create(self, new: NewSession, *, connection: Any = None) -> CreateResult:
        old = self._rows.get(new.replaces or b"")
        carried = tuple(json.loads(old.data)) if old is not None else ()
        return super().create(new._replace(carry_over=carried), connection=connection)


class TouchesBackwards(MemoryStore):
    def touch(self, touches: Sequence[Touch]) -> set[str]:
        for session_id, seen, idle in touches:
            if (key := self._key_of(session_id)) is not None:
                self._rows[key] = self._rows[key]._replace(last_seen_at=seen, idle_expires_at=idle)
        return {touch.session_id for touch in touches if self._key_of(touch.session_id) is not None}


class ConfirmsEveryTouch(MemoryStore):
    def touch(self, touches: Sequence[Touch]) -> set[str]:
        super().touch(touches)
        return {touch.session_id for touch in touches}


class LogsTouches(MemoryStore):
    def touch(self, touches: Sequence[Touch]) -> set[str]:
        for touch in touches:
            self._note(f"s:{touch.session_id}")
        return super().touch(touches)


class OverwritesData(MemoryStore):
    def save(self, change: SessionChange, *, connection: Any = None) -> Record | None:
        if (key := self._key_of(change.session_id)) is not None:
            self._rows[key] = self._rows[key]._replace(data="{}")
        return super().save(change, connection=connection)


class SavesWhatHasExpired(MemoryStore):
    def _live_key_of(self, session_id: str) -> bytes | None:
        return self._key_of(session_id)


class KeepsAnySize(MemoryStore):
    def save(self, change: SessionChange, *, connection: Any = None) -> Record | None:
        return super().save(change._replace(max_bytes=10**9), connection=connection)


class LosesUpdates(Unlocked):
    def save(self, change: SessionChange, *, connection: Any = None) -> Record | None:
        key = self._live_key_of(change.session_id)
        if key is None:
            return None
        data = {**json.loads(self._rows[key].data), **change.changes}
        yielding()
        return self._put(key, self._rows[key]._replace(data=json.dumps(data)))


class KeepsTheOldToken(MemoryStore):
    def rotate(self, rotation: Rotation, *, connection: Any = None) -> Record | None:
        row = super().rotate(rotation, connection=connection)
        if row is not None:
            self._rows[rotation.old_hash] = row
        return row


class RotatesTwice(Unlocked):
    def rotate(self, rotation: Rotation, *, connection: Any = None) -> Record | None:
        row = self._rows.get(rotation.old_hash)
        yielding()
        if row is not None:
            self._rows[rotation.old_hash] = row
        return super().rotate(rotation, connection=connection)


class ChangesSilently(MemoryStore):
    def _put(self, key: bytes, row: Record) -> Record:
        self._rows[key] = row
        return row


class AsksForNoOwner(MemoryStore):
    def revoke(self, selection: Selection, *, connection: Any = None) -> Sequence[Ended]:
        by_id = selection.session_id is not None
        return super().revoke(selection._replace(user_id=None) if by_id else selection, connection=connection)


class EndsSilently(MemoryStore):
    def _end(self, rows: Iterable[Record]) -> Sequence[Ended]:
        log, position = list(self._log), self._position
        ended = super()._end(rows)
        self._log, self._position = log, position
        return ended


class CountsTheExpired(MemoryStore):
    def _live_of(self, user_id: str | None, kind: str = SESSION) -> Sequence[Record]:
        rows = [row for row in self._rows.values() if row.user_id == user_id and self._kind_of(row.id) == kind]
        return sorted(rows, key=lambda row: row.created_at, reverse=True)


class EvictsTheNewest(MemoryStore):
    def create(self, new: NewSession, *, connection: Any = None) -> CreateResult:
        result = super().create(new._replace(limit=None), connection=connection)
        surplus = self._live_of(new.record.user_id, new.kind)[new.limit or 1000 :]
        self._end(surplus)
        return result._replace(evicted=tuple(surplus))


class CountsTooEarly(Unlocked):
    def create(self, new: NewSession, *, connection: Any = None) -> CreateResult:
        others = self._live_of(new.record.user_id, new.kind)
        yielding()
        if new.limit is not None and len(others) >= new.limit:
            raise Full(new.limit, tuple(others))
        return super().create(new._replace(limit=None), connection=connection)


class ListsTheExpired(MemoryStore):
    def list_sessions(
        self, user_id: str | None, limit: int, *, kind: str = SESSION, connection: Any = None
    ) -> Sequence[Record]:
        rows = [row for row in self._rows.values() if user_id in {None, row.user_id}]
        return sorted(rows, key=lambda row: row.created_at, reverse=True)[:limit]


class HasOneListForAll(MemoryStore):
    def list_sessions(
        self, user_id: str | None, limit: int, *, kind: str = SESSION, connection: Any = None
    ) -> Sequence[Record]:
        sessions = super().list_sessions(user_id, limit, connection=connection)
        return [*sessions, *super().list_sessions(user_id, limit, kind="api" if kind == SESSION else kind)]


class CountsEveryKind(MemoryStore):
    def _kind_of(self, session_id: str) -> str:
        return SESSION if session_id in self._kinds else ""

    def _live_of(self, user_id: str | None, kind: str = SESSION) -> Sequence[Record]:
        return super()._live_of(user_id, SESSION if kind else kind)


class EndsEveryKind(MemoryStore):
    def revoke(self, selection: Selection, *, connection: Any = None) -> Sequence[Ended]:
        return super().revoke(selection._replace(kind=None), connection=connection)


class ReadsTheLogLater(Unlocked):
    def read(self, token_hash: bytes, *, connection: Any = None) -> Reading:
        row = self._rows.get(token_hash)
        yielding()
        return self._reading(row)


class ReadsTheFloorEarlier(Unlocked):
    def poll(self, cursor: Any) -> LogPage:
        floor = self._floor
        yielding()
        return super().poll(cursor)._replace(floor=floor)


class ForgetsTheFloor(MemoryStore):
    def poll(self, cursor: Any) -> LogPage:
        return super().poll(cursor)._replace(floor=1)


class StartsAgain(MemoryStore):
    def _trim(self, horizon: int) -> None:
        super()._trim(horizon)
        if not self._log:
            self._position = 1


class LosesTheCursor(MemoryStore):
    def poll(self, cursor: Any) -> LogPage:
        page = super().poll(cursor)
        return page._replace(entries=page.entries[-1:])


class NumbersTheLastEntry(MemoryStore):
    def _reading(self, record: Record | None) -> Reading:
        return super()._reading(record)._replace(as_of=self._position - 1)


class LogsSweeping(MemoryStore):
    def sweep(self, batch: int) -> Sequence[Ended]:
        ended = super().sweep(batch)
        self._log += [(Entry(self._position + n, f"s:{row.id}"), self._now()) for n, row in enumerate(ended)]
        return ended


class SweepsEverything(MemoryStore):
    def sweep(self, batch: int) -> Sequence[Ended]:
        return super().sweep(10**9)


class IgnoresConnections(MemoryStore):
    def revoke(self, selection: Selection, *, connection: Any = None) -> Sequence[Ended]:
        return super().revoke(selection)


class NewEpochForEveryPoll(MemoryStore):
    def poll(self, cursor: Any) -> LogPage:
        self._epoch += "+"
        return super().poll(None)


class InvalidatesTheFirst(MemoryStore):
    def invalidate(self, subjects: Sequence[str], *, connection: Any = None) -> None:
        super().invalidate(subjects[:1], connection=connection)


class InvalidatesEveryone(MemoryStore):
    def invalidate(self, subjects: Sequence[str], *, connection: Any = None) -> None:
        super().invalidate(subjects if len(subjects) < 1000 else ["*"], connection=connection)


class InvalidatesForNothing(MemoryStore):
    def invalidate(self, subjects: Sequence[str], *, connection: Any = None) -> None:
        super().invalidate(subjects or ["*"], connection=connection)


class TrimsSubjects(MemoryStore):
    def invalidate(self, subjects: Sequence[str], *, connection: Any = None) -> None:
        super().invalidate([subject.strip() for subject in subjects], connection=connection)


class ReachesOneFurther(MemoryStore):
    def poll(self, cursor: Any) -> LogPage:
        page = super().poll(cursor)
        return page._replace(as_of=page.as_of + 1)


class ReachesNothing(MemoryStore):
    def poll(self, cursor: Any) -> LogPage:
        return super().poll(cursor)._replace(as_of=0)


class ReachesWhatCameLater(Unlocked):
    def poll(self, cursor: Any) -> LogPage:
        page = super().poll(cursor)
        yielding()
        return page._replace(as_of=self._position)


class GraceNeverEnds(MemoryStore):
    def _current(self, token_hash: bytes) -> bytes:
        return self._latest(token_hash)


class GivesEverybodyAnother(Unlocked):
    def renew(self, renewal: Renewal, *, connection: Any = None) -> Renewed | None:
        there = renewal.old_hash in self._rows
        yielding()
        if there and (row := self._rows.pop(self._latest(renewal.old_hash), None)) is not None:
            self._rows[renewal.old_hash] = row
        done = super().renew(renewal, connection=connection)
        return done if done is None or not there else done._replace(seal=renewal.seal)


class RetiresSilently(MemoryStore):
    def renew(self, renewal: Renewal, *, connection: Any = None) -> Renewed | None:
        log = self._log[:]
        done = super().renew(renewal, connection=connection)
        self._log = log
        return done


class RotatesPastTheGrace(MemoryStore):
    def rotate(self, rotation: Rotation, *, connection: Any = None) -> Record | None:
        row = super().rotate(rotation, connection=connection)
        for key, retired in self._retired.items():
            if row is not None and retired.session_id == row.id:
                self._retired[key] = retired._replace(token_hash=rotation.new_hash)
        return row


class KnowsTheLastTokenOnly(MemoryStore):
    def renew(self, renewal: Renewal, *, connection: Any = None) -> Renewed | None:
        self._retired = {key: each for key, each in self._retired.items() if each.token_hash not in self._rows}
        return super().renew(renewal, connection=connection)


class EndsInTheGrace(MemoryStore):
    def reuse(self, token_hash: bytes, *, end: bool, connection: Any = None) -> Ended | None:
        if (retired := self._retired.get(token_hash)) is not None:
            self._retired[token_hash] = retired._replace(until=0)
        return super().reuse(token_hash, end=end, connection=connection)


class TellsOfEveryUse(MemoryStore):
    def reuse(self, token_hash: bytes, *, end: bool, connection: Any = None) -> Ended | None:
        retired = dict(self._retired)
        ended = super().reuse(token_hash, end=end, connection=connection)
        self._retired |= retired
        return ended


class KeepsRetiredTokens(MemoryStore):
    def _forget(self, session_ids: set[str]) -> None:
        """Keep them."""


class LeavesThemAlone(MemoryStore):
    def _end_acting_for(self, session_ids: Iterable[str]) -> None:
        """End nothing."""


class EndsThemSilently(MemoryStore):
    def _end_acting_for(self, session_ids: Iterable[str]) -> None:
        log = self._log[:]
        super()._end_acting_for(session_ids)
        self._log = log


class LetsThemOutlive(MemoryStore):
    def create_acting(self, new: NewSession, actor_session_id: str, *, connection: Any = None) -> Record | None:
        row = super().create_acting(new, actor_session_id, connection=connection)
        if row is not None:
            self._rows[new.token_hash] = new.record
        return row and new.record


class NeverShortens(MemoryStore):
    def _shorten_acting_for(self, actor: Record) -> None:
        """Leave them as long as they were."""


class ActsForWhatIsOver(MemoryStore):
    def _live_key_of(self, session_id: str) -> bytes | None:
        return self._key_of(session_id)


class ActsInChains(MemoryStore):
    def create_acting(self, new: NewSession, actor_session_id: str, *, connection: Any = None) -> Record | None:
        acting, self._acting = self._acting, {}
        row = super().create_acting(new, actor_session_id, connection=connection)
        self._acting |= acting
        return row


class CountsThem(MemoryStore):
    def _live_of(self, user_id: str | None, kind: str = SESSION) -> Sequence[Record]:
        return [row._replace(authentication=None) for row in super()._live_of(user_id, kind)]


class BeginsWithoutALook(Unlocked):
    def create_acting(self, new: NewSession, actor_session_id: str, *, connection: Any = None) -> Record | None:
        alive = self._live_key_of(actor_session_id) is not None
        yielding()
        if alive:
            self._rows[new.token_hash] = new.record
        return new.record if alive else None


FOUND_BY: list[tuple[type[MemoryStore], str]] = [
    (ReplacesWhenCreating, "test_creating_never_replaces"),
    (CarriesEverythingOver, "test_L2_only_listed_keys_of_an_anonymous_session_move_along"),
    (TouchesBackwards, "test_a_touch_never_moves_back"),
    (TouchesBackwards, "test_L4_a_touch_from_after_the_end_is_none"),
    (ConfirmsEveryTouch, "test_L8_a_touch_never_creates_a_row"),
    (LogsTouches, "test_a_touch_writes_no_log_entry"),
    (OverwritesData, "test_S8_saving_merges_keys"),
    (SavesWhatHasExpired, "test_L8_saving_never_brings_a_session_back"),
    (SavesWhatHasExpired, "test_L8_an_address_brings_nothing_back"),
    (KeepsAnySize, "test_S12_data_stays_within_its_bound"),
    (LosesUpdates, "test_S8_writers_of_different_keys_both_keep_theirs"),
    (KeepsTheOldToken, "test_L1_rotation_moves_a_session_to_a_new_token"),
    (RotatesTwice, "test_S7_of_many_rotations_at_once_one_succeeds"),
    (ChangesSilently, "test_L1_rotation_moves_a_session_to_a_new_token"),
    (ChangesSilently, "test_S8_saving_merges_keys"),
    (ChangesSilently, "test_a_copy_read_before_a_change_loses_and_one_read_after_it_does_not"),
    (GraceNeverEnds, "test_L16_after_its_grace_a_retired_token_is_good_for_nothing"),
    (GivesEverybodyAnother, "test_L16_of_many_at_once_one_makes_the_successor"),
    (RetiresSilently, "test_L16_a_retired_token_is_good_in_its_grace"),
    (RotatesPastTheGrace, "test_L1_a_change_of_privileges_ends_the_grace_too"),
    (KnowsTheLastTokenOnly, "test_L17_older_tokens_are_known_too"),
    (EndsInTheGrace, "test_L17_the_use_of_a_retired_token_ends_the_session_once"),
    (TellsOfEveryUse, "test_L17_the_use_of_a_retired_token_can_be_told_alone"),
    (KeepsRetiredTokens, "test_S13_retired_tokens_go_with_their_session"),
    (LeavesThemAlone, "test_it_stays_when_tokens_change"),
    (EndsThemSilently, "test_L7_it_ends_with_the_session_of_who_acts"),
    (LetsThemOutlive, "test_L4_it_ends_no_later_than_the_session_of_who_acts"),
    (NeverShortens, "test_L4_it_ends_earlier_when_that_is_to"),
    (ActsForWhatIsOver, "test_there_is_none_for_what_is_gone_or_over"),
    (ActsInChains, "test_there_are_no_chains"),
    (CountsThem, "test_L15_it_is_not_counted_and_makes_nobody_leave"),
    (BeginsWithoutALook, "test_I3_of_a_beginning_and_an_end_at_once_nothing_is_left"),
    (AsksForNoOwner, "test_L14_by_id_for_its_owner_only"),
    (EndsSilently, "test_L7_by_token"),
    (EndsSilently, "test_L11_all_of_a_user"),
    (EndsSilently, "test_L15_the_oldest_make_room"),
    (CountsTheExpired, "test_L15_expired_sessions_do_not_count"),
    (EvictsTheNewest, "test_L15_the_new_session_survives"),
    (CountsTooEarly, "test_L15_S7_a_limit_holds_however_many_sign_in_at_once"),
    (ListsTheExpired, "test_a_users_sessions_are_listed_newest_first"),
    (ListsTheExpired, "test_all_sessions_are_listed_by_latest_activity"),
    (HasOneListForAll, "test_B9_each_kind_has_its_own_list"),
    (CountsEveryKind, "test_B9_a_limit_counts_its_own_kind"),
    (EndsEveryKind, "test_B9_what_is_ended_by_kind_leaves_the_others"),
    (ReadsTheLogLater, "test_I1_a_reading_is_of_one_snapshot"),
    (ReadsTheFloorEarlier, "test_I1_a_page_is_of_one_snapshot"),
    (ForgetsTheFloor, "test_the_floor_rises_with_trimming"),
    (StartsAgain, "test_positions_do_not_start_again"),
    (LosesTheCursor, "test_an_old_cursor_stays_good"),
    (LosesTheCursor, "test_a_poll_from_nowhere_brings_the_whole_log"),
    (NumbersTheLastEntry, "test_a_copy_read_before_a_change_loses_and_one_read_after_it_does_not"),
    (LogsSweeping, "test_sweeping_expired_sessions_writes_no_entry"),
    (SweepsEverything, "test_S13_sweeping_deletes_expired_sessions_in_batches"),
    (IgnoresConnections, "test_a_connection_that_cannot_be_joined_is_refused"),
    (InvalidatesTheFirst, "test_invalidating_writes_one_entry_for_each_subject"),
    (InvalidatesTheFirst, "test_a_thousand_subjects_are_invalidated_at_once"),
    (InvalidatesEveryone, "test_a_thousand_subjects_are_invalidated_at_once"),
    (InvalidatesForNothing, "test_no_subjects_are_no_entries"),
    (TrimsSubjects, "test_S6_a_subject_has_any_characters_but_nul"),
    (ReachesOneFurther, "test_I1_what_is_committed_after_a_poll_stands_at_or_after_what_it_reached"),
    (ReachesOneFurther, "test_a_page_reaches_as_far_as_a_reading_would"),
    (ReachesNothing, "test_a_page_reaches_as_far_as_a_reading_would"),
    (ReachesWhatCameLater, "test_I1_a_page_knows_every_entry_before_what_it_reached"),
    (NewEpochForEveryPoll, "test_every_answer_names_the_same_epoch"),
]
WAYS = {"same": "token", "when_full": "refuse", "how": "save", "end": "token"}


@pytest.mark.parametrize(("broken", "test"), FOUND_BY, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_promise_is_found(broken: type[MemoryStore], test: str) -> None:
    """By the test that is about it; the store that breaks none passes it."""
    method = getattr(StoreConformance(), test)
    wanted = signature(method).parameters
    for kind in (MemoryStore, broken):
        clock = ManualClock()
        available = {"store": kind(clock=clock), "clock": clock, **WAYS}
        arguments = {name: available[name] for name in wanted}
        if kind is MemoryStore:
            method(**arguments)
        else:
            # A failed pytest.raises is no AssertionError, and not an Exception either.
            with pytest.raises((AssertionError, Full, pytest.fail.Exception)):
                method(**arguments)
