"""One request's session: who is signed in, and what the response must say about it."""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from coatcheck._async.sessions import AsyncSessions
from coatcheck.actors import Actor
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.cookies import CookieSettings, delete_cookie, set_cookie
from coatcheck.errors import CoatcheckError, ImpersonationRefused
from coatcheck.web import device_gate
from coatcheck.web.async_acting import async_end_waiting, async_leave, has_left_one_behind
from coatcheck.web.async_asking import AskingContext
from coatcheck.web.async_proof_gate import AsyncProofGate
from coatcheck.web.errors import SignInRequired

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coatcheck._async.devices import AsyncDevices
    from coatcheck._async.proofs import AsyncProofs
    from coatcheck.core.session import Session
    from coatcheck.core.tokens import Token
    from coatcheck.core.transport import Transport
    from coatcheck.web.async_authority import Authority
    from coatcheck.web.settings import WebSettings
    from coatcheck.web.types import Headers, Scope

_NONE: Mapping[str, bytes] = MappingProxyType({})  # most requests send no further cookies, and make no dictionary

_log = logging.getLogger("coatcheck")


class RequestContext(AskingContext):
    """The session side of one request: who is signed in, signing in and out, and what the response says of it."""

    __slots__ = ("_offer", "_root_path", "changing", "clear_site_data")

    def __init__(
        self,
        scope: Scope,
        authority: Authority,
        settings: WebSettings,
        transport: Transport,
        devices: AsyncDevices | None = None,
        *,
        proofs: AsyncProofs | None = None,
    ) -> None:
        """Attach to a request."""
        # Not the scope itself, which holds this context: a circle is left to the garbage collector, and costs.
        self._headers = scope["headers"]
        self._client = scope.get("client")
        self._transport = transport
        self.settings = settings
        self.authority = authority
        self.devices = devices
        self._answer = None
        self._presented = None
        self._cookies = ()
        self._further_cookies = _NONE
        self._proof = None if proofs is None else AsyncProofGate(proofs, scope)
        self._bound = False
        self.consulted = False
        self.due = False
        self.on_session = None
        self.source = None
        self._offer: tuple[bytes, bytes] | None = None
        self._root_path: str = "" if devices is None else quote(scope.get("root_path", ""))
        self.clear_site_data = False
        self.changing = False
        """Whether one session takes another's place just now: the end of the first is no reason to end a stream, and
        its user is not who does it."""

    async def sign_in(
        self,
        user_id: str,
        *,
        data: Mapping[str, Any] | None = None,
        remember: bool = False,
        methods: Sequence[str] = (),
        acr: str | None = None,
        actor_id: str | None = None,
        connection: Any = None,
    ) -> Session:
        """Begin a session for a user who has just proved who they are, and give the browser its cookie.

        Whatever token the request carried is dead afterwards (rule L1, T6).

        Raises:
            LimitReached: The user has too many sessions, and the policy evicts none.
        """
        how: dict[str, Any] = {"methods": methods, "acr": acr, "actor_id": actor_id}
        session = await self._begin(user_id, data=data, remember=remember, connection=connection, **how)
        await self._end_waiting(connection)
        return session

    async def _begin(self, user_id: str | None, *, ends: bool = True, **how: Any) -> Session:
        self.changing = True
        try:
            created = await self.sessions.create(
                user_id,
                ip=self.client_ip(),
                user_agent=self.user_agent(),
                replaces=(self.presented() or None) if ends else None,
                **how,
            )
            self.issue(created.token, created.session)
            self._offer_binding(created.session)
        finally:
            self.changing = False
        return created.session

    async def sign_out(self, *, connection: Any = None) -> None:
        """End the session at the store and take back the cookie; the cookie stays when the store is down."""
        presented = self.presented()
        if presented:
            await self._end(presented, connection)
        await self._end_waiting(connection)

    async def _end(self, presented: bytes, connection: Any) -> None:
        if isinstance(self.authority, AsyncSessions):
            set_cookies = await self._revoke(self.authority, presented, connection)
        else:
            set_cookies = await self.authority.sign_out(presented)
        self._answer = NotSignedIn.NO_TOKEN
        self.due = False
        self.clear_site_data = self.settings.clear_site_data
        if set_cookies or self.settings.cookie.name.encode() in self._transport.cookies:
            self._cookies = set_cookies or (delete_cookie(self.settings.cookie), *self._delete_imported())
        if self.is_bearer():
            self._cookies = ()
        self._forget_device()

    def _forget_device(self) -> None:
        """Take back the second cookie; the session is gone already, and its key with it."""
        devices = self.devices
        if devices is None:
            return
        self._bound = self._bound or bool(device_gate.values_of(self._headers, devices.cookie.name))
        if self._bound:
            self.send_cookie(devices.cookie.name, device_gate.forgotten(devices))

    async def _end_waiting(self, connection: Any) -> None:
        """End the session of somebody who has acted as another user and has not gone back: they have left."""
        if isinstance(self.authority, AsyncSessions) and has_left_one_behind(self) and not self.is_bearer():
            await async_end_waiting(self, connection)

    async def _revoke(self, sessions: AsyncSessions, presented: bytes, connection: Any) -> tuple[bytes, ...]:
        if self._answer is None and has_left_one_behind(self):
            await self.session()
        if self._answer and self._answer.actor_id is not None:
            await async_leave(self, self._answer, connection)
        elif self._answer:
            # By its id: a parallel request may have given it another token meanwhile.
            await sessions.revoke_any(self._answer.id, connection=connection)
        else:
            await sessions.revoke(presented, connection=connection)
        return ()

    async def rotate(
        self,
        *,
        reauthenticated: bool = False,
        methods: Sequence[str] = (),
        acr: str | None = None,
        connection: Any = None,
    ) -> Session:
        """Give the session a new token, after a privilege change or another proof of who the user is.

        Raises:
            SignInRequired: There is no session any more, or it is another device's.
        """
        if self._answer is None:
            await self.session()
        if self._answer is NotSignedIn.DEVICE:
            raise SignInRequired(NotSignedIn.DEVICE)
        rotated = await self.sessions.rotate(
            self.presented(), reauthenticated=reauthenticated, methods=methods, acr=acr, connection=connection
        )
        if isinstance(rotated, NotSignedIn):
            raise SignInRequired(rotated)
        self.issue(rotated.token, rotated.session)
        if reauthenticated or methods:
            self._offer_binding(rotated.session)
        return rotated.session

    async def renew(self) -> None:
        """Get the browser's next token, when it is due and the response is about to start.

        Not earlier: a request may take long or fail, and what its response brings must be the session's token then.
        A failure costs nothing, for the old token is good still; the next reading of the session tries again.
        """
        self.due = False
        try:
            renewed = await self.sessions.renew_token(self.presented())
        except CoatcheckError as error:
            _log.warning("coatcheck.rotation_failed", extra={"reason": str(error)})
            return
        if renewed:
            self.issue(renewed.token, renewed.session)

    async def revoke_others(self) -> int:
        """End the user's other sessions and rotate this one's token (ASVS 7.4.3, rule L12).

        An API client keeps its bearer token: a new one could only reach it in a cookie.

        Raises:
            SignInRequired: There is no session.
            ImpersonationRefused: Somebody acts in the session as its user, whose sessions are not theirs to end.
        """
        if (answer := await self.session()) and answer.actor_id is not None:
            raise ImpersonationRefused("whoever acts as a user does not end the user's sessions")
        session = await (self.require() if self.is_bearer() else self.rotate())
        return await self.sessions.revoke_others(session)

    async def start_anonymous(self, data: Mapping[str, Any]) -> Session:
        """Begin a session for a visitor with something to store; without that there is no row and no cookie."""
        # Without the proof of its device a bound session is not ended for it: a cookie may be missing for many reasons.
        ends = await self.session() is not NotSignedIn.DEVICE
        return await self._begin(None, data=data, ends=ends)

    def actor(self) -> Actor:
        """Return who acts in this request, as far as it was asked: for the audit trail, when something is written."""
        session = None if self.changing else self._answer
        if not session:
            return Actor(address=self.client_ip())
        return Actor(session.actor_id, self.client_ip(), session.user_id)

    def issue(self, token: Token, session: Session) -> None:
        """Have the response bring the browser this token; the request is this session's from now on."""
        self._presented = token.reveal().encode()
        self.due = False
        self._settle(session)
        self._cookies = (set_cookie(self.settings.cookie, token.reveal(), self.max_age(session)),)

    def _offer_binding(self, session: Session) -> None:
        """Have the browser bind the session, if it can and we want that: only with what signs the user in."""
        if self.devices is not None:
            self._offer = self.devices.offer(session, root_path=self._root_path)

    def _delete_imported(self) -> tuple[bytes, ...]:
        """Return what takes back the cookie of the library before; its token has ended with the session."""
        if len(self._transport.cookies) == 1 or not isinstance(self.authority, AsyncSessions):
            return ()
        name = self._transport.cookies[1].decode()
        secure = self.settings.cookie.secure or name.startswith("__")
        return (delete_cookie(CookieSettings(name=name, secure=secure)),)

    def finish(self, headers: Headers) -> None:
        """Add what the response must say: the cookies, an offer to bind the session, and what to clear."""
        super().finish(headers)
        if self._proof is not None:
            self._proof.finish(headers)
        if self._offer is not None:
            headers.append(self._offer)
        if self.clear_site_data:
            headers.append((b"clear-site-data", b'"cookies", "storage"'))
        elif self._answer is NotSignedIn.NO_TOKEN and self._bound and self._clears_storage():
            # Of what Chromium drops this is the part that its key is in; it would go on renewing otherwise.
            headers.append((b"clear-site-data", b'"storage"'))

    def _clears_storage(self) -> bool:
        return self.devices is not None and self.devices.binding.clear_storage
