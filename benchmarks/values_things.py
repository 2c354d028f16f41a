"""What the caches are given to keep, and the least that keeping it can cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

KEYS = tuple(f"item:{number}" for number in range(200))
TTL = 3600
"""Seconds that a value is good for, longer than any run: nothing expires while it is measured."""


@dataclass(frozen=True)
class Item:
    """A small value that nobody can change, and that says which version of it is the truth's."""

    version: int
    name: str
    price: float
    tags: tuple[str, ...]


@dataclass
class Kind:
    """A kind of value.

    Attributes:
        name: What the tables call it.
        value: One of them.
        type: What ours is told about it.
        loads: How often one was loaded.
    """

    name: str
    value: Any
    type: Any
    loads: int = 0

    async def load(self, key: str = "") -> Any:
        """Return the value, as a query would."""
        return self.load_sync(key)

    def load_sync(self, _: str = "") -> Any:
        """Return the value, as a query would."""
        self.loads += 1
        return self.value


def item(version: int) -> Item:
    """Return a version of the thing."""
    return Item(version, "a coat with a hood", 129.5, ("coats", "winter"))


KINDS = (
    Kind("frozen dataclass", item(1), Item),
    Kind("dict", {**asdict(item(1)), "tags": ["coats", "winter"]}, None),
    Kind("str", "a coat with a hood, 129.50, to be had in winter only", str),
)


class Shelf(NamedTuple):
    """A cache as a coroutine uses it: one key through it, and one key out of it."""

    load: Callable[[str], Awaitable[Any]]
    invalidate: Callable[[str], Awaitable[Any]]


class SyncShelf(NamedTuple):
    """The same for a thread."""

    load: Callable[[str], Any]
    invalidate: Callable[[str], Any]


class Floor:
    """What one would write by hand: a dictionary, and a look at the time."""

    def __init__(self, value: object, keys: Sequence[str], version: Callable[[], int]) -> None:
        """Keep the value under each key; `version` says whether another process has committed."""
        self._known = {key: (monotonic() + TTL, value) for key in keys}
        self._version = version
        self._seen = version()

    def get(self, key: str) -> object:
        """Look up, compare the expiry."""
        known = self._known.get(key)
        return known[1] if known is not None and monotonic() < known[0] else None

    def get_if_unchanged(self, key: str) -> object:
        """Do the same, and look at SQLite's `data_version`."""
        known = self._known.get(key)
        if known is None or monotonic() >= known[0]:
            return None
        return known[1] if self._version() == self._seen else None
