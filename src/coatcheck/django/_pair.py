"""What threads do differently: they join Django's transactions. Its twin is `_async_pair.py`, by hand as well."""

from __future__ import annotations

import asyncio
import os
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from django.core.exceptions import SynchronousOnlyOperation

from coatcheck.django.running import running
from coatcheck.django.stored import note_outage
from coatcheck.django.transactions import to_read, to_write, together
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck._sync.sessions import Sessions

__all__ = ["entry", "open_sessions", "to_read", "to_write", "together"]

P = ParamSpec("P")
R = TypeVar("R")

# Returns None where `get_running_loop` raises, which costs as much as all that follows on a hit.
_running_loop = asyncio._get_running_loop  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def entry(method: Callable[P, R]) -> Callable[P, R]:
    """Do it, but not in an event loop, which it would block: Django's own engines refuse that as well."""

    @wraps(method)
    def entered(*arguments: P.args, **more: P.kwargs) -> R:
        if _running_loop() is not None:
            _refuse_to_block()
        try:
            return method(*arguments, **more)
        except Unavailable as outage:
            note_outage(arguments[0], outage)
            raise

    return entered


def _refuse_to_block() -> None:
    if not os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE"):
        msg = "the session was used without await in an event loop: use its methods that begin with 'a'"
        raise SynchronousOnlyOperation(msg)


def open_sessions() -> Sessions:
    """Return the open sessions."""
    return running.sessions()
