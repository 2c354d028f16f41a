"""Keys of calls: the same for the same arguments, however they are passed, and different for different ones."""

from __future__ import annotations

import inspect
import json
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from typing import TYPE_CHECKING, Any
from uuid import UUID

from coatcheck.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN = (str, int, float, bool, type(None))
_TEXT = (UUID, date, time, timedelta, Decimal)


class CallKeys:
    """The keys of one function's calls."""

    def __init__(self, function: Callable[..., Any], key: Callable[..., str] | None) -> None:
        """Look at the function.

        Args:
            function: Whose calls are cached.
            key: Returns the key for the arguments; None to make it of all of them.

        Raises:
            ConfigurationError: It is a method, whose first argument says nothing that could be a part of a key, or a
                lambda, which has no name of its own.
        """
        self._signature = inspect.signature(function)
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._key = key
        if key is None and function.__name__ == "<lambda>":
            msg = f"@cached on a lambda of {function.__module__} is not possible without key=: all have the same name"
            raise ConfigurationError(msg)
        first = next(iter(self._signature.parameters), "")
        if key is None and first in {"self", "cls"}:
            msg = f"@cached on the method {self._name} is not possible without key=: a function of its arguments"
            raise ConfigurationError(msg)

    def key(self, *arguments: Any, **named: Any) -> str:
        """Return the key of a call.

        Raises:
            DataError: An argument is of a type that names nothing for certain; the message names the argument.
        """
        if self._key is not None:
            return self._key(*arguments, **named)
        bound = self._signature.bind(*arguments, **named)
        bound.apply_defaults()
        parts = [[name, self._plain(name, value)] for name, value in bound.arguments.items()]
        # Not escaped: a character and the two halves that stand for it in UTF-16 would look the same.
        return json.dumps([self._name, parts], separators=(",", ":"), ensure_ascii=False)

    def _plain(self, name: str, value: Any) -> Any:
        """Return an argument as JSON in which no two values look the same."""
        if type(value) in _PLAIN:
            return value
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        if isinstance(value, Flag):
            return {kind: value.value}  # not all have a name
        if isinstance(value, Enum):
            return {kind: value.name}
        if isinstance(value, _TEXT):
            return {kind: repr(value)}  # str says of a time how far it is from UTC, and not in which zone
        if type(value) in {list, tuple}:
            return {kind: [self._plain(name, each) for each in value]}
        msg = f"the argument {name!r} of {self._name} is a {kind}, which makes no key; give @cached a key= function"
        raise DataError(msg)
