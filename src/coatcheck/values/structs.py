"""Values of the types that msgspec knows: Structs, dataclasses, containers, and what the standard library has."""

from __future__ import annotations

from typing import Any

import msgspec
import msgspec.inspect

from coatcheck.errors import ConfigurationError
from coatcheck.values.checked import CheckedCodec
from coatcheck.values.frozen import deeply_frozen


def msgspec_codec(type_: Any) -> CheckedCodec:
    """Return the codec of a type.

    Raises:
        ConfigurationError: msgspec does not know it, or not all of its parts.
    """
    try:
        decoder = msgspec.json.Decoder[Any](type_)
        _refuse_unknown(msgspec.inspect.type_info(type_), set())
    except (TypeError, NameError, AttributeError) as error:
        msg = f"msgspec does not know it ({error})"
        raise ConfigurationError(msg) from None
    return CheckedCodec(type_, write=msgspec.json.encode, read=decoder.decode, shareable=deeply_frozen(type_))


def _refuse_unknown(part: Any, seen: set[int]) -> None:
    """Refuse types that need somebody else: classes of no kind it knows, and Pydantic's own dataclasses."""
    if isinstance(part, (list, tuple)):
        for each in part:  # pyright: ignore[reportUnknownVariableType]
            _refuse_unknown(each, seen)
        return
    if not isinstance(part, (msgspec.inspect.Type, msgspec.inspect.Field)) or id(part) in seen:
        return
    seen.add(id(part))
    cls = getattr(part, "cls", None)
    if isinstance(part, (msgspec.inspect.CustomType, msgspec.inspect.ExtType)) or hasattr(cls, "__pydantic_fields__"):
        raise TypeError(getattr(cls, "__qualname__", "an extension type"))
    for name in part.__struct_fields__:
        if name not in {"cls", "default"}:
            _refuse_unknown(getattr(part, name), seen)
