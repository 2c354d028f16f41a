"""Events: what happened to sessions, for hooks, logs and notices; never with a secret in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

EventKind = Literal[
    "created", "rotated", "reused", "revoked", "evicted", "expired", "client_changed", "new_device", "bound", "unproven"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to one session, or to many at once (rule S15).

    Attributes:
        kind: "created": a session began. "rotated": it got a new token. "reused": a retired token was
            presented after its grace, so that two have had it. "revoked": it was ended on purpose. "evicted": a
            sign-in ended it, because of the limit per user. "expired": its time was over and a sweep removed it.
            "client_changed": its address or browser differs from before. "new_device": a user has signed in from
            where they were not seen lately, with `policy.notice_new_devices`. "bound": from now on it belongs to a
            device. "unproven": a request with its cookie, and without its device's, was refused; the cookie may have
            been stolen.
        at: When, in UTC.
        session_id: The public id; None when everyone was revoked at once.
        user_id: The user, if there is one.
        detail: A word more, such as "reauthenticated", "periodic", "ended", the new address, or the reason given for
            acting as the user; of "new_device" what is new: "device", "network" or "device, network".
        actor_id: Who acts in the session as the user, if it is somebody else.
        ip: The session's address, of "created" and "new_device".
        user_agent: What its browser says of itself, of the same two.
        device: That in words, of "new_device", such as "Firefox 143 on Windows"; "Unknown device" without the extra
            `devices`. Anybody can make it up: show it, decide nothing by it.
    """

    kind: EventKind
    at: datetime
    session_id: str | None
    user_id: str | None
    detail: str = ""
    actor_id: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    device: str = ""
