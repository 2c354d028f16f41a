# Generated from django/async_request_context.py by tools/generate_sync.py: edit that, run `make generate`.
"""A request of Django's, as the verbs for browsers with several sessions want it. Generated from the asyncio side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.contrib.auth import login, logout

from coatcheck.core.credentials import presented_bytes
from coatcheck.django.cookies import cookie_settings
from coatcheck.django.previous import token_of
from coatcheck.django.running import running
from coatcheck.django.stored import EXPIRY_KEY
from coatcheck.django.switching import session_to_leave
from coatcheck.errors import ConfigurationError
from coatcheck.web.context import RequestContext
from coatcheck.web.settings import WebSettings
from coatcheck.wsgi.environment import asked_of

if TYPE_CHECKING:
    from django.http import HttpRequest

    from coatcheck._sync.sessions import Sessions
    from coatcheck.core.answers import NotSignedIn
    from coatcheck.core.session import Session
    from coatcheck.core.tokens import Token
    from coatcheck.django.switching import Entering


class DjangoContext(RequestContext):
    """Its session is `request.session`, and who signs in or out does so by Django's own functions."""

    __slots__ = ("_entering", "_request", "_session", "has_entered")

    def __init__(self, request: HttpRequest, sessions: Sessions, entering: Entering | None = None) -> None:
        """Attach to a request.

        Args:
            request: The request.
            sessions: The open sessions.
            entering: Who signs in by it, if somebody does.

        Raises:
            ConfigurationError: The session, its middleware or the settings of its cookie do not allow it.
        """
        wiring = running.wiring()
        settings = WebSettings(
            cookie=cookie_settings(), trusted_hops=wiring.trusted_hops, most_accounts=wiring.most_accounts
        )
        transport = sessions.transport(settings.cookie.name, bearer=False)
        super().__init__(asked_of(request.META), sessions, settings, transport)
        self._request = request
        self._session = session_to_leave(request)
        self._entering = entering
        self.has_entered = False
        """Whether Django's `login` was called."""

    def presented(self) -> bytes:
        """Return the token of the session."""
        key = self._session.session_key
        return b"" if key is None else presented_bytes(token_of(key, self.sessions))

    def session(self) -> Session | NotSignedIn:
        """Return who is signed in, or why nobody is.

        Raises:
            Unavailable: The store did not answer.
        """
        return self._session.current()

    def sign_in(self, user_id: str, **how: Any) -> Session:  # noqa: ARG002 - they are Django's to say
        """Sign in by Django's own function: its signal is sent, and what a visitor has stored moves along.

        Raises:
            LimitReached: The user has too many sessions, and the policy evicts none.
        """
        if self._entering is None:
            msg = "nobody was named who could sign in"
            raise ConfigurationError(msg)
        self.has_entered = True
        login(self._request, self._entering.user, self._entering.backend)
        self._session.save()
        self._session.is_saved()
        return self.require()

    def sign_out(self, *, connection: Any = None) -> None:  # noqa: ARG002 - the engine knows it
        """Sign out by Django's own function, which sends its signal."""
        if self._session.session_key is not None:
            logout(self._request)

    def issue(self, token: Token, session: Session) -> None:
        """Have the request be this session's from now on, and the browser, too."""
        self._session.take_up(session, token)

    def send_cookie(self, name: str, line: bytes) -> None:
        """Have the response set another cookie."""
        self._session.cookies_beside[name] = line

    def max_age(self, session: Session) -> int | None:
        """Return how long the browser may keep a cookie of this session; None until it is closed."""
        closes = django_settings.SESSION_EXPIRE_AT_BROWSER_CLOSE
        expiry = session.data.get(EXPIRY_KEY)
        if closes if expiry is None else expiry == 0:
            return None
        return super().max_age(session)
