"""How the plain ASGI applications of the gate send an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coatcheck.asgi.types import Scope, Send
    from coatcheck.web.pages import Answer


async def respond(scope: Scope, send: Send, answer: Answer) -> None:
    """Send an answer, without its body where only the headers were asked for."""
    status, headers, body = answer
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def document(media_type: bytes, caching: bytes, body: bytes) -> Answer:
    """Return an answer with a document."""
    length = (b"content-length", str(len(body)).encode())
    return 200, [(b"content-type", media_type), (b"cache-control", caching), length], body
