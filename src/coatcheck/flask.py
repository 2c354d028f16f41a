"""Flask: the extension, the verbs, the decorators, and `flask.session`.

>>> from coatcheck.flask import Coatcheck, current_session, login_required, sign_in, sign_out
"""

from __future__ import annotations

from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import click
from flask import Flask, Response, current_app, request
from flask.cli import with_appcontext
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.local import LocalProxy

from coatcheck.errors import ConfigurationError
from coatcheck.web.errors import RecentAuthRequired, SignInRequired
from coatcheck.web.pages import ANSWERED, answer_to, safe_next
from coatcheck.web.request_session import RequestSession
from coatcheck.wsgi.environment import context_of, scope_of
from coatcheck.wsgi.middleware import SessionMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from coatcheck.core.answers import NotSignedIn
    from coatcheck.core.session import Session
    from coatcheck.web.authority import Authority
    from coatcheck.web.context import RequestContext

__all__ = [
    "Coatcheck",
    "RecentAuthRequired",
    "SignInRequired",
    "current_session",
    "fresh_required",
    "login_required",
    "revoke_others",
    "rotate",
    "safe_next",
    "sign_in",
    "sign_out",
]

P = ParamSpec("P")
R = TypeVar("R")

_EXTENSION = "coatcheck"


class Coatcheck:
    """The extension: `Coatcheck(app, sessions)`, or `init_app` later.

    It puts the trust boundary around the application, answers what handlers refuse, and keeps `flask.session` in the
    session's data.
    """

    def __init__(self, app: Flask | None = None, sessions: Authority | None = None, **settings: Any) -> None:
        """Keep the configuration, and set up the application if it is there already.

        Args:
            app: The application.
            sessions: Where sessions are validated: `Sessions`, or `ProviderSessions`.
            **settings: The fields of `WebSettings`, such as `cookie` or `sign_in_path`; and `user_key`, the key of
                `flask.session` under which the application keeps the id of the user: setting it signs in under a new
                token, removing it signs out. With Flask-Login it is "_user_id".
        """
        self._sessions = sessions
        self._user_key: str | None = settings.pop("user_key", None)
        self._settings = settings
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, sessions: Authority | None = None) -> None:
        """Set up an application.

        Raises:
            ConfigurationError: There are no sessions, or a setting is wrong.
            SchemaError: The tables are missing, older or newer, or have been altered.
        """
        sessions = sessions or self._sessions
        if sessions is None:
            msg = "Coatcheck(app) needs sessions: Coatcheck(app, Sessions('sqlite:///app.db'))"
            raise ConfigurationError(msg)
        middleware = SessionMiddleware(app.wsgi_app, sessions, **self._settings)
        app.wsgi_app = middleware  # type: ignore[method-assign]
        app.extensions[_EXTENSION] = middleware
        app.session_interface = CoatcheckSessionInterface(self._user_key)
        for error in ANSWERED:
            app.register_error_handler(error, _answer)
        app.cli.add_command(_command)


def _context() -> RequestContext:
    return context_of(request.environ)


def _answer(error: Exception) -> Response:
    status, headers, body = answer_to(error, scope_of(request.environ), _context())
    return Response(body, status, [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])


# --- verbs


def _current() -> Session | NotSignedIn:
    return context_of(request.environ).session()


current_session = cast("Session", LocalProxy(_current))
"""The session of this request; false, as a `NotSignedIn`, when nobody is signed in. An outage raises `Unavailable`."""


def sign_in(
    user_id: str, *, data: Mapping[str, Any] | None = None, remember: bool = False, transaction: Any = None
) -> Session:
    """Begin a session for a user who has just proved who they are; the response brings the cookie.

    Args:
        user_id: The user.
        data: The application's data.
        remember: Whether the cookie outlives the browser's window, with the policy's longer durations.
        transaction: The caller's own database connection, inside a transaction.

    Raises:
        LimitReached: The user has too many sessions, and the policy evicts none.
    """
    return _context().sign_in(user_id, data=data, remember=remember, connection=transaction)


def sign_out(*, transaction: Any = None) -> None:
    """End the session everywhere and take back the cookie."""
    _context().sign_out(connection=transaction)


def rotate(*, reauthenticated: bool = False) -> Session:
    """Give the session a new token: after a change of privileges, or after the user proved again who they are.

    Raises:
        SignInRequired: The session has ended meanwhile.
    """
    return _context().rotate(reauthenticated=reauthenticated)


def revoke_others() -> int:
    """End the user's other sessions and rotate this one's token (ASVS 7.4.3); returns how many ended.

    Raises:
        SignInRequired: There is no session.
    """
    return _context().revoke_others()


# --- decorators


def login_required(view: Callable[P, R]) -> Callable[P, R]:
    """Let a view be called only for a user who is signed in; others get 401, or the sign-in page."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        _context().require()
        return _called(view, *args, **kwargs)

    return guarded


def fresh_required(within: timedelta, grace: timedelta | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view be called only for a user who proved who they are at most `within` ago (ASVS 7.5.1, rule A1).

    Args:
        within: How long ago.
        grace: For how much longer a form that was begun in time may be sent: anything but GET and HEAD.
    """

    def decorated(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            sends = grace is not None and request.method not in {"GET", "HEAD"}
            _context().require_recent_auth(within + grace if sends and grace is not None else within)
            return _called(view, *args, **kwargs)

        return guarded

    return decorated


def _called(view: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    # Views may be coroutines, which Flask runs.
    return cast("R", current_app.ensure_sync(view)(*args, **kwargs))


# --- flask.session


class FlaskSession(RequestSession, SessionMixin):
    """`flask.session`, kept in the session's data."""


class CoatcheckSessionInterface(SessionInterface):
    """What makes `flask.session` go on working: only changed keys are written, and nothing by a request that reads."""

    def __init__(self, user_key: str | None = None) -> None:
        """Keep the key under which the application keeps the id of its user."""
        self._user_key = user_key

    def open_session(self, app: Flask, request: Any) -> FlaskSession:  # noqa: ARG002 - as Flask calls it
        """Read the session's data; an outage is raised to whoever looks at it."""
        session = FlaskSession(context_of(request.environ), self._user_key)
        session.load()
        return session

    def save_session(self, app: Flask, session: SessionMixin, response: Any) -> None:  # noqa: ARG002 - likewise
        """Write what has changed; the middleware adds the cookie."""
        if isinstance(session, FlaskSession):
            session.commit()

    def is_null_session(self, obj: object) -> bool:  # noqa: ARG002 - there is always a mapping
        """Return False: there is always a session to write to."""
        return False


# --- command line


@click.command("coatcheck", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@with_appcontext
def _command(arguments: tuple[str, ...]) -> None:
    """Look after the application's sessions, as `coatcheck` does: flask coatcheck sessions list, sweep, check."""
    middleware: SessionMiddleware = current_app.extensions[_EXTENSION]
    main = import_module("coatcheck.cli").main  # which stands above: it knows every framework
    raise SystemExit(main(arguments, middleware=middleware))
