"""A user's sessions: `user.session_set`, as other engines have it, on whatever store there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck.django._async_pair import async_open_sessions
from coatcheck.django._pair import open_sessions, to_read, to_write
from coatcheck.django.running import running
from coatcheck.django.verbs import current_session, own, session_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.http import HttpRequest

    from coatcheck.core.session import Session

_MOST = 1000


class SessionSet:
    """The live sessions of one user; each is a `Session`, by whose public `id` it can be ended (rules L14, T10)."""

    def __init__(self, user_id: str) -> None:
        """Keep whose they are; nothing is read.

        Args:
            user_id: The user's id, as `django.contrib.auth` has it in the session.
        """
        self.user_id = user_id

    def all(self) -> Sequence[Session]:
        """List them, newest first; of more than a thousand the newest thousand."""
        return open_sessions().list(self.user_id, limit=_MOST, connection=to_read())

    def __iter__(self) -> Iterator[Session]:
        return iter(self.all())

    def count(self) -> int:
        """Count them."""
        return len(self.all())

    def end(self, session_id: str) -> bool:
        """End one of them; returns whether it was one of this user's."""
        ended = open_sessions().revoke_by_id(session_id, user_id=self.user_id, connection=to_write())
        running.doubt()
        return ended

    def end_others(self, request: HttpRequest) -> int:
        """End all but the one of this request, whose key stays; returns how many. See `revoke_others`, too.

        Raises:
            ImpersonationRefused: Somebody acts in it as the user, whose sessions are not theirs to end.
        """
        session = current_session(request)
        if not session or session.user_id != self.user_id:
            return 0
        own(session)
        count = open_sessions().revoke_others(session, connection=to_write())
        running.doubt()
        return count

    def end_all(self) -> int:
        """End all of them, as when the account is closed (rule L11); returns how many."""
        count = open_sessions().revoke_user(self.user_id, connection=to_write())
        running.doubt()
        return count

    async def aall(self) -> Sequence[Session]:
        """List them in an event loop; see `all`."""
        return await (await async_open_sessions()).list(self.user_id, limit=_MOST)

    async def acount(self) -> int:
        """Count them in an event loop."""
        return len(await self.aall())

    async def aend(self, session_id: str) -> bool:
        """End one of them in an event loop; see `end`."""
        ended = await (await async_open_sessions()).revoke_by_id(session_id, user_id=self.user_id)
        running.doubt()
        return ended

    async def aend_others(self, request: HttpRequest) -> int:
        """End all but the one of this request in an event loop; see `end_others`."""
        session = await session_of(request).acurrent()
        if not session or session.user_id != self.user_id:
            return 0
        own(session)
        count = await (await async_open_sessions()).revoke_others(session)
        running.doubt()
        return count

    async def aend_all(self) -> int:
        """End all of them in an event loop; see `end_all`."""
        count = await (await async_open_sessions()).revoke_user(self.user_id)
        running.doubt()
        return count


def session_set(user: Any) -> SessionSet:
    """Return the sessions of a user of `django.contrib.auth`, or of any model with a primary key."""
    return SessionSet(str(user._meta.pk.value_to_string(user)))  # noqa: SLF001 - as `login` does it
