"""The verbs of the frameworks for event loops: the same in each, on what it calls a request."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from coatcheck.core.cross_origin import SAFE_METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from coatcheck.core.answers import NotSignedIn
    from coatcheck.core.session import Session
    from coatcheck.web.async_context import RequestContext

C = TypeVar("C")

_NOTHING: Final = timedelta(0)


class Verbs(Generic[C]):
    """What can be done with the session of a request or WebSocket; a framework's module has its own of them."""

    def __init__(self, context_of: Callable[[C], RequestContext], method_of: Callable[[C], str]) -> None:
        """Keep where the context of a connection is found, and its method."""
        self._context_of = context_of
        self._method_of = method_of

    async def current_session(self, connection: C) -> Session | NotSignedIn:
        """Return the session of a request or WebSocket, or why nobody is signed in.

        Raises:
            Unavailable: The store did not answer; left alone, it becomes a 503.
        """
        return await self._context_of(connection).session()

    async def require_session(self, connection: C) -> Session:
        """Return the session of a signed-in user; otherwise the request ends with 401 or the sign-in page.

        Raises:
            SignInRequired: Nobody is signed in.
        """
        return await self._context_of(connection).require()

    async def require_recent_auth(
        self, connection: C, max_age: timedelta, *, factors: int = 1, grace: timedelta | None = None
    ) -> Session:
        """Return the session of a user who proved who they are at most `max_age` ago (ASVS 7.5.1).

        Args:
            connection: The request.
            max_age: How old the proofs may be.
            factors: Of how many kinds they must be (rule A2).
            grace: For how much longer a form that was begun in time may be sent: all but GET, HEAD and OPTIONS.

        Raises:
            SignInRequired: Nobody is signed in.
            RecentAuthRequired: The user must prove it again; activity does not count.
        """
        grace = grace_for(self._method_of(connection), grace)
        return await self._context_of(connection).require_recent_auth(max_age, factors=factors, grace=grace)

    async def require_own_session(self, connection: C) -> Session:
        """Return the session of a signed-in user in which nobody else acts: for what belongs to the user alone.

        Raises:
            SignInRequired: Nobody is signed in.
            ImpersonationRefused: Somebody acts in the session as its user; it becomes a 403.
        """
        return await self._context_of(connection).require_own_session()

    async def require_device_bound(self, connection: C) -> Session:
        """Return the session of a signed-in user that belongs to the device which sends the request.

        Raises:
            SignInRequired: Nobody is signed in.
            DeviceBindingRequired: The session belongs to no device: the browser cannot, or has not yet; it becomes a
                403.
        """
        return await self._context_of(connection).require_device_bound()

    async def proof_key(self, connection: C) -> str:
        """Return the thumbprint of the key that has signed a request, to bind a new token to it (RFC 9449 section 5).

        Raises:
            ProofRejected: There is no proof, or it does not count; it becomes a 400.
            ConfigurationError: The middleware has no `dpop=`.
        """
        return await self._context_of(connection).proof_key()

    async def sign_in(
        self,
        connection: C,
        user_id: str,
        *,
        data: Mapping[str, Any] | None = None,
        remember: bool = False,
        methods: Sequence[str] = (),
        acr: str | None = None,
        actor_id: str | None = None,
        transaction: Any = None,
    ) -> Session:
        """Begin a session for a user who has just proved who they are; the response brings the cookie.

        Args:
            connection: The request.
            user_id: The user.
            data: The application's data.
            remember: Whether the cookie outlives the browser's window, with the policy's longer durations.
            methods: How the user has proved it, by the names of RFC 8176 such as "pwd" and "otp".
            acr: The level of that, as an identity provider or the application calls it.
            actor_id: Who will act as the user, if it is somebody else.
            transaction: The caller's own database connection, inside a transaction.

        Raises:
            LimitReached: The user has too many sessions, and the policy evicts none.
        """
        context = self._context_of(connection)
        return await context.sign_in(
            user_id,
            data=data,
            remember=remember,
            methods=methods,
            acr=acr,
            actor_id=actor_id,
            connection=transaction,
        )

    async def sign_out(self, connection: C, *, transaction: Any = None) -> None:
        """End the session everywhere and take back the cookie."""
        await self._context_of(connection).sign_out(connection=transaction)

    async def rotate(
        self,
        connection: C,
        *,
        reauthenticated: bool = False,
        methods: Sequence[str] = (),
        acr: str | None = None,
    ) -> Session:
        """Give the session a new token: after a change of privileges, or after the user proved again who they are.

        Args:
            connection: The request.
            reauthenticated: Whether the user has just proved it, which starts both timers anew.
            methods: How they have; naming one says that they have.
            acr: The level of that; None leaves what there was.

        Raises:
            SignInRequired: The session has ended meanwhile.
        """
        context = self._context_of(connection)
        return await context.rotate(reauthenticated=reauthenticated, methods=methods, acr=acr)

    async def revoke_others(self, connection: C) -> int:
        """End the user's other sessions and rotate this one's token (ASVS 7.4.3); returns how many ended.

        Raises:
            SignInRequired: There is no session.
        """
        return await self._context_of(connection).revoke_others()


def grace_for(method: str, grace: timedelta | None) -> timedelta:
    """Return how much older an authentication may be in a request with this method: what shows a form has no grace."""
    return _NOTHING if grace is None or method in SAFE_METHODS else grace
