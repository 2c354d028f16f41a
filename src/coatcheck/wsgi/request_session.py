"""The session's data as a mapping, for WSGI frameworks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.web.attached import attached
from coatcheck.web.request_session import RequestSession
from coatcheck.wsgi.environment import context_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from coatcheck.wsgi.middleware import Fault

_KEY = "coatcheck.session"


def request_session(environ: WSGIEnvironment) -> RequestSession:
    """Return the session's data as a mapping; what has changed when the response begins is written.

    Raises:
        ConfigurationError: There is no `RequestSessionMiddleware`.
    """
    how = "put it inside of SessionMiddleware: RequestSessionMiddleware(app)"
    session: RequestSession = attached(environ, _KEY, how, by="RequestSessionMiddleware")
    return session


class RequestSessionMiddleware:
    """Puts a `RequestSession` where `request_session` finds it; inside of `SessionMiddleware`."""

    def __init__(self, app: WSGIApplication, user_key: str | None = None) -> None:
        """Wrap an application.

        Args:
            app: The application.
            user_key: The key under which the application keeps the id of the user who has signed in, as "user_id":
                setting it signs them in under a new token (rule L1), and removing it signs them out.
        """
        self.app = app
        self._user_key = user_key

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        session = environ[_KEY] = RequestSession(context_of(environ), self._user_key)
        session.load()

        def start(
            status: str, headers: list[tuple[str, str]], fault: Fault | None = None, /
        ) -> Callable[[bytes], object]:
            if fault is not None:  # in place of a response that has begun, and has been written
                return start_response(status, headers, fault)
            session.commit()
            return start_response(status, headers)

        return self.app(environ, start)
