"""The design's table of faults, row by row, on a store without a wake-up: what is accepted, and for how long.

The shape is the one with the weakest bound: only the lease ends the trust in a copy. Every bound is met to the
microsecond.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from coatcheck import CacheSettings, NotSignedIn, Policy, Session, Sessions, Token, Unavailable
from coatcheck.testing import FaultyStore, ManualClock, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

LEASE = timedelta(seconds=2)
INSTANT = timedelta(microseconds=1)
DEADLINE = 20.0


class Fleet:
    """A worker whose way to the store can be cut, and another one that is well."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.workers_clock = ManualClock()
        self.authority = MemoryStore(clock=self.clock)
        self.link = FaultyStore(self.authority)
        self.workers: list[Sessions] = []
        self.worker = self.started(self.link)
        self.other = self.started(self.authority)
        self.token = self.other.create("ann").token

    def started(self, store: FaultyStore | MemoryStore, policy: Policy | None = None) -> Sessions:
        settings = CacheSettings(lease=LEASE)
        never = timedelta(days=1)
        sessions = Sessions(store, policy=policy, cache=settings, clock=self.workers_clock, flush_every=never)
        self.workers.append(sessions)
        return sessions

    def wait(self, duration: timedelta) -> None:
        self.clock.advance(duration)
        self.workers_clock.advance(duration)

    def get(self, token: Token | None = None) -> Session | NotSignedIn | type[Unavailable]:
        try:
            return self.worker.get(token or self.token)
        except Unavailable:
            return Unavailable

    def accepts(self) -> bool:
        return isinstance(self.get(), Session)


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """Return a fleet whose worker has the session in its cache."""
    fleet = Fleet()
    assert fleet.accepts()
    yield fleet
    fleet.link.heal()
    for sessions in fleet.workers:
        sessions.close()


def test_I1_without_any_fault_the_lease_is_the_bound(fleet: Fleet) -> None:
    """Accepted in its last microsecond at the most, and never after."""
    fleet.other.revoke(fleet.token)
    fleet.wait(LEASE - INSTANT)
    assert fleet.accepts()
    fleet.wait(INSTANT)
    assert fleet.get() is NotSignedIn.UNKNOWN


def test_I1_the_worker_that_revokes_refuses_after_the_lease_too(fleet: Fleet) -> None:
    """Where nothing wakes it, it learns of its own revocation as everybody does."""
    fleet.worker.revoke(fleet.token)
    fleet.wait(LEASE)
    assert fleet.get() is NotSignedIn.UNKNOWN


def test_I4_S9_an_unreachable_authority_ends_trust_with_the_lease(fleet: Fleet) -> None:
    """Until then a valid session is served, afterwards nobody knows; when it is back, everything is."""
    fleet.link.fail("poll", "read")
    fleet.wait(LEASE - INSTANT)
    assert fleet.accepts()
    fleet.wait(INSTANT)
    for _ in range(3):
        assert fleet.get() is Unavailable
    fleet.link.heal()
    assert fleet.accepts()


def test_I1_what_is_revoked_during_an_outage_is_accepted_for_a_lease_at_most(fleet: Fleet) -> None:
    """And refused by the first answer after it."""
    fleet.link.fail("poll", "read")
    fleet.other.revoke(fleet.token)
    fleet.wait(LEASE)
    assert fleet.get() is Unavailable
    fleet.link.heal()
    assert fleet.get() is NotSignedIn.UNKNOWN


def test_I2_an_outage_of_reads_alone_leaves_the_cache(fleet: Fleet) -> None:
    """What is known to be good is served for as long as the log can be asked; what is not known fails."""
    fleet.link.fail("read")
    unknown = fleet.other.create("bob").token
    for _ in range(5):
        fleet.wait(LEASE)
        assert fleet.accepts()
        assert fleet.get(unknown) is Unavailable


def test_I1_a_paused_worker_accepts_nothing_old_when_it_resumes(fleet: Fleet) -> None:
    """Its lease is over; one poll and what is valid is served from memory again."""
    kept = fleet.other.create("bob").token
    assert isinstance(fleet.get(kept), Session)
    reads, polls = fleet.link.count("read"), fleet.link.count("poll")
    fleet.other.revoke(fleet.token)
    fleet.wait(timedelta(minutes=5))
    assert isinstance(fleet.get(kept), Session)
    assert (fleet.link.count("read"), fleet.link.count("poll")) == (reads, polls + 1)
    assert fleet.get() is NotSignedIn.UNKNOWN


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(hours=-1), timedelta(hours=1), timedelta(days=400)])
def test_I1_I2_a_jump_of_the_workers_clock_changes_nothing(fleet: Fleet, jump: timedelta) -> None:
    """Leases count the time that passes, and expiry is judged by the authority's clock."""
    fleet.workers_clock.jump_wall(jump)
    assert fleet.accepts()
    fleet.wait(LEASE)
    assert fleet.accepts()
    fleet.other.revoke(fleet.token)
    fleet.wait(LEASE - INSTANT)
    assert fleet.accepts()
    fleet.wait(INSTANT)
    assert fleet.get() is NotSignedIn.UNKNOWN


def test_I1_a_poll_that_travels_long_proves_what_held_when_it_was_sent(fleet: Fleet) -> None:
    """The lease counts from there: an answer older than that is none."""
    fleet.wait(LEASE)
    gate = fleet.link.hold_answers("poll")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(fleet.get)
        gate.reached()
        fleet.other.revoke(fleet.token)
        fleet.wait(LEASE)
        gate.release()
        assert asking.result(DEADLINE) is NotSignedIn.UNKNOWN
    assert fleet.get() is NotSignedIn.UNKNOWN


