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
from coatcheck._sync import log_reader
from coatcheck._sync.cached_reads import CachedReads
from coatcheck._sync.log_reader import LogReader
from coatcheck.core.session import STAMP
from coatcheck.core.session_copies import SessionCopies
from coatcheck.stores.base import Reading
from coatcheck.testing import FaultyStore, ManualClock, MemoryStore
from tests.coherence.mistakes import (
    EntriesForgotten,
    EntryAtAsOfIgnored,
    EveryoneIgnored,
    FloorFirst,
    FloorIgnored,
    LeaseUnchecked,
    ReachedBeforeKnown,
    UsersIgnored,
)
from tests.coherence.search import Violation
from tests.coherence.search_transactions import search_of
from tests.coherence.searched_worker import KEYS, TICK, Scenario, stamped

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.core.answers import Source
    from coatcheck.core.coherence import Knowledge
    from coatcheck.core.local_cache import LocalCache
    from coatcheck.core.sealing import Place

DEADLINE = 20.0

Reads = CachedReads[bytes, Reading]


class LeaseFromReceipt(LogReader):
    """The lease counts from the moment at which the answer arrives."""

    def _polled(self, knowledge: Knowledge) -> Knowledge:
        knowledge = super()._polled(knowledge)
        knowledge.proven_until = self._monotonic() + knowledge.lease
        return knowledge


class StampedOnLanding(Reads):
    """A copy claims to be as new as what is known when it lands."""

    def _fill(self, cache: LocalCache[bytes], key: bytes, reading: Reading) -> None:
        knowledge = self._log.knowledge
        as_of = max(reading.as_of, knowledge.newest + 1, knowledge.floor)
        super()._fill(cache, key, reading._replace(as_of=as_of))


class EntriesDelete(Reads):
    """Whoever learns of an entry deletes the copies."""

    def _begin(self, knowledge: Knowledge) -> None:
        super()._begin(knowledge)
        if isinstance(knowledge, EntriesForgotten):
            knowledge.cache = self.cache


class EpochUnchecked(Reads):
    """What was read from another life of the database lands among the copies of this one."""

    def _read(self, key: bytes, read: Callable[[Knowledge], bytes | Reading], *others: Any) -> bytes | Reading:
        answer = read(self._log.knowledge)
        if not isinstance(answer, bytes):
            self._fill(self.cache, key, answer)
        return answer


class SharedOfAnyEpoch(SessionCopies):
    """A copy is opened whatever epoch it was put there in."""

    def places(self, epoch: str, key: bytes) -> tuple[Place, ...]:
        return tuple(
            there for number in range(1, 4) for there in super(SharedOfAnyEpoch, self).places(f"{number}", key)
        )


class SharedOfAnySession(SessionCopies):
    """A copy is opened whosever it is."""

    def places(self, epoch: str, key: bytes) -> tuple[Place, ...]:
        return tuple(there for other in KEYS for there in super(SharedOfAnySession, self).places(epoch, other))


class SharedUnproven(Reads):
    """A shared copy is served without a proof."""

    def from_shared(self, key: bytes, *others: Any) -> bytes | None:
        knowledge = self._log.knowledge
        proven, knowledge.proven_until = knowledge.proven_until, 2**62
        try:
            return super().from_shared(key, *others)
        finally:
            knowledge.proven_until = proven


class ReplicaUnjudged(Reads):
    """What a replica says is taken for what the primary would say."""

    def _is_current(self, knowledge: Knowledge, key: bytes, reading: Reading) -> bool:
        return reading.record is not None


class ReplicaCached(Reads):
    """What a replica says is cached."""

    def _is_current(self, knowledge: Knowledge, key: bytes, reading: Reading) -> bool:
        good = super()._is_current(knowledge, key, reading)
        if good:
            self._fill(self.cache, key, reading)
        return good


class Advanced(Reads):
    """A copy is advanced to another position than it may be."""

    def _advanced(self, knowledge: Knowledge, cache: LocalCache[bytes], key: bytes, copy: bytes) -> bytes | None:
        judged = super()._advanced(knowledge, cache, key, copy)
        if judged is None:
            return None
        advanced = stamped(judged, max(self.reached(knowledge), STAMP.unpack_from(judged)[0]))
        cache.replace(key, judged, advanced)
        return advanced

    def reached(self, knowledge: Knowledge) -> int:
        raise NotImplementedError


class AdvancedToNewest(Advanced):
    """A copy is advanced to one more than the newest entry."""

    def reached(self, knowledge: Knowledge) -> int:
        return knowledge.newest + 1


class AdvancedLate(Advanced):
    """A copy is advanced to what is known after it was judged."""

    def reached(self, knowledge: Knowledge) -> int:
        return knowledge.as_of


class AdvancedUnjudged(Reads):
    """A copy is advanced whatever the log has said about it."""

    def _advanced(self, knowledge: Knowledge, cache: LocalCache[bytes], key: bytes, copy: bytes) -> bytes | None:
        advanced = stamped(copy, max(knowledge.as_of, knowledge.floor))
        cache.replace(key, copy, advanced)
        return advanced


class AdvancedInAnotherEpoch(Reads):
    """A copy is judged by the knowledge that there is when it is judged, and not by that of its own epoch."""

    def _advanced(self, _: Knowledge, __: LocalCache[bytes], key: bytes, copy: bytes) -> bytes | None:
        return super()._advanced(*self.view, key, copy)


class StaleTooLong(Reads):
    """Stale copies are served for as long as the store does not answer."""

    def _unproven(self, key: bytes, until: int) -> bytes | None:
        copy = self.cache.get(key)
        good = copy is not None and self._judged(self._log.knowledge, key, copy, until) is not None
        return copy if good else None


