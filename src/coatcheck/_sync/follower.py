# Generated from _async/follower.py by tools/generate_sync.py: edit that, run `make generate`.
"""Keeps what a worker knows of the log fresh in the background, for as long as somebody uses it."""

from __future__ import annotations

import random
from time import monotonic
from typing import TYPE_CHECKING

from coatcheck._sync._pair import Repeater, sleep
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.stores.protocol import Store

_RENEWALS = 30
"""How often an unused worker renews its lease before it lets it go: half a minute with a lease of two seconds."""

_REST = 2.0
"""After a poll that news caused, a worker rests so many times as long as the poll took, or the one before if that was
shorter: a store under load is asked less often, and a thousand workers that are woken at once do not keep it busy with
themselves. One poll alone may have been slow for another reason, and must not make the worker deaf."""


class Follower:
    """Polls when there is news, and before the lease is over, so that requests find it proven.

    It makes the bound early and never replaces it: whatever becomes of the news, the lease decides.
    """

    def __init__(
        self,
        store: Store,
        *,
        lease: float,
        poll: Callable[[], object],
        proven: Callable[[], bool],
    ) -> None:
        """Wire it to a store that pushes changes.

        Args:
            store: Where news come from.
            lease: The lease in seconds.
            poll: Asks the log and raises Unavailable when it could not.
            proven: Tells whether the lease is not over.
        """
        self._store = store
        self._lease = lease
        self._poll = poll
        self._proven = proven
        self.forked()

    def forked(self) -> None:
        """Start anew; the parent's task or thread is the parent's."""
        self._repeater = Repeater(self._round)
        self._seen = 0
        self._renewals = 0
        self._next = 0.0
        self._took = 0.0

    def used(self) -> None:
        """Note that a request has had to ask the log itself: from now on this worker is kept fresh."""
        if not self._renewals:
            self._arrange()
        self._renewals = _RENEWALS
        self._repeater.start()

    def _arrange(self) -> None:
        # Each at a time of its own, or all that were woken together would go on asking together.
        self._next = monotonic() + self._lease * random.uniform(0.4, 0.6)  # noqa: S311

    def _round(self) -> None:
        pause = max(0.0, self._next - monotonic()) if self._renewals else self._lease
        seen = self._store.news(self._seen, min(pause, self._repeater.slice))
        news, self._seen = seen != self._seen, seen
        if news and self._proven():
            self._ask(rest=_REST)
        elif self._renewals and monotonic() >= self._next:
            self._renewals -= 1
            self._ask(rest=0.0)

    def _ask(self, *, rest: float) -> None:
        began = monotonic()
        try:
            self._poll()
        except Unavailable:
            rest = 1.0  # the poll has logged it; requests that need an answer ask themselves
        self._arrange()
        before, self._took = self._took, monotonic() - began
        sleep(min(min(before, self._took) * rest, self._lease / 4))

    def stop(self) -> None:
        """Stop following; the next use begins anew."""
        self._repeater.stop()
