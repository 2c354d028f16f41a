"""How sessions are kept in the caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from coatcheck.core.local_cache import LocalCache
from coatcheck.core.sealing import Seals
from coatcheck.core.session import NEVER, SEALED, STAMP, subjects_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from coatcheck.core.sealing import Place
    from coatcheck.core.session import Record
    from coatcheck.core.settings import CacheSettings
    from coatcheck.core.successors import Retired


class _Reading(Protocol):
    @property
    def as_of(self) -> int: ...

    @property
    def now(self) -> int: ...

    @property
    def record(self) -> Record | None: ...

    @property
    def since(self) -> int | None: ...

    @property
    def retired(self) -> Retired | None: ...


class SessionCopies:
    """Copies of sessions: a stamp and the record's bytes, under the hash of what the client presents."""

    def __init__(
        self,
        settings: CacheSettings,
        *,
        touch_every: int,
        rotate_after: int = NEVER,
        shared_ttl: int = 0,
        secrets: Sequence[bytes] = (),
    ) -> None:
        """Keep how long they live.

        Args:
            settings: How many are kept in memory, and for how long.
            touch_every: After how many nanoseconds a use is worth noting again.
            rotate_after: After how many nanoseconds a token is due for rotation.
            shared_ttl: How many nanoseconds after its reading a copy in a shared cache may be served.
            secrets: The keys of the seals on those.
        """
        self._max_entries = settings.max_entries
        self.ttl = settings.ttl_ns
        self._touch_every = touch_every
        self._rotate_after = rotate_after
        self._shared_ttl = shared_ttl
        self._seals = Seals(SEALED, secrets)
        # What was read last: for the cache, for the shared one and for the answer it is wanted one after the other.
        self._packed: tuple[Record | None, bytes] = None, b""

    def subjects(self, _: bytes, copy: bytes) -> Iterable[str]:
        """Return what log entries may call it: the session, and its user."""
        return subjects_of(copy)

    def kept(self, reading: _Reading) -> bytes | None:
        """Return the copy to be kept in memory, if there is a session.

        Nothing is kept under a retired token: it is good for a moment only, and whoever presents it must be told of its
        successor, which only the store knows.
        """
        if reading.record is None or reading.retired is not None:
            return None
        return self.copy_of(reading, reading.record, self.ttl)

    def shared(self, reading: _Reading) -> tuple[bytes, int, bool] | None:
        """Return the copy to be shared, for how long, and that this ends no lease."""
        if reading.record is None or reading.retired is not None:
            return None
        copy = self.copy_of(reading, reading.record, self._shared_ttl)
        return copy, STAMP.unpack_from(copy)[1] - reading.now, False

    def copy_of(self, reading: _Reading, record: Record, ttl: int) -> bytes:
        """Return a copy of a record, stamped with when it was read and how long it may be served."""
        last_seen, end = record.last_seen_at * 1000, min(record.ends_at(), NEVER // 1000) * 1000
        serve_until = min(end, reading.now + ttl)
        if reading.retired is not None:
            serve_until = min(serve_until, reading.retired.until * 1000)
        elif reading.now < (due_at := self._due_at(reading, record)):
            # From then on the next request reads it again, and learns that its token is due. No hit asks for that.
            serve_until = min(serve_until, due_at)
        latest, packed = self._packed
        if latest is not record:
            packed = record.pack()
            self._packed = record, packed
        return STAMP.pack(reading.as_of, serve_until, last_seen + self._touch_every) + packed

    def is_due(self, reading: _Reading) -> bool:
        """Tell whether whoever presented the token should get another one; never where tokens are not rotated."""
        if reading.record is None or self._rotate_after == NEVER:
            return False
        return reading.retired is not None or reading.now >= self._due_at(reading, reading.record)

    def _due_at(self, reading: _Reading, record: Record) -> int:
        # A rotation after a change of privileges leaves no trace here: its token is taken for older than it is.
        began = max(record.created_at, record.authenticated_at or 0, reading.since or 0)
        return min(began * 1000 + self._rotate_after, NEVER)

    def places(self, epoch: str, key: bytes) -> tuple[Place, ...]:
        """Return where a session's copy belongs in a shared cache."""
        return self._seals.places(epoch, key)

    def new_cache(self) -> LocalCache[bytes]:
        """Return an empty cache."""
        return LocalCache(self._max_entries)
