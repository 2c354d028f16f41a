"""One request's session: who is signed in, and what the response must say about it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from coatcheck._async.sessions import AsyncSessions
from coatcheck.core.addresses import client_address, network_of
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.cookies import delete_cookie, set_cookie
from coatcheck.core.drafts import printable
from coatcheck.core.tokens import Token
from coatcheck.errors import CoatcheckError
from coatcheck.web.async_authority import own
from coatcheck.web.errors import RecentAuthRequired, SignInRequired

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from coatcheck.core.answers import Source
    from coatcheck.core.session import Session
    from coatcheck.core.transport import Transport
    from coatcheck.web.async_authority import Authority
    from coatcheck.web.settings import WebSettings
    from coatcheck.web.types import Headers, Scope

NO_STORE = (b"cache-control", b"no-store")
"""What a response with a cookie says, instead of whatever the application says of caches."""

_log = logging.getLogger("coatcheck")


class RequestContext:
    """The session side of one request.

    Nothing is read before somebody asks, and asking in any form is noted, because the response then depends on
    the cookie (rule H1).
    """

    __slots__ = (
        "_answer",
        "_client",
        "_cookies",
        "_headers",
        "_presented",
        "_transport",
        "authority",
        "changing",
        "clear_site_data",
        "consulted",
        "on_session",
        "settings",
        "source",
    )

    def __init__(self, scope: Scope, authority: Authority, settings: WebSettings, transport: Transport) -> None:
        """Attach to a request."""
        # Not the scope itself, which holds this context: a circle is left to the garbage collector, and costs.
        self._headers: Headers = scope["headers"]
        self._client = scope.get("client")
        self.authority = authority
        self.settings = settings
        self._transport = transport
        self._answer: Session | NotSignedIn | None = None
        self._presented: bytes | None = None
        self._cookies: tuple[bytes, ...] = ()
        self.clear_site_data = False
        self.consulted = False
        self.changing = False
        """Whether one session takes another's place just now: the end of the first is no reason to end a stream."""
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
        """
        if self._answer is not None:
            return self._answer
        answer: Session | NotSignedIn = NotSignedIn.NO_TOKEN
        presented = self.presented()
        if presented:
            session = self.authority.lookup(presented)
            if session is not None:
                answer, self.source = session, "memory"
            else:
                answer = await self._ask(presented)
            if answer and self.authority.notes_clients:
                await self._notice_client(answer)
        self._settle(answer)
        return answer

    def _settle(self, answer: Session | NotSignedIn) -> None:
        self._answer = answer
        if answer and self.on_session is not None:
            self.on_session(answer, self._presented or b"")

    async def _ask(self, presented: bytes) -> Session | NotSignedIn:
        answer, self.source, set_cookies = await self.authority.ask(presented)
        if not self._is_bearer():
            self._cookies = set_cookies or self._renewed_cookie(presented, answer)
        return answer

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

    async def require_recent_auth(self, max_age: timedelta) -> Session:
        """Return the session of a user who proved who they are at most `max_age` ago, or end the request.

        Raises:
            SignInRequired: Nobody is signed in.
            RecentAuthRequired: The authentication is older; activity does not make it younger.
        """
        session = await self.require()
        if not session.authenticated_within(max_age, self.authority.now()):
            raise RecentAuthRequired(max_age)
        return session

    # --- changing

    async def sign_in(
        self,
        user_id: str,
        *,
        data: Mapping[str, Any] | None = None,
        remember: bool = False,
        connection: Any = None,
    ) -> Session:
        """Begin a session for a user who has just proved who they are, and give the browser its cookie.

        Whatever token the request carried is dead afterwards (rule L1, T6).

        Raises:
            LimitReached: The user has too many sessions, and the policy evicts none.
        """
        return await self._begin(user_id, data=data, remember=remember, connection=connection)

    async def _begin(self, user_id: str | None, **how: Any) -> Session:
        self.changing = True
        try:
            created = await self.sessions.create(
                user_id,
                ip=self.client_ip(),
                user_agent=self.user_agent(),
                replaces=self.presented() or None,
                **how,
            )
            self._issue(created.token, created.session)
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
        self.clear_site_data = self.settings.clear_site_data
        if set_cookies or self.settings.cookie.name.encode() in self._transport.cookies:
            self._cookies = set_cookies or (delete_cookie(self.settings.cookie),)
        if self._is_bearer():
            self._cookies = ()

    async def _revoke(self, sessions: AsyncSessions, presented: bytes, connection: Any) -> tuple[bytes, ...]:
        if self._answer:
            # By its id: a parallel request may have given it another token meanwhile.
            await sessions.revoke_any(self._answer.id, connection=connection)
        else:
            await sessions.revoke(presented, connection=connection)
        return ()

    async def rotate(self, *, reauthenticated: bool = False, connection: Any = None) -> Session:
        """Give the session a new token, after a privilege change or another proof of who the user is.

        Raises:
            SignInRequired: There is no session any more.
        """
        rotated = await self.sessions.rotate(self.presented(), reauthenticated=reauthenticated, connection=connection)
        if isinstance(rotated, NotSignedIn):
            raise SignInRequired(rotated)
        self._issue(rotated.token, rotated.session)
        return rotated.session

    async def revoke_others(self) -> int:
        """End the user's other sessions and rotate this one's token (ASVS 7.4.3, rule L12).

        An API client keeps its bearer token: a new one could only reach it in a cookie.
        """
        session = await (self.require() if self._is_bearer() else self.rotate())
        return await self.sessions.revoke_others(session)

    async def start_anonymous(self, data: Mapping[str, Any]) -> Session:
        """Begin a session for a visitor with something to store; without that there is no row and no cookie."""
        return await self._begin(None, data=data)

    def _issue(self, token: Token, session: Session) -> None:
        self._presented = token.reveal().encode()
        self._settle(session)
        self._cookies = (set_cookie(self.settings.cookie, token.reveal(), self._max_age(session)),)

    def _max_age(self, session: Session) -> int | None:
        """Return how long the browser may keep the cookie: never longer than the session can live."""
        if not self._persists(session):
            return None
        end = session.expires_at
        return 2**31 if end is None else int((end - self.authority.now()).total_seconds())

    def _renewed_cookie(self, presented: bytes, answer: Session | NotSignedIn) -> tuple[bytes, ...]:
        """Return the cookie anew when an older key signed it, or when it could end before its session does.

        Done where the session was read from the store, so it costs a memory hit nothing.
        """
        if not answer or not isinstance(self.authority, AsyncSessions):
            return ()
        token = self.authority.renewed(presented)
        if token is None and self._persists(answer) and answer.expires_at is None:
            token = Token(presented.decode("ascii"))
        return () if token is None else (set_cookie(self.settings.cookie, token.reveal(), self._max_age(answer)),)

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
        return self._presented

    def _is_bearer(self) -> bool:
        return self._transport.is_bearer(self._headers)

    def header_lines(self, name: bytes) -> tuple[bytes, ...]:
        """Return the values of a header, one for each line."""
        return tuple(value for key, value in self._headers if key == name)

    def has_session_cookie(self) -> bool:
        """Tell whether the request carries a cookie of the session's name, and no bearer token instead."""
        return self._transport.has_cookie(self._headers)

    @property
    def bearer(self) -> bool:
        """Whether `Authorization: Bearer` is read."""
        return self._transport.bearer

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
            headers.append((b"vary", b"Cookie, Authorization" if self.bearer else b"Cookie"))
        if self._cookies:
            # A stored Set-Cookie would sign other people in (rule H2).
            headers[:] = [pair for pair in headers if pair[0].lower() != b"cache-control"]
            headers += [NO_STORE, *((b"set-cookie", line) for line in self._cookies)]
        if self.clear_site_data:
            headers.append((b"clear-site-data", b'"cookies", "storage"'))
