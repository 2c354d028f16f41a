"""Sessions that wait: whose tokens are, meanwhile, no tokens of sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck.core.answers import NotSignedIn, Rotated
from coatcheck.core.credentials import Credentials, presented_bytes
from coatcheck.core.tokens import TokenHash
from coatcheck.stores.base import Rotation

if TYPE_CHECKING:
    from coatcheck._async.sessions import AsyncSessions
    from coatcheck.core.session import Session
    from coatcheck.core.tokens import Token


class AsyncWaiting:
    """Parks sessions of one browser until it presents their tokens again, in a place of their own.

    A session that waits has a token for that purpose alone: it is no session's token in any other place, and no other
    token counts in this one (rule C12). Each change of place is a rotation, so what was seen of the old place is
    worthless (rule L1). Waiting is no use: neither timer moves (rules L3 to L5).
    """

    def __init__(self, sessions: AsyncSessions, *, purpose: str) -> None:
        """Wire it to the sessions.

        Args:
            sessions: The sessions.
            purpose: What they wait for, such as "account".
        """
        name = f"waiting:{purpose}"
        self._sessions = sessions
        self._credentials = Credentials(TokenHash(purpose=name), sessions.tiers.ring(name))

    def well_formed(self, token: str | bytes | Token) -> bool:
        """Tell whether this could be a token of a session that waits: its form, and with keys its signature."""
        return isinstance(self._credentials.hash_of(presented_bytes(token)), bytes)

    async def park(self, token: str | bytes | Token, *, connection: Any = None) -> Rotated | NotSignedIn:
        """Have a session wait; its token, also one that is in its grace, is dead at once.

        Args:
            token: The session's.
            connection: The caller's own connection.

        Returns:
            The session with the token that it waits under, or UNKNOWN when there is none.

        Raises:
            Unavailable: The store did not answer.
        """
        return await self._moved(self._sessions.credentials, token, self._credentials, connection)

    async def resume(self, token: str | bytes | Token, *, connection: Any = None) -> Rotated | NotSignedIn:
        """Take a session up again; returns it with a new token, or UNKNOWN when it has ended meanwhile.

        Args:
            token: The one that it waits under.
            connection: The caller's own connection.

        Raises:
            Unavailable: The store did not answer.
        """
        return await self._moved(self._credentials, token, self._sessions.credentials, connection)

    async def _moved(
        self, here: Credentials, token: str | bytes | Token, there: Credentials, connection: Any
    ) -> Rotated | NotSignedIn:
        old = here.hash_of(presented_bytes(token))
        if isinstance(old, NotSignedIn):
            return old
        moved, new = there.made()
        record = await self._sessions.store.rotate(Rotation(old, new), connection=connection)
        if record is None:
            return NotSignedIn.UNKNOWN
        self._sessions.tiers.changed(connection)
        session = await self._sessions.of_hash(new, connection=connection)
        if session is None:
            return NotSignedIn.UNKNOWN
        detail = "resumed" if here is self._credentials else "parked"
        self._sessions.events.emit("rotated", session.id, session.user_id, detail, actor_id=session.actor_id)
        return Rotated(session, moved)

    async def peek(self, token: str | bytes | Token, *, connection: Any = None) -> Session | None:
        """Return a session that waits, with its user, and leave it waiting; None when there is none any more.

        Args:
            token: The one that it waits under.
            connection: The caller's own connection.

        Raises:
            Unavailable: The store did not answer.
        """
        token_hash = self._credentials.hash_of(presented_bytes(token))
        if isinstance(token_hash, NotSignedIn):
            return None
        return await self._sessions.of_hash(token_hash, connection=connection)

    async def revoke(self, token: str | bytes | Token, *, connection: Any = None) -> bool:
        """End a session that waits; returns whether there was one.

        Args:
            token: The one that it waits under.
            connection: The caller's own connection.

        Raises:
            Unavailable: The store did not answer.
        """
        session = await self.peek(token, connection=connection)
        return session is not None and await self._sessions.revoke_any(session.id, connection=connection)
