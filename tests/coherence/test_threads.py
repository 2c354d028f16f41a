"""A new epoch begins in the middle of a request: what the search asks of memory, here asked of sessions."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from coatcheck import CacheSettings, NotSignedIn, Session, Sessions
from coatcheck.testing import ManualClock, MemoryCache, MemoryStore
from tests.coherence.threads import interrupted

KEYS = [b"a key of the shared cache, 32 bytes"]
TICK = timedelta(microseconds=1)
SETTINGS = CacheSettings(ttl=timedelta(minutes=1))


class Meeting:
    """A worker that finds a session in the shared cache, while the store is replaced by one that never had it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store, self.cache = MemoryStore(clock=self.clock), MemoryCache(clock=self.clock)
        self.token = self._worker().create("ann").token
        assert self._worker().get(self.token), "another worker shares it"
        self.worker = self._worker()
        self.worker._log.prove()
        self.answer: Session | NotSignedIn | None = None

    def _worker(self) -> Sessions:
        return Sessions(self.store, cache=SETTINGS, shared_cache=self.cache, keys=KEYS, clock=self.clock)

    def ask(self) -> None:
        self.answer = self.worker.get(self.token)

    def replace(self) -> None:
        self.clock.advance(TICK)
        self.store._rows.clear()
        self.store._epoch += "'"
        self.worker._log._poll()
        self.clock.advance(TICK)


def test_I1_a_session_found_while_an_epoch_ends_is_not_judged_by_the_next_ones_log() -> None:
    """Wherever in the request that was: positions of two epochs cannot be compared."""
    accepted = 0
    for line in count(1):
        meeting = Meeting()
        if not interrupted(meeting.ask, meeting.replace, at=line, begun=lambda: True):
            break
        if isinstance(meeting.answer, Session):
            accepted += 1
            assert meeting.worker.recheck(meeting.answer) is NotSignedIn.UNKNOWN, f"interrupted before line {line}"
    assert accepted
