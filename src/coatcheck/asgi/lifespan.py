"""The sessions are open from before the application starts until it has stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coatcheck.asgi.types import App, Message, Receive, Scope, Send
    from coatcheck.web.async_authority import Authority
    from coatcheck.web.streams import OpenStreams


class Lifespan:
    """One run of an application, from the server's start to its stop."""

    __slots__ = ("_is_open", "_receive", "_send", "_sessions", "_startup", "_streams")

    def __init__(self, sessions: Authority, streams: OpenStreams, receive: Receive, send: Send) -> None:
        """Stand between the server and the application."""
        self._sessions = sessions
        self._streams = streams
        self._receive = receive
        self._send = send
        self._startup: Message | None = None
        self._is_open = False

    async def run(self, app: App, scope: Scope) -> None:
        """Open the sessions, also for an application that knows no lifespan; a wrong configuration ends it here."""
        self._startup = await self._receive()
        self._is_open = True
        try:
            await self._open()
            await app(scope, self._heard, self._said)
        finally:
            await self._close()

    async def _open(self) -> None:
        try:
            await self._sessions.open()
        except Exception as error:
            await self._send({"type": "lifespan.startup.failed", "message": str(error)})
            raise

    async def _heard(self) -> Message:
        message, self._startup = self._startup, None
        return message or await self._receive()

    async def _said(self, message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown."):
            # Before the server hears it: it may end the event loop at once, and what is pending would be lost.
            await self._close()
        await self._send(message)

    async def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            await self._streams.close()
            await self._sessions.aclose()
