"""New records, and the JSON of their data: what a session is before a store has it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from coatcheck.core.addresses import canonical_address
from coatcheck.core.authentication import Authentication
from coatcheck.core.policy import LONGEST, expiries
from coatcheck.core.session import Record
from coatcheck.core.slots import RESERVED
from coatcheck.core.times import duration_micros, to_micros
from coatcheck.core.tokens import new_session_id
from coatcheck.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_UNKNOWN = Authentication()
_SHORTEST = timedelta(seconds=1)
_LONGEST_USER_ID = 255
_LONGEST_USER_AGENT = 512


def new_record(
    user_id: str | None,
    now: int,
    *,
    remember: bool,
    idle: timedelta,
    lifetime: timedelta | None,
    ip: str | None,
    user_agent: str | None,
    data: str,
    authentication: Authentication = _UNKNOWN,
) -> Record:
    """Return the record of a session that begins now (microseconds since the epoch).

    Raises:
        DataError: The user id is empty or too long, or a duration is out of bounds.
    """
    if user_id is not None and not 0 < (size := len(user_id.encode("utf-8", "surrogatepass"))) <= _LONGEST_USER_ID:
        msg = f"user_id of {size} bytes is not possible: use 1 to {_LONGEST_USER_ID}"
        raise DataError(msg)
    _check_durations(idle_timeout=idle, lifetime=lifetime)
    ends = expiries(now, idle, lifetime)
    return Record(
        id=new_session_id(),
        user_id=user_id,
        created_at=now,
        # Whoever acts as a user has proved something, and not the user.
        authenticated_at=None if user_id is None or authentication.actor is not None else now,
        last_seen_at=now,
        idle_expires_at=ends.idle_expires_at,
        expires_at=ends.expires_at,
        idle_timeout=duration_micros(idle),
        remember=remember,
        ip=None if ip is None else canonical_address(ip),
        user_agent=printable(user_agent),
        data=data,
        authentication=authentication.text(),
    )


def changed_times(now: int, idle: timedelta | None, end: datetime | None) -> dict[str, Any]:
    """Return the times of a session that is given others now (microseconds since the epoch).

    Raises:
        DataError: A duration is out of bounds, or the end is without a time zone.
    """
    if end is not None and end.tzinfo is None:
        msg = f"expires_at={end!s} is not possible: give it a time zone"
        raise DataError(msg)
    ends = None if end is None else to_micros(end)
    lifetime = None if ends is None else timedelta(microseconds=ends - now)
    _check_durations(idle_timeout=idle, lifetime=lifetime)
    timeout = None if idle is None else duration_micros(idle)
    return {
        "idle_timeout": timeout,
        "idle_expires_at": None if timeout is None else now + timeout,
        "expires_at": ends,
    }


def _check_durations(**durations: timedelta | None) -> None:
    for name, value in durations.items():
        if value is not None and not _SHORTEST <= value <= LONGEST:
            msg = f"{name}={value!s} is not possible: use one second to ten years"
            raise DataError(msg)


def printable(user_agent: str | None) -> str | None:
    """Return a browser's description without control characters, cut to 512 characters (rule S12)."""
    if user_agent is None:
        return None
    return "".join(character for character in user_agent[:_LONGEST_USER_AGENT] if character.isprintable())


def data_json(data: Mapping[Any, Any], max_bytes: int) -> str:
    """Return session data as JSON.

    Raises:
        DataError: It is not JSON, or larger than `max_bytes` (rule S12).
    """
    try:
        text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"session data is not JSON: {error}"
        raise DataError(msg) from None
    if any(not isinstance(key, str) for key in data):
        msg = "session data has a key that is not text; JSON would change it"
        raise DataError(msg)
    if any(key.startswith(RESERVED) for key in data):
        msg = f"session data has a key that begins with {RESERVED!r}, which is reserved; use another one"
        raise DataError(msg)
    if (size := len(text.encode())) > max_bytes:
        msg = f"session data of {size} bytes is larger than max_data_bytes={max_bytes}"
        raise DataError(msg)
    return text
