"""OpenID Connect back-channel logout: where a provider tells us that somebody has signed out there.

A plain ASGI application, for one path in any framework; needs `coatcheck[providers]`.

>>> from coatcheck.asgi.back_channel import BackChannelLogout
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from coatcheck.asgi.messages import Refusal, Reply, message_of, refuse_socket, respond, unavailable
from coatcheck.errors import Unavailable
from coatcheck.fork import after_fork
from coatcheck.providers.logout_tokens import AsyncLogoutTokens, LogoutRefused

if TYPE_CHECKING:
    from collections.abc import Collection

    from coatcheck.asgi.messages import HearsOfSignOuts
    from coatcheck.asgi.types import Receive, Scope, Send
    from coatcheck.providers.logout_tokens import Logout

_log = logging.getLogger("coatcheck")

_FORM = b"application/x-www-form-urlencoded"


class BackChannelLogout:
    """Takes logout tokens, and ends what they name in every worker (rule A5).

    It answers 200 once the log has it, and so before the provider itself has ended anything: what the provider says of
    these sessions from then on is refused for as long as the log is kept. 400 is for a token that does not count, and
    503 for one that cannot be judged or recorded now.
    """

    def __init__(
        self,
        sessions: HearsOfSignOuts,
        *,
        issuer: str,
        client_id: str | Collection[str],
        jwks_url: str | None = None,
        **how: Any,
    ) -> None:
        """Keep whom to tell, and whom to believe.

        Args:
            sessions: Whose sessions end: an `AsyncProviderSessions`.
            issuer: The provider's issuer, exactly as it writes it.
            client_id: The id of the client that users sign in to, or several.
            jwks_url: Where the provider's keys are; by default where its own description says.
            **how: The other arguments of `AsyncLogoutTokens`.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        self._sessions = sessions
        self._issuer = issuer
        self.tokens = AsyncLogoutTokens(issuer, client_id, jwks_url=jwks_url, **how)
        after_fork(self)

    def forked(self) -> None:
        """Drop what belongs to the parent process."""
        self.tokens.forked()

    async def aclose(self) -> None:
        """Close the connection over which the keys were read."""
        await self.tokens.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if await refuse_socket(scope, send):
            return
        try:
            await self._act(_token_in(await message_of(scope, receive, _FORM)))
        except Refusal as refusal:
            await respond(send, refusal.reply)
        except Unavailable as error:
            await respond(send, unavailable(error.retry_after).reply)
        else:
            await respond(send, Reply(200))

    async def _act(self, token: str) -> None:
        try:
            logout = await self.tokens.validate(token)
            await self._tell(logout)
        except LogoutRefused as refused:
            _log.warning("coatcheck.sign_out_refused", extra={"sender": self._issuer, "reason": str(refused)})
            raise Refusal(400, "invalid_request", str(refused)) from None

    async def _tell(self, logout: Logout) -> None:
        message = (logout.issuer, logout.id)
        users = () if logout.user_id is None else (logout.user_id,)
        if logout.sid is not None:
            # That session, and no other of the user. They are asked about again, as answers may name no session.
            new = await self._sessions.told(message, logins=[(logout.issuer, logout.sid)], users=users)
        else:
            new = await self._sessions.told(message, signed_out=[(user, logout.at) for user in users])
        if not new:
            raise LogoutRefused("this token was used before")


def _token_in(body: bytes) -> str:
    """Return the token in a form.

    Raises:
        Refusal: There is none, or more than one.
    """
    try:
        form = parse_qs(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=20)
        (token,) = form["logout_token"]
    except (ValueError, KeyError):
        raise Refusal(400, "invalid_request", "send one logout_token in a form") from None
    return token
