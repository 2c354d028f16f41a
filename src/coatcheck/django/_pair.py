"""What threads do differently: they join Django's transactions. Its twin is `_async_pair.py`, by hand as well."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from django.utils.asyncio import async_unsafe

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

_in_no_loop = async_unsafe("the session was used without await in an event loop: use its methods that begin with 'a'")


def entry(method: Callable[P, R]) -> Callable[P, R]:
    """Do it, but not in an event loop, which it would block: Django's own engines refuse that as well."""
    guarded: Callable[P, R] = _in_no_loop(method)

    @wraps(method)
    def entered(*arguments: P.args, **more: P.kwargs) -> R:
        try:
            return guarded(*arguments, **more)
        except Unavailable as outage:
            note_outage(arguments[0], outage)
            raise

    return entered


def open_sessions() -> Sessions:
    """Return the open sessions."""
    return running.sessions()
