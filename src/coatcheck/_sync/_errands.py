"""What the shared tier does differently with threads. Its twin for asyncio is `_async/_errands.py`, by hand as well."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck.clock import Clock

_log = logging.getLogger("coatcheck")


class Deadline:
    """Notices what has taken longer than so many nanoseconds: a thread cannot be interrupted.

    Attributes:
        missed: Whether it took longer.
    """

    missed = False

    def __init__(self, nanoseconds: int, clock: Clock) -> None:
        """Set the time; it runs from the entry on."""
        self._nanoseconds = nanoseconds
        self._clock = clock

    def __enter__(self) -> Self:
        self._began = self._clock.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.missed = self._clock.monotonic() - self._began > self._nanoseconds


class Errands:
    """Small jobs, done at once: a thread for each would cost more than they do."""

    def __init__(self, *, at_once: int, most: int) -> None:
        """Take the bounds of the other side, and need none."""

    def run(self, job: Callable[[], None]) -> bool:
        """Run a job."""
        job()
        return True

    def close(self) -> None:
        """Do nothing: nothing runs."""


class Jobs:
    """Jobs for which nobody waits and that may take long: each has a thread of its own, and there are few at once."""

    def __init__(self, *, at_once: int, most: int) -> None:  # noqa: ARG002 - there is no queue
        """Set how many may run at once."""
        self._free = threading.BoundedSemaphore(at_once)
        self._running: set[threading.Thread] = set()

    def run(self, job: Callable[[], None]) -> bool:
        """Run a job; False when too many run already."""
        if not self._free.acquire(blocking=False):
            return False
        thread = threading.Thread(target=self._run, args=(job,), name="coatcheck-job", daemon=True)
        self._running.add(thread)
        thread.start()
        return True

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception:  # noqa: BLE001 - there is nobody to tell
            _log.exception("coatcheck.background_failed")
        finally:
            self._running.discard(threading.current_thread())
            self._free.release()

    def close(self) -> None:
        """Wait until everything is done."""
        for thread in list(self._running):
            thread.join()
