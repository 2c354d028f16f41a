"""`request.session` for ASGI frameworks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.asgi.context import context_of
from coatcheck.web.async_request_session import RequestSession
from coatcheck.web.attached import attached

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from coatcheck.asgi.types import App, Message, Receive, Scope, Send


_KEY = "session"


def request_session(scope: Mapping[str, object]) -> RequestSession:
    """Return the session's data as a mapping, for frameworks whose requests have no `session`.

    Raises:
        ConfigurationError: There is no `RequestSessionMiddleware`.
    """
    how = "put it inside of SessionMiddleware: RequestSessionMiddleware(app)"
    session: RequestSession = attached(scope, _KEY, how, by="RequestSessionMiddleware")
    return session


class RequestSessionMiddleware:
    """Puts a `RequestSession` where `request.session` looks for it; inside of `SessionMiddleware`."""

    def __init__(self, app: App, user_key: str | None = None) -> None:
        """Wrap an application.

        Args:
            app: The application.
            user_key: The key under which the application keeps the id of the user who has signed in, as "user_id":
                setting it signs them in under a new token (rule L1), and removing it signs them out.
        """
        self.app = app
        self._user_key = user_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        session = scope[_KEY] = RequestSession(context_of(scope), self._user_key)
        await session.load()

        async def commit(message: Message) -> None:
            await session.commit()
            await send(message)

        def committed(message: Message) -> Awaitable[None]:
            # Most messages, and most requests, have nothing to wait for: then there is no coroutine in between.
            return commit(message) if message["type"] == "http.response.start" and session.looked_at else send(message)

        await self.app(scope, receive, committed)
