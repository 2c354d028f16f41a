"""Runs of a simulated fleet, each with accidents of its own: see `simulation.py`.

`make simulate SEEDS=5000` runs more of them. A run that fails is repeated by its seed, which is its parameter.
"""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck._async import cached_reads
from coatcheck._async.cached_reads import AsyncCachedReads
from coatcheck._async.sessions import AsyncSessions
from coatcheck.core import sealing
from coatcheck.core.local_cache import key_of
from coatcheck.core.session import STAMP
from coatcheck.stores.postgresql import async_store
from tests.coherence.authorities import Authority, PostgreSQLLike, ValkeyLike
from tests.coherence.mistakes import EntriesForgotten, FloorIgnored, LeaseUnchecked
from tests.coherence.simulation import AUTHORITIES, Simulation
from tests.coherence.virtual import Violated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coatcheck import Session
    from coatcheck.core.answers import Source
    from coatcheck.core.coherence import Knowledge
    from coatcheck.core.session import Record
    from coatcheck.stores.base import Reading

SEEDS = 30
ENOUGH = 200
"""A mistake that so many runs do not show would not be found by those above either."""


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    # What is logged of every accident would be kept, and there are many.
    caplog.set_level(logging.CRITICAL, "coatcheck")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_I1_I2_I3_I4_I5_I6_every_answer_is_true(seed: int) -> None:
    """Whatever the network and the machines do."""
    Simulation(seed).run()


def test_a_run_is_repeated_by_its_seed() -> None:
    """To the last step, and another seed runs otherwise."""
    for seed in (7, 8, 9):
        first = Simulation(seed).run()
        assert len(first) > 100
        assert Simulation(seed).run() == first
        assert Simulation(seed + len(AUTHORITIES)).run() != first


def test_every_tier_answers() -> None:
    """Memory, the shared cache, the store, and a stale copy where that is wanted: none of them is there for show."""
    sources = {word for seed in range(12) for line in Simulation(seed).run() for word in line.split()}
    assert {"memory,", "shared,", "store,", "stale,"} <= sources


# --- what the runs would show


