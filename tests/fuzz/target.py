"""What is attacked: samples for one parser, and what must hold of each."""

from __future__ import annotations

import logging
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import HealthCheck, Phase, given, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

    Check = Callable[[Any], None]


class Target(NamedTuple):
    """One parser.

    Attributes:
        name: What it reads.
        samples: What is sent.
        opened: Given a folder, makes what is attacked; the check raises where a sample breaks a promise.
        read: What reads octets of any length; None where there is nothing but what has a bound before it.
        pieces: What to repeat, to see how its time grows with the length.
    """

    name: str
    samples: SearchStrategy[Any]
    opened: Callable[[Path], AbstractContextManager[Check]]
    read: Callable[[bytes], object] | None = None
    pieces: Sequence[bytes] = ()


def attack(target: Target, check: Check, **how: Any) -> Callable[[], None]:
    """Return a function that sends samples until one breaks a promise; its `hypothesis` takes a fuzzer's octets."""
    phases = [phase for phase in Phase if phase is not Phase.explain]  # which would trace every line of the servers
    wanted = settings(suppress_health_check=list(HealthCheck), deadline=None, phases=phases, **how)
    attacked: Callable[[], None] = wanted(given(target.samples)(check))
    return attacked


class Log:
    """Everything that is logged, in text: with the details, and with the traces."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def take(self) -> str:
        """Return what was logged since the last call."""
        lines, self._lines = self._lines, []
        return "\n".join(lines)

    def add(self, record: logging.LogRecord) -> None:
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        self._lines.append(f"{record.getMessage()} {vars(record)} {trace}")


class _Handler(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.DEBUG)
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        self.log.add(record)


@contextmanager
def logged() -> Iterator[Log]:
    """Hear everything that is logged, at every level; only here."""
    log = Log()
    handler = _Handler(log)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.INFO)
    try:
        yield log
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
