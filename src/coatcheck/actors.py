"""Who does what is being done, where that is not the user whose session it is: for the audit trail."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, Protocol

from coatcheck.core.addresses import canonical_address
from coatcheck.core.audit import check_name

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextvars import Token


class Actor(NamedTuple):
    """Who acts, and from where.

    Attributes:
        actor: As the application calls them; None for the user themself, or nobody in particular.
        address: The address in canonical form, if it is known.
        user_id: Whose request it is: the actor of whatever is about somebody else.
    """

    actor: str | None = None
    address: str | None = None
    user_id: str | None = None

    def towards(self, user_id: str | None) -> str | None:
        """Return who acts in what is about this user; None if that is the user themself."""
        return self.actor if self.actor is not None or self.user_id == user_id else self.user_id


class Acting(Protocol):
    """What knows who acts, and is asked only when something is written: a request."""

    def actor(self) -> Actor:
        """Return who acts."""
        ...


_NOBODY = Actor()
_current: ContextVar[Actor | Acting] = ContextVar("coatcheck_actor", default=_NOBODY)


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
    now = _current.get()
    return now if isinstance(now, Actor) else now.actor()


# For middlewares: a `with` would cost each request as much as everything else that they do.


def request_begins(request: Acting) -> Token[Actor | Acting]:
    """Have whoever makes a request be who acts; returns what to end it with."""
    return _current.set(request)


def request_ends(token: Token[Actor | Acting]) -> None:
    """Have whoever acted before the request be who acts again."""
    _current.reset(token)