def with_knowledge(mistaken: type[Knowledge]) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a mutation of what every worker knows."""
    return lambda patch: patch.setattr(cached_reads, "Knowledge", mistaken)


def lease_from_receipt(patch: pytest.MonkeyPatch) -> None:
    """The lease counts from the moment at which the answer arrives."""
    real = AsyncCachedReads._polled

    async def polled(self: AsyncCachedReads, knowledge: Knowledge) -> Knowledge:
        knowledge = await real(self, knowledge)
        knowledge.proven_until = self._monotonic() + knowledge.lease
        return knowledge

    patch.setattr(AsyncCachedReads, "_polled", polled)


def stamped_on_landing(patch: pytest.MonkeyPatch) -> None:
    """A copy claims to be as new as what is known when it lands."""
    real = AsyncCachedReads.copy_of

    def copy_of(self: AsyncCachedReads, reading: Reading, record: Record, ttl: int | None = None) -> bytes:
        as_of = max(reading.as_of, self._knowledge.newest + 1, self._knowledge.floor)
        return real(self, reading._replace(as_of=as_of), record, ttl)

    patch.setattr(AsyncCachedReads, "copy_of", copy_of)


def restamped_by_its_reader(patch: pytest.MonkeyPatch) -> None:
    """Whoever takes a copy from the shared cache stamps it anew."""
    real = AsyncCachedReads._accepted

    def accepted(self: AsyncCachedReads, knowledge: Knowledge, key: bytes, copy: bytes) -> Session | None:
        _, serve_until, touch_at = STAMP.unpack_from(copy)
        as_of = max(knowledge.newest + 1, knowledge.floor)
        return real(self, knowledge, key, STAMP.pack(as_of, serve_until, touch_at) + copy[STAMP.size :])

    patch.setattr(AsyncCachedReads, "_accepted", accepted)


def shared_of_another_epoch(patch: pytest.MonkeyPatch) -> None:
    """A copy is looked for, and accepted, whatever epoch it was put there in."""
    real = sealing.place
    patch.setattr("coatcheck._async.shared_tier.place", lambda secret, _, key: real(secret, "", key))


def swapped_copies(patch: pytest.MonkeyPatch) -> None:
    """The seal says who has written a copy, and not where it belongs."""
    patch.setattr(sealing.Place, "_mac", lambda self, copy: hmac.digest(self.secret, copy, "sha256"))


def trusting_follower(patch: pytest.MonkeyPatch) -> None:
    """Who waits for a read under way takes what it brings."""

    async def get(
        self: AsyncCachedReads, presented: bytes, read: Callable[[], Awaitable[Reading]], nearby: Any = None
    ) -> tuple[Session | Reading, Source]:
        await self.prove()
        if (session := self.lookup(presented)) is not None:
            return session, "memory"
        flight = self._flights.claim(key_of(presented))
        if flight is not None and (reading := await self._flights.wait(flight)) is not None:
            return reading, "store"
        return await self._lead(key_of(presented), read, nearby), "store"

    patch.setattr(AsyncCachedReads, "get", get)


def no_single_flight(patch: pytest.MonkeyPatch) -> None:
    """Everybody reads for themselves."""

    async def get(
        self: AsyncCachedReads, presented: bytes, read: Callable[[], Awaitable[Reading]], nearby: Any = None
    ) -> tuple[Session | Reading, Source]:
        await self.prove()
        return self.lookup(presented) or await self._read(key_of(presented), read, nearby), "store"

    patch.setattr(AsyncCachedReads, "get", get)


def epoch_survives(patch: pytest.MonkeyPatch) -> None:
    """A database that has crashed, or lost commits in a promotion, takes itself for the one it was."""
    for kind in AUTHORITIES.values():
        patch.setattr(kind, "_replicated_epoch", lambda self: self._epoch)
    patch.setattr(ValkeyLike, "poll", Authority.poll)


def as_of_from_the_highest_number(patch: pytest.MonkeyPatch) -> None:
    """A copy claims to have seen all transactions below the newest one, also those that were open."""
    patch.setattr(PostgreSQLLike, "as_of", lambda self: self.snapshot.upper)


def cursor_at_the_highest_number(patch: pytest.MonkeyPatch) -> None:
    """The next poll begins above all numbers, also those of transactions that were open."""
    real = async_store._cursor
    patch.setattr(async_store, "_cursor", lambda snapshot: real(snapshot)._replace(open=()))


def replica_not_judged(patch: pytest.MonkeyPatch) -> None:
    """What a replica says is taken for what the primary would say."""
    patch.setattr(AsyncCachedReads, "_is_current", lambda *_: True)


def stale_for_too_long(patch: pytest.MonkeyPatch) -> None:
    """Stale copies are served for as long as the store does not answer."""
    real = AsyncCachedReads._unproven

    def unproven(self: AsyncCachedReads, key: bytes, until: int) -> Session | None:
        proven, self._knowledge.proven_until = self._knowledge.proven_until, 2**61
        try:
            return real(self, key, until)
        finally:
            self._knowledge.proven_until = proven

    patch.setattr(AsyncCachedReads, "_unproven", unproven)


def stale_without_a_failure(patch: pytest.MonkeyPatch) -> None:
    """Stale copies are served before anybody has tried to poll."""
    real = AsyncCachedReads.get

    async def get(self: AsyncCachedReads, presented: bytes, *reads: Any) -> tuple[Session | Reading, Source]:
        session = self._unproven(key_of(presented), 2**62)
        return (session, "stale") if session is not None else await real(self, presented, *reads)

    patch.setattr(AsyncCachedReads, "get", get)


def waits_for_nobody(patch: pytest.MonkeyPatch) -> None:
    """`wait=True` returns at once."""

    async def settled(self: AsyncSessions, *, wait: bool) -> None:
        pass

    patch.setattr(AsyncSessions, "_settled", settled)


def recheck_across_epochs(patch: pytest.MonkeyPatch) -> None:
    """A session in hand is judged by a log that is not the one it was read under."""

    def admits(self: AsyncCachedReads, session: Session) -> bool:
        knowledge, uptime = self._knowledge, self._monotonic()
        _, serve_until, _ = STAMP.unpack_from(session._copy)
        alive = uptime < knowledge.proven_until and uptime + knowledge.offset < serve_until
        return alive and knowledge.admits(session._copy)

    patch.setattr(AsyncCachedReads, "admits", admits)


def refusing_outage(patch: pytest.MonkeyPatch) -> None:
    """Who cannot ask says that there is no session."""
    real: Any = Authority.read

    async def read(self: Authority, token_hash: bytes, *, connection: Any = None) -> Reading:
        reading: Reading = await real(self, token_hash, connection=connection)
        return reading._replace(record=None) if self._now() % 7 == 0 else reading

    patch.setattr(Authority, "read", read)


MISTAKES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "the lease is not checked": with_knowledge(LeaseUnchecked),
    "the lease counts from receipt": lease_from_receipt,
    "as_of is stamped when the fill lands": stamped_on_landing,
    "a shared copy is stamped anew by its reader": restamped_by_its_reader,
    "a shared copy of another epoch is admitted": shared_of_another_epoch,
    "a shared copy of another session is admitted": swapped_copies,
    "entries delete and are not remembered": with_knowledge(EntriesForgotten),
    "no floor after a restart": with_knowledge(FloorIgnored),
    "a follower trusts an older read": trusting_follower,
    "an epoch survives a crash": epoch_survives,
    "as_of is the highest transaction number": as_of_from_the_highest_number,
    "the cursor is the highest transaction number": cursor_at_the_highest_number,
    "what a replica says is not judged": replica_not_judged,
    "stale copies are served for too long": stale_for_too_long,
    "stale copies are served before a poll has failed": stale_without_a_failure,
    "wait=True does not wait": waits_for_nobody,
    "a session in hand is judged by another epoch's log": recheck_across_epochs,
    "there is no single flight": no_single_flight,
    "an outage is told as not signed in": refusing_outage,
}


CAN_SHOW: dict[str, Callable[[Simulation], bool]] = {
    "as_of is the highest transaction number": lambda run: run.kind == "postgresql",
    "the cursor is the highest transaction number": lambda run: run.kind == "postgresql",
    "what a replica says is not judged": lambda run: run.kind == "postgresql",
    "a shared copy is stamped anew by its reader": lambda run: run.cache is not None,
    "a shared copy of another epoch is admitted": lambda run: run.cache is not None,
    "a shared copy of another session is admitted": lambda run: run.cache is not None,
    "stale copies are served for too long": lambda run: bool(run.stale and run.max_entries),
    "stale copies are served before a poll has failed": lambda run: bool(run.stale and run.max_entries),
}
"""Which fleets have what a mistake is about; the others need not run."""


@pytest.mark.parametrize("name", MISTAKES)
def test_a_fatal_mistake_shows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With it, a run fails before long."""
    MISTAKES[name](monkeypatch)
    with pytest.raises(Violated):
        _run_until_it_shows(CAN_SHOW.get(name, lambda _: True))


def _run_until_it_shows(can_show: Callable[[Simulation], bool]) -> None:
    for seed in range(ENOUGH):
        simulation = Simulation(seed)
        if can_show(simulation):
            simulation.run()
