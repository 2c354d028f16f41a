"""Several accounts in one browser: one session is active, and the others wait in a cookie of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coatcheck.actors import acting
from coatcheck.errors import ImpersonationRefused
from coatcheck.web.async_waiting_cookie import AsyncWaitingCookie
from coatcheck.web.errors import AccountUnknown, TooManyAccounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coatcheck.core.session import Session
    from coatcheck.web.async_context import RequestContext
    from coatcheck.web.async_waiting_cookie import Waiter

_PURPOSE: Final = "accounts"


class Account(NamedTuple):
    """An account that is signed in in a browser, and no more of it than a list of them shows.

    Attributes:
        session_id: The public id of its session, by which it is switched to.
        user_id: The user.
        name: The user's name, where a users table or a loader tells it.
        email: Their address, likewise.
        active: Whether requests are made in its session.
    """

    session_id: str
    user_id: str
    name: str | None
    email: str | None
    active: bool


class AsyncAccounts:
    """One request's part in having several accounts in one browser.

    What a browser can switch to, or end, is what it presents the token of (rule L14): there is nothing in the cookie
    but tokens, each good for that alone, and an id names one of them or nothing.
    """

    def __init__(self, context: RequestContext) -> None:
        """Attach to a request.

        Raises:
            ConfigurationError: Sessions are bound to devices.
            IssuedElsewhere: A provider issues the sessions.
        """
        self._context = context
        self._most = context.settings.most_accounts
        self._cookie = AsyncWaitingCookie(context, _PURPOSE, most=self._most)

    async def list(self, *, connection: Any = None) -> Sequence[Account]:
        """Return the accounts of this browser, the active one first; those that have ended are not there.

        Args:
            connection: The caller's own connection.

        Raises:
            Unavailable: The store did not answer.
        """
        active = await self._context.session()
        waiting = [each.session for each in await self._waiting(active or None, connection)]
        shown = [active, *waiting] if active and active.user_id is not None else waiting
        return [_account(each, active=each is active) for each in shown]

    async def add(
        self,
        user_id: str,
        *,
        data: Mapping[str, Any] | None = None,
        remember: bool = False,
        methods: Sequence[str] = (),
        acr: str | None = None,
        connection: Any = None,
    ) -> Session:
        """Sign a user in who has just proved who they are, beside those who are; it is active from now on.

        An account of the same user takes the other's place. Nothing moves along from the account that was active
        (rule L2).

        Args:
            user_id: The user.
            data: The application's data.
            remember: Whether the cookie outlives the browser's window.
            methods: How they have proved it, by the names of RFC 8176.
            acr: The level of that.
            connection: The caller's own connection.

        Raises:
            TooManyAccounts: The browser has as many as the setting allows; nothing has changed. A client with a bearer
                token has one.
            LimitReached: The user has too many sessions, and the policy evicts none.
            ImpersonationRefused: Somebody acts in this session as its user.
            Unavailable: The store did not answer.
        """
        context = self._context
        active = await self._own()
        waiting = await self._waiting(active, connection)
        same = [each for each in waiting if each.session.user_id == user_id]
        others = [each for each in waiting if each not in same]
        stays = active is not None and active.user_id not in {None, user_id}
        most = 1 if context.is_bearer() else self._most
        if len(others) + stays >= most:
            raise TooManyAccounts(most)
        how: dict[str, Any] = {
            "data": data,
            "remember": remember,
            "methods": methods,
            "acr": acr,
            "connection": connection,
        }
        if stays:
            others = [*await self._add_beside(user_id, how), *others]
            session = await context.require()
        else:
            session = await context.sign_in(user_id, **how)
        if others or waiting:
            self._cookie.send(others)
        for each in same:
            await self._cookie.sessions.revoke(each.token, connection=connection)
        return session

    async def _add_beside(self, user_id: str, how: Mapping[str, Any]) -> Sequence[Waiter]:
        """Begin a session, and have the one that was active wait; returns that, or nothing if it has just ended."""
        context = self._context
        client: dict[str, Any] = {"ip": context.client_ip(), "user_agent": context.user_agent()}
        with acting(None, address=client["ip"]):  # and not the user who was active
            created = await context.sessions.create(user_id, **client, **how)
        parked = await self._cookie.park(how["connection"])
        context.issue(created.token, created.session)
        return [] if parked is None else [parked]

    async def switch(self, session_id: str, *, connection: Any = None) -> Session:
        """Make another account of this browser the active one, under a new token; the one that was waits (rule L1).

        Args:
            session_id: The public id of its session.
            connection: The caller's own connection.

        Raises:
            AccountUnknown: The browser presents no token of such a session, or it has ended.
            ImpersonationRefused: Somebody acts in this session as its user.
            Unavailable: The store did not answer; what was not done can be done again.
        """
        active = await self._own()
        waiting = await self._waiting(active, connection)
        if active is not None and active.id == session_id:
            return active
        chosen = next((each for each in waiting if each.session.id == session_id), None)
        if chosen is None:
            raise AccountUnknown
        others = [each for each in waiting if each is not chosen]
        parked = await self._left(active, connection)
        # Before anything else can fail: with all of them waiting in the cookie none is lost.
        self._cookie.send([*parked, chosen, *others])
        session = await self._cookie.resume(chosen, connection)
        if session is None:
            await self._back_to(parked, others, connection)
            raise AccountUnknown
        self._cookie.send([*parked, *others])
        return session

    async def _left(self, active: Session | None, connection: Any) -> Sequence[Waiter]:
        """Have the account that was active wait; what an anonymous visitor has stored is nobody's account, and ends."""
        if active is None:
            return []
        if active.user_id is None:
            await self._context.sessions.revoke_any(active.id, connection=connection)
            return []
        parked = await self._cookie.park(connection)
        if parked is None:
            # Another request of this browser was first: it has what waits now, and this one must not write over that.
            raise AccountUnknown
        return [parked]

    async def _back_to(self, parked: Sequence[Waiter], others: Sequence[Waiter], connection: Any) -> None:
        for each in parked:
            if await self._cookie.resume(each, connection) is not None:
                parked = []
        self._cookie.send([*parked, *others])

    async def sign_out(self, session_id: str, *, connection: Any = None) -> None:
        """Sign out of one account of this browser. If it is the active one, none is then, until one is switched to.

        Args:
            session_id: The public id of its session.
            connection: The caller's own connection.

        Raises:
            AccountUnknown: The browser presents no token of such a session, or it has ended.
            Unavailable: The store did not answer.
        """
        active = await self._context.session()
        waiting = await self._waiting(active or None, connection)
        if active and active.id == session_id:
            await self._context.sign_out(connection=connection)
            # Which would take the others along in this browser, and leave them alive elsewhere.
            self._context.clear_site_data = self._context.clear_site_data and not waiting
            return
        chosen = next((each for each in waiting if each.session.id == session_id), None)
        if chosen is None or not await self._cookie.sessions.revoke(chosen.token, connection=connection):
            raise AccountUnknown
        self._cookie.send([each for each in waiting if each is not chosen])

    async def sign_out_all(self, *, connection: Any = None) -> int:
        """Sign out of all accounts of this browser; returns how many there were.

        Args:
            connection: The caller's own connection.

        Raises:
            Unavailable: The store did not answer.
        """
        active = await self._context.session()
        ended = 0
        for each in await self._waiting(None, connection):
            ended += await self._cookie.sessions.revoke(each.token, connection=connection)
        await self._context.sign_out(connection=connection)
        self._cookie.send([])
        return ended + bool(active and active.user_id is not None)

    async def _own(self) -> Session | None:
        """Return the active session, if its user is who acts in it."""
        active = await self._context.session() or None
        if active is not None and active.actor_id is not None:
            raise ImpersonationRefused("somebody acts in this session as its user: end that first")
        return active

    async def _waiting(self, active: Session | None, connection: Any) -> Sequence[Waiter]:
        if self._context.is_bearer():
            return []
        return [each for each in await self._cookie.read(connection) if active is None or each.session.id != active.id]


def _account(session: Session, *, active: bool) -> Account:
    user = session.user
    return Account(
        session_id=session.id,
        user_id=session.user_id or "",
        name=user.name if user else None,
        email=user.email if user else None,
        active=active,
    )