class StaleUnjudged(Reads):
    """Stale copies are served whatever the log has said about them."""

    def _unproven(self, key: bytes, until: int) -> bytes | None:
        bound = min(self._log.knowledge.proven_until + self._log.stale_ns, until)
        return self.cache.get(key) if self._monotonic() < bound else None


class StaleUnasked(Reads):
    """Stale copies are served before a poll has failed."""

    def get(self, key: bytes, *reads: Any) -> tuple[bytes | Reading, Source]:
        copy = self._unproven(key, 2**62)
        return (copy, "stale") if copy is not None else super().get(key, *reads)


class RetiredKept(SessionCopies):
    """What is read under a retired token is kept as what is read under any other."""

    def kept(self, reading: Any) -> bytes | None:
        return super().kept(reading._replace(retired=None))


def without_stale(self: LogReader) -> None:
    """Wait for the lease alone."""
    vars(log_reader)["sleep"](self.lease_ns / 10**9)


def one_tick_short(self: LogReader) -> None:
    """Return a moment too early."""
    vars(log_reader)["sleep"](self._wait - TICK.total_seconds())


REVOKE = Scenario(("revoke",), ticks=1)
SHARED = Scenario(("revoke",), shared=1, filling=False, ticks=1)
RESTORED = Scenario(("revoke",), unrelated=1, restores=1, ticks=1)
STALE = Scenario(("revoke",), stale=1, waits=True)
LONG = Scenario(("revoke",), unrelated=1, ticks=1)
BUSY = replace(LONG, busy=True)
THREADS = replace(LONG, threads=True)

MUTATIONS = {
    "the lease is not checked": replace(REVOKE, knowledge=LeaseUnchecked),
    "the lease counts from receipt": replace(REVOKE, ticks=2, log=LeaseFromReceipt),
    "as_of is stamped when the fill lands": replace(REVOKE, ticks=2, reads=StampedOnLanding),
    "a shared copy is stamped anew by its reader": replace(SHARED, ticks=2, restamped=True),
    "a shared copy of another epoch is admitted": replace(
        SHARED, changes=("save", "revoke"), shared=1, restores=1, copies=SharedOfAnyEpoch
    ),
    "a shared copy of another session is admitted": replace(
        SHARED, changes=("rotate", "revoke"), copies=SharedOfAnySession
    ),
    "a shared copy is served without a proof": replace(SHARED, reads=SharedUnproven),
    "entries delete and are not remembered": replace(REVOKE, knowledge=EntriesForgotten, reads=EntriesDelete),
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
    "a copy is advanced without being judged": replace(LONG, reads=AdvancedUnjudged),
    "a copy is advanced to what is known after it was judged": replace(THREADS, reads=AdvancedLate),
    "a copy is judged by the log of another epoch": replace(
        THREADS, unrelated=0, restores=1, reads=AdvancedInAnotherEpoch
    ),
    "a poll reaches one further than it does": replace(LONG, reached_too_far=1),
    "what a poll reaches is told before its entries": replace(THREADS, knowledge=ReachedBeforeKnown),
    "the floor is looked at before the entries": replace(THREADS, unrelated=0, trims=1, knowledge=FloorFirst),
    "stale copies are served for too long": replace(STALE, reads=StaleTooLong),
    "stale copies are not judged by the log": replace(STALE, reads=StaleUnjudged),
    "stale copies are served before a poll has failed": replace(STALE, reads=StaleUnasked),
    "what is read under a retired token is kept": Scenario(("renew",), copies=RetiredKept),
    "what is read under a retired token is shared": Scenario(("renew",), shared=1, filling=False, copies=RetiredKept),
    "wait=True forgets the stale copies": replace(STALE, settled=without_stale),
    "wait=True is a tick short": replace(REVOKE, waits=True, settled=one_tick_short),
}

WITH_TRANSACTIONS = {
    "as_of is the highest transaction number": replace(LONG, highest_as_of=True),
    "the cursor is the highest transaction number": replace(LONG, highest_cursor=True),
    "an epoch survives a crash": replace(LONG, crashes=1, lively=False, same_epoch=True),
    "an epoch survives a promotion": replace(LONG, restores=1, lively=False, same_epoch=True),
    "a copy is advanced to one more than the newest entry": replace(BUSY, reads=AdvancedToNewest),
    "a copy is advanced without being judged": replace(BUSY, reads=AdvancedUnjudged),
    "a poll reaches the highest transaction number": replace(BUSY, highest_reached=True),
    "a poll reaches one further than it does": replace(BUSY, reached_too_far=1),
    "no floor after a restart": replace(
        LONG, shared=1, filling=False, restarts=1, trims=1, unrelated=0, knowledge=FloorIgnored
    ),
    "what a replica says is not judged": replace(LONG, replica=True, filling=False, reads=ReplicaUnjudged),
    "what a replica says is cached": replace(LONG, replica=True, filling=False, reads=ReplicaCached),
    "floor and entries are read in two statements": replace(LONG, unrelated=0, trims=1, ticks=2, two_statements=True),
}

SIZES = {
    *("changes", "unrelated", "trims", "restarts", "restores", "crashes"),
    *("filling", "shared", "replica", "stale", "waits", "threads", "busy", "touching", "ticks"),
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


def trusting_get(self: Reads, key: bytes, read: Any, nearby: Any = None) -> tuple[bytes | Reading, Source]:
    """Wait for a read under way and take what it brings."""
    self._log.prove()
    if (copy := self.lookup(key)) is not None:
        return copy, "memory"
    flight = self._flights.claim(key)
    if flight is not None and (reading := self._flights.wait(flight)) is not None:
        return reading, "store"
    return self._lead(key, lambda: self._read(key, read, nearby)), "store"


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
