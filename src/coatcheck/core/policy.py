"""The policy: how long sessions live, when they are touched, and how many a user may have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from coatcheck.core.refusals import refuse
from coatcheck.core.times import duration_micros

if TYPE_CHECKING:
    from collections.abc import Callable

SessionLimit = int | None
WhenFull = Literal["evict_oldest", "refuse", "ask"]
OnReuse = Literal["end", "event"]

LONGEST = timedelta(days=3650)
_MIN_DATA = 2
_MAX_DATA = 1_000_000


class Expiries(NamedTuple):
    """When a session ends, in microseconds since the epoch; no absolute end is None."""

    idle_expires_at: int
    expires_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long sessions live, and how many a user may have.

    Attributes:
        idle_timeout: A session ends when it was not used for so long (ASVS 7.3.1).
        lifetime: A session ends so long after authentication, whatever happens (ASVS 7.3.2). None only
            together with `extend_when_less_than`.
        touch_every: Last-seen and idle expiry are written at most so often.
        remember_idle_timeout: The idle timeout of sessions created with `remember=True`.
        remember_lifetime: The lifetime of sessions created with `remember=True`.
        extend_when_less_than: For tables adopted from systems that extend a session only near its end: the
            idle expiry moves when less than this remains.
        max_sessions: How many live sessions a user may have: a number, or a function of the user's id.
        when_full: "evict_oldest" ends the user's oldest sessions; "refuse" fails the sign-in; "ask" fails
            it with the list of sessions to choose from (ASVS 7.1.2).
        max_data_bytes: The largest session data, as JSON (rule S12).
        carry_over: Keys of an anonymous session's data that survive sign-in; all others are dropped
            (rule L2).
        rotate_after: A session's cookie gets a new token when the old one is so old (rule L16). None, which is the
            default, leaves that to sign-in, another proof of who the user is, and changes of privileges.
        rotation_grace: For how long the old token stays good then, for requests that are under way and for a browser
            that has not got the response with the new one.
        on_reuse: What happens when somebody presents a retired token after that: "end" raises the event "reused" and
            ends the session, whoever of its holders is the thief (rule L17); "event" only raises the event.
        audit_keep_for: For how long entries of the audit trail are kept, a day to ten years (rule S15). None, which is
            the default, writes none.
        notice_new_devices: Whether a sign-in is compared with the user's live sessions and with what the audit trail
            says of their last ones, and the event "new_device" is raised where it comes from elsewhere (rule S16).
    """

    idle_timeout: timedelta = timedelta(days=7)
    lifetime: timedelta | None = timedelta(days=30)
    touch_every: timedelta = timedelta(minutes=5)
    remember_idle_timeout: timedelta = timedelta(days=30)
    remember_lifetime: timedelta | None = timedelta(days=90)
    extend_when_less_than: timedelta | None = None
    max_sessions: int | Callable[[str], SessionLimit] | None = None
    when_full: WhenFull = "evict_oldest"
    max_data_bytes: int = 16_384
    carry_over: tuple[str, ...] = ()
    rotate_after: timedelta | None = None
    rotation_grace: timedelta = timedelta(seconds=30)
    on_reuse: OnReuse = "end"
    audit_keep_for: timedelta | None = None
    notice_new_devices: bool = False

    def __post_init__(self) -> None:
        self._check_durations()
        if self.extend_when_less_than is None and None in {self.lifetime, self.remember_lifetime}:
            refuse("lifetime", None, "give an absolute limit, such as timedelta(days=30)")
        if isinstance(self.max_sessions, int) and self.max_sessions < 1:
            refuse("max_sessions", self.max_sessions, "use 1 or more, or None for no limit")
        if self.when_full not in {"evict_oldest", "refuse", "ask"}:
            refuse("when_full", self.when_full, "use 'evict_oldest', 'refuse' or 'ask'")
        if not _MIN_DATA <= self.max_data_bytes <= _MAX_DATA:
            refuse("max_data_bytes", self.max_data_bytes, f"use {_MIN_DATA} to {_MAX_DATA}")
        self._check_rotation()
        keep = self.audit_keep_for
        if keep is not None and not timedelta(days=1) <= keep <= LONGEST:
            refuse("audit_keep_for", keep, "use one day to ten years, such as timedelta(days=365), or None")

    def _check_durations(self) -> None:
        for name in ("idle_timeout", "lifetime", "remember_idle_timeout", "remember_lifetime"):
            value = getattr(self, name)
            if value is not None and not timedelta(seconds=1) <= value <= LONGEST:
                refuse(name, value, "use one second to ten years, such as timedelta(hours=8)")
        if not timedelta(0) <= self.touch_every <= min(self.idle_timeout, self.remember_idle_timeout) / 2:
            refuse("touch_every", self.touch_every, "use at most half of the idle timeout")
        extend = self.extend_when_less_than
        if extend is not None and not timedelta(0) < extend <= self.idle_timeout:
            refuse("extend_when_less_than", extend, "use more than zero and at most idle_timeout")

    def _check_rotation(self) -> None:
        if not timedelta(seconds=1) <= self.rotation_grace <= timedelta(minutes=10):
            refuse("rotation_grace", self.rotation_grace, "use one second to ten minutes")
        after = self.rotate_after
        if after is not None and not 2 * self.rotation_grace <= after <= LONGEST:
            refuse("rotate_after", after, "use twice rotation_grace or more, such as timedelta(hours=1), or None")
        if self.on_reuse not in {"end", "event"}:
            refuse("on_reuse", self.on_reuse, "use 'end' or 'event'")

    @classmethod
    def aal1(cls) -> Policy:
        """Return the policy for NIST SP 800-63B-4 AAL1: 30 days overall."""
        return _preset(idle=timedelta(days=30), lifetime=timedelta(days=30))

    @classmethod
    def aal2(cls) -> Policy:
        """Return the policy for NIST SP 800-63B-4 AAL2: 24 hours overall, one hour of inactivity."""
        return _preset(idle=timedelta(hours=1), lifetime=timedelta(hours=24))

    @classmethod
    def aal3(cls) -> Policy:
        """Return the policy for NIST SP 800-63B-4 AAL3: 12 hours overall, 15 minutes of inactivity."""
        return _preset(idle=timedelta(minutes=15), lifetime=timedelta(hours=12))

    def idle_for(self, *, remember: bool) -> timedelta:
        """Return the idle timeout of a new session."""
        return self.remember_idle_timeout if remember else self.idle_timeout

    def lifetime_for(self, *, remember: bool) -> timedelta | None:
        """Return the lifetime of a new session."""
        return self.remember_lifetime if remember else self.lifetime

    def limit_for(self, user_id: str | None) -> SessionLimit:
        """Return how many sessions the user may have; anonymous visitors have no limit."""
        if user_id is None or self.max_sessions is None or isinstance(self.max_sessions, int):
            return self.max_sessions if user_id is not None and isinstance(self.max_sessions, int) else None
        limit = self.max_sessions(user_id)
        if limit is not None and limit < 1:
            refuse("max_sessions", limit, "the function has returned it; return 1 or more, or None")
        return limit

    def extended(self, now: int, idle_timeout: int, idle_expires_at: int) -> int:
        """Return the idle expiry after a touch, in microseconds; it never moves back."""
        if self.extend_when_less_than is not None:
            remaining = idle_expires_at - now
            if remaining >= duration_micros(self.extend_when_less_than):
                return idle_expires_at
        return max(idle_expires_at, now + idle_timeout)


def expiries(now: int, idle: timedelta, lifetime: timedelta | None) -> Expiries:
    """Return both expiries of a session whose timers start now."""
    absolute = None if lifetime is None else now + duration_micros(lifetime)
    return Expiries(now + duration_micros(idle), absolute)


def _preset(*, idle: timedelta, lifetime: timedelta) -> Policy:
    base = Policy(
        idle_timeout=idle,
        lifetime=lifetime,
        remember_idle_timeout=idle,
        remember_lifetime=lifetime,
        touch_every=idle / 15,
    )
    return replace(base, touch_every=min(base.touch_every, timedelta(minutes=5)))
