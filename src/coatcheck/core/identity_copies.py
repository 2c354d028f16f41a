"""How what providers say is kept in the caches.

copy = stamp (what the coherence rule needs), record, tags: what else log entries may call it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from coatcheck.core.answers import NotSignedIn
from coatcheck.core.endings import TAG, ended_subject, outdated_subject
from coatcheck.core.local_cache import LocalCache
from coatcheck.core.sealing import Kind, Seals
from coatcheck.core.session import NEVER, STAMP, VERSION, end_of, subjects_of
from coatcheck.core.times import duration_nanos

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coatcheck.core.identities import ProviderAnswer
    from coatcheck.core.sealing import Place
    from coatcheck.core.session import Record

OPEN_STREAM = 10_000_000_000
"""Nanoseconds for which an answer serves an open stream, where it may serve no request."""


class IdentityReading(NamedTuple):
    """One answer of a provider, and where the log stood before it was asked.

    Attributes:
        epoch: The identity of the log; empty for what must not be kept.
        as_of: The position in it.
        now: The time, in nanoseconds since the epoch.
        answer: The answer.
    """

    epoch: str
    as_of: int
    now: int
    answer: ProviderAnswer


def tags_of(copy: bytes) -> Iterator[bytes]:
    """Yield the tags of a copy."""
    for start in range(end_of(copy) or len(copy), len(copy), TAG):
        yield copy[start : start + TAG]


def _is_whole(copy: bytes) -> bool:
    end = end_of(copy)
    return end is not None and end <= len(copy) and (len(copy) - end) % TAG == 0


class IdentityCopies:
    """Copies of sessions that somebody else issued, under the hash of what the client presents.

    Attributes:
        ttl: For how many nanoseconds after it was read, from the provider or a shared cache, a copy is kept in memory.
    """

    def __init__(
        self,
        *,
        revalidate_after: int,
        max_entries: int,
        memory_ttl: int | None = None,
        shared_ttl: int = 0,
        secrets: Sequence[bytes] = (),
    ) -> None:
        """Keep how long they live, in nanoseconds.

        Args:
            revalidate_after: When the provider must be asked again; 0 keeps nothing.
            max_entries: How many are kept in memory.
            memory_ttl: How long each is kept there; None for as long as the provider need not be asked again.
            shared_ttl: How long a copy stays in a shared cache.
            secrets: The keys of the seals on those.
        """
        self._keeps = revalidate_after > 0
        self._max_entries = max_entries
        self._good_for = revalidate_after or OPEN_STREAM
        self.ttl = self._good_for if memory_ttl is None else min(memory_ttl, self._good_for)
        self._shared_ttl = shared_ttl
        self._seals = Seals(Kind(b"identity" + bytes((VERSION,)), _is_whole), secrets)

    def subjects(self, _: bytes, copy: bytes) -> Iterator[str]:
        """Return what log entries may call it: the session, its user, and its tags."""
        yield from subjects_of(copy)
        for tag in tags_of(copy):
            yield outdated_subject(tag)
            yield ended_subject(tag)

    def kept(self, reading: IdentityReading) -> bytes | None:
        """Return the copy to be kept in memory, if there is a session and it may be kept."""
        return self._copy(reading, self.ttl)

    def shared(self, reading: IdentityReading) -> tuple[bytes, int, bool] | None:
        """Return the copy to be shared, for how long, and that this ends no lease."""
        copy = self._copy(reading, self._good_for)
        if copy is None:
            return None
        return copy, min(STAMP.unpack_from(copy)[1] - reading.now, self._shared_ttl), False

    def _copy(self, reading: IdentityReading, ttl: int) -> bytes | None:
        record = reading.answer.identity
        return self._stamped(reading, record, ttl) if self._keeps and not isinstance(record, NotSignedIn) else None

    def copy_of(self, reading: IdentityReading, record: Record) -> bytes:
        """Return a copy of a record, as it is handed to whoever asked."""
        return self._stamped(reading, record, self.ttl)

    def _stamped(self, reading: IdentityReading, record: Record, ttl: int) -> bytes:
        """Return a copy, stamped with when the provider was asked and how long the answer is good.

        That is never extended: not by reading it, and not by handing it from one cache to another.
        """
        valid_for = reading.answer.valid_for
        ttl = ttl if valid_for is None else min(ttl, duration_nanos(valid_for))
        end = min(record.ends_at(), NEVER // 1000) * 1000
        stamp = STAMP.pack(reading.as_of, min(end, reading.now + ttl), NEVER)
        return b"".join((stamp, record.pack(), *reading.answer.tags))

    def places(self, epoch: str, key: bytes) -> tuple[Place, ...]:
        """Return where a copy belongs in a shared cache."""
        return self._seals.places(epoch, key)

    def new_cache(self) -> LocalCache[bytes]:
        """Return an empty cache."""
        return LocalCache(self._max_entries)
