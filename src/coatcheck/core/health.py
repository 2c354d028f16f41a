"""Health: what `sessions.health()` answers, put together from what one worker knows of its parts.

Every word in it is written here. What a driver says may name users, hosts and more, so it stays in the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Status = Literal["ok", "degraded", "down"]
"""What a part is. Only the authority can be "down" for the whole: without the others it is merely slower."""

_NO_NUMBERS: Final[Mapping[str, float]] = MappingProxyType({})
_NS_PER_MICROSECOND: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHealth:
    """The health of one part.

    Attributes:
        name: "authority", "provider", "lease", "listener", "shared_cache", "local_cache" or "pool".
        status: How it is.
        detail: The same in words, with no secret in them.
        numbers: What can be counted or measured of it; durations are in seconds and say so in their name.
    """

    name: str
    status: Status
    detail: str
    numbers: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The health of one worker's sessions.

    Attributes:
        status: "down" if the authority does not answer, "degraded" if only another part is away.
        ready: Whether requests can be served: the authority answers, or what is in memory may still be trusted.
        proof_age: How long ago the worker last asked for the log and got all of it; None if it never has.
        lease_left: For how long memory may be trusted without asking again; zero when the lease is over.
        parts: Each part that is in use.
    """

    status: Status
    ready: bool
    proof_age: timedelta | None
    lease_left: timedelta
    parts: tuple[PartHealth, ...]

    def part(self, name: str) -> PartHealth | None:
        """Return the part of this name, if it is in use."""
        return next((part for part in self.parts if part.name == name), None)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can have it: what `/readyz` answers."""
        parts = {part.name: {"status": part.status, "detail": part.detail, **part.numbers} for part in self.parts}
        return {"status": self.status, "ready": self.ready, "parts": parts}


class Proof(NamedTuple):
    """How far a worker may trust its memory, in nanoseconds of the monotonic clock.

    Attributes:
        now: The time.
        sent: When the last poll that came back complete was sent; None if there was none.
        lease: For how long such a poll is good.
        serve_stale_for: For how much longer known copies are served when the authority does not answer.
    """

    now: int
    sent: int | None
    lease: int
    serve_stale_for: int = 0

    def left(self) -> int:
        """Return what is left of the lease."""
        return 0 if self.sent is None else max(0, self.sent + self.lease - self.now)

    def stale_left(self) -> int:
        """Return for how long known copies can still be served while the authority is away."""
        return 0 if self.sent is None else max(0, self.sent + self.lease + self.serve_stale_for - self.now)


def health_of(
    *,
    answers: bool,
    proof: Proof,
    listening: bool | None = None,
    shared_cache: bool | None = None,
    shared_cache_numbers: Mapping[str, float] = _NO_NUMBERS,
    local_cache_numbers: Mapping[str, float] = _NO_NUMBERS,
    pool_numbers: Mapping[str, float] = _NO_NUMBERS,
    provider: tuple[str, bool] | None = None,
) -> Health:
    """Put the health of a worker together.

    Args:
        answers: Whether the authority answered when it was asked just now, or last within the lease.
        proof: How far memory may be trusted.
        listening: Whether the listener that makes polls early is connected; None if there is none.
        shared_cache: Whether the shared cache is in use and not skipped; None if there is none.
        shared_cache_numbers: Its hits, misses, failures and drops.
        local_cache_numbers: How many entries there are, and may be.
        pool_numbers: The store's connections: how many there are, are idle, and are waited for.
        provider: The name of a provider, and whether it has answered lately. Without the store's log it is asked with
            each request, so that requests can still be served.
    """
    asked = provider is not None and provider[1]
    parts = [_authority(answers=answers), _lease(answers=answers, proof=proof)]
    if provider is not None:
        parts.append(_provider(*provider))
    if listening is not None:
        parts.append(_listener(listening=listening))
    if shared_cache is not None:
        parts.append(_shared_cache(available=shared_cache, numbers=shared_cache_numbers))
    if local_cache_numbers:
        parts.append(_part("local_cache", "ok", "in memory", local_cache_numbers))
    if pool_numbers:
        parts.append(_part("pool", "ok", "the store's connections", pool_numbers))
    return Health(
        status=_overall(parts, answers=answers or asked),
        ready=answers or asked or proof.stale_left() > 0,
        proof_age=None if proof.sent is None else _duration(proof.now - proof.sent),
        lease_left=_duration(proof.left()),
        parts=tuple(parts),
    )


def _overall(parts: list[PartHealth], *, answers: bool) -> Status:
    if not answers:
        return "down"
    return "ok" if all(part.status == "ok" for part in parts) else "degraded"


def _authority(*, answers: bool) -> PartHealth:
    return _part("authority", "ok", "answers") if answers else _part("authority", "down", "does not answer")


def _lease(*, answers: bool, proof: Proof) -> PartHealth:
    numbers = {"left_seconds": _seconds(proof.left())}
    if proof.sent is not None:
        numbers["proof_age_seconds"] = _seconds(proof.now - proof.sent)
    if proof.left():
        return _part("lease", "ok", "memory is proven", numbers)
    if answers:
        return _part("lease", "ok", "the next request asks for the log", numbers)
    if proof.stale_left():
        stale = {**numbers, "stale_left_seconds": _seconds(proof.stale_left())}
        return _part("lease", "degraded", "known copies are served without proof, for a bounded time", stale)
    return _part("lease", "down", "over: nothing can be proven", numbers)


def _provider(name: str, available: bool) -> PartHealth:  # noqa: FBT001 - a pair, as it is handed in
    if available:
        return _part("provider", "ok", f"{name} answers")
    return _part("provider", "degraded", f"{name} does not answer: only what is in memory is served")


def _listener(*, listening: bool) -> PartHealth:
    if listening:
        return _part("listener", "ok", "connected")
    return _part("listener", "degraded", "not connected: revocations are seen by polling, within the lease")


def _shared_cache(*, available: bool, numbers: Mapping[str, float]) -> PartHealth:
    if available:
        return _part("shared_cache", "ok", "in use", numbers)
    return _part("shared_cache", "degraded", "skipped: the authority is asked instead", numbers)


def _part(name: str, status: Status, detail: str, numbers: Mapping[str, float] = _NO_NUMBERS) -> PartHealth:
    return PartHealth(name=name, status=status, detail=detail, numbers=MappingProxyType(dict(numbers)))


def _duration(nanoseconds: int) -> timedelta:
    return timedelta(microseconds=nanoseconds // _NS_PER_MICROSECOND)


def _seconds(nanoseconds: int) -> float:
    return _duration(nanoseconds).total_seconds()
