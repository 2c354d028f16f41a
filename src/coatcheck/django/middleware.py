"""The middleware that stands where Django's `SessionMiddleware` stood: the same, and it knows what an outage is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.sessions import middleware
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted

from coatcheck.actors import request_begins, request_ends
from coatcheck.core.cookies import find_cookies
from coatcheck.django.answers import answer_to, never_stored, unavailable, vary_by_cookie
from coatcheck.django.cookies import send_lines, send_session_cookie
from coatcheck.django.running import running
from coatcheck.django.sessions import SessionStore
from coatcheck.django.streams import end_with
from coatcheck.web.pages import ANSWERED

if TYPE_CHECKING:
    from contextvars import Token

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from coatcheck.actors import Acting, Actor
    from coatcheck.errors import Unavailable

_SERVER_ERROR = 500
_INTERRUPTED: Final = (
    "The request's session was deleted before the request completed. "
    "The user may have logged out in a concurrent request, for example."
)
"""What Django's middleware says in the same case."""
_KEY: Final = re.compile(rb"[A-Za-z0-9._-]{32,512}")


class SessionMiddleware(middleware.SessionMiddleware):
    """Attaches `request.session`, saves it and sets its cookie, in an event loop without a thread.

    What it adds to Django's: a store that does not answer makes a 503 with Retry-After and never a sign-out (rule S9),
    wherever in the request it was noticed; a missing or too old authentication becomes 401 or the sign-in page; and
    a response with the cookie is stored by no cache (rule H2); and a streaming response ends with its session (X8).
    """

    def __init__(self, get_response: Any) -> None:
        """Read the settings, so that a wrong one fails when the server starts.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        super().__init__(get_response)
        self._inner: Any = get_response
        self._keeps_trail = running.wiring().settings.policy.audit_keep_for is not None

    def __call__(self, request: HttpRequest) -> Any:
        """Serve a request, or in an event loop return what serves it."""
        if self.async_mode:
            return self.__acall__(request)
        self.process_request(request)
        before = self._begins(request)
        try:
            return self.process_response(request, self._inner(request))
        finally:
            if before is not None:
                request_ends(before)

    def _begins(self, request: HttpRequest) -> Token[Actor | Acting] | None:
        """Have the audit trail know who has made the request, where there is one."""
        session: Any = request.session
        return request_begins(session) if self._keeps_trail and isinstance(session, SessionStore) else None

    def process_request(self, request: HttpRequest) -> None:
        """Attach the session; nothing is read before somebody looks at it."""
        session: Any = self.SessionStore(_key_in(request))
        request.session = session
        if isinstance(session, SessionStore):
            session.seen_in(request.META)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Answer what a view was ended by on purpose."""
        return answer_to(exception, request) if isinstance(exception, ANSWERED) else None

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Save the session if it was changed, and say in the response what depends on it."""
        session: Any = getattr(request, "session", None)
        if isinstance(session, SessionStore):
            try:
                if session.joined:
                    session.settle()
                if _is_to_be_saved(session, response):
                    session.save()
                    session.saved_ahead()
                    if session.verifies_key:
                        session.look_again()
                if _is_due(session, response) and session.renew():
                    _bring_cookie(session)
            except UpdateError as error:
                raise SessionInterrupted(_INTERRUPTED) from error
            except ANSWERED as error:
                return _finished(session, answer_to(error, request))
        return self._respond(request, response)

    def _respond(self, request: HttpRequest, response: Any) -> Any:
        session: Any = getattr(request, "session", None)
        if isinstance(session, SessionStore) and session.is_only_read and not _saves_every_request():
            if session.accessed:
                vary_by_cookie(response)
            return _finished(session, response)
        if (outage := _outage_of(session)) is not None and response.status_code >= _SERVER_ERROR:
            # Whoever saw the exception first has made a 500 of it.
            return _finished(session, unavailable(outage))
        try:
            return _finished(session, super().process_response(request, response))
        except ANSWERED as error:
            return _finished(session, answer_to(error, request))

    async def __acall__(self, request: HttpRequest) -> Any:
        """Serve a request in an event loop."""
        self.process_request(request)
        before = self._begins(request)
        try:
            response: Any = await self._inner(request)
            return await self._aprocess_response(request, response)
        finally:
            if before is not None:
                request_ends(before)

    async def _aprocess_response(self, request: HttpRequest, response: Any) -> Any:
        session: Any = getattr(request, "session", None)
        if not isinstance(session, SessionStore):
            return await sync_to_async(self.process_response)(request, response)
        try:
            if session.joined:
                await session.asettle()
            if _saves_every_request():
                await session.aread_quietly()
            if _is_to_be_saved(session, response):
                await session.asave()
                session.saved_ahead()
                if session.verifies_key:
                    await session.alook_again()
            if _is_due(session, response) and await session.arenew():
                _bring_cookie(session)
        except UpdateError as error:
            raise SessionInterrupted(_INTERRUPTED) from error
        except ANSWERED as error:
            return _finished(session, answer_to(error, request))
        return self._respond(request, response)


def _key_in(request: HttpRequest) -> str | None:
    """Return the key in a request's cookie, read byte for byte; of two that are possible neither counts (rule C7).

    Django takes the last one, and trims from names what Unicode calls white space: then a cookie that a sibling domain
    can plant passes for one whose name begins with "__Host-" (rule C8).
    """
    name, header = django_settings.SESSION_COOKIE_NAME, request.META.get("HTTP_COOKIE")
    if header is None:
        return request.COOKIES.get(name)  # of a request that somebody has made by hand
    found = find_cookies(header.encode("latin-1", "replace"), name.encode())
    keys = found if len(found) == 1 else {value for value in found if _KEY.fullmatch(value)}
    return "".join(value.decode("latin-1") for value in keys) if len(keys) == 1 else None


def _is_to_be_saved(session: SessionStore, response: Any) -> bool:
    """Tell whether Django's middleware would save a session: ours does so before it, and before a new key is due."""
    changed = session.modified or _saves_every_request()
    return changed and response.status_code < _SERVER_ERROR and not session.is_empty()


