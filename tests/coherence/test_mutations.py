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
from coatcheck._sync.cached_reads import CachedReads
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
from tests.coherence.search import Scenario, Search, Violation

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

    def copy_of(self, reading: Reading, record: Record) -> bytes:
        knowledge = self._knowledge
        as_of = max(reading.as_of, knowledge.newest + 1, knowledge.floor)
        return super().copy_of(reading._replace(as_of=as_of), record)


class EpochUnchecked(CachedReads):
    """What was read from another life of the database lands among the copies of this one."""

    def _read(self, key: bytes, read: Callable[[], Reading]) -> Reading:
        reading = read()
        if reading.record is not None:
            self._knowledge.cache.put(key, self.copy_of(reading, reading.record))
        return reading


REVOKE = Scenario(("revoke",))
SHARED = Scenario(("revoke",), shared=True, filling=False)
RESTORED = Scenario(("revoke",), unrelated=1, restores=1, ticks=1)

MUTATIONS = {
    "the lease is not checked": replace(REVOKE, knowledge=LeaseUnchecked),
    "the lease counts from receipt": replace(REVOKE, reads=LeaseFromReceipt),
    "as_of is stamped when the fill lands": replace(REVOKE, reads=StampedOnLanding),
    "a shared copy is stamped anew by its reader": replace(SHARED, restamped=True),
    "entries delete and are not remembered": replace(REVOKE, knowledge=EntriesForgotten),
    "no floor after a restart": replace(SHARED, restarts=1, trims=1, knowledge=FloorIgnored),
    "the log is written before the commit": replace(REVOKE, log_before_commit=True),
    "a follower trusts an older read": replace(REVOKE, trusting_followers=True),
    "an epoch survives a restore": replace(RESTORED, lively=False, same_epoch=True),
    "floor and entries are read in two statements": replace(REVOKE, trims=1, two_statements=True),
    "a touch stamps its copy anew": Scenario(("save",), touching=True, touch_renews=True),
    "an entry at as_of counts as older": replace(REVOKE, knowledge=EntryAtAsOfIgnored),
    "the entry for everyone is not heeded": Scenario(("revoke_everyone",), knowledge=EveryoneIgnored),
    "entries about users are not heeded": Scenario(("revoke_user",), knowledge=UsersIgnored),
    "a fill lands in another epoch": replace(RESTORED, reads=EpochUnchecked),
}

SIZES = {"changes", "unrelated", "trims", "restarts", "restores", "filling", "shared", "touching", "ticks"}


@cache
def is_safe(scenario: Scenario) -> bool:
    """Tell that a scenario has no violation, or raise it."""
    Search(scenario).run()
    return True


@pytest.mark.parametrize("name", MUTATIONS)
def test_I1_a_fatal_mistake_is_found(name: str) -> None:
    """With it something is served too late; without it nothing is."""
    mutated = MUTATIONS[name]
    with pytest.raises(Violation, match="is served"):
        Search(mutated).run()
    sizes = {field.name: getattr(mutated, field.name) for field in fields(mutated) if field.name in SIZES}
    assert is_safe(Scenario(**sizes))


# A follower's trust is in `get` itself, which the search does not run: here it is the real one that is mutated.


def trusting_get(
    self: CachedReads, presented: bytes, read: Callable[[], Reading], nearby: object = None
) -> tuple[Session | Reading, Source]:
    """Wait for a read under way and take what it brings."""
    key = key_of(presented)
    self.prove()
    if (session := self.lookup(presented)) is not None:
        return session, "memory"
    flight = self._flights.claim(key)
    if flight is not None and (reading := self._flights.wait(flight)) is not None:
        return reading, "store"
    return self._lead(key, read), "store"


def answer_to_a_late_follower() -> Session | NotSignedIn:
    """Join a read that has begun before the revocation, a lease after it."""
    clock = ManualClock()
    store = FaultyStore(MemoryStore(clock=clock))
    sessions, elsewhere = Sessions(store, clock=clock), Sessions(store.store, clock=clock)
    token = elsewhere.create("ann").token
    gate, joined = store.hold_answers("read"), Event()
    flights: Any = sessions._reads._flights
    wait = flights.wait

    def joining(flight: object) -> object:
        joined.set()
        return wait(flight)

    flights.wait = joining
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(sessions.get, token)
        gate.reached()
        elsewhere.revoke(token)
        clock.advance(timedelta(seconds=2))
        follower = pool.submit(sessions.get, token)
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
