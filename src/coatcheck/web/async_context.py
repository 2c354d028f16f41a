"""One request's session: who is signed in, and what the response must say about it."""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from coatcheck._async.sessions import AsyncSessions
from coatcheck.core.addresses import client_address, network_of
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.cookies import CookieSettings, delete_cookie, set_cookie
from coatcheck.core.drafts import printable
from coatcheck.core.refusals import refuse
from coatcheck.core.tokens import Token
from coatcheck.core.transport import Transport, has_one
from coatcheck.errors import CoatcheckError
from coatcheck.web import device_gate
from coatcheck.web.async_authority import own
from coatcheck.web.async_proof_gate import AsyncProofGate
from coatcheck.web.errors import DeviceBindingRequired, RecentAuthRequired, SignInRequired
from coatcheck.web.pages import NO_STORE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    from coatcheck._async.devices import AsyncDevices
    from coatcheck._async.proofs import AsyncProofs
    from coatcheck.core.answers import Source
    from coatcheck.core.session import Session
    from coatcheck.web.async_authority import Authority
    from coatcheck.web.settings import WebSettings
    from coatcheck.web.types import Headers, Scope

_NONE: Mapping[str, bytes] = MappingProxyType({})  # most requests send no further cookies, and make no dictionary

_log = logging.getLogger("coatcheck")


