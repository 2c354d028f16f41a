"""Logging out against a slow request that writes afterwards: the session stays gone, row and token (rule L8)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import pytest

from coatcheck import NotSignedIn, Policy, Session, Sessions
from coatcheck.stores.sqlite import SQLiteStore
from coatcheck.testing import FaultyStore, ManualClock
from tests.sqlite.helpers import inner, plain, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coatcheck import Token

INTERLEAVINGS = int(os.environ.get("COATCHECK_INTERLEAVINGS", "1000"))
DAY = timedelta(days=1)
POLICY = Policy(touch_every=timedelta(0))
"""Every use is a touch."""


class Visit:
    """One session as its browser and the slow request know it: every token it ever had, and how it looked."""

    def __init__(self, sessions: Sessions) -> None:
        created = sessions.create("anna", data={"n": 0})
        self.sessions = sessions
        self.tokens: list[Token] = [created.token]
        self.session: Session = created.session


def look(visit: Visit) -> None:
    session = visit.sessions.get(visit.tokens[-1])
    if isinstance(session, Session):
        visit.session = session


def save(visit: Visit) -> None:
    visit.sessions.save(visit.session, {"n": visit.session.data.get("n", 0) + 1})


def rotate(visit: Visit) -> None:
    rotated = visit.sessions.rotate(visit.tokens[-1])
    if not isinstance(rotated, NotSignedIn):
        visit.tokens.append(rotated.token)


def reauthenticate(visit: Visit) -> None:
    rotated = visit.sessions.rotate(visit.tokens[-1], reauthenticated=True)
    if not isinstance(rotated, NotSignedIn):
        visit.tokens.append(rotated.token)


def move(visit: Visit) -> None:
    visit.sessions.note_client(visit.session, ip=f"192.0.2.{len(visit.tokens)}", user_agent="slow")


def flush(visit: Visit) -> None:
    visit.sessions.flush()


def recheck(visit: Visit) -> None:
    visit.sessions.recheck(visit.session)


SLOW: list[Callable[[Visit], None]] = [look, save, rotate, reauthenticate, move, flush, recheck]


class Ending(NamedTuple):
    """How a session ends, and by whom: another process, which has its own memory."""

    sessions: Sessions
    path: str
    clock: ManualClock

    def by_token(self, visit: Visit) -> None:
        assert self.sessions.revoke(visit.tokens[-1])

    def by_id(self, visit: Visit) -> None:
        assert self.sessions.revoke_by_id(visit.session.id, user_id="anna")

    def of_user(self, visit: Visit) -> None:
        assert self.sessions.revoke_user(visit.session.user_id or "") == 1

    def by_the_others(self, visit: Visit) -> None:
        other = self.sessions.create(visit.session.user_id)
        assert self.sessions.revoke_others(other.session) == 1
        self.sessions.revoke(other.token)

    def everyone(self, visit: Visit) -> None:
        assert visit.tokens
        assert self.sessions.revoke_everyone() == 1

    def by_hand(self, visit: Visit) -> None:
        run(self.path, "DELETE FROM coatcheck_sessions WHERE id = ?", (visit.session.id,))

    def by_a_sign_in(self, visit: Visit) -> None:
        created = self.sessions.create("berta", replaces=visit.tokens[-1])
        assert created.session.id != visit.session.id
        self.sessions.revoke(created.token)

    def by_its_time(self, visit: Visit) -> None:
        """The absolute end: no touch, save or rotation moves it."""
        assert visit.tokens
        self.clock.advance(31 * DAY)


ENDINGS = [name for name in vars(Ending) if name.startswith(("by_", "of_", "everyone"))]


class Workers(NamedTuple):
    """Two processes on one file, as far as memory goes."""

    slow: Sessions
    ending: Ending
    store: FaultyStore
    path: str


def quick(store: SQLiteStore) -> None:
    """Let commits not wait for the disk: nothing crashes here, and there are thousands."""
    store.revoke_everyone()
    writer = store._database._writer
    assert writer is not None
    writer.execute("PRAGMA synchronous = OFF")


@pytest.fixture
def workers(path: str, clock: ManualClock) -> Iterator[Workers]:
    store = FaultyStore(SQLiteStore(path, clock=clock))
    other = SQLiteStore(path, clock=clock)
    with (
        Sessions(store, policy=POLICY, clock=clock, flush_every=DAY) as slow,
        Sessions(other, policy=POLICY, clock=clock, flush_every=DAY) as fast,
    ):
        quick(inner(store))
        quick(other)
        yield Workers(slow, Ending(fast, path, clock), store, path)


def gone(visit: Visit, workers: Workers, *, row: bool) -> None:
    """Verify that no token of the session works anywhere, and that nothing has made a row of it."""
    workers.slow.flush()
    for sessions in (workers.slow, workers.ending.sessions):
        for token in visit.tokens:
            answer = sessions.get(token)
            assert isinstance(answer, NotSignedIn), answer
        assert not sessions.recheck(visit.session)
        assert sessions.list("anna") == []
    count = run(workers.path, "SELECT count(*) FROM coatcheck_sessions WHERE id = ?", (visit.session.id,))
    assert count == [(1 if row else 0,)]


def test_L8_a_thousand_interleavings_bring_nothing_back(workers: Workers) -> None:
    """Steps of a slow request before and after the end, in every random order; the seed names a failure."""
    seen = set()
    for seed in range(INTERLEAVINGS):
        random = Random(seed)  # noqa: S311 - examples, not secrets
        visit = Visit(workers.slow)
        before = [random.choice(SLOW) for _ in range(random.randrange(4))]
        after = [random.choice(SLOW) for _ in range(random.randrange(1, 5))]
        ending = random.choice(ENDINGS)
        if random.random() < 0.5:
            assert workers.ending.sessions.get(visit.tokens[0])
        for step in before:
            step(visit)
        getattr(workers.ending, ending)(visit)
        for step in after:
            step(visit)
        gone(visit, workers, row=ending == "by_its_time")
        workers.slow.sweep()
        seen.add((ending, after[0]))
    if INTERLEAVINGS >= 1000:
        assert len(seen) == len(ENDINGS) * len(SLOW), "every first step after every ending"


@pytest.mark.parametrize("ending", [name for name in ENDINGS if name != "by_its_time"])
@pytest.mark.parametrize("moment", ["before the write", "after the write"])
@pytest.mark.parametrize(
    ("step", "call"),
    [(look, "read"), (save, "save"), (rotate, "rotate"), (reauthenticate, "rotate"), (move, "relocate"),
     (flush, "touch")],
)  # fmt: skip
def test_L8_the_end_comes_while_the_slow_request_is_in_the_store(
    workers: Workers, step: Callable[[Visit], None], call: str, moment: str, ending: str
) -> None:
    """The slow request's call is held before its transaction or after it, and the session ends meanwhile."""
    visit = Visit(workers.slow)
    if call != "read":
        look(visit)
    gate = workers.store.hold(call) if moment == "before the write" else workers.store.hold_answers(call)
    rotates = call == "rotate" and moment == "after the write"
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(step, visit)
        gate.reached()
        if rotates and ending in {"by_token", "by_a_sign_in"}:
            # The token that is signed out with is already dead; whoever holds it has to name the session.
            assert workers.ending.sessions.get(visit.tokens[-1]) is NotSignedIn.UNKNOWN
            workers.ending.by_id(visit)
        else:
            getattr(workers.ending, ending)(visit)
        gate.release()
        slow.result()
    gone(visit, workers, row=False)


