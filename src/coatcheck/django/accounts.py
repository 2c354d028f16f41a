"""Several accounts in one browser: `request.session` and `request.user` are those of the active one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import aget_user, get_user, get_user_model
from django.contrib.auth.signals import user_logged_in

from coatcheck.django._async_pair import async_entry, async_open_sessions
from coatcheck.django._pair import entry, open_sessions, to_read
from coatcheck.django.async_request_context import AsyncDjangoContext
from coatcheck.django.request_context import DjangoContext
from coatcheck.django.switching import Entering, become, changing, session_to_leave
from coatcheck.web import accounts as by_threads
from coatcheck.web import async_accounts as in_loops
from coatcheck.web.accounts import Account
from coatcheck.web.errors import AccountUnknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.http import HttpRequest

    from coatcheck.core.session import Session

    AnyAccount = by_threads.Account | in_loops.Account


class Accounts:
    """One request's part in having several accounts in one browser.

    The methods without an "a" are for threads and join Django's transactions; those with one are for event loops.
    """

    def __init__(self, request: HttpRequest) -> None:
        """Attach to a request; nothing is asked yet."""
        self._request = request

    @entry
    def list(self) -> Sequence[Account]:
        """Return the accounts of this browser, the active one first; those that have ended are not there.

        Names and addresses are those of the user model, where no users table of coatcheck's brings them.

        Raises:
            Unavailable: The store did not answer.
        """
        accounts = self._by_threads().list(connection=to_read())
        return _named(accounts, _users().in_bulk(_nameless(accounts)))

    @entry
    def add(self, user: Any, *, backend: str | None = None) -> Session:
        """Sign a user in who has just proved who they are, beside those who are; they are active from now on.

        It is what `login` is otherwise, with its signal. An account of the same user takes the other's place. Nothing
        moves along from the account that was active (rule L2).

        Args:
            user: The user.
            backend: The authentication backend that knows them, as for `login`.

        Raises:
            TooManyAccounts: The browser has as many as the setting allows; nothing has changed.
            LimitReached: The user has too many sessions, and the policy evicts none.
            ImpersonationRefused: Somebody acts in this session as its user.
            ConfigurationError: The middleware is Django's; or there are several backends, and none is named.
            Unavailable: The store did not answer.
        """
        session = session_to_leave(self._request)
        session.save_now()
        entering = Entering(user, backend)
        context = DjangoContext(self._request, open_sessions(), entering)
        with changing():
            begun = by_threads.Accounts(context).add(entering.user_id, data=entering.data(), connection=session.join())
        become(self._request, user)
        if not context.has_entered:
            user_logged_in.send(sender=user.__class__, request=self._request, user=user)
        return begun

    @entry
    def switch(self, session_id: str) -> Session:
        """Make another account of this browser the active one, under a new key; the one that was waits (rule L1).

        Args:
            session_id: The public id of its session.

        Raises:
            AccountUnknown: The browser presents no token of such a session, or it has ended, or its user has another
                password by now.
            ImpersonationRefused: Somebody acts in this session as its user.
            Unavailable: The store did not answer; what was not done can be done again.
        """
        session = session_to_leave(self._request)
        session.save_now()
        with changing():
            switched = self._by_threads().switch(session_id, connection=session.join())
        become(self._request, user := get_user(self._request))
        _must_be_known(user)
        return switched

    @entry
    def sign_out(self, session_id: str) -> None:
        """Sign out of one account of this browser. If it is the active one, none is then, until one is switched to.

        Raises:
            AccountUnknown: The browser presents no token of such a session, or it has ended.
            Unavailable: The store did not answer.
        """
        session = session_to_leave(self._request)
        with changing():
            self._by_threads().sign_out(session_id, connection=session.join())

    @entry
    def sign_out_all(self) -> int:
        """Sign out of all accounts of this browser; returns how many there were.

        Raises:
            Unavailable: The store did not answer.
        """
        session = session_to_leave(self._request)
        with changing():
            return self._by_threads().sign_out_all(connection=session.join())

    def _by_threads(self) -> by_threads.Accounts:
        return by_threads.Accounts(DjangoContext(self._request, open_sessions()))

    @async_entry
    async def alist(self) -> Sequence[Account]:
        """Return the accounts in an event loop; see `list`."""
        accounts = await (await self._in_loop()).list()
        return _named(accounts, await _users().ain_bulk(_nameless(accounts)))

    @async_entry
    async def aadd(self, user: Any, *, backend: str | None = None) -> Session:
        """Sign a user in beside those who are, in an event loop; see `add`."""
        await session_to_leave(self._request).asave_now()
        entering = Entering(user, backend)
        context = AsyncDjangoContext(self._request, await async_open_sessions(), entering)
        with changing():
            begun = await in_loops.AsyncAccounts(context).add(entering.user_id, data=entering.data())
        become(self._request, user)
        if not context.has_entered:
            await user_logged_in.asend(sender=user.__class__, request=self._request, user=user)
        return begun

    @async_entry
    async def aswitch(self, session_id: str) -> Session:
        """Make another account the active one in an event loop; see `switch`."""
        await session_to_leave(self._request).asave_now()
        with changing():
            switched = await (await self._in_loop()).switch(session_id)
        become(self._request, user := await aget_user(self._request))
        _must_be_known(user)
        return switched

    @async_entry
    async def asign_out(self, session_id: str) -> None:
        """Sign out of one account in an event loop; see `sign_out`."""
        with changing():
            await (await self._in_loop()).sign_out(session_id)

    @async_entry
    async def asign_out_all(self) -> int:
        """Sign out of all accounts in an event loop; see `sign_out_all`."""
        with changing():
            return await (await self._in_loop()).sign_out_all()

    async def _in_loop(self) -> in_loops.AsyncAccounts:
        return in_loops.AsyncAccounts(AsyncDjangoContext(self._request, await async_open_sessions()))


def _must_be_known(user: Any) -> None:
    if not user.is_authenticated:
        raise AccountUnknown


def _users() -> Any:
    return get_user_model()._default_manager  # noqa: SLF001 - public by its documentation


def _nameless(accounts: Sequence[AnyAccount]) -> list[Any]:
    return [_key_of(each) for each in accounts if each.name is None]


def _named(accounts: Sequence[AnyAccount], users: Mapping[Any, Any]) -> Sequence[Account]:
    return [_with_name(each, users.get(_key_of(each))) for each in accounts]


def _key_of(account: AnyAccount) -> Any:
    return get_user_model()._meta.pk.to_python(account.user_id)  # noqa: SLF001 - as `django.contrib.auth` does it


def _with_name(found: AnyAccount, user: Any) -> Account:
    account = Account(*found)
    if user is None:
        return account
    name = (user.get_full_name() if hasattr(user, "get_full_name") else "") or user.get_username()
    return account._replace(name=name, email=account.email or getattr(user, user.get_email_field_name(), None))
