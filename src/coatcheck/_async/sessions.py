"""`AsyncSessions`: how sessions begin and go on, on top of how they are validated and how they end."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from coatcheck._async.new_devices import notice_new_device
from coatcheck._async.session_endings import AsyncSessionEndings
from coatcheck.core.addresses import canonical_address
from coatcheck.core.answers import Created, NotSignedIn, Rotated
from coatcheck.core.authentication import acts_for_another, authentication_of, checked
from coatcheck.core.credentials import presented_bytes
from coatcheck.core.drafts import changed_times, data_json, new_record, printable
from coatcheck.core.policy import expiries
from coatcheck.core.refusals import refuse
from coatcheck.core.times import duration_micros
from coatcheck.core.tokens import Token, new_token
from coatcheck.errors import DataError, ImpersonationRefused, LimitReached, Unavailable
from coatcheck.stores.auditing import Noted
from coatcheck.stores.base import SESSION, Full, NewSession, Renewal, Rotation, SessionChange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from coatcheck.core.session import Record, Session
    from coatcheck.hooks import Client
    from coatcheck.stores.async_protocol import AsyncAudits

_log = logging.getLogger("coatcheck")


class AsyncSessions(AsyncSessionEndings):
    """Server-side sessions, validated from memory and revoked everywhere at once.

    A token is what the client presents: text, bytes or a `Token`. Every method that can write takes
    `connection`: a connection of the caller to the same database, inside a transaction, with which the write
    commits or vanishes.
    """

    def new_token(self) -> Token:
        """Make a token for a session that is about to be created (rule T1); until then nobody is signed in by it."""
        return self._credentials.issued(new_token())

    async def create(
        self,
        user_id: str | None,
        *,
        ip: str | None = None,
        user_agent: str | None = None,
        data: Mapping[str, Any] | None = None,
        remember: bool = False,
        idle_timeout: timedelta | None = None,
        lifetime: timedelta | None = None,
        methods: Sequence[str] = (),
        acr: str | None = None,
        actor_id: str | None = None,
        key_thumbprint: str | None = None,
        replaces: str | bytes | Token | None = None,
        token: Token | None = None,
        connection: Any = None,
    ) -> Created:
        """Begin a session under a new token.

        Args:
            user_id: Who has signed in; None for an anonymous visitor with something to store.
            ip: The client's address.
            user_agent: The browser's description of itself.
            data: The application's data: JSON, with text keys.
            remember: Whether the policy's second pair of durations applies, and a persistent cookie.
            idle_timeout: Instead of the policy's.
            lifetime: Instead of the policy's.
            methods: How the user has just proved who they are, by the names of RFC 8176 such as "pwd" and "otp".
            acr: The level of that, as an identity provider or the application calls it.
            actor_id: Who will act as the user, if it is somebody else: a support case, never hidden.
            key_thumbprint: Of the key whose proof each request with the token will need (RFC 9449 section 6).
            replaces: The token the client held until now: its session ends in the same transaction, and of an
                anonymous one the keys in `policy.carry_over` move along.
            token: One from `new_token`, for frameworks that have to name it before the session is written, and that no
                client has presented yet (rule T6); None makes one. It may be the one that is replaced.
            connection: The caller's own connection.

        Raises:
            DataError: The data is not JSON or too large, the user does not exist, or the token is none of ours.
            LimitReached: The user has too many sessions, and the policy evicts none.
            Unavailable: The store did not answer.
        """
        limit = None if actor_id is not None else self.policy.limit_for(user_id)  # which is about the user's own
        now = await self._now()
        record = new_record(
            user_id,
            now,
            remember=remember,
            idle=idle_timeout or self.policy.idle_for(remember=remember),
            lifetime=lifetime or self.policy.lifetime_for(remember=remember),
            ip=ip,
            user_agent=user_agent,
            data=data_json(data or {}, self.policy.max_data_bytes),
            authentication=checked(methods, acr, actor_id, now, key_thumbprint),
        )
        token = token or self.new_token()
        token_hash = self._credentials.hash_of(presented_bytes(token))
        if isinstance(token_hash, NotSignedIn):
            msg = "token= is none that new_token() has made"
            raise DataError(msg)
        old = self._credentials.hash_of(presented_bytes(replaces))
        new = NewSession(
            token_hash,
            record,
            limit,
            self.policy.when_full,
            old if isinstance(old, bytes) else None,
            self.policy.carry_over,
            self._kind,
        )
        try:
            result = await self.store.create(new, connection=connection)
        except Full as full:
            asked = full.records if self.policy.when_full == "ask" else ()
            raise LimitReached(full.limit, tuple(map(self._session, asked))) from None
        if result.replaced is not None or result.evicted:
            self.tiers.changed(connection)
        client: Client = {"ip": record.ip, "user_agent": record.user_agent}
        self._events.emit("created", record.id, user_id, actor_id=actor_id, **client)
        if result.replaced is not None:
            self._told("revoked", result.replaced, "replaced")
        for evicted in result.evicted:
            self._events.emit("evicted", evicted.id, evicted.user_id)
        if self._kind == SESSION and actor_id is None:
            await notice_new_device(self, result, connection)
        session = self._session(await self._described(result.record))
        return Created(session, token, tuple(map(self._session, result.evicted)))

    async def rotate(
        self,
        token: str | bytes | Token,
        *,
        reauthenticated: bool = False,
        methods: Sequence[str] = (),
        acr: str | None = None,
        connection: Any = None,
    ) -> Rotated | NotSignedIn:
        """Give a session a new token; the old one is dead at once (rule L1).

        Args:
            token: The token until now.
            reauthenticated: Whether the user has just proved again who they are, which starts both timers anew.
                Rotation alone moves neither (rule L5).
            methods: How they have proved it. Methods that were used before keep the time at which they were (rule A2).
            acr: The level of that; None leaves what there was.
            connection: The caller's own connection.

        Raises:
            ImpersonationRefused: Somebody acts in the session as its user, whom they cannot prove to be.
            Unavailable: The store did not answer.
        """
        old = self._credentials.hash_of(presented_bytes(token))
        if isinstance(old, NotSignedIn):
            return old
        fresh = new_token()
        rotation = Rotation(old, self._credentials.hash_of_new(fresh))
        if reauthenticated or methods:
            rotation = await self._restarted(rotation, methods, acr, connection)
        record = await self.store.rotate(rotation, connection=connection)
        if record is None:
            return NotSignedIn.UNKNOWN
        self.tiers.changed(connection)
        self._told("rotated", record, "reauthenticated" if rotation.authenticated_at else "")
        return Rotated(self._session(await self._described(record)), self._credentials.issued(fresh))

    async def renew_token(self, token: str | bytes | Token, *, connection: Any = None) -> Rotated | NotSignedIn:
        """Give a session its next token in a periodic rotation; the old one stays good for `policy.rotation_grace`.

        All who ask for it in that time get the same new token (rule L16). Neither timer moves, and nothing that the
        session says (rules L5, A4). The middleware does so when `policy.rotate_after` says that a cookie is due.

        Args:
            token: The token until now, or one that is in its grace already.
            connection: The caller's own connection.

        Returns:
            The session and its token; UNKNOWN when this one is neither the session's nor in its grace. That is no sign
            of a theft: a request may have been slow.

        Raises:
            ConfigurationError: `policy.rotate_after` is not set.
            Unavailable: The store did not answer.
        """
        if self._retires is None:
            refuse(
                "rotate_after", None, "set it, such as to timedelta(hours=1): nobody notices retired tokens otherwise"
            )
        presented = presented_bytes(token)
        made = self._credentials.succession(presented)
        if isinstance(made, NotSignedIn):
            return made
        renewal = Renewal(*made, duration_micros(self.policy.rotation_grace))
        renewed = await self._retires.renew(renewal, connection=connection)
        if renewed is None:
            return NotSignedIn.UNKNOWN
        record = renewed.record
        if renewed.fresh:
            self.tiers.changed(connection)
            self._told("rotated", record, "periodic")
        return Rotated(self._session(await self._described(record)), self._credentials.opened(renewed.seal, presented))

    async def _restarted(
        self, rotation: Rotation, methods: Sequence[str], acr: str | None, connection: Any
    ) -> Rotation:
        reading = await self.store.read(rotation.old_hash, connection=connection)
        if reading.record is None:
            return rotation
        now, record = reading.now // 1000, reading.record
        if acts_for_another(record.authentication):
            raise ImpersonationRefused("who acts as a user cannot prove to be them")
        lifetime = None if record.expires_at is None else timedelta(microseconds=record.expires_at - _started(record))
        ends = expiries(now, timedelta(microseconds=record.idle_timeout), lifetime)
        proofs = authentication_of(record.authentication).renewed(methods, acr, now)
        return rotation._replace(
            authenticated_at=now,
            idle_expires_at=ends.idle_expires_at,
            expires_at=ends.expires_at,
            authentication=proofs.text(),
        )

    async def save(
        self,
        session: Session,
        changes: Mapping[str, Any],
        *,
        remove: Sequence[str] = (),
        idle_timeout: timedelta | None = None,
        expires_at: datetime | None = None,
        connection: Any = None,
    ) -> Session | NotSignedIn:
        """Change keys of a session's data; other keys stay as whoever wrote them left them (rule S8).

        Args:
            session: The session, as it was read.
            changes: Keys to set.
            remove: Keys to remove.
            idle_timeout: A new idle timeout, which begins now.
            expires_at: A new absolute end; aware. None leaves it: saving alone never moves it (rule L4).
            connection: The caller's own connection.

        Returns:
            The session as it is now, or UNKNOWN when it has ended meanwhile: nothing brings it back.

        Raises:
            DataError: The data would not be JSON, or larger than `policy.max_data_bytes`; or a time is not possible.
            ImpersonationRefused: Somebody acts in the session as its user, and a time is to be moved.
        """
        data_json(changes, self.policy.max_data_bytes)
        if (idle_timeout is not None or expires_at is not None) and session.actor_id is not None:
            raise ImpersonationRefused("the end of a session in which somebody acts as a user cannot be moved")
        change = SessionChange(session.id, changes, tuple(remove), self.policy.max_data_bytes)
        if idle_timeout is not None or expires_at is not None:
            change = change._replace(**changed_times(await self._now(), idle_timeout, expires_at))
        record = await self.store.save(change, connection=connection)
        if record is None:
            return NotSignedIn.UNKNOWN
        self.tiers.changed(connection)
        return self._session(await self._described(record))

    async def note_client(self, session: Session, *, ip: str | None, user_agent: str | None) -> bool:
        """Note that a session is used from a new address or browser: a signal, never a lock-out (rule S16).

        Returns:
            True for the one caller who noted the change; it has raised the event "client_changed".
        """
        address = None if ip is None else canonical_address(ip)
        noted = await self.store.relocate(session.id, address, printable(user_agent))
        if noted:
            self.tiers.changed(None)
            detail = address or ""
            self._events.emit("client_changed", session.id, session.user_id, detail, actor_id=session.actor_id)
        return noted

    async def note_unproven(self, session: Session, *, ip: str | None, detail: str = "") -> None:
        """Note that a request had a session's cookie or token, and not the proof that it needs; it was refused.

        Each raises the event "unproven"; the audit trail has an entry for the first in an hour that this process sees
        of a session, or whoever has stolen a cookie could fill it.
        """
        self._events.emit("unproven", session.id, session.user_id, detail)
        if self.policy.audit_keep_for is None or not self._unproven.is_news(session.id, self._log.best_now()):
            return
        entry = Noted("unproven", session.user_id, session.id, detail, None, ip)
        try:
            await cast("AsyncAudits", self.store).record([entry])
        except Unavailable as error:
            # What is refused stays refused, whether or not somebody can write it down.
            _log.warning("coatcheck.unproven_unnoted", extra={"reason": str(error)})

    async def flush(self) -> int:
        """Write pending touches now; returns how many sessions were confirmed."""
        return await self._touches.flush()

    async def finish(self) -> None:
        """Finish what was left for later: pending touches, values being loaded, copies for the shared cache."""
        await self.flush()
        await self.tiers.finish()


def _started(record: Record) -> int:
    return record.created_at if record.authenticated_at is None else record.authenticated_at
