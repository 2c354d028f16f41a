# Generated from stores/valkey/async_listener.py by tools/generate_sync.py: edit that, run `make generate`.
"""Waiting for the log to grow, for threads.

One connection for each process, however many wait: whoever comes first listens for all, and when its time is over
another goes on. It listens from where it stopped, so what comes in between is not missed.
"""

from __future__ import annotations

import random
import threading
import time

from coatcheck.bells import Bell
from coatcheck.errors import Unavailable
from coatcheck.stores.valkey._wire import Wire

_LONGEST_PAUSE = 5.0


class Listener:
    """Reads a stream's end and counts how often it has grown, or become another one."""

    def __init__(self, url: str, *, timeout: float, meta_key: str, log_key: str) -> None:
        """Keep where to listen; nothing is connected yet.

        Args:
            url: The server.
            timeout: For how many seconds to wait for an answer before connecting anew.
            meta_key: The key of the hash with the log's epoch and next position.
            log_key: The key of the stream.
        """
        self._wire = Wire(url, timeout=timeout, max_connections=1)
        self._turn = timeout / 4  # shorter than what the driver waits for an answer
        self._meta_key = meta_key
        self._log_key = log_key
        self._count = 0
        self._head: tuple[bytes | None, int] | None = None
        self._failures = 0
        self._listens: bool | None = None
        self._closed = False
        self.forked()

    def forked(self) -> None:
        """Start anew, with a connection of this process."""
        self._wire.forked()
        self._listening = threading.Lock()  # only ever tried, so it keeps no task waiting
        self._stir = Bell()

    @property
    def listens(self) -> bool | None:
        """Whether the last attempt to listen has succeeded; None when nobody has tried yet."""
        return self._listens

    def begin_at(self, epoch: str, position: int) -> None:
        """Listen from here on, unless that has begun already."""
        if self._head is None:
            self._head = (epoch.encode(), position)

    def news(self, seen: int, seconds: float) -> int:
        """Wait until the log may have grown, or so many seconds; returns how often it has."""
        end = time.monotonic() + seconds
        while True:
            stirred = self._stir.rung
            left = end - time.monotonic()
            if self._count != seen or left <= 0 or self._closed:
                return self._count
            if self._listening.acquire(blocking=False):
                try:
                    self._listen(seen, end)
                finally:
                    self._listening.release()
                    self._stir.ring()  # for another to go on
            else:
                self._stir.wait(stirred, left)

    def _listen(self, seen: int, end: float) -> None:
        while self._count == seen and not self._closed and (left := end - time.monotonic()) > 0:
            try:
                self._wait_for_entry(min(left, self._turn))
            except Unavailable:
                self._failures += 1
                self._listens = False
                # Not all workers at once, when a server comes back.
                longest = min(_LONGEST_PAUSE, self._turn * 2**self._failures)
                pause = longest * random.uniform(0.5, 1)  # noqa: S311 - no secret
                self._stir.wait(self._stir.rung, min(left, pause))
            else:
                self._failures = 0
                self._listens = True

    def _wait_for_entry(self, seconds: float) -> None:
        if self._head is None:
            self._head = self._read_head()
        last = f"{self._head[1] - 1}-0"
        milliseconds = max(1, int(seconds * 1000))  # 0 would be for ever
        self._wire.command(self._log_key, "XREAD", "COUNT", 1, "BLOCK", milliseconds, "STREAMS", self._log_key, last)
        # Also when nothing has come: the log may be another one, whose entries all stand before the last one seen.
        head = self._read_head()
        if head != self._head:
            self._head = head
            self._count += 1
            self._stir.ring()

    def _read_head(self) -> tuple[bytes | None, int]:
        epoch, position = self._wire.command(self._meta_key, "HMGET", self._meta_key, "epoch", "position")
        return epoch, int(position or 1)

    def reopen(self) -> None:
        """Listen again after it was closed."""
        self._closed = False

    def close(self) -> None:
        """Send those who wait away, and close the connection when nobody uses it any more."""
        self._closed = True
        while not self._listening.acquire(blocking=False):
            self._stir.wait(self._stir.rung, self._turn)
        try:
            self._stir.ring()
            self._wire.close()
        finally:
            self._listening.release()
