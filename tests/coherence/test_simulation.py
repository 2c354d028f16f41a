"""Runs of a simulated fleet, each with accidents of its own: see `simulation.py`.

`make simulate SEEDS=5000` runs more of them. A run that fails is repeated by its seed, which is its parameter.
"""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck._async import log_reader
from coatcheck._async.cached_reads import AsyncCachedReads
from coatcheck._async.log_reader import AsyncLogReader
from coatcheck._async.shared_tier import AsyncSharedTier
from coatcheck.core import sealing
from coatcheck.core.coherence import Knowledge
from coatcheck.core.sealing import Seals
from coatcheck.core.session import STAMP
from coatcheck.stores.base import Reading
from coatcheck.stores.postgresql import async_store
from tests.coherence.authorities import Authority, PostgreSQLLike, ValkeyLike
from tests.coherence.mistakes import EntriesForgotten, FloorIgnored, LeaseUnchecked
from tests.coherence.simulation import AUTHORITIES, Simulation
from tests.coherence.virtual import Violated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coatcheck.core.answers import Source
    from coatcheck.core.local_cache import LocalCache
    from coatcheck.core.sealing import Place

Reads = AsyncCachedReads[bytes, Reading]

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
    return lambda patch: patch.setattr(log_reader, "Knowledge", mistaken)


def entries_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Whoever learns of an entry deletes the copies there are, and does not remember it."""
    real = AsyncCachedReads._begin

    def begin(self: Reads, knowledge: Knowledge) -> None:
        real(self, knowledge)
        assert isinstance(knowledge, EntriesForgotten)
        knowledge.cache = self.cache

    patch.setattr(log_reader, "Knowledge", EntriesForgotten)
    patch.setattr(AsyncCachedReads, "_begin", begin)


def lease_from_receipt(patch: pytest.MonkeyPatch) -> None:
    """The lease counts from the moment at which the answer arrives."""
    real = AsyncLogReader._polled

    async def polled(self: AsyncLogReader, knowledge: Knowledge) -> Knowledge:
        knowledge = await real(self, knowledge)
        knowledge.proven_until = self._monotonic() + knowledge.lease
        return knowledge

    patch.setattr(AsyncLogReader, "_polled", polled)


def stamped_on_landing(patch: pytest.MonkeyPatch) -> None:
    """A copy claims to be as new as what is known when it lands."""
    real = AsyncCachedReads._fill

    def fill(self: Reads, cache: LocalCache[bytes], key: bytes, reading: Reading) -> None:
        knowledge = self._log.knowledge
        as_of = max(reading.as_of, knowledge.newest + 1, knowledge.floor)
        real(self, cache, key, reading._replace(as_of=as_of))

    patch.setattr(AsyncCachedReads, "_fill", fill)


def restamped_by_its_reader(patch: pytest.MonkeyPatch) -> None:
    """Whoever takes a copy from the shared cache stamps it anew."""
    get, begin = AsyncSharedTier.get, AsyncCachedReads._begin

    def begun(self: Reads, knowledge: Knowledge) -> None:
        begin(self, knowledge)
        if self._shared is not None:
            vars(self._shared)["log"] = self._log

    async def got(self: AsyncSharedTier, places: Sequence[Place]) -> bytes | None:
        copy = await get(self, places)
        if copy is None:
            return None
        _, serve_until, touch_at = STAMP.unpack_from(copy)
        knowledge = vars(self)["log"].knowledge
        as_of = max(knowledge.newest + 1, knowledge.floor)
        return STAMP.pack(as_of, serve_until, touch_at) + copy[STAMP.size :]

    patch.setattr(AsyncCachedReads, "_begin", begun)
    patch.setattr(AsyncSharedTier, "get", got)


def shared_of_another_epoch(patch: pytest.MonkeyPatch) -> None:
    """A copy is looked for, and accepted, whatever epoch it was put there in."""
    real = Seals.places
    patch.setattr(Seals, "places", lambda self, _, key: real(self, "", key))


def swapped_copies(patch: pytest.MonkeyPatch) -> None:
    """The seal says who has written a copy, and not where it belongs."""
    patch.setattr(sealing.Place, "_mac", lambda self, copy: hmac.digest(self.secret, copy, "sha256"))


def trusting_follower(patch: pytest.MonkeyPatch) -> None:
    """Who waits for a read under way takes what it brings."""

    async def get(self: Reads, key: bytes, read: Any, nearby: Any = None) -> tuple[bytes | Reading, Source]:
        await self._log.prove()
        if (copy := self.lookup(key)) is not None:
            return copy, "memory"
        flight = self._flights.claim(key)
        if flight is not None and (reading := await self._flights.wait(flight)) is not None:
            return reading, "store"
        return await self._lead(key, lambda: self._read(key, read, nearby)), "store"

    patch.setattr(AsyncCachedReads, "get", get)


def no_single_flight(patch: pytest.MonkeyPatch) -> None:
    """Everybody reads for themselves."""

    async def get(self: Reads, key: bytes, read: Any, nearby: Any = None) -> tuple[bytes | Reading, Source]:
        await self._log.prove()
        return self.lookup(key) or await self._read(key, read, nearby), "store"

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


def reached_the_highest_number(patch: pytest.MonkeyPatch) -> None:
    """A poll claims to have reached all transactions below the newest one, also those that were open."""
    patch.setattr(async_store, "_as_of", lambda reached: reached.first)


def reached_one_further(patch: pytest.MonkeyPatch) -> None:
    """A poll claims to know the entry that comes next."""
    real = Knowledge.apply
    patch.setattr(Knowledge, "apply", lambda self, page, sent: real(self, page._replace(as_of=page.as_of + 1), sent))


def advanced_to(reached: Callable[[Knowledge], int]) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a mutation of the position to which a copy that is in use is advanced."""
    real = AsyncCachedReads._advanced

    def advanced(self: Reads, knowledge: Knowledge, cache: LocalCache[bytes], key: bytes, copy: bytes) -> bytes | None:
        right, knowledge.as_of = knowledge.as_of, reached(knowledge)
        try:
            return real(self, knowledge, cache, key, copy)
        finally:
            knowledge.as_of = right

    return lambda patch: patch.setattr(AsyncCachedReads, "_advanced", advanced)


