"""Flask: the extension, the verbs, the decorators, and `flask.session`.

>>> from coatcheck.flask import Coatcheck, current_session, login_required, sign_in, sign_out
"""

from __future__ import annotations

import json
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import click
from flask import Flask, Response, abort, current_app, g, request
from flask.cli import with_appcontext
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.local import LocalProxy

from coatcheck.core.api_tokens import ApiToken
from coatcheck.core.transport import bearer_token
from coatcheck.errors import ConfigurationError
from coatcheck.web.bearer import Bearer
from coatcheck.web.bearer_answers import wanted
from coatcheck.web.errors import DeviceBindingRequired, RecentAuthRequired, SignInRequired
from coatcheck.web.pages import ANSWERED, safe_next
from coatcheck.web.request_session import RequestSession
from coatcheck.web.verbs import grace_for
from coatcheck.wsgi.environment import KEY, answered, asked_of, context_of, scope_of
from coatcheck.wsgi.middleware import SessionMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    from coatcheck.core.answers import NotSignedIn
    from coatcheck.core.session import Session
    from coatcheck.web.authority import Authority
    from coatcheck.web.bearer import Accepted
    from coatcheck.web.context import RequestContext
    from coatcheck.web.types import Headers

__all__ = [
    "ApiGuard",
    "Coatcheck",
    "DeviceBindingRequired",
    "RecentAuthRequired",
    "SignInRequired",
    "current_session",
    "device_bound_required",
    "fresh_required",
    "login_required",
    "own_session_required",
    "revoke_others",
    "rotate",
    "safe_next",
    "sign_in",
    "sign_out",
]

P = ParamSpec("P")
R = TypeVar("R")

_EXTENSION = "coatcheck"
_OUTSIDE = "coatcheck.outside"
_tags = TaggedJSONSerializer()


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
    return Response(*answered(error, request.environ))


# --- verbs


def _current() -> Session | NotSignedIn:
    return context_of(request.environ).session()


current_session = cast("Session", LocalProxy(_current))
"""The session of this request, a visitor's too, whose `user_id` is None; false, as a `NotSignedIn`, where there is
none. An outage raises `Unavailable`."""


def sign_in(
    user_id: str,
    *,
    data: Mapping[str, Any] | None = None,
    remember: bool = False,
    methods: Sequence[str] = (),
    acr: str | None = None,
    actor_id: str | None = None,
    transaction: Any = None,
) -> Session:
    """Begin a session for a user who has just proved who they are; the response brings the cookie.

    Args:
        user_id: The user.
        data: The application's data.
        remember: Whether the cookie outlives the browser's window, with the policy's longer durations.
        methods: How the user has proved it, by the names of RFC 8176 such as "pwd" and "otp".
        acr: The level of that, as an identity provider or the application calls it.
        actor_id: Who will act as the user, if it is somebody else.
        transaction: The caller's own database connection, inside a transaction.

    Raises:
        LimitReached: The user has too many sessions, and the policy evicts none.
    """
    return _context().sign_in(
        user_id,
        data=data,
        remember=remember,
        methods=methods,
        acr=acr,
        actor_id=actor_id,
        connection=transaction,
    )


def sign_out(*, transaction: Any = None) -> None:
    """End the session everywhere and take back the cookie."""
    _context().sign_out(connection=transaction)


def rotate(*, reauthenticated: bool = False, methods: Sequence[str] = (), acr: str | None = None) -> Session:
    """Give the session a new token: after a change of privileges, or after the user proved again who they are.

    Args:
        reauthenticated: Whether the user has just proved it, which starts both timers anew.
        methods: How they have; naming one says that they have.
        acr: The level of that; None leaves what there was.

    Raises:
        SignInRequired: The session has ended meanwhile.
    """
    return _context().rotate(reauthenticated=reauthenticated, methods=methods, acr=acr)


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


