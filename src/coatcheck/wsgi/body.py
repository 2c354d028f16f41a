"""Streaming responses end with their session."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, Self

from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coatcheck.core.session import Session
    from coatcheck.web.authority import Authority

_log = logging.getLogger("coatcheck")


class WatchedBody:
    """The body of one response, which ends before its next part once its session has ended.

    A thread that waits for the application's next part cannot be interrupted: a stream that is silent ends when it
    speaks again. One that has to end at once sends something now and then, as server-sent events do to stay open.
    """

    __slots__ = ("_body", "_check_every", "_checked", "_next", "_presented", "_session", "_sessions")

    def __init__(
        self, body: Iterable[bytes], sessions: Authority, session: Session, presented: bytes, check_every: float
    ) -> None:
        """Keep the body, whose it is, and how many seconds may pass between two validations."""
        self._body = body
        self._next = iter(body).__next__
        self._sessions = sessions
        self._session = session
        self._presented = presented
        self._check_every = check_every
        self._checked = monotonic()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        part = self._next()
        now = monotonic()
        if now - self._checked >= self._check_every:
            self._checked = now
            if self._has_ended():
                raise StopIteration
        return part

    def _has_ended(self) -> bool:
        try:
            answer = self._sessions.recheck(self._session, self._presented)
        except Unavailable as error:
            # An outage is no sign-out: the stream stays until somebody can tell.
            _log.warning("coatcheck.stream_unchecked", extra={"reason": str(error)})
            return False
        self._session = answer or self._session
        return not answer

    def close(self) -> None:
        """Close the application's body (PEP 3333)."""
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
