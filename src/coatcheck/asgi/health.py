"""What an orchestrator asks: is the process alive, and may it be sent requests.

Both are plain ASGI applications, one for each path, so that any framework can route to them:

    "/healthz" to Liveness()            200 for as long as the process can answer at all
    "/readyz"  to Readiness(sessions)   200 if requests can be served, 503 otherwise, with the parts as JSON

A process that is alive and not ready must not be restarted: that would throw away what its memory can still serve
while the store is away.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coatcheck.asgi.types import Headers, Receive, Scope, Send
    from coatcheck.core.health import Health

_METHODS = frozenset({"GET", "HEAD"})


class HasHealth(Protocol):
    """What readiness is asked of: `AsyncSessions`."""

    async def health(self) -> Health:
        """Say how each part is; an outage is an answer, never an exception."""
        ...


class Liveness:
    """Answers 200, whatever the store does; mount it at `/healthz`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI calls it so
        """Serve one request."""
        await _respond(scope, send, 200, {"status": "ok"})


class Readiness:
    """Answers 200 if requests can be served and 503 otherwise, with the health of each part; mount it at `/readyz`.

    A worker is ready if the authority answers, or if what it has in memory may still be served. The body names
    no host, user or version, so that it tells nothing to whoever else can ask.
    """

    def __init__(self, sessions: HasHealth) -> None:
        """Keep whom to ask."""
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI calls it so
        """Serve one request."""
        health = await self._sessions.health()
        await _respond(scope, send, 200 if health.ready else 503, health.as_json())


async def _respond(scope: Scope, send: Send, status: int, answer: Mapping[str, Any]) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    headers: Headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    body = json.dumps(answer).encode()
    if scope["method"] not in _METHODS:
        status, body = 405, b""
        headers = [*headers, (b"allow", b"GET, HEAD")]
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
