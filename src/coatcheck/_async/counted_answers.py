"""Counts which tier answers, from when somebody wants to know it: until then, nothing costs anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from coatcheck._async.provider_sessions import AsyncProviderSessions
    from coatcheck._async.sessions import AsyncSessions
    from coatcheck.core.answers import Validated


class AsyncCountedAnswers:
    """The answers of one process, by tier."""

    def __init__(self, sessions: AsyncSessions | AsyncProviderSessions) -> None:
        """Keep whose they are; nothing is counted yet."""
        self._sessions = sessions
        self._hits = 0
        self._found = dict.fromkeys(("shared", "store", "stale", "unknown", "unavailable"), 0)

    def found(self) -> dict[str, int]:
        """Return how many answers there were of each kind."""
        return {"memory": self._hits, **self._found}

    def start(self) -> None:
        """Count from now on. Each hit in memory then takes one more call, and all else an addition."""
        # In the places of the methods themselves: so whoever counts nothing pays nothing, not even for asking whether.
        reads, lookup, ask = self._sessions.reads, self._sessions.reads.lookup, self._sessions.ask

        def counted_lookup(key: bytes) -> bytes | None:
            copy = lookup(key)
            if copy is not None:
                self._hits += 1
            return copy

        async def counted_ask(token: bytes) -> Validated:
            try:
                validated = await ask(token)
            except Unavailable:
                self._found["unavailable"] += 1
                raise
            self._note(validated)
            return validated

        reads.lookup = counted_lookup  # type: ignore[method-assign]
        self._sessions.ask = counted_ask  # type: ignore[method-assign]

    def stop(self) -> None:
        """Count nothing more."""
        vars(self._sessions.reads).pop("lookup", None)
        vars(self._sessions).pop("ask", None)

    def _note(self, validated: Validated) -> None:
        answer, source = validated[:2]
        if not answer and source is not None:
            self._found["unknown"] += 1
        elif answer and source is not None and source != "memory":  # which was counted when it was looked up
            self._found[source] += 1
