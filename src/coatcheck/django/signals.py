"""Signals: what happened to a session, after it happened and with no secret in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.dispatch import Signal

from coatcheck.core.events import Event

if TYPE_CHECKING:
    from typing import Final

session_event: Final = Signal()
"""Sent with `event`, an `Event`; the sender is its class.

Receivers are called where it happened, in the request and on asyncio inside of its event loop: they have to be
synchronous and quick. What one raises is logged and goes no further.
"""


def send(event: Event) -> None:
    """Tell those who listen."""
    session_event.send_robust(sender=Event, event=event)