def advanced_unjudged(patch: pytest.MonkeyPatch) -> None:
    """A copy that is in use is advanced whatever the log has said about it."""

    def advanced(self: Reads, knowledge: Knowledge, cache: LocalCache[bytes], key: bytes, copy: bytes) -> bytes | None:
        stamped = STAMP.pack(max(knowledge.as_of, knowledge.floor), *STAMP.unpack_from(copy)[1:]) + copy[STAMP.size :]
        cache.replace(key, copy, stamped)
        return stamped

    patch.setattr(AsyncCachedReads, "_advanced", advanced)


def replica_not_judged(patch: pytest.MonkeyPatch) -> None:
    """What a replica says is taken for what the primary would say."""
    patch.setattr(AsyncCachedReads, "_is_current", lambda *_: True)


def stale_for_too_long(patch: pytest.MonkeyPatch) -> None:
    """Stale copies are served for as long as the store does not answer."""
    real = AsyncCachedReads._unproven

    def unproven(self: Reads, key: bytes, until: int) -> bytes | None:
        knowledge = self._log.knowledge
        proven, knowledge.proven_until = knowledge.proven_until, 2**61
        try:
            return real(self, key, until)
        finally:
            knowledge.proven_until = proven

    patch.setattr(AsyncCachedReads, "_unproven", unproven)


def stale_without_a_failure(patch: pytest.MonkeyPatch) -> None:
    """Stale copies are served before anybody has tried to poll."""
    real = AsyncCachedReads.get

    async def get(self: Reads, key: bytes, *reads: Any) -> tuple[bytes | Reading, Source]:
        copy = self._unproven(key, 2**62)
        return (copy, "stale") if copy is not None else await real(self, key, *reads)

    patch.setattr(AsyncCachedReads, "get", get)


def waits_for_nobody(patch: pytest.MonkeyPatch) -> None:
    """`wait=True` returns at once."""

    async def settled(self: AsyncLogReader) -> None:
        pass

    patch.setattr(AsyncLogReader, "settled", settled)


def recheck_across_epochs(patch: pytest.MonkeyPatch) -> None:
    """A session in hand is judged by a log that is not the one it was read under."""

    def admits(self: Reads, key: bytes, copy: bytes) -> bool:
        knowledge = self._log.knowledge
        return self._judged(knowledge, key, copy, knowledge.proven_until) is not None

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
    "entries delete and are not remembered": entries_forgotten,
    "no floor after a restart": with_knowledge(FloorIgnored),
    "a follower trusts an older read": trusting_follower,
    "an epoch survives a crash": epoch_survives,
    "as_of is the highest transaction number": as_of_from_the_highest_number,
    "the cursor is the highest transaction number": cursor_at_the_highest_number,
    "a poll reaches the highest transaction number": reached_the_highest_number,
    "a poll reaches one further than it does": reached_one_further,
    "a copy is advanced to one more than the newest entry": advanced_to(lambda knowledge: knowledge.newest + 1),
    "a copy is advanced without being judged": advanced_unjudged,
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
    "a poll reaches the highest transaction number": lambda run: run.kind == "postgresql",
    "a copy is advanced to one more than the newest entry": lambda run: run.kind == "postgresql",
    "a copy is advanced without being judged": lambda run: run.max_entries > 0,
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
