# Generated from _async/namespace.py by tools/generate_sync.py: edit that, run `make generate`.
"""The verbs of a cache, in one namespace."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, overload

from coatcheck._sync.cached_calls import CachedCall, returned_by
from coatcheck._sync.values import Wanted
from coatcheck.core.namespaces import key_subject
from coatcheck.core.settings import LONGEST_VALUE
from coatcheck.core.times import duration_nanos
from coatcheck.errors import DataError
from coatcheck.values import codec_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec

    from coatcheck._sync.values import Values
    from coatcheck.core.namespaces import Space
    from coatcheck.core.value_copies import Mark

    P = ParamSpec("P")

T = TypeVar("T")


class Namespace:
    """A part of a cache, whose keys reach no other part's.

    A key is any text. Values are JSON of their type; what one caller does to a value, no other sees.
    """

    def __init__(self, values: Values, space: Space) -> None:
        """Made by `Cache.namespace`."""
        self._values = values
        self._reads = values.reads
        self._prefix = space.prefix
        self._due = values.due

    def get_or_load(
        self,
        key: str,
        loader: Callable[[], T],
        *,
        ttl: timedelta,
        type: Any = None,  # noqa: A002 - what everybody calls it
        stale_for: timedelta | None = None,
        refresh: bool = True,
    ) -> T:
        """Return the value under this key, from the nearest tier that has it, or from the loader.

        However many callers wait for it, the loader runs once in this process; and once among all workers where there
        is a shared cache. What was invalidated before the loader began is never served again.

        Args:
            key: Any text.
            loader: Loads the value. It may run again after the call has returned, so it must bring its own connection.
            ttl: How long the value may be served, such as `lifetimes.QUERY_RESULTS`; at most 7 days.
            type: What the value is: a dataclass, a msgspec or Pydantic model, or any type of these; None for JSON.
            stale_for: For how long after its time the old value is served when the loader fails or hangs. One that
                was invalidated never is.
            refresh: Whether a value in use is loaded anew in the background before its time is over.

        Raises:
            Exception: What the loader has raised.
            DataError: The value is not of its type, or the key or a time is none.
            Unavailable: The loader took longer than `load_timeout`.
        """
        try:
            full = self._prefix + key
        except TypeError:
            full = _text(key)
        copy = self._reads.lookup(full)
        if copy is not None:
            if refresh and self._due and full in self._due:
                self._values.renew(full, copy, _wanted(type, loader, ttl, stale_for))
            view = self._reads.view[1].views.get(full)
            if view is not None and view[0] is copy and (view[1] is type or view[1] == type):
                value: T = view[2]
                return value
            found, value = self._values.decoded(full, copy, type, codec_for(type))
            if found:
                return value
        loaded: T = self._values.get(full, _wanted(type, loader, ttl, stale_for), refresh=refresh)
        return loaded

    @overload
    def get(self, key: str, *, type: type[T]) -> T | None: ...
    @overload
    def get(self, key: str, *, type: Any = None, default: Any = None) -> Any: ...
    def get(self, key: str, *, type: Any = None, default: Any = None) -> Any:  # noqa: A002
        """Return the value under this key, or the default: there is none, or nobody can tell.

        Raises:
            DataError: The key is no text.
        """
        full = self._prefix + _text(key)
        found, value = self._values.find(full, codec_for(type))
        return value if found else default

    def put(
        self,
        key: str,
        value: Any,
        *,
        ttl: timedelta,
        type: Any = None,  # noqa: A002
        mark: Mark | None = None,
    ) -> None:
        """Keep a value that was read elsewhere, as if a loader had brought it.

        It does not outdate what others hold: to change a value, change where it comes from, and `invalidate`.

        Args:
            key: Any text.
            value: The value.
            ttl: How long it may be served.
            type: What it is.
            mark: What `mark` returned before the value was read. Without it the value counts as read now: if it was
                invalidated since it was read, nobody would notice.

        Raises:
            DataError: The value is not of its type, or the key or the time is none.
        """
        copy = codec_for(type).encode(value)
        self._values.put(self._prefix + _text(key), copy, _nanoseconds("ttl", ttl), mark)

    def mark(self) -> Mark:
        """Return where the invalidation log stands, to be taken before a value is read that is then `put`."""
        return self._values.mark()

    def invalidate(self, *keys: str, wait: bool = False, connection: Any = None) -> None:
        """Make every worker load these values anew.

        Args:
            keys: Their keys.
            wait: Whether to return only when no worker can serve the old values.
            connection: The caller's own connection to the store's database, inside a transaction: row and cached
                value then change as one.

        Raises:
            DataError: A key is no text.
            Unavailable: The store did not answer.
        """
        subjects = [key_subject(self._prefix + _text(key)) for key in keys]
        self._values.invalidate(subjects, wait=wait, connection=connection)

    def cached(
        self,
        *,
        ttl: timedelta,
        type: Any = ...,  # noqa: A002
        key: Callable[..., str] | None = None,
        stale_for: timedelta | None = None,
        refresh: bool = True,
    ) -> Callable[[Callable[P, T]], CachedCall[P, T]]:
        """Cache what a function returns, by its arguments.

        Args:
            ttl: How long a value may be served.
            type: What the values are; by default what the function says it returns.
            key: Returns the key for the arguments; by default the function's name and all arguments.
            stale_for: As in `get_or_load`.
            refresh: As in `get_or_load`.

        Raises:
            ConfigurationError: The function does not say what it returns, or nobody can keep that; or it is a method
                without a `key`.
            DataError: A time is none.
        """

        def decorated(function: Callable[P, T]) -> CachedCall[P, T]:
            kind = returned_by(function) if type is ... else type
            _wanted(kind, function, ttl, stale_for)  # what is wrong is told where it stands, and not to a caller

            def get(key: str, load: Callable[[], T]) -> T:
                return self.get_or_load(key, load, ttl=ttl, type=kind, stale_for=stale_for, refresh=refresh)

            return CachedCall(function, key=key, get=get, invalidate=self.invalidate)

        return decorated


def _text(key: object) -> str:
    if not isinstance(key, str):
        msg = f"a key of type {type(key).__name__} is not possible: use text"
        raise DataError(msg)
    return key


def _wanted(type_: Any, loader: Callable[[], Any], ttl: timedelta, stale_for: timedelta | None) -> Wanted:
    stale = 0 if stale_for is None else _nanoseconds("stale_for", stale_for)
    return Wanted(codec_for(type_), loader, ttl=_nanoseconds("ttl", ttl), stale=stale)


def _nanoseconds(name: str, duration: object) -> int:
    if not isinstance(duration, timedelta) or not timedelta(0) < duration <= LONGEST_VALUE:
        msg = f"{name}={duration!r} is not possible: use a timedelta of more than zero and at most 7 days"
        raise DataError(msg)
    return duration_nanos(duration)
