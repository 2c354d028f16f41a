"""Tokens that a provider has refused, for the few seconds in which it is not asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from coatcheck.core.times import duration_nanos

if TYPE_CHECKING:
    from datetime import timedelta

    from coatcheck.core.answers import NotSignedIn


class Refusal(NamedTuple):
    """One answer of a provider: nobody is signed in.

    Attributes:
        reason: Why not.
        as_of: Where the log stood before it was asked.
    """

    reason: NotSignedIn
    as_of: int


class RefusedTokens:
    """A bounded memory of refusals, apart from that of sessions: made-up tokens must not push those out."""

    def __init__(self, *, most: int, keep: int) -> None:
        """Set the bounds.

        Args:
            most: How many are remembered at most.
            keep: For how many nanoseconds each is; 0 remembers none.
        """
        self._half = max(1, most // 2)
        self._keep = keep
        self._young: dict[bytes, tuple[int, Refusal]] = {}
        self._old: dict[bytes, tuple[int, Refusal]] = {}

    def get(self, key: bytes, now: int) -> Refusal | None:
        """Return the refusal of a token, if there was one just now; the time is that of a monotonic clock."""
        found = self._young.get(key) or self._old.get(key)
        return found[1] if found is not None and now < found[0] else None

    def add(self, key: bytes, refusal: Refusal, now: int, *, admitted: timedelta | None = None) -> None:
        """Remember that the provider, asked at this time, has refused a token.

        Args:
            key: The token's key.
            refusal: What it said.
            now: When it was asked.
            admitted: For how long the provider itself admits this to be remembered, if it says so.
        """
        keep = self._keep if admitted is None else min(self._keep, duration_nanos(admitted))
        if keep <= 0:
            return
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = now + keep, refusal

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
