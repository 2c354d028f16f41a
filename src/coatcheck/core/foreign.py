"""JSON that somebody else wrote, before anything is known of it."""

from __future__ import annotations

from typing import Any, cast


def as_object(value: object) -> dict[str, Any] | None:
    """Return the value if it is an object, as JSON calls it."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def is_id(value: object, longest: int) -> bool:
    """Tell whether the value can be an id: text of so many octets at most, and none that a database could not keep.

    Half of a surrogate pair is none, and PostgreSQL has no NUL: in the log either would stop whoever reads it.
    """
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        return 0 < len(value.encode()) <= longest
    except UnicodeEncodeError:
        return False


def as_list(value: object) -> list[Any] | None:
    """Return the value if it is a list."""
    return [*value] if isinstance(value, list) else None
