# Generated from _async/reading_ahead.py by tools/generate_sync.py: edit that, run `make generate`.
"""The session and the log in one round trip, at stores that are far away."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

from coatcheck.core.refusals import refuse

if TYPE_CHECKING:
    from coatcheck._sync.log_reader import LogReader
    from coatcheck.stores.base import Reading, ReadsAhead
    from coatcheck.stores.protocol import Store

_ATTEMPTS = 2
"""The first poll may have been sent before this request came; then the second is its own, or of others like it."""


class ReadingAhead:
    """Reads sessions with the poll that is due anyway."""

    def __init__(self, store: Store, log: LogReader, *, lease: int) -> None:
        """Wire it to a store that can do so.

        Args:
            store: The store.
            log: Its log's reader.
            lease: How long a proof is good, in nanoseconds; with 0 every request reads its session.

        Raises:
            ConfigurationError: The lease is 0, and each request would have to ask this store twice.
        """
        able = store.capabilities.reads_ahead
        if not lease and not able:
            fix = "use more than zero; only D1 can be asked for the log and a session at once"
            refuse("lease", timedelta(0), fix, of="cache")
        self._store = cast("ReadsAhead", store) if able else None
        self._log = log
        self._lease = lease

    @property
    def able(self) -> bool:
        """Whether the store can do so."""
        return self._store is not None

    def is_due(self, *, in_memory: bool) -> bool:
        """Tell whether the log has to be asked before this session can be served, and the session as well."""
        return self._store is not None and not (in_memory and self._lease) and not self._log.proven()

    def read(self, token_hash: bytes) -> Reading | None:
        """Return a session as it was when a poll was sent after this call; None if others had asked already.

        Raises:
            Unavailable: The store could not answer.
        """
        if self._store is None:
            return None
        expected = self._store.expect(token_hash)
        for _ in range(_ATTEMPTS):
            self._log.prove()
            if expected.reading is not None:
                break
        return expected.reading
