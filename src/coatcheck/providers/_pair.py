"""What threads do differently in more than words. Its twin for asyncio is `_async_pair.py`, by hand as well."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

Lock = threading.Lock
sleep = time.sleep

DEADLINE: ContextVar[float | None] = ContextVar("coatcheck_deadline", default=None)
"""When what is under way must be over, by the monotonic clock in seconds; None for whenever."""


@contextmanager
def limited(seconds: float) -> Generator[None]:
    """End what takes longer than so many seconds in all, by a timeout of the client's own.

    A thread cannot be interrupted, and the client's own time is that of one read: a server that sends an octet now and
    then would be waited for without end. So each read gets what is left.
    """
    before = DEADLINE.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        DEADLINE.reset(before)
