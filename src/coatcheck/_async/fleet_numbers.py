"""Numbers of the whole fleet: each worker tells what it has counted, and any of them can read what all have."""

from __future__ import annotations

import logging
from datetime import timedelta
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING, Self, cast

from coatcheck._async._pair import AsyncLock, AsyncRepeater, async_sleep
from coatcheck._async.counted_answers import AsyncCountedAnswers
from coatcheck.core.fleet import LONGEST_INTERVAL, MOST_SEEN, SHORTEST_INTERVAL, Counts, fleet_of, probe_time, report_of
from coatcheck.core.refusals import refuse
from coatcheck.core.times import duration_micros
from coatcheck.errors import CoatcheckError, ConfigurationError
from coatcheck.fork import after_fork

if TYPE_CHECKING:
    from types import TracebackType

    from coatcheck._async.provider_sessions import AsyncProviderSessions
    from coatcheck._async.sessions import AsyncSessions
    from coatcheck.core.coherence import LogPage
    from coatcheck.core.fleet import FleetReading
    from coatcheck.stores.async_protocol import AsyncKeepsNumbers

_log = logging.getLogger("coatcheck")


class AsyncFleetNumbers:
    """What all workers of a store have counted, and how long a revocation takes to reach them.

    Each worker that has started one tells its counters in a row of its own, from time to time and in the background: a
    failure is logged, and breaks no request. Anybody can `read`, also without having started. One for each sessions.

    Attributes:
        every: How often this worker tells.
        store: Where.
    """

    def __init__(
        self, sessions: AsyncSessions | AsyncProviderSessions, *, every: timedelta = timedelta(seconds=10)
    ) -> None:
        """Wire them to sessions; nothing is counted yet.

        Args:
            sessions: Whose answers are counted, and in whose store they are told.
            every: How often they are, 1 to 60 seconds. A worker that has not done so three times counts as gone.

        Raises:
            ConfigurationError: The store keeps no such numbers, or the interval is out of bounds.
        """
        if not SHORTEST_INTERVAL <= every <= LONGEST_INTERVAL:
            refuse("every", every, "use 1 to 60 seconds", of="numbers")
        if not sessions.store.capabilities.numbers:
            msg = "numbers of the fleet are not possible with this store: use SQLite, PostgreSQL, Valkey or D1"
            raise ConfigurationError(msg)
        self.every = every
        self._tiers = sessions.tiers
        self._events = sessions.events
        self.store = cast("AsyncKeepsNumbers", sessions.store)
        self._answers = AsyncCountedAnswers(sessions)
        self._started = self._failing = False
        self._tiers.log.add_observer(self._noted)
        self._begin(0.0)
        after_fork(self)

    def _begin(self, first: float) -> None:
        """Be a worker that nobody knows yet, and has counted nothing."""
        self._id = token_hex(8)
        self._began = self._tiers.clock.monotonic()
        self._before = Counts()
        self._before = self.counts()
        self._seen: dict[int, int] = {}
        self._next = first
        self._telling = AsyncLock()
        self._repeater = AsyncRepeater(self._round)

    def forked(self) -> None:
        """Be a worker of one's own: what the parent has counted, the parent tells."""
        self._begin(monotonic() + self.every.total_seconds())
        if self._started:
            self._repeater.start_in_child()

    def counts(self) -> Counts:
        """Return what this worker has counted since it began."""
        events = self._events.counts
        happened = {"created": events["created"], "revoked": events["revoked"], "evicted": events["evicted"]}
        return Counts(**self._answers.found(), **happened).since(self._before)

    async def start(self) -> None:
        """Begin to count and to tell; where workers are forked, in each of them. To be stopped before the sessions."""
        if not self._started:
            self._started = True
            self._answers.start()
        self._repeater.start()

    async def aclose(self) -> None:
        """Tell for a last time, and stop."""
        if self._started:
            await self._repeater.stop()
            self._started = False
            self._answers.stop()
            await self._try(ended=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def read(self) -> FleetReading:
        """Return what all workers have told in the last half hour.

        Raises:
            Unavailable: The store did not answer.
        """
        return fleet_of(await self.store.reports())

    async def tell(self, *, ended: bool = False) -> None:
        """Tell now what was counted, and write a probe if it is time for one.

        Raises:
            Unavailable: The store did not answer.
        """
        async with self._telling:
            uptime = (self._tiers.clock.monotonic() - self._began) // 1000
            every = duration_micros(self.every)
            report = report_of(self.counts(), uptime=uptime, every=every, seen=self._seen, ended=ended)
            if await self.store.report(self._id, report) and not self._tiers.store.capabilities.notices_changes:
                await self.store.probe()

    async def _round(self) -> None:
        pause = self._next - monotonic()
        if pause > 0:
            await async_sleep(min(pause, self._repeater.slice))
            return
        self._next = monotonic() + self.every.total_seconds()
        await self._try()

    async def _try(self, *, ended: bool = False) -> None:
        try:
            await self.tell(ended=ended)
        except CoatcheckError as error:
            if not self._failing:
                _log.warning("coatcheck.numbers_failed", extra={"reason": str(error)})
            self._failing = True
            return
        if self._failing:
            self._failing = False
            _log.info("coatcheck.numbers_told")

    def _noted(self, page: LogPage, trusted_until: int) -> None:
        """Note how long it took until this worker could not accept what had changed with a probe."""
        log = self._tiers.log
        trusted = (trusted_until + log.knowledge.offset) // 1000
        probes = [at for entry in page.entries if (at := probe_time(entry.subject)) is not None and at < trusted]
        if probes:
            known = min(log.now() // 1000, trusted)
            seen = {
                at: max(0, known - at) for at in probes
            } | self._seen  # a new one: a report may be reading the other
            self._seen = dict(sorted(seen.items())[-MOST_SEEN:])
