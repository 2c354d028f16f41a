"""What every answer of the demo carries beside its page, and what no request may carry."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

from coatcheck.demo.answered import answered_in
from coatcheck.demo.places import host_of, origin

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from coatcheck.demo.settings import Settings

LARGEST_FORM = 16 * 1024

_FRAME = "/status"


class SecurityHeaders:
    """Adds a strict content security policy and its companions, and Server-Timing."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """Wrap an application."""
        self.app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(MutableHeaders(scope=message), scope)
            await send(message)

        await self.app(scope, receive, with_headers)

    def _add(self, headers: MutableHeaders, scope: Scope) -> None:
        headers["Content-Security-Policy"] = self._policy(scope)
        headers["X-Content-Type-Options"] = "nosniff"
        # Not no-referrer: forms would then send "Origin: null", and be refused where Sec-Fetch-Site is missing.
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-site"
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        headers["Server-Timing"] = self._timing(scope)
        if headers.get("content-type", "").startswith("text/html"):
            headers.setdefault("Cache-Control", "no-store")

    def _policy(self, scope: Scope) -> str:
        """Return the policy: no scripts at all; each process may show the other's status card in a frame."""
        host = host_of(Headers(scope=scope).get("host"), scope["scheme"])
        other = origin(scope["scheme"], host, self._settings.port, self._settings.other_port)
        both = f"'self' {other}" if other else "'self'"
        framed_by = both if scope["path"] == _FRAME else "'none'"
        return (
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
            f"frame-src {both}; frame-ancestors {framed_by}"
        )

    def _timing(self, scope: Scope) -> str:
        process = f'process;desc="{self._settings.number} (pid {os.getpid()})"'
        answered = answered_in(scope)
        if answered is None:
            return process
        tier = answered.source or "none"
        return f"session;desc={tier};dur={answered.nanoseconds / 1_000_000:.4f}, {process}"


class SmallForms:
    """Refuses a body that is larger than any form of the demo, before it is read."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refusal = _refusal(scope) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)


def _refusal(scope: Scope) -> PlainTextResponse | None:
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers:
        return PlainTextResponse("Say how long the form is.", 411)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > LARGEST_FORM:
        return PlainTextResponse("The form is too large.", 413)
    return None
