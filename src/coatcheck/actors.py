"""Who does what is being done, where that is not the user whose session it is: for the audit trail."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from coatcheck.core.addresses import canonical_address
from coatcheck.core.audit import check_name

if TYPE_CHECKING:
    from collections.abc import Generator


class Actor(NamedTuple):
    """Who acts, and from where.

    Attributes:
        actor: As the application calls them; None for the user themself, or nobody in particular.
        address: The address in canonical form, if it is known.
    """

    actor: str | None = None
    address: str | None = None


_NOBODY = Actor()
_current: ContextVar[Actor] = ContextVar("coatcheck_actor", default=_NOBODY)


@contextmanager
def acting(actor: str | None, *, address: str | None = None) -> Generator[None]:
    """Have the audit trail name who does what happens inside of this block, in this task or thread.

        with acting("admin-7", address=request.client.host):
            await sessions.revoke_user("42")

    Args:
        actor: Who it is, as the application calls them; None when it is the user themself.
        address: Where they are; what is no IP address is left out.

    Raises:
        DataError: The actor is empty, too long, or has characters that cannot be printed.
    """
    check_name("actor", actor)
    token = _current.set(Actor(actor, None if address is None else canonical_address(address)))
    try:
        yield
    finally:
        _current.reset(token)


def current_actor() -> Actor:
    """Return who acts now."""
    return _current.get()
