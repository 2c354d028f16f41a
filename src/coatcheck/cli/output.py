"""How commands print: aligned columns, times in UTC, and nothing that could play tricks on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


def printable(text: str) -> str:
    """Return the text with a question mark for each control character; rows can hold anything."""
    return "".join(character if character.isprintable() else "?" for character in text)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line for each row, with columns as wide as they have to be."""
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def utc(moment: datetime | None) -> str | None:
    """Return a time as 2026-01-31T12:00:00Z."""
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def counted(number: int, what: str) -> str:
    """Return "1 session", "2 sessions"."""
    return f"{number} {what}{'' if number == 1 else 's'}"
