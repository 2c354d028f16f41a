"""The command about the audit trail."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from coatcheck.cli.blocking import audit_trail
from coatcheck.cli.output import aligned, printable, utc
from coatcheck.cli.target import opened_store
from coatcheck.configuration.durations import NoDuration, duration
from coatcheck.devices import describe_device
from coatcheck.errors import DataError

if TYPE_CHECKING:
    import argparse

    from coatcheck.core.audit import AuditEntry


def list_them(arguments: argparse.Namespace) -> int:
    """List entries, newest first."""
    with opened_store(arguments) as sessions:
        page = audit_trail(sessions).entries(
            user_id=arguments.user or None,
            action=arguments.action or None,
            since=arguments.since,
            limit=arguments.limit,
        )
    if arguments.json:
        print(json.dumps([_described(entry) for entry in page.entries], indent=2))
        return 0
    head = ("AT", "ACTION", "ACTOR", "USER", "SESSION", "ADDRESS", "DETAIL")
    for line in aligned([head, *map(_row, page.entries)]):
        print(line)
    return 0


def _row(entry: AuditEntry) -> tuple[str, ...]:
    detail = describe_device(entry.detail) if entry.action == "created" else entry.detail
    cells = (utc(entry.at), entry.action, entry.actor, entry.user_id, entry.session_id, entry.address, detail)
    return tuple(printable(cell or "-") for cell in cells)


def _described(entry: AuditEntry) -> dict[str, Any]:
    return {**entry._asdict(), "at": utc(entry.at)}


def moment(text: str) -> datetime:
    """Return the time that was typed: so long ago, or ISO 8601, in UTC where no zone is said.

    Raises:
        DataError: It is neither.
    """
    try:
        return datetime.now(UTC) - duration(text)
    except (NoDuration, OverflowError):
        pass
    try:
        typed = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!s} is not possible: use a duration such as 7d, or a time such as 2026-01-31T12:00Z"
        raise DataError(msg) from None
    return typed if typed.tzinfo else typed.replace(tzinfo=UTC)
