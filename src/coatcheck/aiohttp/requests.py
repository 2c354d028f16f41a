"""A request of aiohttp as the entries of an ASGI scope that sessions need, and what we keep in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp.web import RequestKey

from coatcheck.aiohttp.responses import WatchedResponse
from coatcheck.web.attached import attached

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest

    from coatcheck.web.async_context import RequestContext
    from coatcheck.web.async_request_session import RequestSession
    from coatcheck.web.types import Scope

KEY = RequestKey("coatcheck", WatchedResponse)
"""Under which a request has what the middleware has attached."""


def scope_of(request: BaseRequest) -> Scope:
    """Return what sessions need of a request."""
    return {
        "type": "websocket" if request.headers.get("upgrade", "").strip().lower() == "websocket" else "http",
        "method": request.method,
        "scheme": request.scheme,
        "root_path": "",
        "path": request.path,
        "query_string": request.rel_url.raw_query_string.encode("latin-1"),
        "headers": [(name.lower(), value) for name, value in request.raw_headers],
        "client": (request.remote, 0) if request.remote else None,
    }


def watched_of(request: BaseRequest) -> WatchedResponse:
    """Return what the middleware has attached.

    Raises:
        ConfigurationError: Nothing: the middleware is missing.
    """
    watched: WatchedResponse = attached(request, KEY, "set it up: coatcheck.aiohttp.setup(app, sessions)")
    return watched


def context_of(request: BaseRequest) -> RequestContext:
    """Return the context of a request.

    Raises:
        ConfigurationError: There is none: `setup` was not called for this application.
    """
    return watched_of(request).context


async def get_session(request: BaseRequest) -> RequestSession:
    """Return the session's data as a mapping, as aiohttp_session has it; what has changed is written with the response.

    Only keys that have changed are written, and nothing by a request that reads; `clear()` ends the session. What is
    done after the response has begun is not written.

    Raises:
        ConfigurationError: `setup` was not called for this application.
    """
    return await watched_of(request).data()