def _is_due(session: Any, response: Any) -> bool:
    return isinstance(session, SessionStore) and session.due and response.status_code < _SERVER_ERROR


def _bring_cookie(session: SessionStore) -> None:
    """Have Django set the cookie of a session that has a new key, and not save it for that: no timer may move (L5)."""
    if not session.modified and not _saves_every_request():
        session.modified = True
        session.saved_ahead()


def _not_again(session: SessionStore, response: Any) -> None:
    """Leave out a key that the browser has: another request may have brought the next one, and it must stay (L17)."""
    name = django_settings.SESSION_COOKIE_NAME
    sent = name in response.cookies and bool(response.cookies[name].value)
    if sent and session.has_known_key and not session.verifies_key:
        del response.cookies[name]


def _bring_cookies(session: SessionStore, response: Any) -> None:
    """Bring the browser what it needs of a session that has become another one, whatever the response says."""
    if (
        session.unsent
        and session.session_key
        and not session.has_known_key
        and django_settings.SESSION_COOKIE_NAME not in response.cookies
    ):
        send_session_cookie(response, session)
        vary_by_cookie(response)
    if session.cookies_beside:
        send_lines(response, session.cookies_beside.values())
        vary_by_cookie(response)
        never_stored(response)


def _saves_every_request() -> bool:
    return bool(django_settings.SESSION_SAVE_EVERY_REQUEST)


def _outage_of(session: Any) -> Unavailable | None:
    return session.outage if isinstance(session, SessionStore) else None


def _finished(session: Any, response: Any) -> Any:
    if isinstance(session, SessionStore):
        if response.streaming and session.record is not None:
            end_with(session.record, response)
        _not_again(session, response)
        _bring_cookies(session, response)
    if response.cookies and django_settings.SESSION_COOKIE_NAME in response.cookies:
        never_stored(response)
    return response
