"""What threads do differently in more than words. Its twin for asyncio is `_async_pair.py`, by hand as well."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

DEADLINE = 20.0
"""After so many seconds what has not happened will not: the test fails instead of hanging."""


class Gate:
    """A place where calls wait until a test lets them pass."""

    def __init__(self) -> None:
        """Start closed."""
        self._open = threading.Event()
        self._arrived = threading.Condition()
        self._count = 0

    def wait(self) -> None:
        """Wait until the gate is open.

        Raises:
            TimeoutError: Nobody opens it.
        """
        with self._arrived:
            self._count += 1
            self._arrived.notify_all()
        if not self._open.wait(DEADLINE):
            msg = "the gate was never opened"
            raise TimeoutError(msg)

    def reached(self, calls: int = 1) -> None:
        """Wait until so many calls have come to the gate.

        Raises:
            TimeoutError: They do not come.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: self._count >= calls, DEADLINE):
                msg = f"{self._count} of {calls} calls have come"
                raise TimeoutError(msg)

    def release(self) -> None:
        """Let every call pass, now and later."""
        self._open.set()


def together(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Run all calls at once, each in a thread of its own, and return what they return; an error is raised."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        barrier.wait(DEADLINE)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
