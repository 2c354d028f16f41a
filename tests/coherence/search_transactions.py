"""The exhaustive search over an authority whose positions are transaction numbers, as PostgreSQL's are.

An entry stands at the number of its transaction, a copy at the oldest number that was still open. Besides the one who
changes the session somebody else may keep a transaction open for as long as they like. A crash ends what was open,
hands numbers out again that no commit has written to the disk, and empties the unlogged table with the epoch. A
promotion does so too, and loses commits. What a poll fetches, and from where the next one goes on, is the real store's
doing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck.core.coherence import Entry, LogPage, session_subject
from coatcheck.stores.base import Reading
from coatcheck.stores.postgresql.store import PostgreSQLStore
from tests.coherence.authorities import Snapshot, run
from tests.coherence.search import Search, State
from tests.coherence.searched_worker import CURRENT, SUBJECTS, Row, Scenario, record_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coatcheck.stores.operations import Operation, Statement
    from coatcheck.stores.operations import Row as Told

OTHERS = "others"
"""Writes what has nothing to do with sessions."""


def search_of(scenario: Scenario, *, transactions: bool) -> Search:
    """Return the search through a scenario."""
    return TransactionSearch(scenario) if transactions else Search(scenario)


class TransactionSearch(Search):
    """All states of one scenario, with transactions."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        store: Any = PostgreSQLStore("postgresql://authority/sessions")
        store._statements = {"poll": "poll"}
        self._store: PostgreSQLStore = store

    # --- what somebody sees

    def _snapshot(self, state: State) -> Snapshot:
        return Snapshot(state.upper, tuple(number for number in state.open if number < state.upper))

    def _named(self, state: State) -> State:
        return state if state.named else state._replace(named=True, epoch=state.epoch + 1)

    def _page(self, state: State, cursor: Any, floor: int | None = None) -> LogPage:
        told = (str(state.epoch), str(self._snapshot(state)), 0, state.floor if floor is None else floor)

        def rows_of(statement: Statement) -> Sequence[Told]:
            first, still_open = statement.parameters["first"], statement.parameters["open"]
            found = [entry for entry in state.log if entry.position >= first or entry.position in still_open]
            return [(*told, *entry) for entry in found] or [(*told, None, None)]

        operation: Operation[LogPage] = self._store._page(cursor)
        page: LogPage = run(operation, rows_of)
        if self.scenario.highest_cursor:
            page = page._replace(cursor=page.cursor._replace(open=()))
        reached = self._snapshot(state).upper if self.scenario.highest_reached else page.as_of
        return page._replace(now=state.time, as_of=reached + self.scenario.reached_too_far)

    def _reading(self, state: State, token: int) -> Reading:
        row, snapshot = state.row, self._snapshot(state)
        record = record_of(row.fact) if row is not None and row.token == token else None
        as_of = snapshot.upper if self.scenario.highest_as_of else snapshot.lower
        return Reading(str(state.epoch) if state.named else "", as_of, state.time, record)

    # --- who writes

    def _writer(self, state: State) -> Iterator[tuple[str, State]]:
        if state.writing is not None:
            assert state.written is not None
            yield f"{state.writing} commits", self._committed(state, state.writing, state.written)
        elif state.todo:
            begun = self._begun(state)
            yield (
                f"{state.todo[0]} begins",
                begun._replace(todo=state.todo[1:], writing=state.todo[0], written=state.head),
            )
        if state.unrelated:
            yield "others begin to write", self._begun(state)._replace(unrelated=state.unrelated - 1)
        for number in state.open:
            if number != state.written:
                yield "others have written", self._ended(state, number)
                if self.scenario.busy:
                    yield "others have ended another session", self._logged_at(self._ended(state, number), number)
        if state.trims:
            yield from self._trimmed(state)
        if state.crashes:
            crashed = self._crashed(state, state.committed)._replace(crashes=state.crashes - 1)
            yield "the authority crashes", crashed
        if state.restores:
            yield "a replica is promoted", self._promoted(state)

    def _begun(self, state: State) -> State:
        return state._replace(head=state.head + 1, open=(*state.open, state.head))

    def _ended(self, state: State, number: int) -> State:
        still_open = tuple(other for other in state.open if other != number)
        return state._replace(open=still_open, upper=max(state.upper, number + 1))

    def _logged_at(self, state: State, number: int) -> State:
        logged = (*state.log, Entry(number, session_subject("another")))
        return state._replace(log=logged, committed=max(state.committed, number))

    def _committed(self, state: State, change: str, number: int) -> State:
        done = self._ended(state, number)._replace(writing=None, written=None)
        if done.row is None:
            return done
        # The number is on the disk with the commit, and so are all below it.
        logged = (*done.log, Entry(number, SUBJECTS[change]))
        done = done._replace(log=logged, committed=max(done.committed, number))
        ended = list(done.ended)
        assert done.row is not None
        ended[done.row.fact] = done.time
        if change not in {"save", "rotate"}:
            return done._replace(row=None, ended=tuple(ended))
        token = 1 if change == "rotate" else done.row.token
        return done._replace(row=Row(token, len(ended)), ended=(*ended, CURRENT))

    def _trimmed(self, state: State) -> Iterator[tuple[str, State]]:
        below = self._snapshot(state).lower
        gone = [entry.position for entry in state.log if entry.position < below]
        if gone:
            left = tuple(entry for entry in state.log if entry.position >= below)
            yield "trim", state._replace(trims=state.trims - 1, log=left, floor=max(state.floor, max(gone) + 1))

    # --- accidents

    def _crashed(self, state: State, committed: int) -> State:
        return state._replace(
            writing=None,
            written=None,
            todo=(*((state.writing,) if state.writing else ()), *state.todo),  # whoever wanted it tries again
            open=(),
            head=committed + 1,
            upper=committed + 1,
            committed=committed,
            named=self.scenario.same_epoch,
        )

    def _promoted(self, state: State) -> State:
        """Go back to the beginning: what has been known since ends now, and what was forgotten holds again."""
        ended = tuple(state.time if end == CURRENT else end for end in state.ended)
        begun = self._crashed(state, 0)._replace(row=Row(0, 0), ended=(CURRENT, *ended[1:]), log=(), floor=1)
        return begun._replace(restores=state.restores - 1)
