"""Which codec serves a type.

None and Any stand for plain JSON, for which the standard library is enough, as it is for texts and numbers. Every
other type goes to msgspec, where that is installed and knows the type and all of its parts, and else to Pydantic.

Both write JSON, but not always the same: processes that share a cache should have the same ones installed. With
different ones they refuse some of each other's copies, which costs loads and nothing else.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol, TypeVar

from coatcheck.errors import ConfigurationError
from coatcheck.values.plain import FasterPlainCodec, PlainCodec, ScalarCodec

T_co = TypeVar("T_co", covariant=True)

_SCALARS = {str, int, float, bool, type(None)}


class Codec(Protocol[T_co]):
    """Turns the values of one type into JSON bytes and back."""

    @property
    def shareable(self) -> bool:
        """Whether every value of this type is immutable all the way down, so that one object may go to everybody."""
        ...

    def encode(self, value: Any) -> bytes:
        """Return the value's JSON.

        Raises:
            DataError: It is not of this type, or would not come back equal. The message shows nothing of the value.
        """
        ...

    def decode(self, data: bytes) -> T_co:
        """Return the value that the JSON stands for, a new one for each call.

        Raises:
            DataError: The bytes are corrupt, or do not fit the type any more; nothing else is raised.
        """
        ...


def codec_for(type_: Any) -> Codec[Any]:
    """Return the codec for a type; None or Any stands for plain JSON.

    Raises:
        ConfigurationError: No installed library knows the type.
    """
    if type_ is None:  # which for typing is NoneType, and equal to it
        type_ = Any
    try:
        return _codec(type_)
    except TypeError:  # an annotation without a hash
        return _codec.__wrapped__(type_)


@lru_cache(maxsize=1024)  # what is remembered keeps its type alive
def _codec(type_: Any) -> Codec[Any]:
    if type_ is Any:
        try:
            return FasterPlainCodec()
        except ModuleNotFoundError:
            return PlainCodec()
    if any(type_ is scalar for scalar in _SCALARS):  # not `in`: an annotation may have no hash
        return ScalarCodec(type_)
    if isinstance(type_, str):
        msg = f"type={type_!r} is a name: give the type itself"
        raise ConfigurationError(msg)
    problems: list[str] = []
    try:
        from coatcheck.values.structs import msgspec_codec  # noqa: PLC0415 - it needs the extra

        return msgspec_codec(type_)
    except ModuleNotFoundError:
        problems.append('msgspec is not installed (pip install "coatcheck[msgspec]")')
    except ConfigurationError as error:
        problems.append(str(error))
    try:
        from coatcheck.values.models import pydantic_codec  # noqa: PLC0415 - it needs the extra

        return pydantic_codec(type_)
    except ModuleNotFoundError:
        problems.append('Pydantic is not installed (pip install "coatcheck[pydantic]")')
    except ConfigurationError as error:
        problems.append(str(error))
    msg = f"type={type_!r} is not possible: {'; '.join(problems)}"
    raise ConfigurationError(msg)
