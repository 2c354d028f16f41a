"""Each mistake that is fatal to the coherence rule, made once: the search has to find it.

The list is that of the design document. A mutation is a few lines that replace a piece of the real worker, or a
wire of the search's authority; without it, the same scenario has no violation.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import timedelta
from functools import cache
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck import NotSignedIn, Session, Sessions
from coatcheck._sync import sessions
from coatcheck._sync.cached_reads import CachedReads
from coatcheck._sync.shared_tier import SharedTier
from coatcheck.core.local_cache import key_of
from coatcheck.testing import FaultyStore, ManualClock, MemoryStore
from tests.coherence.mistakes import (
    EntriesForgotten,
    EntryAtAsOfIgnored,
    EveryoneIgnored,
    FloorIgnored,
    LeaseUnchecked,
    UsersIgnored,
)
from tests.coherence.search import Violation
from tests.coherence.search_transactions import search_of
from tests.coherence.searched_worker import KEYS, TICK, TOKENS, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.core.answers import Source
    from coatcheck.core.coherence import Knowledge
    from coatcheck.core.session import Record
    from coatcheck.stores.base import Reading

DEADLINE = 20.0


class LeaseFromReceipt(CachedReads):
    """The lease counts from the moment at which the answer arrives."""

    def _polled(self, knowledge: Knowledge) -> Knowledge:
        knowledge = super()._polled(knowledge)
        knowledge.proven_until = self._monotonic() + knowledge.lease
        return knowledge


class StampedOnLanding(CachedReads):
    """A copy claims to be as new as what is known when it lands."""

    def copy_of(self, reading: Reading, record: Record, ttl: int | None = None) -> bytes:
        knowledge = self._knowledge
        as_of = max(reading.as_of, knowledge.newest + 1, knowledge.floor)
        return super().copy_of(reading._replace(as_of=as_of), record, ttl)


class EpochUnchecked(CachedReads):
    """What was read from another life of the database lands among the copies of this one."""

    def _read(
        self, key: bytes, read: Callable[[], Reading], nearby: Callable[[], Reading | None] | None = None
    ) -> Session | Reading:
        reading = read()
        if reading.record is not None:
            self._knowledge.cache.put(key, self.copy_of(reading, reading.record))
        return reading


class SharedOfAnyEpoch(SharedTier):
    """A copy is opened whatever epoch it was put there in."""

    def get(self, epoch: str, key: bytes) -> bytes | None:
        found = (super(SharedOfAnyEpoch, self).get(str(number), key) for number in range(1, 4))
        return next(filter(None, found), None)


class SharedOfAnySession(SharedTier):
    """A copy is opened whosever it is."""

    def get(self, epoch: str, key: bytes) -> bytes | None:
        return next(filter(None, (super(SharedOfAnySession, self).get(epoch, other) for other in KEYS)), None)


class SharedUnproven(CachedReads):
    """A shared copy is served without a proof."""

    def _accepted(self, knowledge: Knowledge, key: bytes, copy: bytes) -> Session | None:
        proven, knowledge.proven_until = knowledge.proven_until, 2**62
        try:
            return super()._accepted(knowledge, key, copy)
        finally:
            knowledge.proven_until = proven


class ReplicaUnjudged(CachedReads):
    """What a replica says is taken for what the primary would say."""

    def _is_current(self, knowledge: Knowledge, reading: Reading) -> bool:
        return reading.record is not None


class ReplicaCached(CachedReads):
    """What a replica says is cached."""

    def _is_current(self, knowledge: Knowledge, reading: Reading) -> bool:
        good = super()._is_current(knowledge, reading)
        if good and reading.record is not None:
            self._fill(knowledge, key_of(TOKENS[0]), reading, reading.record)
        return good


class StaleTooLong(CachedReads):
    """Stale copies are served for as long as the store does not answer."""

    def _unproven(self, key: bytes, until: int) -> Session | None:
        copy = self._knowledge.cache.get(key)
        alive = copy is not None and self._monotonic() < until
        return Session(copy) if alive and copy is not None and self._knowledge.admits(copy) else None


class StaleUnjudged(CachedReads):
    """Stale copies are served whatever the log has said about them."""

    def _unproven(self, key: bytes, until: int) -> Session | None:
        copy = self._knowledge.cache.get(key)
        bound = min(self._knowledge.proven_until + self._settings.serve_stale_ns, until)
        return Session(copy) if copy is not None and self._monotonic() < bound else None


class StaleUnasked(CachedReads):
    """Stale copies are served before a poll has failed."""

    def get(self, presented: bytes, *reads: Any) -> tuple[Session | Reading, Source]:
        session = self._unproven(key_of(presented), 2**62)
        return (session, "stale") if session is not None else super().get(presented, *reads)


def without_stale(self: Sessions, *, wait: bool) -> None:
    """Wait for the lease alone."""
    vars(sessions)["sleep"](self.cache_settings.lease.total_seconds())


def one_tick_short(self: Sessions, *, wait: bool) -> None:
    """Return a moment too early."""
    settings = self.cache_settings
    vars(sessions)["sleep"]((settings.lease + settings.serve_stale_for - TICK).total_seconds())


REVOKE = Scenario(("revoke",), ticks=1)
SHARED = Scenario(("revoke",), shared=1, filling=False, ticks=1)
RESTORED = Scenario(("revoke",), unrelated=1, restores=1, ticks=1)
STALE = Scenario(("revoke",), stale=1, waits=True)
LONG = Scenario(("revoke",), unrelated=1, ticks=1)

MUTATIONS = {
    "the lease is not checked": replace(REVOKE, knowledge=LeaseUnchecked),
    "the lease counts from receipt": replace(REVOKE, ticks=2, reads=LeaseFromReceipt),
    "as_of is stamped when the fill lands": replace(REVOKE, ticks=2, reads=StampedOnLanding),
    "a shared copy is stamped anew by its reader": replace(SHARED, ticks=2, restamped=True),
    "a shared copy of another epoch is admitted": replace(
        SHARED, changes=("save", "revoke"), shared=1, restores=1, tier=SharedOfAnyEpoch
    ),
    "a shared copy of another session is admitted": replace(
        SHARED, changes=("rotate", "revoke"), tier=SharedOfAnySession
    ),
    "a shared copy is served without a proof": replace(SHARED, reads=SharedUnproven),
    "entries delete and are not remembered": replace(REVOKE, knowledge=EntriesForgotten),
    "no floor after a restart": replace(SHARED, restarts=1, trims=1, knowledge=FloorIgnored),
    "the log is written before the commit": replace(REVOKE, log_before_commit=True),
    "a follower trusts an older read": replace(REVOKE, trusting_followers=True),
    "an epoch survives a restore": replace(RESTORED, lively=False, same_epoch=True),
    "floor and entries are read in two statements": replace(REVOKE, trims=1, ticks=2, two_statements=True),
    "a touch stamps its copy anew": Scenario(("save",), touching=True, ticks=2, touch_renews=True),
    "an entry at as_of counts as older": replace(REVOKE, knowledge=EntryAtAsOfIgnored),
    "the entry for everyone is not heeded": Scenario(("revoke_everyone",), ticks=1, knowledge=EveryoneIgnored),
    "entries about users are not heeded": Scenario(("revoke_user",), ticks=1, knowledge=UsersIgnored),
    "a fill lands in another epoch": replace(RESTORED, reads=EpochUnchecked),
    "stale copies are served for too long": replace(STALE, reads=StaleTooLong),
    "stale copies are not judged by the log": replace(STALE, reads=StaleUnjudged),
    "stale copies are served before a poll has failed": replace(STALE, reads=StaleUnasked),
    "wait=True forgets the stale copies": replace(STALE, settled=without_stale),
    "wait=True is a tick short": replace(REVOKE, waits=True, settled=one_tick_short),
}

WITH_TRANSACTIONS = {
    "as_of is the highest transaction number": replace(LONG, highest_as_of=True),
    "the cursor is the highest transaction number": replace(LONG, highest_cursor=True),
    "an epoch survives a crash": replace(LONG, crashes=1, lively=False, same_epoch=True),
    "an epoch survives a promotion": replace(LONG, restores=1, lively=False, same_epoch=True),
    "no floor after a restart": replace(
        LONG, shared=1, filling=False, restarts=1, trims=1, unrelated=0, knowledge=FloorIgnored
    ),
    "what a replica says is not judged": replace(LONG, replica=True, filling=False, reads=ReplicaUnjudged),
    "what a replica says is cached": replace(LONG, replica=True, filling=False, reads=ReplicaCached),
    "floor and entries are read in two statements": replace(LONG, unrelated=0, trims=1, ticks=2, two_statements=True),
}

SIZES = {
    *("changes", "unrelated", "trims", "restarts", "restores", "crashes"),
    *("filling", "shared", "replica", "stale", "waits", "touching", "ticks"),
}


@cache
def is_safe(scenario: Scenario, *, transactions: bool) -> bool:
    """Tell that a scenario has no violation, or raise it."""
    search_of(scenario, transactions=transactions).run()
    return True


@pytest.mark.parametrize(
    ("name", "transactions"),
    [*((name, False) for name in MUTATIONS), *((name, True) for name in WITH_TRANSACTIONS)],
)
def test_I1_a_fatal_mistake_is_found(name: str, transactions: bool) -> None:
    """With it something is served too late; without it nothing is."""
    mutated = (WITH_TRANSACTIONS if transactions else MUTATIONS)[name]
    with pytest.raises(Violation, match="is served"):
        search_of(mutated, transactions=transactions).run()
    sizes = {field.name: getattr(mutated, field.name) for field in fields(mutated) if field.name in SIZES}
    assert is_safe(Scenario(**sizes), transactions=transactions)


# A follower's trust is in `get` itself, which the search does not run: here it is the real one that is mutated.


def trusting_get(
    self: CachedReads, presented: bytes, read: Callable[[], Reading], nearby: Any = None
) -> tuple[Session | Reading, Source]:
    """Wait for a read under way and take what it brings."""
    key = key_of(presented)
    self.prove()
    if (session := self.lookup(presented)) is not None:
        return session, "memory"
    flight = self._flights.claim(key)
    if flight is not None and (reading := self._flights.wait(flight)) is not None:
        return reading, "store"
    return self._lead(key, read, nearby), "store"


def answer_to_a_late_follower() -> Session | NotSignedIn:
    """Join a read that has begun before the revocation, a lease after it."""
    clock = ManualClock()
    store = FaultyStore(MemoryStore(clock=clock))
    worker, elsewhere = Sessions(store, clock=clock), Sessions(store.store, clock=clock)
    token = elsewhere.create("ann").token
    gate, joined = store.hold_answers("read"), Event()
    flights: Any = worker._reads._flights
    wait = flights.wait

    def joining(flight: object) -> object:
        joined.set()
        return wait(flight)

    flights.wait = joining
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(worker.get, token)
        gate.reached()
        elsewhere.revoke(token)
        clock.advance(timedelta(seconds=2))
        follower = pool.submit(worker.get, token)
        assert joined.wait(DEADLINE)
        gate.release()
        assert isinstance(leader.result(DEADLINE), Session)
        return follower.result(DEADLINE)


def test_I1_a_follower_that_trusts_an_older_read_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutated worker serves what was revoked a lease ago; the real one does not."""
    assert answer_to_a_late_follower() is NotSignedIn.UNKNOWN
    mutated: Any = trusting_get
    monkeypatch.setattr(CachedReads, "get", mutated)
    assert isinstance(answer_to_a_late_follower(), Session)
