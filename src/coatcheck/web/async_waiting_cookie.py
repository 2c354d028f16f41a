"""A second cookie, in which tokens of sessions wait: in their own form, so that nothing in it is another cookie's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from coatcheck._async.waiting import AsyncWaiting
from coatcheck.core.cookies import delete_cookie, set_cookie
from coatcheck.core.refusals import refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coatcheck.core.cookies import CookieSettings
    from coatcheck.core.session import Session
    from coatcheck.web.async_context import RequestContext

_MARK = b"~"
"""Stands before each token; a token alone has none."""


class Waiter(NamedTuple):
    """A session that waits, and what the browser presents for it."""

    session: Session
    token: str

    def __repr__(self) -> str:
        """Show no token (rule T9)."""
        return f"<Waiter {self.session!r}>"


class AsyncWaitingCookie:
    """One request's cookie of sessions that wait for one purpose."""

    def __init__(self, context: RequestContext, purpose: str, *, most: int) -> None:
        """Attach to a request.

        Args:
            context: The request's.
            purpose: What they wait for; it is in the cookie's name.
            most: How many there may be.

        Raises:
            ConfigurationError: Sessions are bound to devices, whose browsers keep one key at a time.
            IssuedElsewhere: A provider issues the sessions.
        """
        settings = context.settings
        self.sessions = AsyncWaiting(context.sessions, purpose=purpose)
        if settings.device_binding is not None:
            fix = "a browser that changes its session would lose the key of the other; use None"
            refuse("device_binding", "set", fix, of=purpose)
        self._context = context
        self._cookie: CookieSettings = replace(
            settings.cookie, name=cookie_name(settings.cookie, purpose), http_only=True
        )
        self._most = most

    @property
    def is_there(self) -> bool:
        """Whether the browser has presented one of the right form."""
        return bool(self._tokens())

    def _tokens(self) -> list[bytes]:
        found = self._context.read_cookie(self._cookie.name, self._well_formed)
        return found.split(_MARK)[1:] if self._well_formed(found) else []

    def _well_formed(self, value: bytes) -> bool:
        first, *tokens = value.split(_MARK, self._most + 1)
        return not first and 0 < len(tokens) <= self._most and all(map(self.sessions.well_formed, tokens))

    async def read(self, connection: Any = None) -> list[Waiter]:
        """Return the sessions that wait and have not ended, in the cookie's order, each once.

        Raises:
            Unavailable: The store did not answer.
        """
        found: dict[str, Waiter] = {}
        for token in self._tokens():
            session = await self.sessions.peek(token, connection=connection)
            if session is not None:
                found[session.id] = Waiter(session, token.decode())
        return list(found.values())

    async def park(self, connection: Any = None) -> Waiter | None:
        """Have the session of this request wait, so that its token is dead; None if it has just ended.

        Raises:
            Unavailable: The store did not answer.
        """
        parked = await self.sessions.park(self._context.presented(), connection=connection)
        return Waiter(parked.session, parked.token.reveal()) if parked else None

    async def resume(self, waiter: Waiter, connection: Any = None) -> Session | None:
        """Make a session that waits this request's, and the browser's; None if it has just ended.

        Raises:
            Unavailable: The store did not answer.
        """
        resumed = await self.sessions.resume(waiter.token, connection=connection)
        if not resumed:
            return None
        self._context.issue(resumed.token, resumed.session)
        return resumed.session

    def send(self, waiters: Sequence[Waiter]) -> None:
        """Have the browser keep these and no others; it forgets them with its window, if it is to forget one so."""
        if not waiters:
            self._context.send_cookie(self._cookie.name, delete_cookie(self._cookie))
            return
        text = "".join(f"{_MARK.decode()}{each.token}" for each in waiters)
        ages = [self._context.max_age(each.session) for each in waiters]
        known = [age for age in ages if age is not None]
        age = max(known) if len(known) == len(ages) else None
        self._context.send_cookie(self._cookie.name, set_cookie(self._cookie, text, age))


def cookie_name(cookie: CookieSettings, purpose: str) -> str:
    """Return the name of the cookie of sessions that wait for a purpose, beside the session cookie."""
    return f"{cookie.name}-{purpose}"
