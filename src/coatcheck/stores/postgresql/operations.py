"""What PostgreSQL does differently: locks for the limits, and an end for everyone that takes no time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coatcheck.errors import ConfigurationError
from coatcheck.stores.base import Ended
from coatcheck.stores.operations import Operations, Statement, only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.core.session import Record
    from coatcheck.stores.base import CreateResult, NewSession, Reading, SessionFilter
    from coatcheck.stores.operations import Operation, Row

_FORGOTTEN: Final = 10_000
"""Rows that one transaction removes of those that ended with everyone."""


class PostgreSQLOperations(Operations):
    """The store's operations; times are the server's."""

    def read(self, token_hash: bytes, now: int | None) -> Operation[Reading]:
        """Read a session by its token; by one that was retired in a second statement.

        The answer of the second alone counts, and is what a reading that began then would be: no change in between can
        make a reading of two halves. A session's own token was never retired, so the first is whole, too.
        """
        values = {"token_hash": token_hash, "now": now}
        found = only((yield Statement(self._text("read"), values)))
        if found[-1]:  # it was retired
            return (yield from self._reading(Statement(self._text("read_retired"), values)))
        return self.reading(found[:-1])

    def create(self, new: NewSession, now: int | None) -> Operation[CreateResult]:
        """Insert a session; end the replaced one and those beyond the limit, one sign-in of a user after another.

        Raises:
            ConfigurationError: There is a limit, and the caller's transaction cannot see who came before it.
        """
        if new.limit is not None and new.record.user_id is not None:
            rows = yield Statement(self._text("lock_user"), {"user_id": new.record.user_id})
            isolation = rows[0][1]
            if isolation != "read committed":
                fix = "use READ COMMITTED, or sign in outside of it"
                msg = f"isolation level {isolation!r} of connection= is not possible with a limit per user: {fix}"
                raise ConfigurationError(msg)
        return (yield from super().create(new, now))

    def end_token(self, token_hash: bytes) -> Operation[Sequence[Row]]:
        """End the session of a token, also of one that is given a successor at this moment.

        Whoever has waited for that to be committed sees that the token is none any more, and not yet what came after
        it: a statement sees what was there when it began.
        """
        rows = yield from super().end_token(token_hash)
        return rows or (yield from super().end_token(token_hash))

    def create_acting(self, new: NewSession, actor_session_id: str, now: int | None) -> Operation[Record | None]:
        """Insert a session that ends with another, which nobody ends in between."""
        held = yield Statement(self._text("hold_actor"), {"actor_session_id": actor_session_id, "now": now})
        if not held:
            return None
        return (yield from super().create_acting(new, actor_session_id, now))

    def read_replica(self, token_hash: bytes, now: int | None) -> Operation[Reading]:
        """Read a session as a standby has it."""
        return self._reading(Statement(self._text("read_replica"), {"token_hash": token_hash, "now": now}))

    def revoke_everyone(self) -> Operation[int]:
        """End all sessions by a number that none of them has, with one entry, and count them."""
        yield from self.end_everyone()
        return (yield from self.count_ended())

    def end_everyone(self) -> Operation[None]:
        """End all sessions, however many there are."""
        yield Statement(self._text("everyone"), {})
        yield Statement(self._text("log"), {"subject": "*"})

    def count_ended(self) -> Operation[int]:
        """Count the sessions that the last `end_everyone` has ended; takes longer the more there are."""
        rows = yield Statement(self._text("count"), {})
        return int(rows[0][0])

    def revoke_matching(self, wanted: SessionFilter, now: int | None) -> Operation[list[Ended]]:
        """End the sessions that a filter means; the triggers write one entry for everyone where they are very many."""
        rows = yield self.matching("end_matching", wanted, now=now)
        return [Ended._make(row) for row in rows]

    def invalidate_user(self, user_id: str) -> Operation[None]:
        """Outdate all copies of a user's name, email and role, however the id is written."""
        yield Statement(self._text("log_user"), {"user_id": user_id})

    def spend(self, name: bytes, lifetime: int, now: int | None) -> Operation[bool]:
        """Note that something is used up, and forget some of what is over, in one statement."""
        rows = yield Statement(self._text("spend"), {"name": name, "lifetime": lifetime, "now": now})
        return bool(rows)

    def forget(self) -> Operation[bool]:
        """Remove rows of what ended with everyone, which was said then; returns whether there may be more."""
        yield Statement(self._text("quiet"), {"quiet": 1})
        rows = yield Statement(self._text("forget"), {"batch": _FORGOTTEN})
        yield Statement(self._text("quiet"), {"quiet": 0})
        return len(rows) == _FORGOTTEN

    def trim(self, before: int | None) -> Operation[None]:
        """Drop log entries that no copy is old enough for."""
        yield Statement(self._text("trim"), {"now": before})
