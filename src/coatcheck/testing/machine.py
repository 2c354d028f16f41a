"""A model-based test: `Sessions` over a store must do what a dictionary does."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from coatcheck._sync.sessions import Sessions
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.policy import Policy
from coatcheck.core.session import Session
from coatcheck.core.settings import CacheSettings
from coatcheck.core.times import duration_micros, to_micros
from coatcheck.testing.clock import ManualClock

if TYPE_CHECKING:
    from coatcheck.core.tokens import Token
    from coatcheck.stores.protocol import Store

WORKERS = 3
LIMIT = 3
IDLE = timedelta(hours=1)
LIFETIME = timedelta(hours=4)
LEASE = timedelta(seconds=2)
TTL = timedelta(minutes=10)

_STEPS = (timedelta(seconds=1), LEASE, TTL, IDLE / 2, IDLE, LIFETIME)
_AN_INSTANT = timedelta(microseconds=1)

_NOTHING: MultipleResults[Any] = multiple()

_workers = st.integers(0, WORKERS - 1)
_users = st.sampled_from(["ann", "ann", "bob", None])
_signed_in = st.sampled_from(["ann", "bob"])
_keys = st.sampled_from(["cart", "lang"])


@dataclass
class Expected:
    """One session, as the dictionary knows it; times of the past by the monotonic clock, in nanoseconds.

    Attributes:
        id: The public id.
        user_id: Whose it is.
        created_at: When it began, in microseconds since the epoch.
        idle_expires_at: When it ends if it is not used, in microseconds since the epoch.
        expires_at: When it ends whatever happens, in microseconds since the epoch.
        contents: What it says: address and data.
        former: What it said before, and until when.
        ended: Since when it is gone.
    """

    id: str
    user_id: str | None
    created_at: int
    idle_expires_at: int
    expires_at: int
    contents: dict[str, Any]
    former: list[tuple[int, dict[str, Any]]] = field(default_factory=list[tuple[int, dict[str, Any]]])
    ended: int | None = None


@dataclass
class Ticket:
    """One token, the session it was issued for, and since when it is dead."""

    token: Token
    expected: Expected
    dead: int | None = None
    refused_by: set[int] = field(default_factory=set[int])


class SessionsMachine(RuleBasedStateMachine):
    """Several workers with a `Sessions` each, compared after every step with a plain model.

    Checked are I1 (a revoked session is accepted for no longer than `bound`), I2 (a valid one is never refused), I3
    (nothing comes back) and I6 (limits hold). Subclass it and let pytest find its test case:

        class MyMachine(SessionsMachine):
            def make_store(self):
                return MyStore(self.url, clock=self.clock)

        TestMyStore = MyMachine.TestCase

    Attributes:
        bound: For how long any worker may accept what was revoked elsewhere: zero, or the lease.
        by_hand: Whether `end_by_hand` is there.
        clock: The time of all workers and of the store.
    """

    bound: ClassVar[timedelta] = timedelta(0)
    by_hand: ClassVar[bool] = False

    tickets: Bundle[Ticket] = Bundle("tickets")
    held: Bundle[tuple[Session, Expected]] = Bundle("held")

    def __init__(self) -> None:
        """Start with a clock that stands still, and nothing else."""
        super().__init__()
        self.clock = ManualClock()
        self._sessions: list[Sessions] = []
        self._expected: dict[str, Expected] = {}
        self._tickets: list[Ticket] = []
        self._touches: list[dict[str, tuple[int, int]]] = [{} for _ in range(WORKERS)]

    # --- for subclasses

    def make_store(self) -> Store:
        """Return a store for one worker, not opened yet; all must lead to the same sessions."""
        raise NotImplementedError

    def end_by_hand(self, session_id: str) -> None:
        """Delete a session as somebody would who knows nothing of coatcheck."""
        raise NotImplementedError

    # --- workers and time

    @initialize()
    def start(self) -> None:
        """Start all workers."""
        self._sessions = [self._started() for _ in range(WORKERS)]

    def _started(self) -> Sessions:
        policy = Policy(
            idle_timeout=IDLE,
            lifetime=LIFETIME,
            remember_idle_timeout=IDLE,
            remember_lifetime=LIFETIME,
            touch_every=timedelta(0),
            max_sessions=LIMIT,
        )
        cache = CacheSettings(ttl=TTL, lease=LEASE)
        sessions = Sessions(
            self.make_store(), policy=policy, cache=cache, flush_every=timedelta(days=1), clock=self.clock
        )
        return sessions.open()

    def teardown(self) -> None:
        """Close everything."""
        for sessions in self._sessions:
            sessions.close()

    @rule(worker=_workers)
    def restart(self, worker: int) -> None:
        """A worker ends and another takes its place, knowing nothing."""
        self._sessions[worker].close()
        self._flushed(worker)
        self._sessions[worker] = self._started()
        for ticket in self._tickets:
            ticket.refused_by.discard(worker)

    @rule(duration=st.sampled_from(_STEPS), less=st.booleans())
    def wait(self, duration: timedelta, less: bool) -> None:  # noqa: FBT001 - drawn
        """Time passes: up to an expiry, or to just before it."""
        self.clock.advance(duration - _AN_INSTANT if less else duration)

    # --- asking

    @rule(target=held, worker=_workers, ticket=tickets)
    def get(self, worker: int, ticket: Ticket) -> Any:
        """Validate a token."""
        answer = self._sessions[worker].get(ticket.token)
        self._check_ticket(worker, ticket, answer)
        if not isinstance(answer, Session):
            return _NOTHING
        self._use(worker, answer)
        return answer, ticket.expected

    @rule(first=_workers)
    def get_everything(self, first: int) -> None:
        """Validate every token there ever was on every worker, each in its turn."""
        for turn in range(WORKERS):
            for ticket in self._tickets:
                self.get((first + turn) % WORKERS, ticket)

    @rule(first=_workers)
    def get_everything_after_the_bound(self, first: int) -> None:
        """Do so when nobody may accept any more what is gone now."""
        self.clock.advance(max(self.bound, _AN_INSTANT))
        self.get_everything(first)

    @rule(first=_workers)
    def stay_active(self, first: int) -> None:
        """Use every token again before it is idle for too long, and write that down: they stay valid."""
        self.clock.advance(IDLE / 2)
        self.get_everything(first)
        for worker in range(WORKERS):
            self.flush(worker)

    @rule(worker=_workers, ticket=tickets)
    def lookup(self, worker: int, ticket: Ticket) -> None:
        """Look into memory only: nothing found says nothing."""
        answer = self._sessions[worker].lookup(ticket.token)
        if answer is not None:
            self._check_ticket(worker, ticket, answer)
            self._use(worker, answer)

    @rule(worker=_workers, pair=held)
    def recheck(self, worker: int, pair: tuple[Session, Expected]) -> None:
        """Validate a session that some worker has read earlier; a new token makes no difference to it."""
        session, expected = pair
        answer = self._sessions[worker].recheck(session)
        if isinstance(answer, Session):
            self._check_accepted(expected, answer)
        else:
            assert not self._alive(expected), f"valid, but refused: {answer}"

    def _check_ticket(self, worker: int, ticket: Ticket, answer: Session | NotSignedIn) -> None:
        if isinstance(answer, Session):
            assert self._recent(ticket.dead), "a dead token was accepted"
            assert worker not in ticket.refused_by, "a token came back to life"
            self._check_accepted(ticket.expected, answer)
            return
        alive = self._alive(ticket.expected) and ticket.dead is None
        assert not alive, f"valid, but refused: {answer}"
        ticket.refused_by.add(worker)

    def _check_accepted(self, expected: Expected, session: Session) -> None:
        assert self._recent(expected.ended), "an ended session was accepted"
        assert self._now() < min(expected.idle_expires_at, expected.expires_at), "an expired session was accepted"
        assert (session.id, session.user_id) == (expected.id, expected.user_id)
        possible = [expected.contents, *(contents for until, contents in expected.former if self._recent(until))]
        assert {"ip": session.ip, **session.data} in possible, "outdated contents"

    def _alive(self, expected: Expected) -> bool:
        return expected.ended is None and self._now() < min(expected.idle_expires_at, expected.expires_at)

    def _recent(self, since: int | None) -> bool:
        return since is None or self.clock.monotonic() < since + duration_micros(self.bound) * 1000

    def _now(self) -> int:
        return self.clock.now() // 1000

    # --- beginning and continuing

    @rule(target=tickets, worker=_workers, user=_users)
    def create(self, worker: int, user: str | None) -> Ticket:
        """Sign in."""
        return self._create(worker, user, None)

    @rule(target=tickets, worker=_workers, user=_signed_in, old=tickets)
    def sign_in_again(self, worker: int, user: str, old: Ticket) -> Ticket:
        """Sign in from a browser that has a token already, good or not."""
        return self._create(worker, user, old)

    def _create(self, worker: int, user: str | None, old: Ticket | None) -> Ticket:
        self.clock.advance(_AN_INSTANT)  # so that no two are of the same age
        if old is not None and old.dead is None:
            self._end(old.expected)
        others = sorted(self._live_of(user), key=lambda expected: expected.created_at)
        replaces = None if old is None else old.token
        created = self._sessions[worker].create(user, ip="192.0.2.1", data={"n": 0}, replaces=replaces)
        surplus = 0 if user is None else max(0, len(others) + 1 - LIMIT)
        assert {session.id for session in created.evicted} == {expected.id for expected in others[:surplus]}
        for expected in others[:surplus]:
            self._end(expected)
        return self._issued(created.token, self._remember(created.session))

    def _remember(self, session: Session) -> Expected:
        now = self._now()
        expected = Expected(
            session.id,
            session.user_id,
            now,
            now + duration_micros(IDLE),
            now + duration_micros(LIFETIME),
            {"ip": "192.0.2.1", "n": 0},
        )
        self._expected[session.id] = expected
        self._check_accepted(expected, session)
        return expected

    def _issued(self, token: Token, expected: Expected) -> Ticket:
        ticket = Ticket(token, expected)
        self._tickets.append(ticket)
        return ticket

    @rule(target=tickets, worker=_workers, ticket=tickets, reauthenticated=st.booleans())
    def rotate(self, worker: int, ticket: Ticket, reauthenticated: bool) -> Any:  # noqa: FBT001 - drawn
        """Exchange a token."""
        possible = self._alive(ticket.expected) and ticket.dead is None
        rotated = self._sessions[worker].rotate(ticket.token, reauthenticated=reauthenticated)
        assert bool(rotated) == possible
        if isinstance(rotated, NotSignedIn):
            return _NOTHING
        expected = ticket.expected
        ticket.dead = self.clock.monotonic()
        if reauthenticated:
            expected.idle_expires_at = self._now() + duration_micros(IDLE)
            expected.expires_at = self._now() + duration_micros(LIFETIME)
        self._check_accepted(expected, rotated.session)
        return self._issued(rotated.token, expected)

    @rule(worker=_workers, pair=held, key=_keys, value=st.integers(0, 3), remove=st.booleans())
    def save(self, worker: int, pair: tuple[Session, Expected], key: str, value: int, remove: bool) -> None:  # noqa: FBT001
        """Change a session that somebody has read earlier, and that may be gone."""
        session, expected = pair
        possible = self._alive(expected)
        saved = self._sessions[worker].save(session, {key: value}, remove=["n"] if remove else [])
        assert bool(saved) == possible, "gone, and changed all the same"
        if isinstance(saved, Session):
            changed = {**expected.contents, key: value}
            if remove:
                changed.pop("n", None)
            self._change(expected, changed)
            self._check_accepted(expected, saved)

    @rule(worker=_workers, pair=held, ip=st.sampled_from(["192.0.2.1", "198.51.100.7"]))
    def note_client(self, worker: int, pair: tuple[Session, Expected], ip: str) -> None:
        """Use a session from another address."""
        session, expected = pair
        possible = self._alive(expected) and expected.contents["ip"] != ip
        assert self._sessions[worker].note_client(session, ip=ip, user_agent=None) == possible
        if possible:
            self._change(expected, {**expected.contents, "ip": ip})

    def _change(self, expected: Expected, contents: dict[str, Any]) -> None:
        expected.former.append((self.clock.monotonic(), expected.contents))
        expected.contents = contents

    def _use(self, worker: int, session: Session) -> None:
        """Remember that a use was noted, unless an earlier one waits for the flush still."""
        seen = self._now()
        idle = max(to_micros(session.idle_expires_at), seen + duration_micros(IDLE))
        assert session.expires_at is not None
        touch = (seen, min(idle, to_micros(session.expires_at)))
        self._touches[worker].setdefault(session.id, touch)

    @rule(worker=_workers)
    def flush(self, worker: int) -> None:
        """Write what a worker has gathered."""
        self._sessions[worker].flush()
        self._flushed(worker)

    def _flushed(self, worker: int) -> None:
        for session_id, (seen, idle) in self._touches[worker].items():
            expected = self._expected[session_id]
            if self._alive(expected) and seen < min(expected.idle_expires_at, expected.expires_at):
                expected.idle_expires_at = max(expected.idle_expires_at, idle)
        self._touches[worker].clear()

    # --- ending

    @rule(worker=_workers, ticket=tickets)
    def revoke(self, worker: int, ticket: Ticket) -> None:
        """Sign out."""
        there = ticket.dead is None and ticket.expected.ended is None
        assert self._sessions[worker].revoke(ticket.token) == there
        if there:
            self._end(ticket.expected)

    @rule(worker=_workers, ticket=tickets, user=_users)
    def revoke_by_id(self, worker: int, ticket: Ticket, user: str | None) -> None:
        """End a session by its id: its owner may, and nobody owns an anonymous one."""
        expected = ticket.expected
        there = expected.ended is None and user is not None and user == expected.user_id
        assert self._sessions[worker].revoke_by_id(expected.id, user_id=user) == there
        if there:
            self._end(expected)

    @rule(worker=_workers, ticket=tickets)
    def revoke_any(self, worker: int, ticket: Ticket) -> None:
        """End a session by its id, whoever's it is."""
        there = ticket.expected.ended is None
        assert self._sessions[worker].revoke_any(ticket.expected.id) == there
        if there:
            self._end(ticket.expected)

    @rule(worker=_workers, pair=held)
    def revoke_others(self, worker: int, pair: tuple[Session, Expected]) -> None:
        """End all sessions of a user but one, which may be gone itself."""
        session, expected = pair
        others = [other for other in self._rows_of(expected.user_id) if other is not expected]
        there = [] if expected.user_id is None else others
        assert self._sessions[worker].revoke_others(session) == len(there)
        for other in there:
            self._end(other)

    @rule(worker=_workers, user=_signed_in)
    def revoke_user(self, worker: int, user: str) -> None:
        """End all sessions of a user."""
        there = self._rows_of(user)
        assert self._sessions[worker].revoke_user(user) == len(there)
        for expected in there:
            self._end(expected)

    @rule(worker=_workers)
    def revoke_everyone(self, worker: int) -> None:
        """End all sessions."""
        there = [expected for expected in self._expected.values() if expected.ended is None]
        assert self._sessions[worker].revoke_everyone() == len(there)
        for expected in there:
            self._end(expected)

    @precondition(lambda self: self.by_hand)
    @rule(ticket=tickets)
    def delete_by_hand(self, ticket: Ticket) -> None:
        """End a session without coatcheck."""
        self.end_by_hand(ticket.expected.id)
        self._end(ticket.expected)

    @rule(worker=_workers)
    def sweep(self, worker: int) -> None:
        """Clean up: exactly what has expired goes."""
        expired = [
            expected for expected in self._expected.values() if expected.ended is None and not self._alive(expected)
        ]
        assert self._sessions[worker].sweep(batch=2) == len(expired)
        for expected in expired:
            self._end(expected)

    @rule(worker=_workers, user=_signed_in)
    def invalidate_user(self, worker: int, user: str) -> None:
        """Outdate all copies of a user, which ends nothing."""
        self._sessions[worker].invalidate_user(user)

    def _end(self, expected: Expected) -> None:
        if expected.ended is None:
            expected.ended = self.clock.monotonic()

    # --- always

    @invariant()
    def the_store_and_the_model_agree(self) -> None:
        """Whoever is listed is alive, and no user has more sessions than allowed."""
        for user in ("ann", "bob") if self._sessions else ():
            listed = [session.id for session in self._sessions[0].list(user)]
            newest_first = sorted(self._live_of(user), key=lambda expected: expected.created_at, reverse=True)
            assert listed == [expected.id for expected in newest_first]
            assert len(listed) <= LIMIT

    def _rows_of(self, user: str | None) -> list[Expected]:
        rows = self._expected.values()
        return [expected for expected in rows if expected.user_id == user and expected.ended is None]

    def _live_of(self, user: str | None) -> list[Expected]:
        return [expected for expected in self._rows_of(user) if self._alive(expected)]
