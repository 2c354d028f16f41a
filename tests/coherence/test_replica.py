"""What a replica says is a hint like a cached copy: judged by the rule, confirmed by the primary, never cached."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from coatcheck import CacheSettings, NotSignedIn, Session, Sessions
from coatcheck.testing import ManualClock, MemoryStore

if TYPE_CHECKING:
    from coatcheck.stores.base import Reading

LEASE = timedelta(seconds=2)


class Replicated(MemoryStore):
    """A store with a replica that stands still until it is told to catch up.

    Attributes:
        ahead: How far the clock of the replica's host goes wrong.
    """

    ahead = timedelta(0)

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock=clock)
        self.capabilities = self.capabilities._replace(replica=True)
        self.reads = 0
        self.catch_up()

    def catch_up(self) -> None:
        """Replay all that there is."""
        self._replayed = dict(self._rows), self._epoch, self._position

    def read_nearby(self, token_hash: bytes) -> Reading | None:
        rows, epoch, as_of = self._replayed
        now = self._clock.now() + self.ahead // timedelta(microseconds=1) * 1000
        return self._reading(rows.get(token_hash))._replace(epoch=epoch, as_of=as_of, now=now)

    def read(self, token_hash: bytes, *, connection: object = None) -> Reading:
        self.reads += 1
        return super().read(token_hash, connection=connection)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Replicated:
    return Replicated(clock)


@pytest.fixture
def worker(store: Replicated, clock: ManualClock) -> Sessions:
    return Sessions(store, clock=clock, cache=CacheSettings(lease=LEASE))


def test_I2_what_the_replica_has_not_got_yet_the_primary_says(store: Replicated, worker: Sessions) -> None:
    """A session is valid from the moment of its creation."""
    token = worker.create("ann").token
    assert isinstance(worker.get(token), Session)
    assert store.reads == 1


def test_I1_what_the_replica_has_not_lost_yet_is_refused(
    store: Replicated, worker: Sessions, clock: ManualClock
) -> None:
    """A known log entry sends the request on to the primary."""
    token = worker.create("ann").token
    store.catch_up()
    worker.revoke(token)
    clock.advance(LEASE)
    assert worker.get(token) is NotSignedIn.UNKNOWN


def test_a_replicas_answer_is_served_and_not_cached(store: Replicated, worker: Sessions) -> None:
    """The primary has no part in it, and memory keeps nothing of it."""
    token = worker.create("ann").token
    store.catch_up()
    for _ in range(2):
        assert isinstance(worker.get(token), Session)
        assert worker.lookup(token) is None
    assert store.reads == 0


@pytest.mark.parametrize("wrong", [timedelta(days=-400), timedelta(days=400)])
def test_I2_the_clock_of_the_replicas_host_expires_nothing(
    store: Replicated, worker: Sessions, wrong: timedelta
) -> None:
    """Expiry is judged by the authority's clock."""
    token = worker.create("ann").token
    store.catch_up()
    store.ahead = wrong
    assert isinstance(worker.get(token), Session)


def test_I1_an_answer_of_another_epoch_is_none(store: Replicated, worker: Sessions, clock: ManualClock) -> None:
    """Positions of two epochs cannot be compared."""
    token = worker.create("ann").token
    store.catch_up()
    store._epoch += "'"
    worker.revoke(token)
    clock.advance(LEASE)
    assert worker.get(token) is NotSignedIn.UNKNOWN
