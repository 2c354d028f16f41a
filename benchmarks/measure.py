"""Timing in interleaved rounds, so that whatever else the machine does falls on every case alike."""

from __future__ import annotations

import gc
import random
import statistics
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    Batch = Callable[[], Coroutine[Any, Any, float]]

T = TypeVar("T")


class Timing(NamedTuple):
    """What one operation of a case took, in nanoseconds.

    Attributes:
        best: The fastest round: what the code costs when nothing disturbs it. Ratios are made of these.
        median: The round in the middle; how far it is from the best one tells how noisy the machine was.
    """

    best: float
    median: float

    @property
    def noise(self) -> float:
        """How much slower the median round was than the fastest one, as a fraction."""
        return self.median / self.best - 1


async def interleaved(cases: Mapping[str, Batch], *, rounds: int) -> dict[str, Timing]:
    """Run every case once in each round, in an order drawn anew, and return what one operation took.

    Args:
        cases: Each runs a batch of operations and returns the nanoseconds of one.
        rounds: How many; one more is run before, to warm up.
    """
    shuffled = random.Random(1)  # noqa: S311 - an order, not a secret
    seen: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name in shuffled.sample(list(cases), len(cases)):
            took = await cases[name]()
            if number:
                seen[name].append(took)
    return {name: Timing(min(took), statistics.median(took)) for name, took in seen.items()}


def calls(function: Callable[[T], object], arguments: Sequence[T]) -> Batch:
    """Return a case that calls a plain function with each argument."""

    async def batch() -> float:
        answer: object = None
        with timing(len(arguments)) as took:
            for argument in arguments:
                answer = function(argument)
        insist(answer)
        return took.each

    return batch


def awaits(function: Callable[[T], Awaitable[object]], arguments: Sequence[T]) -> Batch:
    """Return a case that awaits a function with each argument."""

    async def batch() -> float:
        answer: object = None
        with timing(len(arguments)) as took:
            for argument in arguments:
                answer = await function(argument)
        insist(answer)
        return took.each

    return batch


class timing:  # noqa: N801 - reads as a statement
    """Takes the time of a loop."""

    def __init__(self, operations: int, *, collecting: bool = False) -> None:
        """Say how many operations the loop has, and whether the garbage collector's work counts as theirs."""
        self._operations = operations
        self._collecting = collecting

    def __enter__(self) -> Self:
        if not self._collecting:
            gc.disable()
        self._begin = perf_counter_ns()
        return self

    def __exit__(self, *_: object) -> None:
        self._end = perf_counter_ns()
        gc.enable()

    @property
    def each(self) -> float:
        """How many nanoseconds one operation took."""
        return (self._end - self._begin) / self._operations


def insist(answer: object) -> None:
    """Refuse a measurement whose last answer was nothing.

    A lease that ended in the middle, or a wrong cookie, would make everything look wonderfully fast.
    """
    if not answer:
        raise RuntimeError("the benchmark measured a miss")
