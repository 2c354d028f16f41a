"""JSON that somebody else wrote, before anything is known of it."""

from __future__ import annotations

from typing import Any, cast


def as_object(value: object) -> dict[str, Any] | None:
    """Return the value if it is an object, as JSON calls it."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[Any] | None:
    """Return the value if it is a list."""
    return [*value] if isinstance(value, list) else None
