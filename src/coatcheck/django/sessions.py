"""The session engine: `SESSION_ENGINE = "coatcheck.django.sessions"`."""

from __future__ import annotations

from typing import Any

from coatcheck.django.async_engine import AsyncEngine
from coatcheck.django.engine import Engine
from coatcheck.django.transactions import to_write

__all__ = ["SessionStore"]


class SessionStore(Engine, AsyncEngine):
    """`request.session`: what Django's own engines do, on sessions that are validated from memory.

    The methods without an "a" use `Sessions` and join Django's transactions; those with one use `AsyncSessions`.
    """

    _saved_ahead = False

    def saved_ahead(self) -> None:
        """Let the next `save` be none: our middleware has done it already, for Django's."""
        self._saved_ahead = True

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        """Write what has changed; see `Engine.save`."""
        if self._saved_ahead:
            self._saved_ahead = False
            return
        super().save(must_create)

    async def _aget_session(self, *, no_load: bool = False) -> dict[str, Any]:
        """Return the data, read once: of two things that read it at the same time both see what either sets."""
        if not no_load and not self._is_read() and self._session_key is not None:
            self.accessed = True
            data = await self.aload()
            self.__dict__.setdefault("_session_cache", data)
        return await super()._aget_session(no_load=no_load)

    def join(self) -> Any:
        """Return the connection with whose transaction the session becomes another one; None for one of its own."""
        connection = to_write()
        self.joined |= connection is not None
        return connection

    def save_now(self) -> None:
        """Write what has changed, before the session becomes another one."""
        if self.modified and not self.is_empty():
            self.save()
            self.is_saved()

    async def asave_now(self) -> None:
        """Write what has changed, in an event loop."""
        if self.modified and not self.is_empty():
            await self.asave()
            self.is_saved()
