"""Runs of a simulated fleet, each with accidents of its own: see `simulation.py`.

`COATCHECK_SEEDS=5000` runs more of them. A run that fails is repeated by its seed, which is its parameter.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck._async import cached_reads
from coatcheck._async.cached_reads import AsyncCachedReads
from coatcheck.core.local_cache import key_of
from coatcheck.core.session import STAMP
from tests.coherence.mistakes import EntriesForgotten, FloorIgnored, LeaseUnchecked
from tests.coherence.simulation import Authority, Simulation, Violated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coatcheck import Session
    from coatcheck.core.answers import Source
    from coatcheck.core.coherence import Knowledge
    from coatcheck.core.session import Record
    from coatcheck.stores.base import Reading

SEEDS = int(os.environ.get("COATCHECK_SEEDS", "200"))
ENOUGH = 100
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
    first = Simulation(7).run()
    assert len(first) > 100
    assert Simulation(7).run() == first
    assert Simulation(8).run() != first


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

    def copy_of(self: AsyncCachedReads, reading: Reading, record: Record) -> bytes:
        as_of = max(reading.as_of, self._knowledge.newest + 1, self._knowledge.floor)
        return real(self, reading._replace(as_of=as_of), record)

    patch.setattr(AsyncCachedReads, "copy_of", copy_of)


def trusting_follower(patch: pytest.MonkeyPatch) -> None:
    """Who waits for a read under way takes what it brings."""

    async def get(
        self: AsyncCachedReads, presented: bytes, read: Callable[[], Awaitable[Reading]], nearby: object = None
    ) -> tuple[Session | Reading, Source]:
        await self.prove()
        if (session := self.lookup(presented)) is not None:
            return session, "memory"
        flight = self._flights.claim(key_of(presented))
        if flight is not None and (reading := await self._flights.wait(flight)) is not None:
            return reading, "store"
        return await self._lead(key_of(presented), read), "store"

    patch.setattr(AsyncCachedReads, "get", get)


def no_single_flight(patch: pytest.MonkeyPatch) -> None:
    """Everybody reads for themselves."""

    async def get(
        self: AsyncCachedReads, presented: bytes, read: Callable[[], Awaitable[Reading]], nearby: object = None
    ) -> tuple[Session | Reading, Source]:
        await self.prove()
        return self.lookup(presented) or await self._read(key_of(presented), read), "store"

    patch.setattr(AsyncCachedReads, "get", get)


def epoch_survives(patch: pytest.MonkeyPatch) -> None:
    """A restored database takes itself for the one it was."""
    real = Authority.restore

    def restore(self: Authority) -> None:
        epoch = self._epoch
        real(self)
        self._epoch = epoch

    patch.setattr(Authority, "restore", restore)


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
    "entries delete and are not remembered": with_knowledge(EntriesForgotten),
    "no floor after a restart": with_knowledge(FloorIgnored),
    "a follower trusts an older read": trusting_follower,
    "an epoch survives a restore": epoch_survives,
    "a session in hand is judged by another epoch's log": recheck_across_epochs,
    "there is no single flight": no_single_flight,
    "an outage is told as not signed in": refusing_outage,
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_fatal_mistake_shows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With it, a run fails before long."""
    MISTAKES[name](monkeypatch)
    with pytest.raises(Violated):
        _run_until_it_shows()


def _run_until_it_shows() -> None:
    for seed in range(ENOUGH):
        Simulation(seed).run()
