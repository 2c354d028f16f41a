"""How what happens to sessions is told: to the log, and to the application's hook."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypedDict, get_args

from coatcheck.core.events import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Unpack

_log = logging.getLogger("coatcheck")


class Client(TypedDict, total=False):
    """Where a session is used from, as `Event` has it."""

    ip: str | None
    user_agent: str | None
    device: str


class EventHook:
    """Tells of events, after they happened; what the application's hook raises goes no further than the log.

    Attributes:
        counts: How many sessions there was an event of each kind about, in this process.
    """

    def __init__(self, on_event: Callable[[Event], None] | None, now: Callable[[], datetime], what: str = "") -> None:
        """Keep the hook, where the time comes from, in UTC, and what is said where an event has no detail."""
        self._on_event = on_event
        self._now = now
        self._what = what
        self.counts: dict[EventKind, int] = dict.fromkeys(get_args(EventKind), 0)

    def of(self, what: str) -> EventHook:
        """Return the same hook for rows of another kind, which is said where an event has no detail."""
        return EventHook(self._on_event, self._now, what)

    @property
    def wanted(self) -> bool:
        """Whether somebody listens to events."""
        return self._on_event is not None

    def emit(
        self,
        kind: EventKind,
        session_id: str | None,
        user_id: str | None,
        detail: str = "",
        *,
        actor_id: str | None = None,
        sessions: int = 1,
        **client: Unpack[Client],
    ) -> None:
        """Tell of one event; of some of them what is known of the client, which is not logged.

        It is about one session, or about so many at once.
        """
        self.counts[kind] += sessions
        detail = detail or self._what
        _log.info(
            "coatcheck.%s",
            kind,
            extra={"session_id": session_id, "user_id": user_id, "detail": detail, "actor_id": actor_id},
        )
        if self._on_event is None:
            return
        event = Event(
            kind=kind,
            at=self._now(),
            session_id=session_id,
            user_id=user_id,
            detail=detail,
            actor_id=actor_id,
            **client,
        )
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - a hook is the application's, and must not break a request
            _log.exception("coatcheck.hook_failed", extra={"kind": kind})
