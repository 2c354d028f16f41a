"""How what happens to sessions is told: to the log, and to the application's hook."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, get_args

from coatcheck.core.events import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_log = logging.getLogger("coatcheck")


class EventHook:
    """Tells of events, after they happened; what the application's hook raises goes no further than the log.

    Attributes:
        counts: How many sessions there was an event of each kind about, in this process.
    """

    def __init__(self, on_event: Callable[[Event], None] | None, now: Callable[[], datetime]) -> None:
        """Keep the hook, and where the time comes from, in UTC."""
        self._on_event = on_event
        self._now = now
        self.counts: dict[EventKind, int] = dict.fromkeys(get_args(EventKind), 0)

    @property
    def wanted(self) -> bool:
        """Whether somebody listens to events."""
        return self._on_event is not None

    def emit(
        self, kind: EventKind, session_id: str | None, user_id: str | None, detail: str = "", *, sessions: int = 1
    ) -> None:
        """Tell of one event, which is about one session, or about so many at once."""
        self.counts[kind] += sessions
        _log.info("coatcheck.%s", kind, extra={"session_id": session_id, "user_id": user_id, "detail": detail})
        if self._on_event is None:
            return
        at = self._now()
        try:
            self._on_event(Event(kind=kind, at=at, session_id=session_id, user_id=user_id, detail=detail))
        except Exception:  # noqa: BLE001 - a hook is the application's, and must not break a request
            _log.exception("coatcheck.hook_failed", extra={"kind": kind})
