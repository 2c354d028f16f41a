"""What PostgreSQL does differently: locks for the limits, and an end for everyone that takes no time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coatcheck.errors import ConfigurationError
from coatcheck.stores.operations import Operations, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.stores.base import CreateResult, NewSession, Reading
    from coatcheck.stores.operations import Operation, Row

_FORGOTTEN: Final = 10_000
"""Rows that one transaction removes of those that ended with everyone."""


class PostgreSQLOperations(Operations):
    """The store's operations; times are the server's."""

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

    def invalidate_user(self, user_id: str) -> Operation[None]:
        """Outdate all copies of a user's name, email and role, however the id is written."""
        yield Statement(self._text("log_user"), {"user_id": user_id})

    def forget(self) -> Operation[bool]:
        """Remove rows of what ended with everyone, which was said then; returns whether there may be more."""
        yield Statement(self._text("quiet"), {"quiet": 1})
        rows = yield Statement(self._text("forget"), {"batch": _FORGOTTEN})
        yield Statement(self._text("quiet"), {"quiet": 0})
        return len(rows) == _FORGOTTEN

    def trim(self, before: int | None) -> Operation[None]:
        """Drop log entries that no copy is old enough for."""
        yield Statement(self._text("trim"), {"now": before})
