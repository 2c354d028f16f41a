# Generated from web/async_acting.py by tools/generate_sync.py: edit that, run `make generate`.
"""Acting as another user, over HTTP: the session of who acts waits in a cookie of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from coatcheck._sync.impersonation import Impersonation
from coatcheck.core.answers import NotSignedIn
from coatcheck.errors import ConfigurationError, ImpersonationRefused
from coatcheck.web.errors import SignInRequired
from coatcheck.web.waiting_cookie import WaitingCookie, cookie_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from coatcheck.core.session import Session
    from coatcheck.web.context import RequestContext

_PURPOSE: Final = "actor"


class Acting:
    """One request's part in acting as another user."""

    def __init__(self, context: RequestContext, impersonation: Impersonation | None = None) -> None:
        """Attach to a request.

        Args:
            context: The request's.
            impersonation: With settings of its own; None for one with those that it has by itself.

        Raises:
            ConfigurationError: The store cannot tie a session to another one, or sessions are bound to devices.
            IssuedElsewhere: A provider issues the sessions.
        """
        self._context = context
        self._impersonation = impersonation or Impersonation(context.sessions)
        self._cookie = WaitingCookie(context, _PURPOSE, most=1)

    def begin(
        self,
        user_id: str,
        *,
        reason: str,
        lifetime: timedelta | None = None,
        data: Mapping[str, Any] | None = None,
        connection: Any = None,
    ) -> Session:
        """Begin to act as another user: this browser's session is that one from now on, and its own waits.

        Whether the user of the request may do so is to be decided before. Nothing of their session moves along, nor
        does anything of the user's (rule L2).

        Args:
            user_id: The user.
            reason: Why; it is the event's `detail`.
            lifetime: How long it may take, if less than the setting says.
            data: The application's data for the new session.
            connection: The caller's own connection.

        Raises:
            SignInRequired: Nobody is signed in, or is any more.
            ImpersonationRefused: Somebody acts in this session already, both are one user, or the client has no
                cookies.
            DataError: The reason, the lifetime or the data are not possible, or there is no such user.
            Unavailable: The store did not answer.
        """
        context = self._context
        actor = context.require()
        if context.is_bearer():
            raise ImpersonationRefused("a client with a bearer token keeps its own: use Impersonation")
        created = self._impersonation.begin(
            actor,
            user_id,
            reason=reason,
            lifetime=lifetime,
            data=data,
            ip=context.client_ip(),
            user_agent=context.user_agent(),
            connection=connection,
        )
        # If it ends here after all, nobody has been told the token of the new session, which ends by itself.
        parked = self._cookie.park(connection) if created else None
        if parked is None or not created:
            raise SignInRequired(NotSignedIn.UNKNOWN)
        self._cookie.send([parked])
        context.issue(created.token, created.session)
        return created.session

    def end(self, *, connection: Any = None) -> Session:
        """Go back to the session of who acts, under a new token (rule L1); also when the other one is over.

        Args:
            connection: The caller's own connection.

        Raises:
            SignInRequired: That session has ended, and the other one with it.
            ImpersonationRefused: Nobody acts in this session, or somebody else than the cookie says.
            Unavailable: The store did not answer.
        """
        context = self._context
        acting = context.session()
        waiter = next(iter(self._cookie.read(connection)), None)
        if acting and (acting.actor_id is None or (waiter and waiter.session.user_id != acting.actor_id)):
            raise ImpersonationRefused("nobody acts in this session whom this browser could go back to")
        actor = None if waiter is None else self._cookie.resume(waiter, connection)
        self._cookie.send([])
        if actor is None:
            context.sign_out(connection=connection)
            raise SignInRequired(NotSignedIn.UNKNOWN)
        if acting:
            # Last: if the store is away now, the browser has the new token already.
            self._impersonation.end(acting, connection=connection)
        return actor


def leave(context: RequestContext, session: Session, connection: Any) -> None:
    """End a session in which somebody acts, and theirs: whoever signs out has left, and nothing waits for others.

    Raises:
        Unavailable: The store did not answer.
    """
    if not context.sessions.store.capabilities.impersonates:
        context.sessions.revoke_any(session.id, connection=connection)
        return
    Impersonation(context.sessions).sign_out(session, connection=connection)


def async_end_waiting(context: RequestContext, connection: Any) -> None:
    """End what waits in the browser for somebody to go back to, also when the time to act is over by then.

    Raises:
        Unavailable: The store did not answer.
    """
    try:
        cookie = WaitingCookie(context, _PURPOSE, most=1)
    except ConfigurationError:  # no browser has such a cookie then
        return
    for each in cookie.read():
        cookie.sessions.revoke(each.token, connection=connection)
    cookie.send([])


def has_left_one_behind(context: RequestContext) -> bool:
    """Tell whether the browser has a cookie with which somebody could go back."""
    return context.has_cookie(cookie_name(context.settings.cookie, _PURPOSE))
