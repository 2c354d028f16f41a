"""Plain JSON with the standard library: for values without a type, and for single texts and numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from coatcheck.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

_EXACT = 2**53
"""Beyond it, not every integer is a float."""

_encoder = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def _write(value: Any) -> bytes:
    return _encoder.encode(value).encode()


class PlainCodec:
    """Any JSON at all. Everyone gets a new object, because lists and dictionaries can be changed."""

    shareable = False

    _write: Callable[[Any], bytes] = staticmethod(_write)
    _read: Callable[[bytes], Any] = staticmethod(json.loads)

    def encode(self, value: Any) -> bytes:
        """Return the value's JSON; what would come back as something else, as a tuple would as a list, is refused."""
        try:
            data = self._write(value)
            same = repr(self._read(data)) == repr(value)  # to `==`, 1 would be True, and an enum its number
        except Exception:  # noqa: BLE001 - whatever it is, and whatever it says of the value, is told below
            same, data = False, b""
        if not same:
            msg = "the value is not plain JSON, or would not come back as it is: give type= to keep it as what it is"
            raise DataError(msg)
        return data

    def decode(self, data: bytes) -> Any:
        """Return the JSON's value."""
        try:
            return self._read(data)
        except (ValueError, RecursionError):
            pass
        msg = "the stored value is not plain JSON"
        raise DataError(msg)


class FasterPlainCodec(PlainCodec):
    """The same with msgspec, where that is installed: each reads what the other has written."""

    def __init__(self) -> None:
        """Look for it."""
        from msgspec import json as faster  # noqa: PLC0415 - it is an extra

        self._write, self._read = faster.encode, faster.decode


class ScalarCodec(PlainCodec):
    """JSON of exactly one type: str, int, float, bool or NoneType."""

    shareable = True

    def __init__(self, type_: type) -> None:
        """Keep the type."""
        self._type = type_

    def encode(self, value: Any) -> bytes:
        """Return the value's JSON."""
        if self._type is float and type(value) is int and abs(value) <= _EXACT:
            value = float(value)  # which type checkers take for one (PEP 484)
        return super().encode(self._checked(value))

    def decode(self, data: bytes) -> Any:
        """Return the JSON's value."""
        return self._checked(super().decode(data))

    def _checked(self, value: Any) -> Any:
        if type(value) is not self._type:
            msg = f"the value is no {self._type.__name__}"
            raise DataError(msg)
        return value
