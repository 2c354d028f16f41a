# Generated from _async/cached_calls.py by tools/generate_sync.py: edit that, run `make generate`.
"""Functions whose results are cached."""

from __future__ import annotations

import copy
import inspect
import typing
from functools import update_wrapper
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from coatcheck.core.call_keys import CallKeys
from coatcheck.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")


class CachedCall(Generic[P, T]):
    """A function that answers from a cache; called as the function itself."""

    def __init__(
        self,
        function: Callable[P, T],
        *,
        key: Callable[..., str] | None,
        get: Callable[[str, Callable[[], T]], T],
        invalidate: Callable[[str], None],
    ) -> None:
        """Made by `Namespace.cached`."""
        self._function = function
        self._keys = CallKeys(function, key)
        self._get = get
        self._invalidate = invalidate
        self._first: tuple[Any, ...] = ()
        update_wrapper(self, function)

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self: CachedCall[Concatenate[Any, Q], T], instance: object, owner: Any = None) -> CachedCall[Q, T]: ...
    def __get__(self, instance: object, owner: Any = None) -> Any:
        """Return what a method is on an object: the same, with the object as its first argument."""
        if instance is None:
            return self
        bound = copy.copy(self)
        bound._first = (instance,)  # noqa: SLF001 - it is ours
        return bound

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> T:
        """Return what the function returns for these arguments, or has returned."""
        given: Any = (*self._first, *arguments)
        return self._get(self._keys.key(*given, **named), lambda: self._function(*given, **named))

    def key(self, *arguments: P.args, **named: P.kwargs) -> str:
        """Return the key of a call, for `put` and for `invalidate` inside a transaction."""
        return self._keys.key(*self._first, *arguments, **named)

    def invalidate(self, *arguments: P.args, **named: P.kwargs) -> None:
        """Make every worker call the function anew for these arguments."""
        self._invalidate(self.key(*arguments, **named))


def returned_by(function: Callable[..., Any]) -> Any:
    """Return what a function says it returns.

    Raises:
        ConfigurationError: It does not say, or names what cannot be found.
    """
    # Of what it takes, some may be known to type checkers only.
    said = {name: hint for name, hint in function.__annotations__.items() if name == "return"}
    known = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        hints = typing.get_type_hints(SimpleNamespace(__annotations__=said), known, include_extras=True)
    except (NameError, TypeError) as error:
        msg = f"@cached on {function.__qualname__}: what it returns cannot be found out ({error}); give type="
        raise ConfigurationError(msg) from None
    if "return" not in hints:
        msg = f"@cached on {function.__qualname__} is not possible: say what it returns, or give type="
        raise ConfigurationError(msg)
    return hints["return"]