def fresh_required(
    within: timedelta, grace: timedelta | None = None, *, factors: int = 1
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view be called only for a user who proved who they are at most `within` ago (ASVS 7.5.1, rule A1).

    Args:
        within: How long ago.
        grace: For how much longer a form that was begun in time may be sent: all but GET, HEAD and OPTIONS.
        factors: Of how many kinds the proofs must be (rule A2).
    """

    def decorated(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            _context().require_recent_auth(within, factors=factors, grace=grace_for(request.method, grace))
            return _called(view, *args, **kwargs)

        return guarded

    return decorated


def device_bound_required(view: Callable[P, R]) -> Callable[P, R]:
    """Let a view be called only in a session that belongs to the device which sends the request; others get 403."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        _context().require_device_bound()
        return _called(view, *args, **kwargs)

    return guarded


def own_session_required(view: Callable[P, R]) -> Callable[P, R]:
    """Let a view be called only in a user's own session, and not for somebody who acts as them; others get 403."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        _context().require_own_session()
        return _called(view, *args, **kwargs)

    return guarded


class ApiGuard:
    """Asks programs for their token: `ApiGuard(api_tokens)`, or with access tokens too `ApiGuard(api_tokens, pairs)`.

    It needs no extension, and looks at `Authorization: Bearer` only.
    """

    def __init__(self, *accepted: Accepted, realm: str = "api") -> None:
        """Keep which tokens are accepted, and what `WWW-Authenticate` calls all this.

        Raises:
            ConfigurationError: Nothing is accepted, or the realm cannot stand in a header.
        """
        self._bearer = Bearer(accepted, realm=realm)

    def scopes_required(self, *scopes: str, or_session: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Let a view be called only with a token that has all of these scopes; it is `flask.g.api_token` there.

        Args:
            *scopes: The scopes.
            or_session: Whether a request without a token may go on with the session of a signed-in user instead.
        """
        needed = wanted(scopes)

        def decorated(view: Callable[P, R]) -> Callable[P, R]:
            @wraps(view)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
                headers = asked_of(request.environ)["headers"]
                if or_session and bearer_token(headers) is None:
                    _context().require()
                else:
                    answer = self._bearer.judge(headers, needed)
                    if not isinstance(answer, ApiToken):
                        abort(Response(*answer.answered()))
                    g.api_token = answer
                return _called(view, *args, **kwargs)

            return guarded

        return decorated


def _called(view: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    # Views may be coroutines, which Flask runs.
    return cast("R", current_app.ensure_sync(view)(*args, **kwargs))


# --- flask.session


class FlaskSession(RequestSession, SessionMixin):
    """`flask.session`, kept in the session's data; tuples, bytes, times, UUIDs and Markup in Flask's own tagged JSON.

    Attributes:
        outside: The context of a request that did not come through the middleware, as in Flask's own test client.
    """

    outside: RequestContext | None = None
    accessed = False  # Flask notes it

    def _encoded(self, value: Any) -> str:
        try:
            return _tags.dumps(value)
        except TypeError:
            return repr(value)  # it is refused when it is to be written, in words of ours

    def _decoded(self, data: dict[str, Any]) -> dict[str, Any]:
        # Only a JSON object or list can hold a tag.
        nested = (key for key, value in data.items() if isinstance(value, (dict, list)))
        return {**data, **{key: _tags.loads(json.dumps(data[key])) for key in nested}}

    def _plain(self, value: Any) -> Any:
        return _tags.tag(value)

    @property
    def modified(self) -> bool:
        """Whether anything has changed, inside of values too; nobody has to say so."""
        return self._data is not None and any(self._changes(self._data))

    @modified.setter
    def modified(self, value: bool) -> None:
        """Do nothing: what has changed is compared."""


class CoatcheckSessionInterface(SessionInterface):
    """What makes `flask.session` go on working: only changed keys are written, and nothing by a request that reads."""

    def __init__(self, user_key: str | None = None) -> None:
        """Keep the key under which the application keeps the id of its user."""
        self._user_key = user_key

    def open_session(self, app: Flask, request: Any) -> FlaskSession:
        """Read the session's data; an outage is raised to whoever looks at it."""
        environ = request.environ
        if KEY not in environ:
            # `test_request_context`, or `session_transaction` of the test client; either may open it twice.
            middleware: SessionMiddleware = app.extensions[_EXTENSION]
            environ[_OUTSIDE] = middleware.attach(environ, scope_of(environ))
        session = FlaskSession(context_of(environ), self._user_key)
        session.outside = environ.get(_OUTSIDE)
        session.load()
        return session

    def save_session(self, app: Flask, session: SessionMixin, response: Any) -> None:  # noqa: ARG002 - as Flask calls it
        """Write what has changed; the middleware adds the cookie."""
        if not isinstance(session, FlaskSession):
            return
        session.commit()
        if session.outside is not None:
            lines: Headers = []
            session.outside.finish(lines)
            for name, value in lines:
                response.headers.add(name.decode("latin-1"), value.decode("latin-1"))

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
