"""Lines: a setting with its value in words, and why it is unsafe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts between which and us nobody listens."""

NONE: Final = "none"

_UNITS: Final = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000), ("millisecond", 1))


@dataclass(frozen=True, slots=True)
class Unsafe:
    """Why a setting is unsafe.

    Attributes:
        rule: The security rule it breaks, by its ID.
        reason: What can happen.
        fix: What to do.
    """

    rule: str
    reason: str
    fix: str


@dataclass(frozen=True, slots=True)
class Line:
    """One setting, with its value in words.

    Attributes:
        setting: Its name, as `policy.idle_timeout`.
        value: What it is set to.
        unsafe: Why that is unsafe; None if it is not.
    """

    setting: str
    value: str
    unsafe: Unsafe | None = None


def in_words(duration: timedelta) -> str:
    """Return a duration as "7 days" or "1 hour 30 minutes"."""
    rest = duration // timedelta(milliseconds=1)
    words: list[str] = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(words) or "0 seconds"


def flag(setting: str, *, on: bool, unsafe: Unsafe | None = None) -> Line:
    """Return the line of a setting that is on or off."""
    return Line(setting, yes(on=on), unsafe)


def yes(*, on: bool) -> str:
    """Return "yes" or "no"."""
    return "yes" if on else "no"
