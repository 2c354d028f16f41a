# Generated from testing/async_memory_cache.py by tools/generate_sync.py: edit that, run `make generate`.
"""A shared cache in memory with the faults that a test orders, for threads."""

from __future__ import annotations

from itertools import repeat
from threading import Lock
from typing import TYPE_CHECKING

from coatcheck.clock import SystemClock
from coatcheck.errors import Unavailable
from coatcheck.testing._pair import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coatcheck.clock import Clock

_CALLS = frozenset({"open", "close", "ping", "get", "put", "add", "remove"})


class MemoryCache:
    """A shared cache in a dictionary, which may lie, forget and be away as a real one does.

    Any number of workers may share one; closing it keeps what is in it. It remembers every value that was ever put
    there, so that it can return an old one.

    Attributes:
        calls: The names of all calls so far, in order.
    """

    adds = True

    def __init__(self, *, clock: Clock | None = None) -> None:
        """Start empty, and tell the truth until told otherwise."""
        self.calls: list[str] = []
        self._clock = clock or SystemClock()
        self._values: dict[bytes, list[tuple[bytes, int]]] = {}
        self._failing: dict[str, Iterator[str]] = {}
        self._held: dict[str, Gate] = {}
        self._adding = Lock()
        self._losing = self._stale = self._mixed = _NEVER

    # --- ordering faults

    @property
    def keys(self) -> Sequence[bytes]:
        """The keys under which there was ever anything, in the order of their coming."""
        return tuple(self._values)

    def count(self, *names: str) -> int:
        """Return how many calls of these names there were."""
        return sum(map(self.calls.count, _known(names)))

    def fail(self, *names: str, times: int | None = None) -> None:
        """Make these calls raise `Unavailable`: the next `times` of each, or all until `heal`."""
        self._failing.update((name, _ordered(times)) for name in _known(names))

    def lose_writes(self, times: int | None = None) -> None:
        """Keep nothing of the next `times` puts, or of all until `heal`, and say nothing about it."""
        self._losing = _ordered(times)

    def serve_stale(self, times: int | None = None) -> None:
        """Let gets return the value before the last one, whatever its time to live was, if there was one."""
        self._stale = _ordered(times)

    def serve_others(self, times: int | None = None) -> None:
        """Let gets return what lies under another key, if there is one."""
        self._mixed = _ordered(times)

    def heal(self) -> None:
        """Tell the truth again, and do what is asked. What is held stays held."""
        self._failing.clear()
        self._losing = self._stale = self._mixed = _NEVER

    def hold(self, *names: str) -> Gate:
        """Make these calls wait at a gate, until it is released."""
        gate = Gate()
        self._held.update((name, gate) for name in _known(names))
        return gate

    def empty(self) -> None:
        """Forget everything, as FLUSHALL does and a restart."""
        self._values.clear()

    def roll_back(self) -> None:
        """Forget the last value of each key, as a failover does to a replica that was behind."""
        self._values = {key: values[:-1] for key, values in self._values.items() if values[:-1]}

    # --- the cache

    def open(self) -> None:
        """Do nothing: there is nothing to connect to."""
        self._pass("open")

    def close(self) -> None:
        """Do nothing: others may use it still."""
        self._pass("close")

    def ping(self) -> None:
        """Answer."""
        self._pass("ping")

    def get(self, key: bytes) -> bytes | None:
        """Return what was put under this key, or what a fault wants."""
        self._pass("get")
        if next(self._mixed, None):
            key = next((other for other in self._values if other != key), key)
        values = self._values.get(key)
        if not values:
            return None
        if next(self._stale, None):
            return values[-2:][0][0]
        value, until = values[-1]
        return value if self._clock.monotonic() < until else None

    def put(self, key: bytes, value: bytes, ttl_ms: int) -> None:
        """Keep a value for so many milliseconds."""
        self._pass("put")
        if not next(self._losing, None):
            until = self._clock.monotonic() + ttl_ms * 1_000_000
            self._values.setdefault(key, []).append((value, until))

    def add(self, key: bytes, value: bytes, ttl_ms: int) -> bool:
        """Keep a value unless there is one."""
        self._pass("add")
        with self._adding:
            values = self._values.get(key)
            if values and self._clock.monotonic() < values[-1][1]:
                return False
            self._values.setdefault(key, []).append((value, self._clock.monotonic() + ttl_ms * 1_000_000))
            return True

    def remove(self, key: bytes) -> None:
        """Forget what was put under this key."""
        self._pass("remove")
        self._values.pop(key, None)

    def _pass(self, name: str) -> None:
        self.calls.append(name)
        gate = self._held.get(name)
        if gate is not None:
            gate.wait()
        if next(self._failing.get(name, _NEVER), None):
            raise Unavailable(f"{name} was told to fail")


_NEVER: Iterator[str] = repeat("", 0)


def _ordered(times: int | None) -> Iterator[str]:
    return repeat("fault") if times is None else repeat("fault", times)


def _known(names: Sequence[str]) -> Sequence[str]:
    """Refuse a name that no call has: the fault would never happen, and the test would prove nothing."""
    unknown = set(names) - _CALLS
    if unknown:
        msg = f"{', '.join(sorted(unknown))} is no call of a cache; use {', '.join(sorted(_CALLS))}"
        raise ValueError(msg)
    return names
