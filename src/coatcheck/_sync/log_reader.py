# Generated from _async/log_reader.py by tools/generate_sync.py: edit that, run `make generate`.
"""What a worker knows of its store's log: it polls, keeps the proof, and tells those who keep copies of a new epoch."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from weakref import WeakMethod

from coatcheck._sync._pair import Lock, sleep
from coatcheck._sync.follower import Follower
from coatcheck.core.coherence import Knowledge
from coatcheck.core.times import duration_nanos
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from coatcheck.clock import Clock
    from coatcheck.core.coherence import LogPage
    from coatcheck.stores.protocol import Store

_log = logging.getLogger("coatcheck")

_RETRY = 1_000_000_000
"""Nanoseconds after a failed poll in which nobody tries again who can do without."""


class LogReader:
    """The one reader of a store's log in a process, for all who keep copies under its proof.

    Attributes:
        knowledge: What is known of the current epoch.
        lease_ns: For how many nanoseconds a proof is good.
        stale_ns: For how many nanoseconds after the lease copies are served while the log cannot be asked.
    """

    def __init__(self, store: Store, clock: Clock, *, lease: timedelta, serve_stale_for: timedelta) -> None:
        """Wire the reader to its store.

        Args:
            store: Whose log it is.
            clock: Where the time comes from.
            lease: How long a proof is good.
            serve_stale_for: For how long after it copies are served while the log cannot be asked.
        """
        self._store = store
        self._clock = clock
        self.lease_ns = duration_nanos(lease)
        self._wait = (lease + serve_stale_for).total_seconds()
        self.stale_ns = duration_nanos(serve_stale_for)
        self._keepers: list[WeakMethod[Callable[[Knowledge], None]]] = []
        self._observers: list[WeakMethod[Callable[[LogPage, int], None]]] = []
        self._follower = Follower(store, lease=lease.total_seconds(), poll=self._ask_log, proven=self.proven)
        self.forked()

    def forked(self) -> None:
        """Start anew, knowing nothing."""
        self._monotonic = self._clock.monotonic
        self._unchanged = self._store.unchanged
        self._polling = Lock()
        self._poll_failure: tuple[str, int] | None = None
        self.failed_at: int | None = None
        self._begin(self._ignorance(""))
        self._follower.forked()

    def close(self) -> None:
        """Stop what runs in the background."""
        self._follower.stop()

    def add_keeper(self, begin: Callable[[Knowledge], None]) -> None:
        """Have `begin` called now and with each new epoch: copies from before it must not be served any more."""
        self._keepers.append(WeakMethod(begin))
        begin(self.knowledge)

    def add_observer(self, observe: Callable[[LogPage, int], None]) -> None:
        """Have `observe` called with each page that was learned, and until when memory was trusted before it."""
        self._observers.append(WeakMethod(observe))

    def _ignorance(self, epoch: str) -> Knowledge:
        return Knowledge(epoch, lease=self.lease_ns)

    def _begin(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        for keeper in self._keepers:
            begin = keeper()
            if begin is not None:
                begin(knowledge)

    def prove(self) -> None:
        """Learn all that the log held at the beginning of this call, or a lease ago, if the store is quick enough.

        Raises:
            Unavailable: The store could not answer.
        """
        if self.proven():
            return
        failure, proof = self._poll_failure, self.knowledge.proven_until
        with self._polling:
            polled = self.knowledge.proven_until != proof  # by somebody else, while this call waited
            if polled and self.proven():
                return
            if self._poll_failure is not failure and self._poll_failure is not None:
                # It failed while this call waited; each trying for itself would make a queue of timeouts.
                message, retry_after = self._poll_failure
                raise Unavailable(message, retry_after=retry_after)
            if polled and self._unchanged(self.knowledge.cursor):
                # That poll took longer than a lease; another would as well.
                return
            self._poll()
        self.follow()

    def can_prove(self) -> bool:
        """Prove what can be proven, without an error, and without a new try for every caller; tells whether it is."""
        if self.failed_at is not None and (self._monotonic() < self.failed_at + _RETRY or self._polling.locked):
            return False  # a store that hangs would hold up all who come while one of them tries
        try:
            self.prove()
        except Unavailable:
            return False
        return True

    def doubt(self) -> None:
        """Ask the log before anything else is served: this worker sees its own changes at once."""
        if not self._store.capabilities.notices_changes:
            self.knowledge.doubt(self._monotonic())

    def follow(self) -> None:
        """Keep the proof fresh in the background, or find out that the store is back, where that is possible."""
        if self._store.capabilities.pushes_changes:
            self._follower.used()

    def settled(self) -> None:
        """Wait until every worker has either learned of what was just committed or trusts its memory no more."""
        # A stale copy is served without a look at the store, so one that notices changes makes no difference to it.
        if self.stale_ns or not self._store.capabilities.notices_changes:
            sleep(self._wait)

    def _ask_log(self) -> None:
        """Poll for nobody in particular: because there is news, or the lease will be over soon."""
        with self._polling:
            self._poll()

    def proven(self) -> bool:
        """Tell whether the last proof is still good."""
        knowledge = self.knowledge
        return self._monotonic() < knowledge.proven_until and self._unchanged(knowledge.cursor)

    def _poll(self) -> None:
        try:
            knowledge = self._polled(self.knowledge)
        except Unavailable as error:
            self._poll_failure = (str(error), error.retry_after)  # not the error, whose frames would live on
            if self.failed_at is None:
                _log.warning("coatcheck.authority_unavailable", extra={"reason": str(error)})
            self.failed_at = self._monotonic()
            raise
        if knowledge is not self.knowledge:
            self._begin(knowledge)
        if self.failed_at is not None:
            self.failed_at = None
            _log.info("coatcheck.authority_available")

    def _polled(self, knowledge: Knowledge) -> Knowledge:
        sent = self._monotonic()
        page = self._store.poll(knowledge.cursor)
        if not page.resumed or page.epoch != knowledge.epoch:
            # The first poll of all, another file, or another life of the same one: nothing known before counts.
            if knowledge.cursor is not None:
                sent = self._monotonic()
                page = self._store.poll(None)
            knowledge = self._ignorance(page.epoch)
        trusted_until = knowledge.proven_until
        knowledge.apply(page, sent)
        for observer in self._observers:
            observe = observer()
            if observe is not None:
                observe(page, trusted_until)
        return knowledge

    def now(self) -> int:
        """The authority's time, in nanoseconds since the epoch, as the last poll brought it."""
        return self._monotonic() + self.knowledge.offset

    def best_now(self) -> int:
        """The same, and before the first poll the time by this process's own clock."""
        return self.now() if self.proof_sent else self._clock.now()

    @property
    def failing(self) -> bool:
        """Whether the last poll has failed."""
        return self.failed_at is not None

    @property
    def proof_sent(self) -> int | None:
        """When the last complete poll was sent, by the monotonic clock; None before the first."""
        knowledge = self.knowledge
        return None if knowledge.began is None else knowledge.proven_until - knowledge.lease
