"""The audit trail in batches: before each statement that changes sessions stands one that tells of the same rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from coatcheck.actors import current_actor
from coatcheck.stores.auditing import AuditTrail, begun, by
from coatcheck.stores.operations import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.stores.base import NewSession
    from coatcheck.stores.d1.batches import Batch

_CHANGE: Final = re.compile(r"(?:DELETE FROM|UPDATE) (\w+)(?:\s+SET .*?)?\s+WHERE (.*)RETURNING", re.DOTALL)

_WHOSE: Final = {
    "coatcheck_sessions": "id AS session_id, user_id, kind",
    "coatcheck_retired": "session_id, (SELECT user_id FROM coatcheck_sessions WHERE id = session_id) AS user_id,"
    " 'session' AS kind",
}

_ENTRY: Final = """INSERT INTO coatcheck_audit (at, action, user_id, session_id, detail, actor, address)
SELECT :now, :action, user_id, session_id, :detail, coalesce(:actor, nullif(:requester, user_id)), :address
FROM (SELECT {whose} FROM {table} WHERE {condition})
WHERE kind <> 'ticket' AND coalesce(user_id, :actor, :requester) IS NOT NULL"""

_IF_THERE: Final = """INSERT INTO coatcheck_audit (at, action, user_id, session_id, detail, actor, address)
SELECT :now, :action, :user_id, id, :detail, :actor, :address FROM coatcheck_sessions WHERE id = :session_id"""


class D1Trail(AuditTrail):
    """The audit trail of one database.

    A batch knows nothing of its own results, so that an entry is made by the very condition of the change that follows
    it: they are one transaction.
    """

    def told(
        self, batch: Batch, changes: Mapping[str, tuple[str, str]], now: int | None, *, new: NewSession | None = None
    ) -> dict[str, Statement]:
        """Return a batch with entries, where the trail is on.

        Args:
            batch: The statements.
            changes: Which of them change sessions: their names in the batch, each with action and detail.
            now: The time.
            new: What the batch's `inserted` may create.
        """
        if not self.on:
            return dict(batch)
        result: dict[str, Statement] = {}
        for name, statement in batch.items():
            if name in changes:
                result[f"entry of {name}"] = _entry(statement, *changes[name], now)
            result[name] = statement
            if name == "inserted" and new is not None:
                for entry in by(current_actor(), begun(new, new.record)):
                    result["begun"] = Statement(_IF_THERE, {**entry._asdict(), "now": now})
        return result


def _entry(statement: Statement, action: str, detail: str, now: int | None) -> Statement:
    found = _CHANGE.search(statement.sql)
    if found is None:
        msg = f"no change of sessions: {statement.sql}"
        raise AssertionError(msg)
    table, condition = found.groups()
    sql = _ENTRY.format(whose=_WHOSE[table], table=table, condition=condition)
    actor, address, user_id = current_actor()
    more = {"action": action, "detail": detail, "now": now, "actor": actor, "address": address, "requester": user_id}
    return Statement(sql, {**statement.parameters, **more})
