"""Sessions as KV keeps them: JSON with a version, checked when it is read."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coatcheck.core.session import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERSION: Final = 1


class Stored(NamedTuple):
    """One session under its id.

    Attributes:
        token: The name of the token hash that leads to it.
        record: The session.
    """

    token: str
    record: Record


def name_of(value: bytes) -> str:
    """Return bytes as a part of a key."""
    return urlsafe_b64encode(value).decode().rstrip("=")


def encoded(stored: Stored) -> bytes:
    """Return the bytes to be kept."""
    fields = stored.record._asdict()
    del fields["user"], fields["device_bound"]  # a device needs a store that can compare and set
    return json.dumps({"v": VERSION, "token": stored.token, **fields}, separators=(",", ":")).encode()


def decoded(value: bytes | None) -> Stored | None:
    """Return what was kept; None for nothing, another version, and whatever is no session."""
    try:
        fields: Any = json.loads(value or b"")
    except ValueError:
        return None
    if not isinstance(fields, dict) or fields.pop("v", None) != VERSION:  # pyright: ignore[reportUnknownMemberType]
        return None
    token: Any = fields.pop("token", None)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(token, str) or not _fits(fields):  # pyright: ignore[reportUnknownArgumentType]
        return None
    return Stored(token, Record(**fields))  # pyright: ignore[reportUnknownArgumentType]


def _fits(fields: Mapping[str, Any]) -> bool:
    return fields.keys() == _TYPES.keys() and all(fits(fields[name]) for name, fits in _TYPES.items())


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def _an_object(value: Any) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except (TypeError, ValueError):
        return False


_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "id": _text,
    "user_id": _or_none(_text),
    "created_at": _number,
    "authenticated_at": _or_none(_number),
    "last_seen_at": _number,
    "idle_expires_at": _number,
    "expires_at": _or_none(_number),
    "idle_timeout": _number,
    "remember": lambda value: value in {False, True},
    "ip": _or_none(_text),
    "user_agent": _or_none(_text),
    "data": _an_object,
    "authentication": lambda value: value is None or _an_object(value),
}
