"""Acting as another user: an ordinary session that says who acts, and ends with the session they act from."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from coatcheck.core.answers import Created, NotSignedIn
from coatcheck.core.authentication import Authentication, checked
from coatcheck.core.drafts import data_json, new_record, printable
from coatcheck.core.refusals import refuse
from coatcheck.errors import DataError, ImpersonationRefused
from coatcheck.stores.base import NewSession

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coatcheck._async.sessions import AsyncSessions
    from coatcheck.core.session import Session
    from coatcheck.stores.async_protocol import AsyncImpersonates

_SHORTEST = timedelta(minutes=1)
_LONGEST = timedelta(hours=12)
_LONGEST_REASON = 255


def shown_as_support(actor: Session) -> str:
    """Return what a user reads in the list of their devices: "support (Sue)", or "support" if nobody tells a name."""
    name = actor.user.name if actor.user else None
    return f"support ({name})" if name else "support"


class AsyncImpersonation:
    """Begins and ends sessions in which somebody acts as another user.

    Such a session ends when the session of who acts does, whatever ends that: the database sees to it. It counts for
    no limit of the user's, and the user sees it among their devices and can end it. It cannot begin another one, and
    nothing in it proves who the user is. Who may act as whom is the application's to decide, before it calls `begin`.
    """

    def __init__(
        self,
        sessions: AsyncSessions,
        *,
        lifetime: timedelta = timedelta(minutes=30),
        label: Callable[[Session], str] = shown_as_support,
    ) -> None:
        """Wire it to the sessions.

        Args:
            sessions: The sessions.
            lifetime: How long one may take at most, between one minute and 12 hours.
            label: Says what the user is shown in place of the device, from the session of who acts.

        Raises:
            ConfigurationError: The store cannot tie a session to another one, or the lifetime is out of bounds.
        """
        if not sessions.store.capabilities.impersonates:
            kind = type(sessions.store).__name__
            fix = "this store ties no session to another one; use SQLite, PostgreSQL, Valkey or D1"
            refuse("store", kind, fix, of="impersonation")
        if not _SHORTEST <= lifetime <= _LONGEST:
            refuse("lifetime", lifetime, "use one minute to 12 hours", of="impersonation")
        self.lifetime = lifetime
        self._label = label
        self._sessions = sessions
        self._store = cast("AsyncImpersonates", sessions.store)

    async def begin(
        self,
        actor: Session,
        user_id: str,
        *,
        reason: str,
        lifetime: timedelta | None = None,
        ip: str | None = None,
        user_agent: str | None = None,
        data: Mapping[str, Any] | None = None,
        connection: Any = None,
    ) -> Created | NotSignedIn:
        """Begin a session in which somebody acts as another user.

        It ends after the lifetime, and no later than the session of who acts as that stands: neither than its absolute
        end nor than its idle expiry, which nothing moves meanwhile. So whoever acts can always go back.

        Args:
            actor: The session of who acts, as the request shows it; nothing of it moves along.
            user_id: The user.
            reason: Why, such as the number of a ticket; it is the `detail` of the event and of the entry in the audit
                trail, and the user is not shown it.
            lifetime: How long it may take, if less than the setting says.
            ip: The address of who acts.
            user_agent: Their browser.
            data: The application's data for the new session.
            connection: The caller's own connection.

        Returns:
            The session with its token, or UNKNOWN when the session of who acts has ended meanwhile.

        Raises:
            ImpersonationRefused: Nobody is signed in by the session, somebody acts in it already, or both are one user.
            DataError: The reason, the lifetime or the data are not possible, or there is no such user.
            Unavailable: The store did not answer.
        """
        actor_id = _checked_actor(actor, user_id)
        _check_reason(reason)
        lifetime = self.lifetime if lifetime is None else lifetime
        if not timedelta(0) < lifetime <= self.lifetime:
            msg = f"lifetime={lifetime} is not possible: use more than zero and at most {self.lifetime}"
            raise DataError(msg)
        sessions = self._sessions
        await sessions.tiers.log.prove()
        now = sessions.tiers.log.now() // 1000
        record = new_record(
            user_id,
            now,
            remember=False,
            idle=min(sessions.policy.idle_for(remember=False), lifetime),
            lifetime=lifetime,
            ip=ip,
            user_agent=user_agent,
            data=data_json(data or {}, sessions.policy.max_data_bytes),
            authentication=self._authentication(actor, actor_id, now),
        )
        token, token_hash = sessions.credentials.made()
        new = NewSession(token_hash, record, reason=reason)
        made = await self._store.create_acting(new, actor.id, connection=connection)
        if made is None:
            return NotSignedIn.UNKNOWN
        sessions.events.emit("created", record.id, user_id, reason, actor_id=actor_id)
        session = await sessions.get(token, connection=connection)
        return Created(session, token) if session else session

    def _authentication(self, actor: Session, actor_id: str, now: int) -> Authentication:
        return checked((), None, actor_id, now)._replace(shown=printable(self._label(actor)))

    async def end(self, session: Session, *, wait: bool = False, connection: Any = None) -> bool:
        """End a session in which somebody acts; that of who acts goes on.

        Args:
            session: The session.
            wait: Whether to return only when nobody can accept it any more.
            connection: The caller's own connection.

        Returns:
            Whether it was there still.

        Raises:
            ImpersonationRefused: It is the user's own.
            Unavailable: The store did not answer.
        """
        if session.actor_id is None:
            raise ImpersonationRefused("nobody acts in this session: it is the user's own")
        return await self._sessions.revoke_any(session.id, wait=wait, connection=connection)

    async def sign_out(self, session: Session, *, wait: bool = False, connection: Any = None) -> bool:
        """End a session in which somebody acts, and with it theirs: they leave, and do not merely go back.

        Raises:
            Unavailable: The store did not answer.
        """
        behind = await self._store.actor_session(session.id, connection=connection)
        return await self._sessions.revoke_any(behind or session.id, wait=wait, connection=connection)


def _checked_actor(actor: Session, user_id: str) -> str:
    if actor.user_id is None:
        raise ImpersonationRefused("nobody is signed in by this session")
    if actor.actor_id is not None:
        raise ImpersonationRefused("somebody acts in this session already: end that first")
    if actor.user_id == user_id:
        raise ImpersonationRefused("this is the same user")
    return actor.user_id


def _check_reason(reason: str) -> None:
    if not reason.strip() or len(reason) > _LONGEST_REASON or not reason.isprintable():
        msg = f"reason of {len(reason)} characters is not possible: use 1 to {_LONGEST_REASON} printable ones"
        raise DataError(msg)
