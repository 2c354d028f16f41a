"""Whether a request comes from another site's page and could change something (rules X1 to X8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.core.cross_origin import CrossOriginRequest

if TYPE_CHECKING:
    from coatcheck.web.types import Asked, Scope


def refusal(scope: Scope, context: Asked) -> str | None:
    """Return why a request is refused; None for one that is let through."""
    websocket = scope["type"] == "websocket"
    return context.settings.cross_origin.refusal(
        CrossOriginRequest(
            method="GET" if websocket else scope["method"],
            path=scope["path"],
            scheme=scope.get("scheme", "http"),
            host=context.header_lines(b"host"),
            origin=context.header_lines(b"origin"),
            sec_fetch_site=context.header_lines(b"sec-fetch-site"),
            has_session_cookie=context.has_session_cookie(),
            websocket=websocket,
        )
    )
