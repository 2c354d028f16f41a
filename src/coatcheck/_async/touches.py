"""Last-seen times on their way to the store: gathered, written in one statement, never in a request's way."""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING

from coatcheck._async._pair import AsyncLock, AsyncTimer
from coatcheck.core.session import STAMP, Session, times_of, touched
from coatcheck.errors import CoatcheckError
from coatcheck.stores.base import Touch

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.core.local_cache import LocalCache
    from coatcheck.core.policy import Policy
    from coatcheck.stores.async_protocol import AsyncStore

_log = logging.getLogger("coatcheck")

_BATCH = 5_000
"""So many sessions are touched in one statement."""

_MOST = 100_000
"""While the store refuses writes, no more pending touches than this are remembered."""


class AsyncTouches:
    """The pending touches of one process."""

    def __init__(
        self,
        store: AsyncStore,
        policy: Policy,
        *,
        touch_every: int,
        flush_every: float,
        cache: Callable[[], LocalCache[bytes]],
    ) -> None:
        """Wire the touches.

        Args:
            store: Where they are written.
            policy: How far a use extends a session.
            touch_every: After how many nanoseconds a use is worth noting again.
            flush_every: How many seconds touches are gathered.
            cache: Where the copies are whose idle expiry grows once the store has confirmed it.
        """
        self._store = store
        self._policy = policy
        self._touch_every = touch_every
        self._flush_every = flush_every
        self._cache = cache
        self.forked()

    def forked(self) -> None:
        """Start anew; what the parent has pending, the parent will write."""
        self._pending: dict[str, tuple[bytes, bytes, Touch]] = {}
        self._timer = AsyncTimer(self._flush_on_time)
        self._flushing = AsyncLock()

    def __len__(self) -> int:
        return len(self._pending)

    def note(self, key: bytes, copy: bytes, now: int) -> None:
        """Note a use of a session; costs no I/O.

        Args:
            key: The cache key of the copy.
            copy: The copy that was served.
            now: The authority's time, in nanoseconds since the epoch.
        """
        session_id = Session(copy).id
        if session_id in self._pending or len(self._pending) >= _MOST:
            return
        seen = now // 1000
        times = times_of(copy)
        idle = self._policy.extended(seen, times.idle_timeout, times.idle_expires_at)
        touch = Touch(session_id, seen, min(idle, times.expires_at))
        self._pending[session_id] = (key, copy, touch)
        self._timer.start(self._flush_every)

    async def flush(self) -> int:
        """Write all pending touches; a failure is logged, and they stay pending.

        Returns:
            How many sessions the store has confirmed.
        """
        confirmed = 0
        async with self._flushing:
            for _ in range(0, len(self._pending), _BATCH):
                confirmed += await self._flush_some()
        return confirmed

    async def _flush_on_time(self) -> None:
        async with self._flushing:
            await self._flush_some()
        if self._pending:
            self._timer.start(self._flush_every)

    async def _flush_some(self) -> int:
        """Write pending touches in one statement, and not so many that a store could not do it in time."""
        batch = dict(islice(self._pending.copy().items(), _BATCH))
        if not batch:
            return 0
        try:
            confirmed = await self._store.touch([touch for _, _, touch in batch.values()])
        except CoatcheckError as error:
            _log.warning("coatcheck.touch_failed", extra={"pending": len(self._pending), "reason": str(error)})
            self._timer.start(self._flush_every)
            return 0
        for session_id, (key, copy, touch) in batch.items():
            if session_id in confirmed:
                self._move(key, copy, touch)
            self._pending.pop(session_id, None)
        return len(confirmed)

    def _move(self, key: bytes, copy: bytes, touch: Touch) -> None:
        """Let the copy in memory say what the store now says, if it is still of the same record."""
        cache = self._cache()
        kept = cache.get(key)
        if kept is not None and kept[STAMP.size :] == copy[STAMP.size :]:
            next_touch = touch.last_seen_at * 1000 + self._touch_every
            cache.replace(key, kept, touched(kept, touch.last_seen_at, touch.idle_expires_at, next_touch))

    async def close(self) -> None:
        """Write what is pending and stop the timer."""
        await self.flush()
        await self._timer.stop()
