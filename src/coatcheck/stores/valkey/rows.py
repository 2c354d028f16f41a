"""Records as the fields of a hash, and the answers of the scripts as what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck.core.fleet import WorkerRow, WorkerRows
from coatcheck.core.session import Record
from coatcheck.core.successors import Retired
from coatcheck.stores.base import SESSION, AuditRow, Ended, Reading, ended_as
from coatcheck.stores.searching import values_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.stores.base import SessionFilter

_TEXTS = {"id": "id", "u": "user_id", "ip": "ip", "ua": "user_agent", "d": "data", "m": "authentication"}
_NUMBERS = {
    "c": "created_at",
    "a": "authenticated_at",
    "l": "last_seen_at",
    "i": "idle_expires_at",
    "x": "expires_at",
    "t": "idle_timeout",
    "r": "remember",
    "b": "device_bound",
}
FIELDS = (*_TEXTS, *_NUMBERS, "k")
"""The names of a session's fields, and of when its token took the place of another."""

BEGINNING: Any = ("+inf", "")
"""The place in a list of sessions that comes before all others."""

_NOTHING: dict[str, Any] = dict.fromkeys([*_TEXTS.values(), *_NUMBERS.values()])


def fields_of(record: Record, kind: str = SESSION) -> list[str]:
    """Return names and values by turns; what is None has no field, nor has the kind of a session."""
    row = record._asdict()
    fields: list[str] = []
    for name, column in _TEXTS.items():
        if row[column] is not None:
            fields += [name, row[column]]
    for name, column in _NUMBERS.items():
        if row[column] is not None:
            fields += [name, str(int(row[column]))]
    return fields if kind == SESSION else [*fields, "q", kind]


def record_of(fields: Sequence[bytes]) -> Record:
    """Return the record with these names and values."""
    row = _NOTHING.copy()
    for name, value in _pairs(fields):
        if name in _TEXTS:
            row[_TEXTS[name]] = value.decode()
        elif name in _NUMBERS:
            row[_NUMBERS[name]] = int(value)
    row["remember"], row["device_bound"] = bool(row["remember"]), bool(row["device_bound"])
    return Record(**row)


def records_of(rows: Sequence[Sequence[bytes]]) -> tuple[Record, ...]:
    """Return a record for each list of names and values."""
    return tuple(map(record_of, rows))


def reports_of(answer: Any) -> WorkerRows:
    """Return what workers have told, in order."""
    now, found = answer
    return WorkerRows(int(now), tuple(sorted(_report_of(*each) for each in found)))


def _report_of(member: bytes, told: bytes) -> WorkerRow:
    worker, minute = member.decode().split(" ")
    reported_at, active, report = told.decode().split(" ", 2)
    return WorkerRow(worker, int(minute), int(reported_at), None if active == "-" else int(active), report)


def ended_of(rows: Sequence[Sequence[bytes]]) -> list[Ended]:
    """Return which sessions have ended, from their ids and users."""
    return [ended_as(record_of(row)) for row in rows]


def filter_words(wanted: SessionFilter) -> list[str | bytes | int]:
    """Return names and values of a filter by turns."""
    words: list[str | bytes | int] = []
    for name, value in values_of(wanted).items():
        words += [name, int(value) if isinstance(value, bool) else value]
    return words


def audit_rows_of(entries: Sequence[Sequence[Any]]) -> list[AuditRow]:
    """Return entries of the audit trail, from those of a stream."""
    return [_audit_row(number, dict(_pairs(fields))) for number, fields in entries]


def _audit_row(number: bytes, fields: dict[str, bytes]) -> AuditRow:
    at = int(fields.pop("at"))
    texts: dict[str, Any] = {name: value.decode() or None for name, value in fields.items()}
    return AuditRow(id=int(number.partition(b"-")[0]), at=at, **{**texts, "detail": texts["detail"] or ""})


def reading_of(answer: Sequence[Any]) -> Reading:
    """Return what the script `read` has answered."""
    epoch, position, now, fields, retired = answer
    since = dict(_pairs(fields or ())).get("k")
    return Reading(
        epoch.decode(),
        int(position),
        int(now) * 1000,
        record_of(fields) if fields else None,
        None if since is None else int(since),
        Retired(retired[0].decode(), int(retired[1])) if retired else None,
    )


def reading_in(meta: Sequence[bytes | None], now: int, values: Sequence[bytes | None]) -> Reading:
    """Return what is known by epoch and position, the time in microseconds, and the values of `FIELDS`."""
    *fields, since = values
    record = _record_in(fields)
    started = None if since is None else int(since)
    return Reading((meta[0] or b"").decode(), int(meta[1] or 0), now * 1000, record, started)


def _record_in(values: Sequence[bytes | None]) -> Record | None:
    session_id, user_id, ip, agent, data, proofs, *numbers, remember, bound = values
    if session_id is None:
        return None
    created, authenticated, seen, idle, end, timeout = numbers
    return Record(
        session_id.decode(),
        None if user_id is None else user_id.decode(),
        int(created or 0),
        None if authenticated is None else int(authenticated),
        int(seen or 0),
        int(idle or 0),
        None if end is None else int(end),
        int(timeout or 0),
        remember == b"1",
        None if ip is None else ip.decode(),
        None if agent is None else agent.decode(),
        "{}" if data is None else data.decode(),
        None if proofs is None else proofs.decode(),
        bound == b"1",
    )


def _pairs(fields: Sequence[bytes]) -> list[tuple[str, bytes]]:
    # A user that is None ends the list after its name: Lua's lists end at the first nil.
    return [(name.decode(), value) for name, value in zip(fields[::2], fields[1::2], strict=False)]