class RequestContext:
    """The session side of one request.

    Nothing is read before somebody asks, and asking in any form is noted, because the response then depends on
    the cookie (rule H1).
    """

    __slots__ = (
        "_answer",
        "_bound",
        "_client",
        "_cookies",
        "_further_cookies",
        "_headers",
        "_offer",
        "_presented",
        "_proof",
        "_root_path",
        "_transport",
        "authority",
        "changing",
        "clear_site_data",
        "consulted",
        "devices",
        "due",
        "on_session",
        "settings",
        "source",
    )

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
        self._headers: Headers = scope["headers"]
        self._client = scope.get("client")
        self.authority = authority
        self.settings = settings
        self.devices = devices
        self._proof = None if proofs is None else AsyncProofGate(proofs, scope)
        self._bound = False
        self._offer: tuple[bytes, bytes] | None = None
        self._root_path: str = "" if devices is None else quote(scope.get("root_path", ""))
        self._transport = transport
        self._answer: Session | NotSignedIn | None = None
        self._presented: bytes | None = None
        self._cookies: tuple[bytes, ...] = ()
        self._further_cookies: Mapping[str, bytes] = _NONE
        self.clear_site_data = False
        self.consulted = False
        self.changing = False
        """Whether one session takes another's place just now: the end of the first is no reason to end a stream."""
        self.due = False
        """Whether the response is to bring the browser another token, in a periodic rotation."""
        self.on_session: Callable[[Session, bytes], None] | None = None
        """Called with session and token when it becomes known whose request this is, and again when that changes."""
        self.source: Source | None = None
        """Which tier answered; None before, or when nothing had to be read."""

    @property
    def sessions(self) -> AsyncSessions:
        """The sessions, with all their verbs.

        Raises:
            IssuedElsewhere: They are a provider's, which alone can begin and change them.
        """
        return own(self.authority)

    # --- asking

    async def session(self) -> Session | NotSignedIn:
        """Return who is signed in, or why nobody is; asked once for each request.

        Raises:
            Unavailable: The store did not answer; the middleware makes it a 503.
            DeviceProofAwaited: The session is bound, and its browser has to come again; the middleware tells it so.
        """
        self.consulted = True
        if self._answer is not None:
            return self._answer
        answer = await self.read()
        if answer:
            if answer.device_bound or self._proof is not None:
                answer = await self._proven(answer)
            if answer and self.authority.notes_clients:
                await self._notice_client(answer)
        self._settle(answer)
        return answer

    async def read(self) -> Session | NotSignedIn:
        """Return whose session's cookie the request carries, from whatever device; `session` is what to trust.

        Raises:
            Unavailable: The store did not answer.
        """
        presented = self.presented()
        if not presented:
            return NotSignedIn.NO_TOKEN
        session = self.authority.lookup(presented)
        if session is None:
            return await self._ask(presented)
        self.source = "memory"
        return session

    async def _proven(self, session: Session) -> Session | NotSignedIn:
        """Return a session if this request has the right to it, by its key or by its device."""
        if session.key_thumbprint is None and session.device_bound:
            return self._from_device(session)
        answer = NotSignedIn.DEVICE if self._proof is None else await self._proof.judged(session)
        if not answer and (self._proof is None or not self._proof.wants_nonce):
            detail = "" if self._proof is None else self._proof.error[0]
            self.sessions.events.emit("unproven", session.id, session.user_id, detail)
        return answer

    async def proof_key(self) -> str:
        """Return the thumbprint of the key that has signed this request, to bind a new token to it.

        Raises:
            ProofRejected: There is no proof, or it does not count; the middleware answers 400.
            ConfigurationError: The middleware has no `dpop=`.
            Unavailable: The store did not answer.
        """
        self.consulted = True  # or nothing would be added to the response
        if self._proof is None:
            refuse("dpop", None, "give the middleware dpop=DPoP(origins=…)")
        return await self._proof.key()

    def _from_device(self, session: Session) -> Session | NotSignedIn:
        """Return a bound session if its device sends this request; its cookie alone is worthless."""
        self._bound = True
        if device_gate.admits(self.devices, session, self._headers):
            return session
        answer = device_gate.refused(self.devices, session, self._headers, self.authority.now())
        self.sessions.events.emit("unproven", session.id, session.user_id)
        return answer

    def _settle(self, answer: Session | NotSignedIn) -> None:
        self._answer = answer
        if answer and self.on_session is not None:
            self.on_session(answer, self._presented or b"")

    async def _ask(self, presented: bytes) -> Session | NotSignedIn:
        validated = await self.authority.ask(presented)
        self.source = validated.source
        if not self._is_bearer():  # which no response could bring another one
            self.due = validated.due
            self._cookies = validated.set_cookies or self._renewed_cookie(presented, validated.answer)
        return validated.answer

    async def require(self) -> Session:
        """Return the session, or end the request.

        Raises:
            SignInRequired: Nobody is signed in; the middleware answers 401, or redirects a browser page.
            Unavailable: The store did not answer.
        """
        answer = await self.session()
        if not answer or answer.user_id is None:
            raise SignInRequired(answer if isinstance(answer, NotSignedIn) else NotSignedIn.NO_TOKEN)
        return answer

    async def require_recent_auth(self, max_age: timedelta, *, factors: int = 1) -> Session:
        """Return the session of a user who proved who they are at most `max_age` ago, or end the request.

        Args:
            max_age: How old the proofs may be.
            factors: Of how many kinds they must be (rule A2).

        Raises:
            SignInRequired: Nobody is signed in.
            RecentAuthRequired: The authentication is older; activity does not make it younger.
        """
        session = await self.require()
        if not session.authenticated_within(max_age, self.authority.now(), factors=factors):
            raise RecentAuthRequired(max_age, factors)
        return session

    async def require_device_bound(self) -> Session:
        """Return the session of a signed-in user that is bound to the device which sends this, or end the request.

        Raises:
            SignInRequired: Nobody is signed in.
            DeviceBindingRequired: The session is not bound: the browser cannot, or has not yet.
        """
        session = await self.require()
        if not session.device_bound:
            raise DeviceBindingRequired
        return session

    # --- changing

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
        return await self._begin(user_id, data=data, remember=remember, connection=connection, **how)

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
            self._issue(created.token, created.session)
            self._offer_binding(created.session)
        finally:
            self.changing = False
        return created.session

    async def sign_out(self, *, connection: Any = None) -> None:
        """End the session at the store and take back the cookie; the cookie stays when the store is down."""
        presented = self.presented()
        if not presented:
            return
        if isinstance(self.authority, AsyncSessions):
            set_cookies = await self._revoke(self.authority, presented, connection)
        else:
            set_cookies = await self.authority.sign_out(presented)
        self._answer = NotSignedIn.NO_TOKEN
        self.due = False
        self.clear_site_data = self.settings.clear_site_data
        if set_cookies or self.settings.cookie.name.encode() in self._transport.cookies:
            self._cookies = set_cookies or (delete_cookie(self.settings.cookie), *self._delete_imported())
        if self._is_bearer():
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

    async def _revoke(self, sessions: AsyncSessions, presented: bytes, connection: Any) -> tuple[bytes, ...]:
        if self._answer:
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
        self._issue(rotated.token, rotated.session)
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
            self._issue(renewed.token, renewed.session)

    async def revoke_others(self) -> int:
        """End the user's other sessions and rotate this one's token (ASVS 7.4.3, rule L12).

        An API client keeps its bearer token: a new one could only reach it in a cookie.
        """
        session = await (self.require() if self._is_bearer() else self.rotate())
        return await self.sessions.revoke_others(session)

    async def start_anonymous(self, data: Mapping[str, Any]) -> Session:
        """Begin a session for a visitor with something to store; without that there is no row and no cookie."""
        # Without the proof of its device a bound session is not ended for it: a cookie may be missing for many reasons.
        ends = await self.session() is not NotSignedIn.DEVICE
        return await self._begin(None, data=data, ends=ends)

    def _issue(self, token: Token, session: Session) -> None:
        self._presented = token.reveal().encode()
        self.due = False
        self._settle(session)
        self._cookies = (set_cookie(self.settings.cookie, token.reveal(), self._max_age(session)),)

    def _offer_binding(self, session: Session) -> None:
        """Have the browser bind the session, if it can and we want that: only with what signs the user in."""
        if self.devices is not None:
            self._offer = self.devices.offer(session, root_path=self._root_path)

    def _max_age(self, session: Session) -> int | None:
        """Return how long the browser may keep the cookie: never longer than the session can live."""
        if not self._persists(session):
            return None
        end = session.expires_at
        return 2**31 if end is None else int((end - self.authority.now()).total_seconds())

    def _renewed_cookie(self, presented: bytes, answer: Session | NotSignedIn) -> tuple[bytes, ...]:
        """Return the cookie anew when an older key signed it, or when it could end before its session does.

        And where it is the cookie of the library before: the same token, protected as ours are. Done where the session
        was read from the store, so it costs a memory hit nothing.
        """
        if not answer or not isinstance(self.authority, AsyncSessions):
            return ()
        token = self.authority.renewed(presented)
        imported = self._came_by_imported_cookie()
        if self.authority.policy.rotate_after is not None:
            # Sent again, a token could come back that has been retired when the response is there.
            self.due |= imported or token is not None
            return ()
        if token is None and (imported or (answer.expires_at is None and self._persists(answer))):
            token = Token(presented.decode("ascii"))
        return () if token is None else (set_cookie(self.settings.cookie, token.reveal(), self._max_age(answer)),)

    def _came_by_imported_cookie(self) -> bool:
        """Tell whether the token stands in the cookie of the library before: there is none of ours."""
        names = self._transport.cookies
        if len(names) == 1 or not isinstance(self.authority, AsyncSessions):
            return False
        return not self._is_bearer() and not has_one(self._headers, names[:1])

    def _can_be_imported(self, token: bytes) -> bool:
        imported = self.authority.imported if isinstance(self.authority, AsyncSessions) else None
        return imported is not None and imported.well_formed(token)

    def _delete_imported(self) -> tuple[bytes, ...]:
        """Return what takes back the cookie of the library before; its token has ended with the session."""
        if len(self._transport.cookies) == 1 or not isinstance(self.authority, AsyncSessions):
            return ()
        name = self._transport.cookies[1].decode()
        secure = self.settings.cookie.secure or name.startswith("__")
        return (delete_cookie(CookieSettings(name=name, secure=secure)),)

    def _persists(self, session: Session) -> bool:
        return session.remember or self.settings.cookie.persistent

    async def _notice_client(self, session: Session) -> None:
        ip, agent = self.client_ip(), printable(self.user_agent())
        moved = ip is not None and (session.ip is None or network_of(ip) != network_of(session.ip))
        if not moved and (agent or None) == session.user_agent:
            return
        try:
            await self.sessions.note_client(session, ip=ip, user_agent=agent)
        except CoatcheckError as error:
            # A signal that gets lost must not cost a valid session its request.
            _log.warning("coatcheck.client_unnoted", extra={"reason": str(error)})

    # --- the request

    def presented(self) -> bytes:
        """Return the token that the request carries, or nothing."""
        self.consulted = True
        if self._presented is None:
            self._presented = self._transport.find(self._headers, self.authority.well_formed)
            if self._came_by_imported_cookie() and not self._can_be_imported(self._presented):
                self._presented = b""  # anybody may have planted a token of ours there
        return self._presented

    def _is_bearer(self) -> bool:
        return self._transport.is_bearer(self._headers)

    def read_cookie(self, name: str, well_formed: Callable[[bytes], bool]) -> bytes:
        """Return the value of another cookie of ours, or nothing; two different ones count as none (rule C7)."""
        self.consulted = True
        return Transport(cookies=(name.encode(),)).find(self._headers, well_formed)

    def send_cookie(self, name: str, line: bytes) -> None:
        """Have the response set another cookie of ours; the last for each name counts (rule C6)."""
        self.consulted = True  # or nothing would be added to the response
        self._further_cookies = {**self._further_cookies, name: line}

    def header_lines(self, name: bytes) -> tuple[bytes, ...]:
        """Return the values of a header, one for each line."""
        return tuple(value for key, value in self._headers if key == name)

    def has_session_cookie(self) -> bool:
        """Tell whether the request carries a cookie of the session's name, and no bearer token instead."""
        return self._transport.has_cookie(self._headers)

    @property
    def challenges(self) -> Headers:
        """The lines of WWW-Authenticate that say how tokens are presented, where `Authorization` is read."""
        bearer = self._transport.bearer
        if self._proof is None:
            return [(b"www-authenticate", b"Bearer")] if bearer else []
        return self._proof.challenges(bearer=bearer)

    def client_ip(self) -> str | None:
        """Return the client's address, believing only proxies that are trusted."""
        forwarded = self.header_lines(b"x-forwarded-for") if self.settings.trusted_hops else ()
        return client_address(self._client[0] if self._client else None, forwarded, self.settings.trusted_hops)

    def user_agent(self) -> str | None:
        """Return the browser's description of itself."""
        lines = self.header_lines(b"user-agent")
        return lines[0].decode("latin-1") if lines else None

    # --- the response

    def finish(self, headers: Headers) -> None:
        """Add what the response must say: that it depends on the cookie, and the cookie itself."""
        if self.consulted:
            authorized = self._transport.bearer or self._transport.dpop
            headers.append((b"vary", b"Cookie, Authorization" if authorized else b"Cookie"))
        if self._cookies or self._further_cookies:
            cookies = (*self._cookies, *self._further_cookies.values())
            # A stored Set-Cookie would sign other people in (rule H2).
            headers[:] = [pair for pair in headers if pair[0].lower() != b"cache-control"]
            headers += [NO_STORE, *((b"set-cookie", line) for line in cookies)]
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
