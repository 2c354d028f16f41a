"""Acting as another user: `request.session` and `request.user` are the user's, until whoever acts goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import BACKEND_SESSION_KEY, aget_user, get_user

from coatcheck._async.impersonation import AsyncImpersonation, shown_as_support
from coatcheck._sync.impersonation import Impersonation
from coatcheck.django._async_pair import async_entry, async_open_sessions
from coatcheck.django._pair import entry, open_sessions
from coatcheck.django.async_request_context import AsyncDjangoContext
from coatcheck.django.request_context import DjangoContext
from coatcheck.django.switching import Entering, auser_of, become, changing, required, session_to_leave, user_of
from coatcheck.web import acting as by_threads
from coatcheck.web import async_acting as in_loops

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from django.http import HttpRequest

    from coatcheck.core.session import Session


class Acting:
    """One request's part in acting as another user.

    The methods without an "a" are for threads and join Django's transactions; those with one are for event loops.
    """

    def __init__(
        self,
        request: HttpRequest,
        *,
        lifetime: timedelta | None = None,
        label: Callable[[Session], str] = shown_as_support,
    ) -> None:
        """Attach to a request; nothing is asked yet.

        Args:
            request: The request.
            lifetime: How long it may take at most, between one minute and 12 hours; None for half an hour.
            label: Says what the user is shown in place of the device, from the session of who acts.
        """
        self._request = request
        self._how: dict[str, Any] = {"label": label} | ({} if lifetime is None else {"lifetime": lifetime})

    @entry
    def begin(
        self, user: Any, *, reason: str, lifetime: timedelta | None = None, backend: str | None = None
    ) -> Session:
        """Begin to act as another user: `request.user` is them from now on, and the session of who acts waits.

        Whether the user of the request may do so is to be decided before. Nothing of their session moves along, nor
        does anything of the user's (rule L2). `user_logged_in` is not sent, for the user has not.

        Args:
            user: The user, of whatever model.
            reason: Why; it is the event's `detail`.
            lifetime: How long it may take, if less than the setting says.
            backend: The authentication backend that knows the user; by default that of who acts.

        Raises:
            SignInRequired: Nobody is signed in, or is any more.
            ImpersonationRefused: Somebody acts in this session already, or both are one user.
            ConfigurationError: The middleware is Django's, or the store cannot tie a session to another one.
            DataError: The reason or the lifetime is not possible.
            Unavailable: The store did not answer.
        """
        session = session_to_leave(self._request)
        required(user_of(self._request))
        session.save_now()
        entering = Entering(user, backend)
        with changing():
            begun = self._acting().begin(
                entering.user_id,
                reason=reason,
                lifetime=lifetime,
                data=entering.data(session.get(BACKEND_SESSION_KEY)),
                connection=session.join(),
            )
        become(self._request, user)
        return begun

    @entry
    def end(self) -> Session:
        """Go back to the session of who acts, under a new key (rule L1); also when the other one is over.

        Raises:
            SignInRequired: That session has ended, and the other one with it.
            ImpersonationRefused: Nobody acts in this session, or somebody else than the cookie says.
            Unavailable: The store did not answer.
        """
        session = session_to_leave(self._request)
        with changing():
            back = self._acting().end(connection=session.join())
        become(self._request, get_user(self._request))
        required(user_of(self._request))
        return back

    def _acting(self) -> by_threads.Acting:
        context = DjangoContext(self._request, open_sessions())
        return by_threads.Acting(context, Impersonation(context.sessions, **self._how))

    @async_entry
    async def abegin(
        self, user: Any, *, reason: str, lifetime: timedelta | None = None, backend: str | None = None
    ) -> Session:
        """Begin to act as another user in an event loop; see `begin`."""
        session = session_to_leave(self._request)
        required(await auser_of(self._request))
        await session.asave_now()
        entering = Entering(user, backend)
        with changing():
            begun = await (await self._async_acting()).begin(
                entering.user_id,
                reason=reason,
                lifetime=lifetime,
                data=entering.data(await session.aget(BACKEND_SESSION_KEY)),
            )
        become(self._request, user)
        return begun

    @async_entry
    async def aend(self) -> Session:
        """Go back in an event loop; see `end`."""
        session_to_leave(self._request)
        with changing():
            back = await (await self._async_acting()).end()
        become(self._request, user := await aget_user(self._request))
        required(user)
        return back

    async def _async_acting(self) -> in_loops.AsyncActing:
        context = AsyncDjangoContext(self._request, await async_open_sessions())
        return in_loops.AsyncActing(context, AsyncImpersonation(context.sessions, **self._how))
