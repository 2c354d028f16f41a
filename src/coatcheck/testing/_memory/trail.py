# Generated from testing/_async_memory/trail.py by tools/generate_sync.py: edit that, run `make generate`.
"""The audit trail of the store in memory, for threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from coatcheck.actors import current_actor
from coatcheck.stores import auditing
from coatcheck.stores.base import AuditRow
from coatcheck.testing._memory.base import MemoryBase, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from coatcheck.stores.auditing import Noted
    from coatcheck.stores.base import AuditFilter

T = TypeVar("T")


class MemoryTrail(MemoryBase):
    """Entries that are written with the changes."""

    def audit(self) -> None:
        """Write entries of the audit trail from now on, with each change that this object makes."""
        self._audits = True

    def record(self, entries: Sequence[Noted], *, connection: Any = None) -> None:
        """Write entries of the audit trail as they are."""
        refuse(connection)
        with self._lock:
            self._keep(entries)

    def entries(
        self, wanted: AuditFilter, *, limit: int, after: int | None = None, connection: Any = None
    ) -> Sequence[AuditRow]:
        """List entries of the audit trail, newest first, after the one with this number."""
        refuse(connection)
        with self._lock:
            found = [row for row in self._trail if auditing.audited(wanted, row) and (after is None or row.id < after)]
            return found[::-1][:limit]

    def forget_entries(self, keep: int, batch: int) -> int:
        """Delete at most `batch` entries that are older than `keep` microseconds; returns how many."""
        with self._lock:
            old = [row for row in self._trail if row.at < self._now() - keep][:batch]
            self._trail = [row for row in self._trail if row not in old]
            return len(old)

    def _told(self, result: T, entries: Callable[[Any], Iterable[Noted]]) -> T:
        """Write what the audit trail says of a change, where it is on."""
        if self._audits:
            self._keep(auditing.by(current_actor(), entries(result)))
        return result

    def _keep(self, entries: Sequence[Noted]) -> None:
        for action, user_id, session_id, detail, actor, address in entries:
            self._numbered += 1
            self._trail.append(
                AuditRow(self._numbered, self._now(), action, actor, user_id, session_id, address, detail)
            )