def test_I1_a_revoker_that_dies_after_the_commit_has_revoked(fleet: Fleet) -> None:
    """The entry was written with the change, so the bound is the same."""
    dying = FaultyStore(fleet.authority)
    dying.lose_answers("revoke")
    with pytest.raises(Unavailable):
        fleet.started(dying).revoke(fleet.token)
    fleet.wait(LEASE)
    assert fleet.get() is NotSignedIn.UNKNOWN


def test_I2_a_revoker_that_dies_before_the_commit_has_not(fleet: Fleet) -> None:
    """The session is as valid as it was."""
    dying = FaultyStore(fleet.authority)
    dying.fail("revoke")
    with pytest.raises(Unavailable):
        fleet.started(dying).revoke(fleet.token)
    fleet.wait(LEASE)
    assert fleet.accepts()


def test_I1_a_trimmed_log_still_refuses(fleet: Fleet) -> None:
    """The floor has risen above every copy that the lost entries were about."""
    fleet.other.revoke(fleet.token)
    fleet.authority._trim(fleet.authority._now() + 1)
    assert fleet.authority.poll(None).entries == ()
    fleet.wait(LEASE)
    assert fleet.get() is NotSignedIn.UNKNOWN


# --- I3: nothing brings a revoked session back


def test_I3_L8_a_late_fill_brings_nothing_back(fleet: Fleet) -> None:
    """A read from before the revocation lands long after it, and is served to nobody."""
    worker, session = fleet.started(fleet.link), fleet.worker.get(fleet.token)
    assert isinstance(session, Session)
    gate = fleet.link.hold_answers("read")
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(worker.get, fleet.token)
        gate.reached()
        fleet.other.revoke(fleet.token)
        fleet.wait(LEASE)
        assert worker.recheck(session) is NotSignedIn.UNKNOWN
        fleet.worker = worker
        gate.release()
        assert isinstance(late.result(DEADLINE), Session)
    assert fleet.get() is NotSignedIn.UNKNOWN
    fleet.wait(LEASE)
    assert fleet.get() is NotSignedIn.UNKNOWN


def test_I3_L8_a_late_touch_brings_nothing_back(fleet: Fleet) -> None:
    """Uses gathered before the revocation are written after it, and find no row."""
    fleet.wait(timedelta(minutes=6))
    assert fleet.accepts()
    fleet.other.revoke(fleet.token)
    assert fleet.worker.flush() == 0
    fleet.wait(LEASE)
    assert fleet.get() is NotSignedIn.UNKNOWN
    assert fleet.other.list("ann") == []


def test_I3_L8_a_slow_request_that_saves_brings_nothing_back(fleet: Fleet) -> None:
    """It is told that the session is gone."""
    session = fleet.worker.get(fleet.token)
    assert isinstance(session, Session)
    fleet.other.revoke(fleet.token)
    assert fleet.worker.save(session, {"cart": [1]}) is NotSignedIn.UNKNOWN
    assert fleet.worker.note_client(session, ip="198.51.100.7", user_agent=None) is False
    fleet.wait(LEASE)
    assert fleet.get() is NotSignedIn.UNKNOWN
    assert fleet.other.list("ann") == []


def test_I3_L1_a_rotation_after_the_revocation_brings_nothing_back(fleet: Fleet) -> None:
    """Neither under the old token nor under a new one."""
    fleet.other.revoke(fleet.token)
    assert fleet.worker.rotate(fleet.token) is NotSignedIn.UNKNOWN
    assert fleet.worker.rotate(fleet.token, reauthenticated=True) is NotSignedIn.UNKNOWN
    assert fleet.other.list("ann") == []


def test_I3_L1_a_rotated_token_stays_dead(fleet: Fleet) -> None:
    """After the bound it is refused everywhere, while its successor is served."""
    rotated = fleet.other.rotate(fleet.token)
    assert not isinstance(rotated, NotSignedIn)
    fleet.wait(LEASE)
    assert fleet.get() is NotSignedIn.UNKNOWN
    assert isinstance(fleet.get(rotated.token), Session)


@pytest.mark.parametrize("fault", ["fail", "lose_answers"])
def test_I3_a_repeated_revocation_revokes(fleet: Fleet, fault: str) -> None:
    """Who does not know whether it has happened does it again."""
    getattr(fleet.link, fault)("revoke", times=1)
    with pytest.raises(Unavailable):
        fleet.worker.revoke(fleet.token)
    fleet.worker.revoke(fleet.token)
    fleet.wait(LEASE)
    assert fleet.get() is NotSignedIn.UNKNOWN


def test_I3_a_repeated_touch_brings_nothing_back(fleet: Fleet) -> None:
    """A touch whose answer was lost stays pending, and is written again after the revocation."""
    fleet.wait(timedelta(minutes=6))
    assert fleet.accepts()
    fleet.link.lose_answers("touch", times=1)
    assert fleet.worker.flush() == 0
    fleet.other.revoke(fleet.token)
    assert fleet.worker.flush() == 0
    fleet.wait(LEASE)
    assert fleet.get() is NotSignedIn.UNKNOWN


def test_I6_L15_a_late_touch_does_not_squeeze_in(fleet: Fleet) -> None:
    """What had expired when another session took its place is not there any more, though it was used before."""
    policy = Policy(max_sessions=1, idle_timeout=timedelta(minutes=30))
    worker, other = fleet.started(fleet.link, policy), fleet.started(fleet.authority, policy)
    first = other.create("bob")
    fleet.wait(timedelta(minutes=20))
    assert isinstance(worker.get(first.token), Session)
    fleet.wait(timedelta(minutes=10))
    second = other.create("bob")
    assert second.evicted == ()
    assert worker.flush() == 0
    assert [session.id for session in other.list("bob")] == [second.session.id]
    assert worker.get(first.token) is NotSignedIn.EXPIRED
