"""The time between two factors, over HTTP: whoever is in it is signed in nowhere (rule A3)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from coatcheck._async.pending_sign_ins import AsyncPendingSignIns
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.cookies import delete_cookie, set_cookie
from coatcheck.web.errors import SignInRequired

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coatcheck.core.cookies import CookieSettings
    from coatcheck.core.tickets import PendingSignIn
    from coatcheck.core.tokens import Token
    from coatcheck.web.async_context import RequestContext


class AsyncSecondFactor:
    """One request's part in signing in by two factors."""

    def __init__(self, context: RequestContext) -> None:
        """Attach to a request.

        Raises:
            ConfigurationError: The store sees a change only after a while, so that one attempt could become many.
            IssuedElsewhere: A provider issues the sessions, and asks for its factors itself.
        """
        settings = context.settings
        self._context = context
        self._cookie: CookieSettings = replace(settings.cookie, name=f"{settings.cookie.name}-pending")
        self._pending = AsyncPendingSignIns(
            context.sessions, lifetime=settings.second_factor_within, attempts=settings.second_factor_attempts
        )

    async def ask(
        self, user_id: str, *, methods: Sequence[str], remember: bool = False, data: Mapping[str, Any] | None = None
    ) -> None:
        """Note that a user has proved one factor, and give the browser the cookie with which the next is tried.

        Whatever session the browser has stays what it is.
        """
        token = await self._pending.begin(user_id, methods=methods, remember=remember, data=data)
        self._send(token, int(self._pending.lifetime.total_seconds()))

    async def shown(self) -> PendingSignIn:
        """Return whose second factor is asked for, for the page that asks.

        Raises:
            SignInRequired: Nobody's is, any more.
        """
        return _required(await self._pending.peek(self._presented()))

    async def attempt(self) -> PendingSignIn:
        """Return whose second factor this request tries, once: whoever tries again needs `again` first.

        Raises:
            SignInRequired: Nobody's is, any more, or another request tries with the same cookie.
        """
        pending = await self._pending.redeem(self._presented())
        self._context.send_cookie(self._cookie.name, delete_cookie(self._cookie))
        return _required(pending)

    async def again(self, pending: PendingSignIn) -> None:
        """Let the user try once more after a wrong proof.

        Raises:
            SignInRequired: That was the last attempt.
        """
        token = await self._pending.again(pending)
        if token is None:
            raise SignInRequired(NotSignedIn.EXPIRED)
        left = pending.ends_at - self._context.authority.now()
        self._send(token, max(1, int(left.total_seconds())))

    def _presented(self) -> bytes:
        return self._context.read_cookie(self._cookie.name, self._pending.well_formed)

    def _send(self, token: Token, seconds: int) -> None:
        self._context.send_cookie(self._cookie.name, set_cookie(self._cookie, token.reveal(), seconds))


def _required(pending: PendingSignIn | None) -> PendingSignIn:
    if pending is None:
        raise SignInRequired(NotSignedIn.UNKNOWN)
    return pending