def test_L4_what_has_expired_takes_no_write(workers: Workers) -> None:
    """A request that outlives the session's absolute end finds it ended, and leaves the row as it was."""
    visit = Visit(workers.slow)
    look(visit)
    workers.ending.by_its_time(visit)
    before = run(workers.path, "SELECT * FROM coatcheck_sessions")
    assert workers.slow.save(visit.session, {"n": 1}) is NotSignedIn.UNKNOWN
    assert workers.slow.rotate(visit.tokens[0]) is NotSignedIn.UNKNOWN
    assert workers.slow.rotate(visit.tokens[0], reauthenticated=True) is NotSignedIn.UNKNOWN
    assert workers.slow.note_client(visit.session, ip="192.0.2.9", user_agent="slow") is False
    workers.slow.flush()
    rows = run(workers.path, "SELECT * FROM coatcheck_sessions")
    assert [(*row[:5], *row[7:]) for row in rows] == [(*row[:5], *row[7:]) for row in before]
    gone(visit, workers, row=True)


def test_L8_two_rotations_at_once_leave_one_token(workers: Workers) -> None:
    """The slower one finds the old token gone, and gives nobody a token."""
    visit = Visit(workers.slow)
    gate = workers.store.hold("rotate")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(workers.slow.rotate, visit.tokens[0])
        gate.reached()
        first = workers.ending.sessions.rotate(visit.tokens[0])
        gate.release()
        assert slow.result() is NotSignedIn.UNKNOWN
    assert not isinstance(first, NotSignedIn)
    assert workers.slow.get(first.token)
    assert not workers.slow.get(visit.tokens[0])


def test_S8_writers_of_different_keys_both_keep_theirs(workers: Workers) -> None:
    visit = Visit(workers.slow)
    gate = workers.store.hold("save")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(workers.slow.save, visit.session, {"slow": 1})
        gate.reached()
        workers.ending.sessions.save(visit.session, {"fast": 2}, remove=["n"])
        gate.release()
        slow.result()
    for sessions in (workers.slow, workers.ending.sessions):
        session = sessions.get(visit.tokens[0])
        assert isinstance(session, Session)
        assert session.data == {"slow": 1, "fast": 2}


def test_L8_what_was_noted_before_a_crash_of_the_store_stays_harmless(workers: Workers) -> None:
    """A flush whose answer is lost is written again; by then the session has gone."""
    visit = Visit(workers.slow)
    look(visit)
    workers.store.lose_answers("touch", times=1)
    assert workers.slow.flush() == 0
    with plain(workers.path) as connection:
        connection.execute("DELETE FROM coatcheck_sessions")
    assert workers.slow.flush() == 0
    gone(visit, workers, row=False)
