"""A worker as the coherence rule sees it: what it knows of the log, and the copies that it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.core.coherence import Knowledge
from coatcheck.core.session import STAMP, subjects_of

if TYPE_CHECKING:
    from coatcheck.stores.base import Reading
    from tests.postgresql.sides import Side

_LEASE = 2_000_000_000


class Worker:
    """Keeps copies of sessions, and judges them by the log alone: time stands still.

    Args:
        side: The store that it reads.
    """

    def __init__(self, side: Side) -> None:
        self.side = side
        self.copies: dict[bytes, Reading] = {}
        self._knowledge = self._nothing("")

    def _nothing(self, epoch: str) -> Knowledge:
        return Knowledge(epoch, lease=_LEASE)

    def poll(self) -> set[str]:
        """Learn the log, and return the subjects of the entries that came."""
        page = self.side.poll(self._knowledge.cursor)
        if not page.resumed or page.epoch != self._knowledge.epoch:
            page = self.side.poll()
            self._knowledge = self._nothing(page.epoch)
            self.copies.clear()
        self._knowledge.apply(page, 0)
        return {entry.subject for entry in page.entries}

    def keep(self, *hashes: bytes) -> None:
        """Read sessions, and keep copies of them where that is allowed."""
        for token_hash in hashes:
            reading = self.side.read(token_hash)
            if reading.record is not None and reading.epoch and reading.epoch == self._knowledge.epoch:
                self.copies[token_hash] = reading

    def accepts(self, token_hash: bytes) -> bool:
        """Tell whether the worker answers for a session from its copy."""
        reading = self.copies.get(token_hash)
        if reading is None or reading.record is None:
            return False
        return self._knowledge.admits(reading.as_of, subjects_of(STAMP.pack(0, 0, 0) + reading.record.pack()))
