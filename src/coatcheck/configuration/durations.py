"""Durations as people write them: "30 days", "1h 30m", "250ms", "PT15M", or a number of seconds.

A number without a unit is seconds, everywhere: that is what cookies, Redis and other frameworks' settings mean by
one. Who meant minutes or milliseconds is stopped by the limits of most settings, and `coatcheck check` prints each
duration in words.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Final

FIX: Final = "write '30 days', '15m', '2s', '250ms', 'PT15M', or a number of seconds"

_LONGEST: Final = timedelta(days=36_500)
_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_SECONDS: Final = re.compile(_NUMBER)
_PAIR: Final = re.compile(rf"({_NUMBER}) ?([A-Za-z]+)(?:, ?| and | |(?=[0-9])|$)")
# Weeks stand alone, and only the last number may have a fraction (ISO 8601-1:2019, 5.5.2). A month has no length.
_DECIMAL: Final = r"[0-9]+(?:[.,][0-9]+)?"
_ISO: Final = re.compile(
    rf"P(?:({_DECIMAL})W|(?:({_DECIMAL})D)?(?:T(?=[0-9])(?:({_DECIMAL})H)?(?:({_DECIMAL})M)?(?:({_DECIMAL})S)?)?)"
)
_ISO_UNITS: Final = ("weeks", "days", "hours", "minutes", "seconds")
_UNITS: Final = ("milliseconds", *_ISO_UNITS)
_SHORT: Final = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_OTHER: Final = {
    "sec": "seconds",
    "secs": "seconds",
    "min": "minutes",
    "mins": "minutes",
    "hr": "hours",
    "hrs": "hours",
}
_CALENDAR: Final = re.compile(r"months?|years?|y|mo", re.IGNORECASE)


class NoDuration(ValueError):
    """What was written is no duration; the message is the fix."""


def duration(value: object) -> timedelta:
    """Read a duration.

    Args:
        value: A text, a number of seconds, or a timedelta.

    Raises:
        NoDuration: It is none, or it is negative, or it has a unit that is not always the same length.
    """
    if isinstance(value, timedelta):
        found = value
    elif isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise NoDuration(FIX)
    else:
        found = _from_text(value.strip()) if isinstance(value, str) else _timedelta({"seconds": value})
    if not timedelta(0) <= found <= _LONGEST:
        raise NoDuration("use zero to a hundred years")
    return found


def _from_text(text: str) -> timedelta:
    if _SECONDS.fullmatch(text):
        return _timedelta({"seconds": float(text)})
    if (match := _ISO.fullmatch(text)) is not None and any(match.groups()):
        return _timedelta(_from_iso(match.groups()))
    parts: dict[str, float] = {}
    at = 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            raise NoDuration(FIX)
        unit = _unit(pair[2])
        if unit in parts:
            raise NoDuration(f"{unit} come twice; {FIX}")
        parts[unit] = float(pair[1])
        at = pair.end()
    if not parts or text.endswith(","):
        raise NoDuration(FIX)
    return _timedelta(parts)


def _unit(word: str) -> str:
    # Letters have a case: "15M" is fifteen months to some.
    if word in _SHORT:
        return _SHORT[word]
    lowered = word.lower()
    unit = _OTHER.get(lowered) or next((name for name in _UNITS if lowered in {name, name[:-1]}), None)
    if unit is None or len(word) == 1:
        if _CALENDAR.fullmatch(word):
            raise NoDuration("months and years have no fixed length: write days, such as '30 days'")
        raise NoDuration(f"the units are {', '.join(_SHORT)} and their words; {FIX}")
    return unit


def _from_iso(groups: tuple[str | None, ...]) -> dict[str, float]:
    given = [(unit, text) for unit, text in zip(_ISO_UNITS, groups, strict=True) if text is not None]
    if any("." in text or "," in text for _, text in given[:-1]):
        raise NoDuration("only the last number may have a fraction")
    return {unit: float(text.replace(",", ".")) for unit, text in given}


def _timedelta(parts: dict[str, float]) -> timedelta:
    try:
        if all(map(math.isfinite, parts.values())):
            return timedelta(**parts)
    except OverflowError:
        pass
    raise NoDuration(f"that is no length of time; {FIX}")
