"""The sessions of this process: made of the settings when they are first needed, once for threads and for each loop."""

from __future__ import annotations

import asyncio
import atexit
import threading
from contextvars import Context
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.core.signals import setting_changed
from django.db import connections

from coatcheck.django import configuration
from coatcheck.django.signals import send
from coatcheck.fork import after_fork

if TYPE_CHECKING:
    from coatcheck._async.sessions import AsyncSessions
    from coatcheck._sync.sessions import Sessions
    from coatcheck.django.configuration import Wiring

_WATCHED: Final = frozenset({"COATCHECK", "DATABASES", "SESSION_COOKIE_AGE", "SESSION_SAVE_EVERY_REQUEST"})


class Running:
    """What was made of the settings, until they change: as they do in tests only."""

    def __init__(self) -> None:
        """Make nothing yet."""
        self.forked()
        after_fork(self)

    def forked(self) -> None:
        """Go on in a child with locks and loops of its own."""
        self._lock = threading.RLock()
        self._loops: dict[asyncio.AbstractEventLoop, asyncio.Future[AsyncSessions]] = {}
        self._closers: dict[AsyncSessions, asyncio.Task[None]] = {}
        if not hasattr(self, "_wiring"):
            self._wiring: Wiring | None = None
            self._sessions: Sessions | None = None
            self._name: object = None

    # --- settings

    def wiring(self) -> Wiring:
        """Return what the settings say.

        Raises:
            ConfigurationError: One is wrong.
        """
        wiring = self._wiring
        if wiring is not None and self._is_current(wiring):
            return wiring
        with self._lock:
            wiring = self._wiring
            if wiring is None or not self._is_current(wiring):
                self.reset()
                wiring = configuration.read()
                self._name = None if wiring.database is None else _name_of(wiring.database)
                self._wiring = wiring
            return wiring

    def _is_current(self, wiring: Wiring) -> bool:
        # The tests' runner gives a database another name, after it was first looked at.
        return wiring.database is None or self._name == _name_of(wiring.database)

    def reset(self) -> None:
        """Close what was made of the settings before."""
        with self._lock:
            sessions, self._sessions, self._wiring = self._sessions, None, None
            self._loops.clear()  # what they had open is closed with the loop
        if sessions is not None:
            sessions.close()

    # --- threads

    def sessions(self) -> Sessions:
        """Return the open sessions for threads.

        Raises:
            ConfigurationError: A setting is wrong.
            SchemaError: The tables are missing, older or newer.
            Unavailable: The store does not answer.
        """
        wiring = self.wiring()
        sessions = self._sessions
        if sessions is None:
            with self._lock:
                sessions = self._sessions
                if sessions is None:
                    sessions = self._sessions = wiring.settings.sessions(on_event=send).open()
        return sessions

    # --- event loops

    async def async_sessions(self) -> AsyncSessions:
        """Return the open sessions of the running loop; the same errors as for threads."""
        wiring = self.wiring()
        loop = asyncio.get_running_loop()
        made = self._loops.get(loop)
        if made is None or (made.done() and _has_failed(made)):
            made = self._loops[loop] = asyncio.ensure_future(self._opened(wiring, loop))
        if made.done():
            return made.result()
        return await asyncio.shield(made)

    async def _opened(self, wiring: Wiring, loop: asyncio.AbstractEventLoop) -> AsyncSessions:
        sessions = await wiring.settings.async_sessions(on_event=send).open()
        # In no request's context, which it would keep alive.
        self._closers[sessions] = loop.create_task(self._closed_with_the_loop(loop, sessions), context=Context())
        return sessions

    async def _closed_with_the_loop(self, loop: asyncio.AbstractEventLoop, sessions: AsyncSessions) -> None:
        """Close the sessions when their loop ends, of which no framework tells us.

        But every runner cancels the tasks of its loop before it closes it, and this one does nothing else.
        """
        try:
            await loop.create_future()
        finally:
            made = self._loops.get(loop)
            if made is not None and made.done() and not _has_failed(made) and made.result() is sessions:
                del self._loops[loop]
            self._closers.pop(sessions, None)
            await sessions.aclose()

    def now(self) -> datetime:
        """Return the time by which sessions are judged, as far as anybody here knows the store's; in UTC."""
        known = self._made()
        return known[0].now() if known else datetime.now(UTC)

    def _made(self) -> list[Sessions | AsyncSessions]:
        found = [made.result() for made in list(self._loops.values()) if made.done() and not _has_failed(made)]
        return [*([self._sessions] if self._sessions is not None else []), *found]

    def doubt(self) -> None:
        """Have all of this process ask the log before they answer from memory: one of them has changed something."""
        for sessions in self._made():
            sessions.tiers.changed(None)


def _has_failed(made: asyncio.Future[AsyncSessions]) -> bool:
    return made.cancelled() or made.exception() is not None


def _name_of(alias: str) -> object:
    return connections.settings[alias]["NAME"] if alias in connections.settings else None


running: Final = Running()
"""The one of this process."""

atexit.register(running.reset)


def _changed(*, setting: str, **_: Any) -> None:
    if setting in _WATCHED:
        running.reset()


setting_changed.connect(_changed, dispatch_uid="coatcheck.django")
