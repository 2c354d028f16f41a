# Generated from stores/valkey/async_readings.py by tools/generate_sync.py: edit that, run `make generate`.
"""Readings of sessions and pages of the log, for threads: what the coherence rule stands on.

Why a reading and a page of the same epoch belong to the same log: the epoch is a random word beside the log. It goes
with it (FLUSHALL), and comes back with it (a snapshot, a replica). The poll asks the server who it is (`run_id`, new
with each start) and since when it is a master (`master_replid`, new with each promotion), and if that is not what is
noted beside the epoch, it notes a new epoch with it, in the same script. So a poll never proves anything about a log
that stood on another server or was loaded from disk, whatever was lost on the way. A reading takes the epoch that is
noted. Between a failover and the next poll that is the old one, of a log that may have lost entries and gone on
differently: such a copy is admitted only until the lease of the last poll is over, for the next poll finds the
new epoch and drops every copy of the old one. A first poll always notes a new epoch, so none can be proven with
an epoch that somebody else's lost poll has left half known. A log with a hole or with a head behind the cursor gets a
new epoch as well.

A connection may still lead to a former master, which answers readings and knows nothing of what came later. So a
reading must have the epoch of this store's latest poll and stand at or after its head; otherwise unused connections
are dropped, and one poll and one more reading tell whether that was all. Of two servers that both take themselves
for the master the old one can be kept from proving anything by `min-replicas-to-write` with `poll_writes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import OutOfMemoryError

from coatcheck.core.coherence import Entry, LogPage
from coatcheck.errors import Unavailable
from coatcheck.stores.valkey import rows, scripts
from coatcheck.stores.valkey.base import ValkeyBase, refuse
from coatcheck.stores.valkey.question import ANSWERS

if TYPE_CHECKING:
    from coatcheck.stores.base import Reading

FLOOD = 10_000
"""A poll that finds more entries than this raises the floor instead of learning each of them."""


class Cursor(NamedTuple):
    """How far a poll has read: the log's epoch and the next position."""

    epoch: str
    position: int


class ValkeyReadings(ValkeyBase):
    """Sessions as they stand, and the log."""

    _polled: Cursor | None = None
    _generation = b""

    def read(self, token_hash: bytes, *, connection: Any = None) -> Reading:
        """Read the session with this token hash, and where the log stood at that time or just before."""
        refuse(connection)
        if not self._wire.clustered and (reading := self._asked(token_hash)) is not None:
            return reading
        return self._read("hash", token_hash.hex())

    def _asked(self, token_hash: bytes) -> Reading | None:
        """Read by plain commands; None where they could not be sure of what they were asked about."""
        polled, generation = self._polled, self._generation
        packet = self._question.about(generation, token_hash)
        meta, (seconds, micros), values, retired = self._wire.together(packet, ANSWERS)
        self._generation = meta[2] or b""
        if retired or self._generation != generation:
            return None
        now = self._now()
        reading = rows.reading_in(meta, int(seconds) * 1_000_000 + int(micros) if now == "" else int(now), values)
        return reading if _is_current(reading, polled) else None

    def read_nearby(self, token_hash: bytes) -> Reading | None:  # noqa: ARG002 - a replica's readings may be old
        """Have no answer: only the master is asked."""
        return None

    def find(self, session_id: str) -> Reading:
        """Read a session by its public id."""
        return self._read("id", session_id)

    def _read(self, by: str, value: str) -> Reading:
        polled = self._polled
        reading = rows.reading_of(self._run(scripts.READ, by, value))
        if _is_current(reading, polled):
            return reading
        self._wire.renew()
        self.poll(polled)
        polled = self._polled
        reading = rows.reading_of(self._run(scripts.READ, by, value))
        if _is_current(reading, polled):
            return reading
        msg = "the Valkey store could not answer (a server that is not the master, or not any more)"
        raise Unavailable(msg)

    def poll(self, cursor: Cursor | None) -> LogPage:
        """Read the log from a cursor on, in one script, which fails on a replica."""
        epoch, position = cursor or ("", 0)
        answer = self._polled_with(epoch, position)
        end = Cursor(answer[0].decode(), int(answer[2]))
        words = answer[4]
        entries = tuple(Entry(int(at), what.decode()) for at, what in zip(words[::2], words[1::2], strict=True))
        self._polled = end
        self._listener.begin_at(end.epoch, end.position)
        resumed = epoch in ("", end.epoch)
        now = int(answer[3]) * 1000
        return LogPage(end.epoch, int(answer[1]), entries, end, now, resumed, as_of=end.position)

    def _polled_with(self, epoch: str, position: int) -> Any:
        order = (epoch, position, FLOOD)
        try:
            return self._ask(scripts.POLL_WRITING if self._poll_writes else scripts.POLL, *order)
        except Unavailable as error:
            if self._poll_writes or not isinstance(error.__cause__, OutOfMemoryError):
                raise
        # There was something to note, and no memory for it.
        return self._ask(scripts.POLL_WRITING, *order)


def _is_current(reading: Reading, polled: Cursor | None) -> bool:
    return polled is None or (reading.epoch == polled.epoch and reading.as_of >= polled.position)
