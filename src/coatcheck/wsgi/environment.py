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
    from coatcheck.web.types import Headers, Scope

KEY = "coatcheck.context"

_HEADER = "HTTP_"


def scope_of(environ: Mapping[str, Any]) -> Scope:
    """Return what sessions need of a request.

    Servers join header lines of one name with commas (PEP 3333), cookies too: two of ours then read as one value that
    is no token, and a joined Origin as one that is none. Both are refused, as they should be (rules C7, X1).
    """
    root, path = _text(environ, "SCRIPT_NAME"), _text(environ, "PATH_INFO")
    address = environ.get("REMOTE_ADDR")
    return {
        "type": "http",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "root_path": root,
        "path": root + path,
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "headers": _headers(environ),
        "client": (address, 0) if address else None,
    }


def _text(environ: Mapping[str, Any], name: str) -> str:
    # Octets in the guise of Latin-1 (PEP 3333).
    return str(environ.get(name, "")).encode("latin-1").decode("utf-8", "replace")


def _headers(environ: Mapping[str, Any]) -> Headers:
    return [
        (name[len(_HEADER) :].replace("_", "-").lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in environ.items()
        if name.startswith(_HEADER)
    ]


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
