"""What a SQL store does, as generators of statements: each yields one and is sent its rows.

They do no I/O, so one text serves the store's own connection, a caller's, a thread and an event loop. The first
statement of every operation that writes is a write: on a caller's deferred transaction, SQLite gives the right
to write only to those who did not read before somebody else wrote.

`now` is in microseconds since the epoch, or None where the database has a clock of its own to go by.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from coatcheck.core.authentication import acts_for_another
from coatcheck.core.fleet import KEPT, PAUSE, WorkerRow, WorkerRows
from coatcheck.core.session import Record
from coatcheck.core.successors import MOST_RETIRED, Retired
from coatcheck.errors import DataError, SchemaError
from coatcheck.stores.base import CreateResult, Device, Ended, Full, Reading, Renewed, ended_as
from coatcheck.stores.searching import MANY, START, condition, values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from coatcheck.stores.base import (
        NewSession,
        Renewal,
        Rotation,
        Selection,
        SessionChange,
        SessionFilter,
        Touch,
    )
    from coatcheck.stores.users import UsersTable

T = TypeVar("T")
Row = tuple[Any, ...]

_ALL = 1_000_000_000
_COLUMNS = len(Record._fields)


class Statement(NamedTuple):
    """One SQL statement and its parameters."""

    sql: str
    parameters: Mapping[str, Any]


if TYPE_CHECKING:
    Operation = Generator[Statement, Sequence[Row], T]


def only(rows: Sequence[Row]) -> Row:
    """Return the first row of a statement that starts from the one row of coatcheck_meta.

    Raises:
        SchemaError: That row has been deleted.
    """
    if not rows:
        msg = "the row of coatcheck_meta has been deleted; drop the coatcheck tables and run `coatcheck migrate`"
        raise SchemaError(msg)
    return rows[0]


def carried(new: NewSession, data: str | None) -> Record:
    """Return the new row with what the policy lets an anonymous visitor keep.

    Args:
        new: The session to be created.
        data: The data of the visitor's session that it replaces; None for none.
    """
    old: dict[str, Any] = json.loads(data or "{}")
    kept = {key: old[key] for key in new.carry_over if key in old}
    return new.record._replace(data=json.dumps({**kept, **json.loads(new.record.data)})) if kept else new.record


def merged(data: str, change: SessionChange) -> str:
    """Return a session's data after a change.

    Raises:
        DataError: They would be too large.
    """
    held: dict[str, Any] = json.loads(data)
    if not change.expects(held):
        return data
    result = {**held, **change.changes}
    for key in change.remove:
        result.pop(key, None)
    text = json.dumps(result, separators=(",", ":"))
    if len(text.encode()) > change.max_bytes:
        msg = f"the session's data would be {len(text.encode())} bytes; max_data_bytes is {change.max_bytes}"
        raise DataError(msg)
    return text


def given_times(change: SessionChange) -> dict[str, int | None]:
    """Return the times that a change gives a session; None for those that stay."""
    return {name: getattr(change, name) for name in ("idle_timeout", "idle_expires_at", "expires_at")}


class Operations:
    """The store's operations for one configuration."""

    def __init__(self, statement: Callable[[str], str], users: UsersTable | None) -> None:
        """Keep the texts of the statements, by name, and whether users are joined."""
        self._text = statement
        self._users = users is not None

    def record(self, row: Row) -> Record | None:
        """Return the row's record; a session whose user is not there any more counts as missing."""
        if row[0] is None or (self._users and row[1] is not None and row[_COLUMNS - 1] is None):
            return None
        return Record._make(row[:_COLUMNS])

    def read(self, token_hash: bytes, now: int | None) -> Operation[Reading]:
        """Read a session, and in the same snapshot where the log stands."""
        return self._reading(Statement(self._text("read"), {"token_hash": token_hash, "now": now}))

    def find(self, session_id: str, now: int | None) -> Operation[Reading]:
        """Read a session by its public id, in the same way."""
        return self._reading(Statement(self._text("find"), {"session_id": session_id, "now": now}))

    def _reading(self, statement: Statement) -> Operation[Reading]:
        return self.reading(only((yield statement)))

    def reading(self, row: Row) -> Reading:
        """Return what a statement that reads a session has found."""
        epoch, as_of, now, *columns, since, retired_id, until = row
        retired = None if retired_id is None else Retired(retired_id, until)
        over = retired is not None and retired.until <= now
        record = None if over else self.record(tuple(columns))
        return Reading(epoch or "", as_of, now * 1000, record, since, retired)

    def create(self, new: NewSession, now: int | None) -> Operation[CreateResult]:
        """Insert a session; end the replaced one and those beyond the limit.

        Raises:
            Full: The limit is reached and nothing may be evicted; the transaction must be undone.
            DataError: There is no such user; likewise.
        """
        replaced, record = yield from self._replace(new)
        limit = new.limit if new.when_full != "evict_oldest" else None
        values = {**record._asdict(), "token_hash": new.token_hash, "kind": new.kind, "limit": limit, "now": now}
        rows = yield Statement(self._text("insert"), values)
        if not rows:
            filling = yield from self.list_sessions(record.user_id, _ALL, now, new.kind)
            raise Full(limit or 0, tuple(row for row in filling if not acts_for_another(row.authentication)))
        evicted: Sequence[Row] = ()
        if new.limit is not None and new.when_full == "evict_oldest":
            keep = {"user_id": record.user_id, "keep": record.id, "others": new.limit - 1}
            evicted = yield Statement(self._text("evict"), {**keep, "kind": new.kind, "now": now})
        described = yield from self._with_user(record)
        if described is None:
            msg = f"there is no user with the id {record.user_id!r}"
            raise DataError(msg)
        return CreateResult(described, tuple(map(Record._make, evicted)), replaced)

    def _with_user(self, record: Record) -> Operation[Record | None]:
        """Return a record that was just written with its user; None when the users table has no such user."""
        if not self._users:
            return record
        rows = yield Statement(self._text("find"), {"session_id": record.id, "now": None})
        return self.record(tuple(rows[0][3:]))

    def _replace(self, new: NewSession) -> Operation[tuple[Record | None, Record]]:
        if new.replaces is None:
            return None, new.record
        rows = yield from self.end_token(new.replaces)
        if not rows:
            return None, new.record
        replaced = Record._make(rows[0])
        return replaced, carried(new, replaced.data if replaced.user_id is None else None)

    def touch(self, touches: Sequence[Touch], now: int | None) -> Operation[set[str]]:
        """Move last-seen and idle expiry of all that are alive, in one statement."""
        rows = yield Statement(self._text("touch"), {"touches": json.dumps(touches), "now": now})
        return {row[0] for row in rows}

    def save(self, change: SessionChange, now: int | None) -> Operation[Record | None]:
        """Merge keys into a session's data, so that writers of different keys both keep theirs."""
        rows = yield Statement(self._text("lock_data"), {"session_id": change.session_id, "now": now})
        if not rows:
            return None
        values = {"session_id": change.session_id, "data": merged(rows[0][0], change), **given_times(change)}
        rows = yield Statement(self._text("save_data"), values)
        return (yield from self._with_user(Record._make(rows[0])))

    def relocate(self, session_id: str, ip: str | None, user_agent: str | None, now: int | None) -> Operation[bool]:
        """Note a new address and browser, once."""
        values = {"session_id": session_id, "ip": ip, "user_agent": user_agent, "now": now}
        rows = yield Statement(self._text("relocate"), values)
        return bool(rows)

    def rotate(self, rotation: Rotation, now: int | None) -> Operation[Record | None]:
        """Replace the token hash, if it is still the one expected."""
        rows = yield Statement(self._text("rotate"), {**rotation._asdict(), "now": now})
        return (yield from self._with_user(Record._make(rows[0]))) if rows else None

    def renew(self, renewal: Renewal, now: int | None) -> Operation[Renewed | None]:
        """Retire a token, if it is its session's still, and say which one has come after it."""
        rows = yield Statement(self._text("retire"), {**renewal._asdict(), "now": now})
        if rows:
            yield Statement(self._text("advance"), {**renewal._asdict(), "now": now})
            yield Statement(self._text("forget_retired"), {"old_hash": renewal.old_hash, "most": MOST_RETIRED})
        return self.renewed(
            renewal, (yield Statement(self._text("renewed"), {"old_hash": renewal.old_hash, "now": now}))
        )

    def renewed(self, renewal: Renewal, rows: Sequence[Row]) -> Renewed | None:
        """Return which token has come after another, from the rows of the statement of that name."""
        record = self.record(tuple(rows[0])) if rows else None
        if record is None:
            return None
        successor, seal = rows[0][_COLUMNS:]
        return Renewed(record, bytes(seal), bytes(successor) == renewal.new_hash)

    def reuse(self, token_hash: bytes, now: int | None, *, end: bool) -> Operation[Ended | None]:
        """End the session of a retired token whose grace is over, or forget the token."""
        name = "end_reused" if end else "forget_reused"
        rows = yield Statement(self._text(name), {"token_hash": token_hash, "now": now})
        return Ended._make(rows[0]) if rows else None

    def bind(self, session_id: str, device: Device, now: int | None) -> Operation[Ended | None]:
        """Bind a live session to a device, if it is bound to none; says whose it is."""
        rows = yield Statement(self._text("bind"), {"session_id": session_id, "now": now})
        if rows:
            yield Statement(self._text("add_device"), {"session_id": session_id, **device._asdict()})
        return Ended(rows[0][0], rows[0][1]) if rows else None

    def device(self, session_id: str, now: int | None) -> Operation[Device | None]:
        """Read the device of a live session."""
        rows = yield Statement(self._text("device"), {"session_id": session_id, "now": now})
        return Device._make(rows[0]) if rows else None

    def swap_challenges(self, session_id: str, seen: str, new: str) -> Operation[bool]:
        """Replace a device's challenges, if they are still what was seen."""
        values = {"session_id": session_id, "seen": seen, "new": new}
        rows = yield Statement(self._text("swap_challenges"), values)
        return bool(rows)

    def report(self, worker: str, report: str, now: int | None) -> Operation[bool]:
        """Note what a worker tells, and say whether it is its turn to do what one does for all."""
        yield Statement(self._text("report"), {"worker": worker, "report": report, "now": now})
        rows = yield Statement(self._text("duty"), {"worker": worker, "pause": PAUSE, "now": now})
        yield from self.forget_workers(now)
        return bool(rows)

    def forget_workers(self, now: int | None) -> Operation[None]:
        """Forget what was told long ago."""
        yield Statement(self._text("forget_workers"), {"keep": KEPT, "now": now})

    def probe(self, now: int | None) -> Operation[None]:
        """Write a log entry that says when it was written."""
        yield Statement(self._text("probe"), {"now": now})

    def reports(self, now: int | None) -> Operation[WorkerRows]:
        """Read what all workers have told."""
        rows = yield Statement(self._text("reports"), {"now": now})
        told = tuple(WorkerRow._make(row[1:]) for row in rows if row[1] is not None)
        return WorkerRows(only(rows)[0], told)

    def end_token(self, token_hash: bytes) -> Operation[Sequence[Row]]:
        """End the session of a token, or what its successor leads to."""
        return (yield Statement(self._text("end_token"), {"token_hash": token_hash}))

    def create_acting(self, new: NewSession, actor_session_id: str, now: int | None) -> Operation[Record | None]:
        """Insert a session that ends with another, if that is alive.

        Raises:
            DataError: There is no such user; the transaction must be undone.
        """
        named = {"session_id": new.record.id, "actor_session_id": actor_session_id}
        values = {**new.record._asdict(), "token_hash": new.token_hash, **named, "now": now}
        rows = yield Statement(self._text("insert_acting"), values)
        if not rows:
            return None
        yield Statement(self._text("add_acting"), named)
        described = yield from self._with_user(Record._make(rows[0]))
        if described is None:
            msg = f"there is no user with the id {new.record.user_id!r}"
            raise DataError(msg)
        return described

    def actor_session(self, session_id: str, now: int | None) -> Operation[str | None]:
        """Read which live session another one ends with."""
        rows = yield Statement(self._text("actor_session"), {"session_id": session_id, "now": now})
        return rows[0][0] if rows else None

    def spend(self, name: bytes, lifetime: int, now: int | None) -> Operation[bool]:
        """Note that something is used up, and forget some of what is over."""
        values = {"name": name, "lifetime": lifetime, "now": now}
        rows = yield Statement(self._text("spend"), values)
        yield Statement(self._text("forget_spent"), {"now": now})
        return bool(rows)

    def revoke(self, selection: Selection) -> Operation[list[Ended]]:
        """End the selected sessions."""
        if selection.token_hash is not None:
            rows = yield from self.end_token(selection.token_hash)
            return [ended_as(Record._make(row)) for row in rows]
        if selection.session_id is not None:
            values = {"session_id": selection.session_id, "user_id": selection.user_id, "kind": selection.kind}
            rows = yield Statement(self._text("end_id"), values)
        else:
            values = {"user_id": selection.user_id, "keep": selection.keep, "kind": selection.kind}
            rows = yield Statement(self._text("end_user"), values)
        return [Ended._make(row) for row in rows]

    def revoke_everyone(self) -> Operation[int]:
        """End all sessions with one entry instead of one for each."""
        yield Statement(self._text("quiet"), {"quiet": 1})
        rows = yield Statement(self._text("count"), {})
        yield Statement(self._text("everyone"), {})
        yield Statement(self._text("log"), {"subject": "*"})
        yield Statement(self._text("quiet"), {"quiet": 0})
        return int(rows[0][0])

    def invalidate_user(self, user_id: str) -> Operation[None]:
        """Outdate all copies of a user's name, email and role."""
        yield Statement(self._text("log"), {"subject": "u:" + user_id})

    def invalidate(self, subjects: Sequence[str]) -> Operation[None]:
        """Outdate all copies of what has these subjects."""
        # As it is: half of a surrogate pair is then refused here. Escaped, SQLite would take it, and no poll be able to
        # read the log any more.
        yield Statement(self._text("log_all"), {"subjects": json.dumps(list(subjects), ensure_ascii=False)})

    def list_sessions(
        self, user_id: str | None, limit: int, now: int | None, kind: str
    ) -> Operation[tuple[Record, ...]]:
        """List a user's live rows of a kind, or everybody's."""
        name = "list_active" if user_id is None else "list_of_user"
        values = {"user_id": user_id, "limit": limit, "kind": kind, "now": now}
        rows = yield Statement(self._text(name), values)
        return tuple(record for row in rows if (record := self.record(row)) is not None)

    def matching(self, name: str, wanted: SessionFilter, **more: Any) -> Statement:
        """Return a statement about the live sessions that a filter means, whatever it does with them."""
        values = values_of(wanted)
        text = self._text(name).replace("/*matching*/", condition(self._text("matching"), values))
        return Statement(text, {**values, **more})

    def search(
        self, wanted: SessionFilter, limit: int, after: tuple[int, str] | None, now: int | None
    ) -> Operation[tuple[Record, ...]]:
        """List the sessions that a filter means, after a place in the list."""
        seen, session_id = after or START
        rows = yield self.matching("search", wanted, limit=limit, after_seen=seen, after_id=session_id, now=now)
        return tuple(record for row in rows if (record := self.record(row)) is not None)

    def count_matching(self, wanted: SessionFilter, most: int | None, now: int | None) -> Operation[int]:
        """Count them, or no further than a number."""
        if most is None:
            rows = yield self.matching("count_matching", wanted, now=now)
        else:
            rows = yield self.matching("count_up_to", wanted, most=most, now=now)
        return int(rows[0][0])

    def count_users_matching(self, wanted: SessionFilter, now: int | None) -> Operation[int]:
        """Count the users whose they are."""
        rows = yield self.matching("count_users_matching", wanted, now=now)
        return int(rows[0][0])

    def revoke_matching(self, wanted: SessionFilter, now: int | None) -> Operation[list[Ended]]:
        """End them, with one entry for everyone where they are very many."""
        yield self.matching("quiet_if_many", wanted, many=MANY, now=now)
        yield Statement(self._text("log_if_quiet"), {})
        rows = yield self.matching("end_matching", wanted, now=now)
        yield Statement(self._text("quiet"), {"quiet": 0})
        return [Ended._make(row) for row in rows]

    def trim(self, before: int | None) -> Operation[None]:
        """Drop log entries from before a time in seconds since the epoch, and raise the floor."""
        yield Statement(self._text("trim_floor"), {"before": before})
        yield Statement(self._text("trim"), {})

    def sweep(self, batch: int, now: int | None, before: int | None) -> Operation[list[Ended]]:
        """Delete expired sessions, and log entries from before a time."""
        yield from self.trim(before)
        yield from self.forget_workers(now)
        yield Statement(self._text("quiet"), {"quiet": 1})
        rows = yield Statement(self._text("sweep"), {"now": now, "batch": batch})
        yield Statement(self._text("quiet"), {"quiet": 0})
        ended = [Ended._make(row) for row in rows]
        if self._users and len(ended) < batch:
            ended += yield from self.orphans(batch - len(ended))
        return ended

    def orphans(self, batch: int) -> Operation[list[Ended]]:
        """Delete sessions whose user went without a trigger seeing it."""
        rows = yield Statement(self._text("orphans"), {"batch": batch})
        return [Ended._make(row) for row in rows]
