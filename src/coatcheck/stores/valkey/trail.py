# Generated from stores/valkey/async_trail.py by tools/generate_sync.py: edit that, run `make generate`.
"""The audit trail of the Valkey store, for threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from coatcheck.actors import current_actor
from coatcheck.stores import auditing
from coatcheck.stores.valkey import rows, scripts
from coatcheck.stores.valkey.base import AT_ONCE, ValkeyBase, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from coatcheck.stores.auditing import Noted
    from coatcheck.stores.base import AuditFilter, AuditRow

T = TypeVar("T")


class ValkeyTrail(ValkeyBase):
    """Entries that are written directly after the changes."""

    _audits = False

    def audit(self) -> None:
        """Write entries of the audit trail from now on, directly after each change that this object makes."""
        self._audits = True

    def _told(self, result: T, entries: Callable[[Any], Iterable[Noted]]) -> T:
        if self._audits:
            self.record(auditing.by(current_actor(), entries(result)))
        return result

    def record(self, entries: Sequence[Noted], *, connection: Any = None) -> None:
        """Write entries of the audit trail as they are."""
        refuse(connection)
        for start in range(0, len(entries), AT_ONCE):
            words = [word or "" for entry in entries[start : start + AT_ONCE] for word in entry]
            self._run(scripts.AUDIT_RECORD, *words)

    def entries(
        self, wanted: AuditFilter, *, limit: int, after: int | None = None, connection: Any = None
    ) -> Sequence[AuditRow]:
        """List entries of the audit trail, newest first, after the one with this number; all of it may be read."""
        refuse(connection)
        found: list[AuditRow] = []
        place: str | int = "+" if after is None else after
        while len(found) < limit:
            page = rows.audit_rows_of(self._run(scripts.AUDIT_ENTRIES, place, AT_ONCE))
            found += [row for row in page if auditing.audited(wanted, row)]
            if len(page) < AT_ONCE or (wanted.since is not None and page[-1].at < wanted.since):
                break
            place = page[-1].id
        return found[:limit]

    def forget_entries(self, keep: int, batch: int) -> int:
        """Delete at most `batch` entries that are older than `keep` microseconds; returns how many."""
        return int(self._run(scripts.AUDIT_FORGET, keep, batch))
