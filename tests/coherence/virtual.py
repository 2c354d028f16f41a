"""Virtual time: an event loop that waits for nothing.

When nobody has anything to do, the time jumps to the next thing that is due. All chance comes from one seed, so a run
is repeated by its seed.
"""

from __future__ import annotations

import asyncio
import selectors
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING
from unittest.mock import patch

from coatcheck._async import follower, shared_tier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

SECOND = 10**9
MOST_ROUNDS = 20_000
"""So often the loop may turn without any time going by."""

START = 4_102_444_800 * SECOND  # the year 2100


class Violated(AssertionError):
    """Something that must not be, with the way to see it again."""


class World:
    """The time that really passes."""

    def __init__(self) -> None:
        self.time = 0

    def now(self) -> int:
        return START + self.time

    def monotonic(self) -> int:
        return self.time


class WorkersClock:
    """A worker's clocks: started at another time, and set to another hour now and then."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._booted = random.randrange(10**6) * SECOND
        self.wrong = 0

    def now(self) -> int:
        return self._world.now() + self.wrong

    def monotonic(self) -> int:
        return self._world.time + self._booted


class VirtualSelector(selectors.DefaultSelector):
    """Instead of waiting it moves the time."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Violated("everybody waits for something that nobody will do")
        self._rounds += 1
        if timeout > 0:
            self._world.time += max(1, ceil(timeout * SECOND))
            self._rounds = 0
        elif self._rounds > MOST_ROUNDS:
            raise Violated("somebody is busy for ever, and time stands still")
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in the world's time."""

    def __init__(self, world: World) -> None:
        super().__init__(VirtualSelector(world))
        self._world = world

    def time(self) -> float:
        return self._world.time / SECOND


@contextmanager
def virtual_time(world: World, random: Random) -> Iterator[VirtualLoop]:
    """Run in virtual time, with the lots that the follower and the shared tier draw themselves."""
    loop = VirtualLoop(world)
    init = shared_tier.AsyncSharedTier.__init__
    try:
        with (
            patch.multiple(follower, monotonic=loop.time, random=random),
            patch.dict(init.__kwdefaults__, lots=random.random),
        ):
            yield loop
    finally:
        loop.close()
