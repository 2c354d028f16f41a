"""Whether one object may be handed to everybody: whether nobody can change what a type's values hold.

The answer is about the type, and given once. In doubt it is no, which costs time and nothing else.
"""

from __future__ import annotations

import inspect
import types
import typing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Any
from uuid import UUID

_SINGLE = {type(None), bool, int, float, str, bytes, datetime, date, time, timedelta, Decimal, UUID}
_UNIONS = {typing.Union, types.UnionType}


def deeply_frozen(type_: Any) -> bool:
    """Return whether a type's values are immutable all the way down, as far as the type tells."""
    return _frozen(type_, set())


def _frozen(type_: Any, seen: set[Any]) -> bool:
    """Judge a type; a class that is being judged already is taken as frozen until something else says it is not."""
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin is typing.Annotated:
        return _frozen(arguments[0], seen) and not any(map(_runs_code, arguments[1:]))
    if origin is typing.Literal or type_ is None:
        return True
    if origin in {tuple, frozenset, *_UNIONS}:
        return bool(arguments) and all(each is ... or _frozen(each, seen) for each in arguments)
    if origin is not None or not isinstance(type_, type):
        return False
    if type_ in _SINGLE or issubclass(type_, Enum) or type_ in seen:
        return True
    seen.add(type_)
    return _says_frozen(type_) and all(_frozen(each, seen) for each in _fields(type_))


def _says_frozen(cls: Any) -> bool:
    """Return whether the fields of a class cannot be set, and there is nothing beside them."""
    own: dict[str, Any] = dict(cls.__dict__)
    if _runs_code_of_its_own(cls):
        return False
    if "__dataclass_params__" in own:
        return bool(own["__dataclass_params__"].frozen)
    if hasattr(cls, "__struct_config__"):
        return bool(cls.__struct_config__.frozen)
    if hasattr(cls, "__pydantic_fields__"):
        config = cls.model_config
        return bool(config.get("frozen")) and config.get("extra") != "allow" and not cls.__private_attributes__
    return "_fields" in own and cls.__bases__ == (tuple,)  # a NamedTuple


def _runs_code_of_its_own(cls: Any) -> bool:
    """Return whether code of the class may put anything into its objects, when they are made or later."""
    if hasattr(cls, "__post_init__") or getattr(cls, "__pydantic_post_init__", None):
        return True
    decorators: Any = getattr(cls, "__pydantic_decorators__", None)
    if decorators is not None and (decorators.field_validators or decorators.model_validators):
        return True
    names: list[str] = dir(cls)
    return any(isinstance(inspect.getattr_static(cls, name, None), cached_property) for name in names)


def _runs_code(metadata: object) -> bool:
    """Return whether what stands beside a type in Annotated is a validator."""
    return hasattr(metadata, "func")


def _fields(cls: Any) -> list[Any]:
    """Return the types of a class's fields; one that cannot be found out is none that is known to be frozen."""
    if hasattr(cls, "__pydantic_fields__"):
        fields: Any = cls.__pydantic_fields__.values()
        return [Any if any(map(_runs_code, field.metadata)) else field.annotation for field in fields]
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError):
        return [Any]
    return [hint for hint in hints.values() if typing.get_origin(hint) is not typing.ClassVar]
