"""What threads do differently in more than words. Its twin for asyncio is `_async/_pair.py`, by hand as well."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from coatcheck.core.answers import LoaderFailed
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

K = TypeVar("K")
A = TypeVar("A")

FlightError = (Unavailable, LoaderFailed)
"""What those who wait for somebody else's read share with them."""


_log = logging.getLogger("coatcheck")


class _Flight(Generic[A]):
    """A read. Its lock is held until it has ended: making to make an event takes ten times as long."""

    __slots__ = ("_under_way", "result", "waiting")

    def __init__(self) -> None:
        self._under_way = threading.Lock()
        self._under_way.acquire()
        self.result: A | Unavailable | LoaderFailed | None = None
        self.waiting: list[int] = []
        """The threads that have asked for it."""

    def end(self, result: A | Unavailable | LoaderFailed | None) -> None:
        """Let those go on who wait."""
        self.result = result
        self._under_way.release()

    def wait(self, patience: float | None) -> bool:
        """Wait for so many seconds; tells whether it has ended."""
        self.waiting.append(threading.get_ident())
        ended = self._under_way.acquire(timeout=-1 if patience is None else patience)
        if ended:
            self._under_way.release()  # the next one may go on as well
        return ended


class Flights(Generic[K, A]):
    """Single-flight: however many callers want the same value, one of them reads it."""

    def __init__(self, patience: float | None = None) -> None:
        """Start with nothing under way.

        Args:
            patience: For how many seconds somebody else's read is waited for: no thread can be interrupted.
        """
        self._patience = patience
        self._flights: dict[K, _Flight[A]] = {}

    def claim(self, key: K) -> _Flight[A] | None:
        """Become the one who reads, who must call `end`: None. Or get the flight of who does already."""
        mine: _Flight[A] = _Flight()
        flight = self._flights.setdefault(key, mine)
        return None if flight is mine else flight

    def end(self, key: K, result: A | Unavailable | LoaderFailed | None) -> None:
        """Let the followers have what the leader has read, fail as it did, or go on without it: None."""
        self._flights.pop(key).end(result)

    def wait(self, flight: _Flight[A]) -> A | None:
        """Wait for somebody else's read. What it brought may be older than the caller's wish.

        Returns:
            What was read; None when the reader was interrupted.

        Raises:
            Unavailable: The read failed.
            LoaderFailed: The loader did.
        """
        if not flight.wait(self._patience):
            msg = "somebody else's read has not ended in time"
            raise Unavailable(msg)
        result = flight.result
        if isinstance(result, Unavailable):
            raise Unavailable(str(result), retry_after=result.retry_after) from result
        if isinstance(result, LoaderFailed):
            raise LoaderFailed(result.error) from result
        return result


class Lock:
    """Mutual exclusion between threads."""

    def __init__(self) -> None:
        """Start unlocked."""
        self._lock = threading.Lock()

    @property
    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self._lock.locked()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Timer:
    """Runs a job once, a while after it was first asked for, in the background."""

    def __init__(self, job: Callable[[], object]) -> None:
        """Keep the job."""
        self._job = job
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._running: threading.Timer | None = None

    def start(self, seconds: float) -> None:
        """Run the job in so many seconds, unless that is arranged already."""
        if self._timer is not None:
            return
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(seconds, self._run)
                self._timer.daemon = True
                self._timer.start()

    def _run(self) -> None:
        self._running, self._timer = self._timer, None
        self._job()

    def stop(self) -> None:
        """Forget what is arranged, and wait for what runs."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        for thread in (timer, self._running):
            if thread is not None and thread is not threading.current_thread():
                thread.join()


_SLICE = 0.1
"""Seconds a round of a background job waits at the most, so that it can be stopped."""


class Repeater:
    """Does a job over and over in the background, until it is stopped. The job itself waits between its rounds."""

    slice = _SLICE

    def __init__(self, job: Callable[[], object]) -> None:
        """Keep the job."""
        self._job = job
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._over = threading.Event()

    def start(self) -> None:
        """Begin, unless it has begun already."""
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._over = over = threading.Event()  # its own: the one before may not have ended yet
                    self._thread = threading.Thread(
                        target=self._run, args=(over,), name="coatcheck-follower", daemon=True
                    )
                    self._thread.start()

    def start_in_child(self) -> None:
        """Begin in a process that was just forked."""
        self.start()

    def _run(self, over: threading.Event) -> None:
        while not over.is_set():
            try:
                self._job()
            except Exception:  # noqa: BLE001 - a round that failed must not be the last one
                _log.exception("coatcheck.background_failed")
                over.wait(1)

    def stop(self) -> None:
        """Stop, and wait for the round that runs."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._over.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()


sleep = time.sleep
