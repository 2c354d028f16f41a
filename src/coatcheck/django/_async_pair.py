"""What event loops do differently: they have no transactions. Its twin is `_pair.py`, by hand as well."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from asgiref.sync import AsyncToSync, sync_to_async

from coatcheck.django.running import running
from coatcheck.django.stored import note_outage
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from coatcheck._async.sessions import AsyncSessions

M = TypeVar("M", bound="Callable[..., Any]")


def async_entry(method: M) -> M:
    """Do it natively in a server's loop; in one that `async_to_sync` has begun, hand it to the thread that waits.

    That thread has nothing else to do, and it may be inside of a transaction, which all is to be part of: as with a
    view that is a coroutine under WSGI, and in tests.
    """
    name = method.__name__.removeprefix("a")

    @wraps(method)
    async def entered(*arguments: Any, **more: Any) -> Any:
        if asyncio.get_running_loop() in AsyncToSync.loop_thread_executors:
            by_threads: Callable[..., Any] = getattr(arguments[0], name)
            return await sync_to_async(by_threads)(*arguments[1:], **more)
        try:
            return await method(*arguments, **more)
        except Unavailable as outage:
            note_outage(arguments[0], outage)
            raise

    return cast("M", entered)


async def async_open_sessions() -> AsyncSessions:
    """Return the open sessions of the running loop."""
    return await running.async_sessions()


def to_read() -> Any:
    """Return no connection: Django has none that a coroutine could use."""
    return None


def to_write() -> Any:
    """Return no connection."""
    return None


def together() -> AbstractContextManager[None]:
    """Do two things one after another: the first must be the one that loses nothing."""
    return nullcontext()
