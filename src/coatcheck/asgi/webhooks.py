"""A signed webhook, by which anything else says that somebody has signed out or changed.

A plain ASGI application, for one path in any framework:

>>> from coatcheck.asgi.webhooks import SignOutWebhook
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from coatcheck.asgi.messages import Refusal, Reply, message_of, refuse_socket, respond, unavailable
from coatcheck.clock import SystemClock
from coatcheck.core.times import from_micros
from coatcheck.core.webhooks import WebhookRefused, checked_secrets, received, sign_out_of
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coatcheck.asgi.messages import HearsOfSignOuts
    from coatcheck.asgi.types import Receive, Scope, Send
    from coatcheck.clock import Clock

_log = logging.getLogger("coatcheck")


class SignOutWebhook:
    """Takes messages in the form of Standard Webhooks, and ends or outdates what they name in every worker.

    It answers 204 once the log has it, also for a message that came before; 401 where no signature is right or the time
    is off, 400 for a body that says nothing known, and 503 while it cannot be recorded: then send it again.
    """

    def __init__(
        self, sessions: HearsOfSignOuts, *, secrets: Sequence[str], source: str = "webhook", clock: Clock | None = None
    ) -> None:
        """Keep whom to tell, and whom to believe.

        Args:
            sessions: Whose sessions end: an `AsyncProviderSessions`.
            secrets: Secrets such as `whsec_` and the base64 of 24 to 64 random bytes; a message signed with any counts,
                so that one can be replaced by another.
            source: Who sends; messages of two sources may have the same id.
            clock: Where the time comes from; for tests.

        Raises:
            ConfigurationError: A secret is none.
        """
        self._sessions = sessions
        self._keys = checked_secrets(secrets)
        self._source = source
        self._clock = clock or SystemClock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if await refuse_socket(scope, send):
            return
        try:
            await self._act(_single(scope), await message_of(scope, receive, b"application/json"))
        except Refusal as refusal:
            await respond(send, refusal.reply)
        except Unavailable as error:
            await respond(send, unavailable(error.retry_after).reply)
        else:
            await respond(send, Reply(204))

    async def _act(self, headers: Mapping[bytes, bytes], body: bytes) -> None:
        now = from_micros(self._clock.now() // 1000)
        try:
            message = received(headers, body, self._keys, now)
            sign_out = sign_out_of(body, message.sent_at)
        except WebhookRefused as refused:
            _log.warning("coatcheck.sign_out_refused", extra={"sender": self._source, "reason": str(refused)})
            status, error = (400, "invalid_request") if refused.signed else (401, "invalid_signature")
            raise Refusal(status, error, str(refused)) from None
        # One that came before is answered in the same way: the sender may not have had the answer.
        await self._sessions.told((f"webhook {self._source}", message.id), **sign_out._asdict())


def _single(scope: Scope) -> Mapping[bytes, bytes]:
    """Return the headers that come once; of those that come twice nobody can say which one was signed."""
    names = [name for name, _ in scope["headers"]]
    return {name: value for name, value in scope["headers"] if names.count(name) == 1}
