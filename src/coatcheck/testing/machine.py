"""A model-based test: `Sessions` over a store must do what a dictionary does."""

from __future__ import annotations

from dataclasses import replace
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
from coatcheck.testing._model import ADDRESS, GRACE, IDLE, LIFETIME, LIMIT, Expected, Model, Ticket
from coatcheck.testing.clock import ManualClock

if TYPE_CHECKING:
    from coatcheck.stores.protocol import Store

WORKERS = 3
LEASE = timedelta(seconds=2)
TTL = timedelta(minutes=10)

_POLICY = Policy(
    idle_timeout=IDLE,
    lifetime=LIFETIME,
    remember_idle_timeout=IDLE,
    remember_lifetime=LIFETIME,
    touch_every=timedelta(0),
    max_sessions=LIMIT,
)
_STEPS = (timedelta(seconds=1), LEASE, GRACE, TTL, IDLE / 2, IDLE, LIFETIME)
_AN_INSTANT = timedelta(microseconds=1)
_NOTHING: MultipleResults[Any] = multiple()

_workers = st.integers(0, WORKERS - 1)
_users = st.sampled_from(["ann", "ann", "bob", None])
_signed_in = st.sampled_from(["ann", "bob"])
_keys = st.sampled_from(["cart", "lang"])


class SessionsMachine(RuleBasedStateMachine):
    """Several workers with a `Sessions` each, compared after every step with a plain model.

    Checked are I1 (a revoked session is accepted for no longer than `bound`), I2 (a valid one is never refused), I3
    (nothing comes back) and I6 (limits hold). Subclass it and let pytest find its test case:

        class MyMachine(SessionsMachine):
            def make_store(self):
                return MyStore(self.url, clock=self.clock)

        TestMyStore = MyMachine.TestCase

    Attributes:
        bound: For how long any worker may accept what was revoked elsewhere: zero, or `LEASE`.
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
        self._model = Model(self.clock, self.bound, WORKERS)
        self._sessions: list[Sessions] = []
        self._retires = False

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
        cache = CacheSettings(ttl=TTL, lease=LEASE)
        never = timedelta(days=1)
        store, policy = self.make_store(), _POLICY
        self._retires = store.capabilities.retires
        if self._retires:
            policy = replace(policy, rotate_after=IDLE, rotation_grace=GRACE)
        sessions = Sessions(store, policy=policy, cache=cache, flush_every=never, clock=self.clock)
        return sessions.open()

    def teardown(self) -> None:
        """Close everything."""
        for sessions in self._sessions:
            sessions.close()

    @rule(worker=_workers)
    def restart(self, worker: int) -> None:
        """A worker ends and another takes its place, knowing nothing."""
        self._sessions[worker].close()
        self._model.flushed(worker)
        self._model.restarted(worker)
        self._sessions[worker] = self._started()

    @rule(duration=st.sampled_from(_STEPS), less=st.booleans())
    def wait(self, duration: timedelta, less: bool) -> None:  # noqa: FBT001 - drawn
        """Time passes: up to an expiry, or to just before it."""
        self.clock.advance(duration - _AN_INSTANT if less else duration)

    # --- asking

    @rule(target=held, worker=_workers, ticket=tickets)
    def get(self, worker: int, ticket: Ticket) -> Any:
        """Validate a token."""
        answer = self._sessions[worker].get(ticket.token)
        self._model.check_ticket(worker, ticket, answer)
        if not isinstance(answer, Session):
            return _NOTHING
        self._model.used(worker, answer)
        return answer, ticket.expected

    @rule(first=_workers)
    def get_everything(self, first: int) -> None:
        """Validate every token there ever was on every worker, each in its turn."""
        for turn in range(WORKERS):
            for ticket in self._model.tickets:
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
            self._model.check_ticket(worker, ticket, answer)
            self._model.used(worker, answer)

    @rule(worker=_workers, pair=held)
    def recheck(self, worker: int, pair: tuple[Session, Expected]) -> None:
        """Validate a session that some worker has read earlier; a new token makes no difference to it."""
        session, expected = pair
        answer = self._sessions[worker].recheck(session)
        if isinstance(answer, Session):
            self._model.check_accepted(expected, answer)
        else:
            assert not self._model.alive(expected), f"valid, but refused: {answer}"

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
        if old is not None and self._model.leads(old):
            self._model.end(old.expected)
        others = self._model.live_of(user)
        surplus = others[: max(0, len(others) + 1 - LIMIT)] if user is not None else []
        replaces = None if old is None else old.token
        created = self._sessions[worker].create(user, ip=ADDRESS, data={"n": 0}, replaces=replaces)
        assert {session.id for session in created.evicted} == {expected.id for expected in surplus}
        self._model.end(*surplus)
        return self._model.issued(created.token, self._model.created(created.session))

    @rule(target=tickets, worker=_workers, ticket=tickets, reauthenticated=st.booleans())
    def rotate(self, worker: int, ticket: Ticket, reauthenticated: bool) -> Any:  # noqa: FBT001 - drawn
        """Exchange a token."""
        possible = self._model.holds(ticket)
        rotated = self._sessions[worker].rotate(ticket.token, reauthenticated=reauthenticated)
        assert bool(rotated) == possible
        if isinstance(rotated, NotSignedIn):
            return _NOTHING
        self._model.rotated(ticket, reauthenticated=reauthenticated)
        self._model.check_accepted(ticket.expected, rotated.session)
        return self._model.issued(rotated.token, ticket.expected)

    @precondition(lambda self: self._retires)
    @rule(target=tickets, worker=_workers, ticket=tickets)
    def renew_token(self, worker: int, ticket: Ticket) -> Any:
        """Exchange a token in a periodic rotation: in its grace for the same one again."""
        possible = self._model.holds(ticket)
        renewed = self._sessions[worker].renew_token(ticket.token)
        assert bool(renewed) == possible
        if isinstance(renewed, NotSignedIn):
            return _NOTHING
        self._model.check_accepted(ticket.expected, renewed.session)
        if ticket.successor is None:
            return self._model.retired(ticket, renewed.token)
        assert renewed.token == ticket.successor.token, "two successors of one token"
        return _NOTHING

    @rule(worker=_workers, pair=held, key=_keys, value=st.integers(0, 3), remove=st.booleans())
    def save(self, worker: int, pair: tuple[Session, Expected], key: str, value: int, remove: bool) -> None:  # noqa: FBT001
        """Change a session that somebody has read earlier, and that may be gone."""
        session, expected = pair
        possible = self._model.alive(expected)
        saved = self._sessions[worker].save(session, {key: value}, remove=["n"] if remove else [])
        assert bool(saved) == possible, "gone, and changed all the same"
        if isinstance(saved, Session):
            changed = {**expected.contents, key: value}
            if remove:
                changed.pop("n", None)
            self._model.changed(expected, changed)
            self._model.check_accepted(expected, saved)

    @rule(worker=_workers, pair=held, ip=st.sampled_from([ADDRESS, "198.51.100.7"]))
    def note_client(self, worker: int, pair: tuple[Session, Expected], ip: str) -> None:
        """Use a session from another address."""
        session, expected = pair
        possible = self._model.alive(expected) and expected.contents["ip"] != ip
        assert self._sessions[worker].note_client(session, ip=ip, user_agent=None) == possible
        if possible:
            self._model.changed(expected, {**expected.contents, "ip": ip})

    @rule(worker=_workers)
    def flush(self, worker: int) -> None:
        """Write what a worker has gathered."""
        self._sessions[worker].flush()
        self._model.flushed(worker)

    # --- ending

    @rule(worker=_workers, ticket=tickets)
    def revoke(self, worker: int, ticket: Ticket) -> None:
        """Sign out."""
        there = self._model.leads(ticket)
        assert self._sessions[worker].revoke(ticket.token) == there
        if there:
            self._model.end(ticket.expected)

    @rule(worker=_workers, ticket=tickets, user=_users)
    def revoke_by_id(self, worker: int, ticket: Ticket, user: str | None) -> None:
        """End a session by its id: its owner may, and nobody owns an anonymous one."""
        expected = ticket.expected
        there = expected.ended is None and user is not None and user == expected.user_id
        assert self._sessions[worker].revoke_by_id(expected.id, user_id=user) == there
        if there:
            self._model.end(expected)

    @rule(worker=_workers, ticket=tickets)
    def revoke_any(self, worker: int, ticket: Ticket) -> None:
        """End a session by its id, whoever's it is."""
        there = ticket.expected.ended is None
        assert self._sessions[worker].revoke_any(ticket.expected.id) == there
        if there:
            self._model.end(ticket.expected)

    @rule(worker=_workers, pair=held)
    def revoke_others(self, worker: int, pair: tuple[Session, Expected]) -> None:
        """End all sessions of a user but one, which may be gone itself."""
        session, expected = pair
        rows = [] if expected.user_id is None else self._model.rows_of(expected.user_id)
        others = [row for row in rows if row is not expected]
        assert self._sessions[worker].revoke_others(session) == len(others)
        self._model.end(*others)

    @rule(worker=_workers, user=_signed_in)
    def revoke_user(self, worker: int, user: str) -> None:
        """End all sessions of a user."""
        rows = self._model.rows_of(user)
        assert self._sessions[worker].revoke_user(user) == len(rows)
        self._model.end(*rows)

    @rule(worker=_workers)
    def revoke_everyone(self, worker: int) -> None:
        """End all sessions."""
        rows = [row for row in self._model.sessions.values() if row.ended is None]
        assert self._sessions[worker].revoke_everyone() == len(rows)
        self._model.end(*rows)

    @precondition(lambda self: self.by_hand)
    @rule(ticket=tickets)
    def delete_by_hand(self, ticket: Ticket) -> None:
        """End a session without coatcheck."""
        self.end_by_hand(ticket.expected.id)
        self._model.end(ticket.expected)

    @rule(worker=_workers)
    def sweep(self, worker: int) -> None:
        """Clean up: exactly what has expired goes."""
        rows = self._model.sessions.values()
        expired = [row for row in rows if row.ended is None and not self._model.alive(row)]
        assert self._sessions[worker].sweep(batch=2) == len(expired)
        self._model.end(*expired)

    @rule(worker=_workers, user=_signed_in)
    def invalidate_user(self, worker: int, user: str) -> None:
        """Outdate all copies of a user, which ends nothing."""
        self._sessions[worker].invalidate_user(user)

    # --- always

    @invariant()
    def the_store_and_the_model_agree(self) -> None:
        """Whoever is listed is alive, and no user has more sessions than allowed."""
        for user in ("ann", "bob") if self._sessions else ():
            listed = [session.id for session in self._sessions[0].list(user)]
            assert listed == [expected.id for expected in reversed(self._model.live_of(user))]
            assert len(listed) <= LIMIT
