# Generated from web/async_asking.py by tools/generate_sync.py: edit that, run `make generate`.
"""Asking whose request this is, and refusing it where that is not enough."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from coatcheck._sync.sessions import Sessions
from coatcheck.core.addresses import network_of
from coatcheck.core.answers import NotSignedIn
from coatcheck.core.cookies import set_cookie
from coatcheck.core.drafts import printable
from coatcheck.core.refusals import refuse
from coatcheck.core.tokens import Token
from coatcheck.core.transport import has_one
from coatcheck.errors import CoatcheckError, ImpersonationRefused
from coatcheck.web import device_gate
from coatcheck.web.authority import own
from coatcheck.web.errors import DeviceBindingRequired, RecentAuthRequired, SignInRequired
from coatcheck.web.request_parts import RequestParts

if TYPE_CHECKING:
    from collections.abc import Callable

    from coatcheck._sync.devices import Devices
    from coatcheck.core.answers import Source
    from coatcheck.core.session import Session
    from coatcheck.web.authority import Authority
    from coatcheck.web.proof_gate import ProofGate
    from coatcheck.web.types import Headers

_log = logging.getLogger("coatcheck")


class AskingContext(RequestParts):
    """Who is signed in.

    Nothing is read before somebody asks, and asking in any form is noted, because the response then depends on
    the cookie (rule H1).
    """

    __slots__ = ("_answer", "_bound", "_presented", "_proof", "authority", "devices", "due", "on_session", "source")

    authority: Authority
    devices: Devices | None
    due: bool
    """Whether the response is to bring the browser another token, in a periodic rotation."""
    on_session: Callable[[Session, bytes], None] | None
    """Called with session and token when it becomes known whose request this is, and again when that changes."""
    source: Source | None
    """Which tier answered; None before, or when nothing had to be read."""
    _answer: Session | NotSignedIn | None
    _presented: bytes | None
    _bound: bool
    _proof: ProofGate | None

    @property
    def sessions(self) -> Sessions:
        """The sessions, with all their verbs.

        Raises:
            IssuedElsewhere: They are a provider's, which alone can begin and change them.
        """
        return own(self.authority)

    def presented(self) -> bytes:
        """Return the token that the request carries, or nothing."""
        self.consulted = True
        if self._presented is None:
            self._presented = self._transport.find(self._headers, self.authority.well_formed)
            if self._came_by_imported_cookie() and not self._can_be_imported(self._presented):
                self._presented = b""  # anybody may have planted a token of ours there
        return self._presented

    def session(self) -> Session | NotSignedIn:
        """Return who is signed in, or why nobody is; asked once for each request.

        Raises:
            Unavailable: The store did not answer; the middleware makes it a 503.
            DeviceProofAwaited: The session is bound, and its browser has to come again; the middleware tells it so.
        """
        self.consulted = True
        if self._answer is not None:
            return self._answer
        answer = self.read()
        if answer:
            if answer.device_bound or self._proof is not None:
                # Whoever has no proof gets no other token: the owner's would be retired by it.
                due, self.due = self.due, False
                answer = self._proven(answer)
                self.due = due and bool(answer)
            if answer and self.authority.notes_clients:
                self._notice_client(answer)
        self._settle(answer)
        return answer

    def read(self) -> Session | NotSignedIn:
        """Return whose session's cookie the request carries, from whatever device; `session` is what to trust.

        Raises:
            Unavailable: The store did not answer.
        """
        presented = self.presented()
        if not presented:
            return NotSignedIn.NO_TOKEN
        session = self.authority.lookup(presented)
        if session is None:
            return self._ask(presented)
        self.source = "memory"
        return session

    def _proven(self, session: Session) -> Session | NotSignedIn:
        """Return a session if this request has the right to it, by its key or by its device."""
        if session.key_thumbprint is None and session.device_bound:
            answer, detail = self._from_device(session), ""
        else:
            answer = NotSignedIn.DEVICE if self._proof is None else self._proof.judged(session)
            detail = "" if self._proof is None else self._proof.error[0]
        if not answer and (self._proof is None or not self._proof.wants_nonce):
            self.sessions.note_unproven(session, ip=self.client_ip(), detail=detail)
        return answer

    def proof_key(self) -> str:
        """Return the thumbprint of the key that has signed this request, to bind a new token to it.

        Raises:
            ProofRejected: There is no proof, or it does not count; the middleware answers 400.
            ConfigurationError: The middleware has no `dpop=`.
            Unavailable: The store did not answer.
        """
        self.consulted = True  # or nothing would be added to the response
        if self._proof is None:
            refuse("dpop", None, "give the middleware dpop=DPoP(origins=…)")
        return self._proof.key()

    @property
    def challenges(self) -> Headers:
        """The lines of WWW-Authenticate that say how tokens are presented, where `Authorization` is read."""
        bearer = self._transport.bearer
        if self._proof is None:
            return [(b"www-authenticate", b"Bearer")] if bearer else []
        return self._proof.challenges(bearer=bearer)

    def _from_device(self, session: Session) -> Session | NotSignedIn:
        """Return a bound session if its device sends this request; its cookie alone is worthless."""
        self._bound = True
        if device_gate.admits(self.devices, session, self._headers):
            return session
        return device_gate.refused(self.devices, session, self._headers, self.authority.now())

    def _settle(self, answer: Session | NotSignedIn) -> None:
        self._answer = answer
        if answer and self.on_session is not None:
            self.on_session(answer, self._presented or b"")

    def _ask(self, presented: bytes) -> Session | NotSignedIn:
        validated = self.authority.ask(presented)
        self.source = validated.source
        if not self.is_bearer():  # which no response could bring another one
            self.due = validated.due
            self._cookies = validated.set_cookies or self._renewed_cookie(presented, validated.answer)
        return validated.answer

    def require(self) -> Session:
        """Return the session, or end the request.

        Raises:
            SignInRequired: Nobody is signed in; the middleware answers 401, or redirects a browser page.
            Unavailable: The store did not answer.
        """
        answer = self.session()
        if not answer or answer.user_id is None:
            raise SignInRequired(answer if isinstance(answer, NotSignedIn) else NotSignedIn.NO_TOKEN)
        return answer

    def require_recent_auth(self, max_age: timedelta, *, factors: int = 1, grace: timedelta = timedelta(0)) -> Session:
        """Return the session of a user who proved who they are at most `max_age` ago, or end the request.

        Args:
            max_age: How old the proofs may be.
            factors: Of how many kinds they must be (rule A2).
            grace: How much older they may be in this request: for one that sends a form which was shown in time.

        Raises:
            SignInRequired: Nobody is signed in.
            RecentAuthRequired: The authentication is older; activity does not make it younger.
            ImpersonationRefused: Somebody acts in the session as its user, whom they cannot prove to be.
        """
        session = self.require_own_session()
        if not session.authenticated_within(max_age + grace, self.authority.now(), factors=factors):
            raise RecentAuthRequired(max_age, factors)
        return session

    def require_own_session(self) -> Session:
        """Return the session of a signed-in user in which nobody else acts, or end the request.

        It is for what belongs to the user alone, such as their password, address and second factors.

        Raises:
            SignInRequired: Nobody is signed in.
            ImpersonationRefused: Somebody acts in the session as its user.
        """
        session = self.require()
        if session.actor_id is not None:
            raise ImpersonationRefused("this is for the user alone, and somebody acts as them")
        return session

    def require_device_bound(self) -> Session:
        """Return the session of a signed-in user that is bound to the device which sends this, or end the request.

        Raises:
            SignInRequired: Nobody is signed in.
            DeviceBindingRequired: The session is not bound: the browser cannot, or has not yet.
        """
        session = self.require()
        if not session.device_bound:
            raise DeviceBindingRequired
        return session

    def max_age(self, session: Session) -> int | None:
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
        if not answer or not isinstance(self.authority, Sessions):
            return ()
        token = self.authority.renewed(presented)
        imported = self._came_by_imported_cookie()
        if self.authority.policy.rotate_after is not None:
            # Sent again, a token could come back that has been retired when the response is there.
            self.due |= imported or token is not None
            return ()
        if token is None and (imported or (answer.expires_at is None and self._persists(answer))):
            token = Token(presented.decode("ascii"))
        return () if token is None else (set_cookie(self.settings.cookie, token.reveal(), self.max_age(answer)),)

    def _came_by_imported_cookie(self) -> bool:
        """Tell whether the token stands in the cookie of the library before: there is none of ours."""
        names = self._transport.cookies
        if len(names) == 1 or not isinstance(self.authority, Sessions):
            return False
        return not self.is_bearer() and not has_one(self._headers, names[:1])

    def _can_be_imported(self, token: bytes) -> bool:
        imported = self.authority.imported if isinstance(self.authority, Sessions) else None
        return imported is not None and imported.well_formed(token)

    def _persists(self, session: Session) -> bool:
        return session.remember or self.settings.cookie.persistent

    def _notice_client(self, session: Session) -> None:
        ip, agent = self.client_ip(), printable(self.user_agent())
        moved = ip is not None and (session.ip is None or network_of(ip) != network_of(session.ip))
        if not moved and (agent or None) == session.user_agent:
            return
        try:
            self.sessions.note_client(session, ip=ip, user_agent=agent)
        except CoatcheckError as error:
            # A signal that gets lost must not cost a valid session its request.
            _log.warning("coatcheck.client_unnoted", extra={"reason": str(error)})
