"""A WSGI request as the entries of an ASGI scope that sessions need, and where its context is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coatcheck.web.attached import attached
from coatcheck.web.pages import answer_to, in_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from wsgiref.types import WSGIEnvironment

    from coatcheck.web.context import RequestContext
    from coatcheck.web.pages import Answered
    from coatcheck.web.types import Scope

KEY = "coatcheck.context"

_HEADERS = tuple(
    (f"HTTP_{name.upper().replace('-', '_')}", name.encode())
    for name in (
        *("cookie", "authorization", "host", "origin", "sec-fetch-site"),
        *("x-forwarded-for", "user-agent", "accept", "sec-fetch-mode", "sec-fetch-dest"),
        *("secure-session-response", "sec-secure-session-id", "secure-session-skipped", "dpop"),
    )
)
"""The header lines that sessions look at; to make all of them anew for each request would cost more than the rest."""


def asked_of(environ: Mapping[str, Any]) -> Scope:
    """Return what is needed of every request.

    Servers join header lines of one name with commas (PEP 3333), cookies too: two of ours then read as one value that
    is no token, and a joined Origin as one that is none. Both are refused, as they should be (rules C7, X1).
    """
    address = environ.get("REMOTE_ADDR")
    return {
        "headers": [(name, environ[key].encode("latin-1")) for key, name in _HEADERS if key in environ],
        "client": (address, 0) if address else None,
    }


def scope_of(environ: Mapping[str, Any]) -> Scope:
    """Return what is needed of a request that may be refused, or answered in the application's place."""
    root, path = _text(environ, "SCRIPT_NAME"), _text(environ, "PATH_INFO")
    return {
        **asked_of(environ),
        "type": "http",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "root_path": root,
        "path": root + path,
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
    }


def _text(environ: Mapping[str, Any], name: str) -> str:
    # Octets in the guise of Latin-1 (PEP 3333).
    return str(environ.get(name, "")).encode("latin-1").decode("utf-8", "replace")


def context_of(environ: WSGIEnvironment) -> RequestContext:
    """Return the context that the middleware has attached.

    Raises:
        ConfigurationError: There is none: the middleware is missing.
    """
    how = "put it around: app = SessionMiddleware(app, sessions=…)"
    context: RequestContext = attached(environ, KEY, how)
    return context


def answered(error: Exception, environ: WSGIEnvironment) -> Answered:
    """Return the answer to a request that ended with one of `ANSWERED`: problem details, or a page's way to sign in.

    It is for frameworks that let no exception out to the middleware, which would answer so itself.

    Raises:
        ConfigurationError: The middleware is missing.
    """
    return in_text(answer_to(error, scope_of(environ), context_of(environ)))
