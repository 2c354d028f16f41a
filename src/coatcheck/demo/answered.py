"""Who answered for a request's session, and how fast: what the demo shows on each page."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request

from coatcheck import NotSignedIn, Session
from coatcheck.asgi import context_of
from coatcheck.starlette import current_session

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from coatcheck.core.answers import Source

ENDED = (NotSignedIn.UNKNOWN, NotSignedIn.EXPIRED)
"""Why a browser with a cookie is not signed in: it was, once."""

_KEY = "coatcheck.demo.answered"


class Answered(NamedTuple):
    """The first answer about a request's session.

    Attributes:
        answer: The session, or why nobody is signed in.
        source: The tier that had it; None when there was nothing to look up.
        nanoseconds: What it took.
    """

    answer: Session | NotSignedIn
    source: Source | None
    nanoseconds: int

    @property
    def ended(self) -> bool:
        """Whether there was a session, which has ended."""
        return self.answer in ENDED

    @property
    def microseconds(self) -> str:
        """What it took, for people."""
        micros = self.nanoseconds / 1000
        return f"{micros:.1f}" if micros < 10 else f"{micros:,.0f}"  # noqa: PLR2004 - where a decimal stops helping


async def ask(request: Request) -> Answered:
    """Ask for the session before anybody else does, and time it; asking again gives the same answer.

    Raises:
        Unavailable: The store did not answer.
    """
    known = answered_in(request.scope)
    if known is None:
        start = perf_counter_ns()
        answer = await current_session(request)
        elapsed = perf_counter_ns() - start
        known = request.scope[_KEY] = Answered(answer, context_of(request.scope).source, elapsed)
    return known


def answered_in(scope: MutableMapping[str, Any]) -> Answered | None:
    """Return what `ask` found for this request; None if it was not asked."""
    found: Answered | None = scope.get(_KEY)
    return found
