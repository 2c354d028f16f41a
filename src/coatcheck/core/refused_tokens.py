"""Tokens that a provider has refused, for the few seconds in which it is not asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coatcheck.core.answers import NotSignedIn


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
        self._young: dict[bytes, tuple[int, NotSignedIn]] = {}
        self._old: dict[bytes, tuple[int, NotSignedIn]] = {}

    def get(self, key: bytes, now: int) -> NotSignedIn | None:
        """Return why a token was refused just now, if it was; the time is that of a monotonic clock."""
        found = self._young.get(key) or self._old.get(key)
        return found[1] if found is not None and now < found[0] else None

    def add(self, key: bytes, reason: NotSignedIn, now: int) -> None:
        """Remember that the provider, asked at this time, has refused a token."""
        if not self._keep:
            return
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = now + self._keep, reason

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
