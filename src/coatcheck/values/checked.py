"""What the codecs of both libraries have in common: nothing is kept that would not come back equal.

msgspec writes what an object is, not what was declared, and Pydantic writes secrets as stars: what is written is
therefore read again at once, and compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from coatcheck.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable


class CheckedCodec:
    """A codec that trusts its library with the work, and not with the outcome.

    Attributes:
        shareable: Whether one object may be handed to everybody.
    """

    def __init__(
        self, type_: Any, *, write: Callable[[Any], bytes], read: Callable[[bytes], Any], shareable: bool
    ) -> None:
        """Keep how the library writes and reads."""
        self.shareable = shareable
        plain = isinstance(type_, type) and not get_args(type_)
        self._name = type_.__qualname__ if plain else str(type_)
        self._write = write
        self._read = read

    # Libraries and validators may raise anything, and say anything of the value: their errors end here, and ours are
    # raised outside of the handler, so that they are no part of their context.

    def encode(self, value: Any) -> bytes:
        """Return the value's JSON, proven to come back as an equal value."""
        try:
            data = self._write(value)
            back = self._read(data)
            same = type(back) is type(value) and bool(back == value)
        except Exception:  # noqa: BLE001 - see above
            same, data = False, b""
        if not same:
            msg = f"the value cannot be kept as {self._name}: it is none, or would not come back equal"
            raise DataError(msg)
        return data

    def decode(self, data: bytes) -> Any:
        """Return the value."""
        try:
            return self._read(data)
        except Exception:  # noqa: BLE001, S110 - see above
            pass
        msg = f"the stored value is no {self._name}"
        raise DataError(msg)
