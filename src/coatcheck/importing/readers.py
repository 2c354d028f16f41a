"""What each library's sessions mean. Pure; nothing is ever unpickled (rule S1)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

from coatcheck.core.imported import LIBRARIES, is_uuid
from coatcheck.errors import ConfigurationError
from coatcheck.importing.found import Content, LeftOut, Why

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from coatcheck.importing.found import Stored

_PICKLE: Final = b"\x80"
_PICKLE_PROTOCOLS: Final = range(2, 6)


class Options(NamedTuple):
    """What only somebody who knows the application can say.

    Attributes:
        prefix: What the keys of its sessions begin with.
        user_key: The key of the data under which it keeps the id of its user.
        uuids: Whether tokens that are UUIDs are taken.
        lifetime: How long its sessions live, where its store does not say so.
    """

    prefix: str = ""
    user_key: str = ""
    uuids: bool = False
    lifetime: timedelta | None = None


class Reader(Protocol):
    """Says what a session means, or raises LeftOut."""

    def __call__(self, stored: Stored, options: Options) -> Content:
        """Say it."""
        ...


def starsessions(stored: Stored, options: Options) -> Content:
    """Read what starsessions 2 wrote: JSON, with what it knows itself under `__metadata__`."""
    data = _json(_bytes(stored))
    known = data.pop("__metadata__", None)
    lifetime: object = cast("dict[str, Any]", known).get("lifetime") if isinstance(known, dict) else 0
    # With a lifetime of zero its cookie ends with the browser, and the store keeps the session for 30 days.
    return _content("starsessions", stored, data, options, remember=bool(lifetime))


def flask_session(stored: Stored, options: Options) -> Content:
    """Read what Flask-Session 0.7 and newer wrote: MessagePack or JSON."""
    data = _packed(_bytes(stored))
    return _content("flask-session", stored, data, options, remember=bool(data.pop("_permanent", False)))


def litestar(stored: Stored, options: Options) -> Content:
    """Read what Litestar's server-side sessions wrote: JSON. Their cookies always have a Max-Age."""
    return _content("litestar", stored, _json(_bytes(stored)), options, remember=True)


def fastapi_users(stored: Stored, options: Options) -> Content:
    """Read a row of fastapi-users' table of access tokens."""
    row = cast("Mapping[str, Any]", stored.value)
    created: datetime = row["created_at"]
    ends = None if options.lifetime is None else created + options.lifetime
    return Content(_token("fastapi-users", stored, options), {}, str(row["user_id"]), ends, remember=True)


READERS: Final[Mapping[str, Reader]] = {
    "starsessions": starsessions,
    "flask-session": flask_session,
    "litestar": litestar,
    "fastapi-users": fastapi_users,
}


def _content(library: str, stored: Stored, data: dict[str, Any], options: Options, *, remember: bool) -> Content:
    user = data.get(options.user_key)
    if user is not None and (isinstance(user, bool) or not isinstance(user, (str, int))):
        raise LeftOut(Why.NO_USER)
    user_id = None if user is None else str(user)
    return Content(_token(library, stored, options), data, user_id, stored.ends, remember)


def _token(library: str, stored: Stored, options: Options) -> bytes | None:
    if stored.digest is not None:
        return None
    token = stored.key.removeprefix(options.prefix).encode()
    if LIBRARIES[library].form.fullmatch(token) is None:
        raise LeftOut(Why.NO_TOKEN)
    if is_uuid(token) and not options.uuids:
        raise LeftOut(Why.UUID)
    return token


def _bytes(stored: Stored) -> bytes:
    return cast("bytes", stored.value)


def _json(value: bytes) -> dict[str, Any]:
    try:
        return _mapping(json.loads(value))
    except (ValueError, RecursionError):
        raise LeftOut(Why.UNREADABLE) from None


def _packed(value: bytes) -> dict[str, Any]:
    if value[:1] == _PICKLE and len(value) > 1 and value[1] in _PICKLE_PROTOCOLS:
        raise LeftOut(Why.PICKLED)
    if value[:1] == b"{":
        return _json(value)
    msgspec = needs_msgspec()
    try:
        # Times and bytes become text, as they do in JSON.
        return _mapping(msgspec.to_builtins(msgspec.msgpack.decode(value), str_keys=True))
    except (ValueError, RecursionError):
        raise LeftOut(Why.UNREADABLE) from None


def _mapping(data: object) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise LeftOut(Why.UNREADABLE)
    return cast("dict[str, Any]", data)


def needs_msgspec() -> Any:
    """Return msgspec, which reads MessagePack.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        import msgspec  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        msg = "these sessions are MessagePack: pip install 'coatcheck[msgspec]' to read them"
        raise ConfigurationError(msg) from error
    return msgspec
